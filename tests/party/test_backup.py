"""A share is backed up by a ceremony, opens at its recovery site only, and a drill proves that it does."""

from __future__ import annotations

import dataclasses
import json
import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from core.documents.control import CeremonyKind
from core.errors import RefusedError
from signer.config import load_config
from signer.console import open_hsm
from signer.errors import BackupError, ConfigError
from signer.party.backend import PartyBackend
from signer.party.shares import ShareStore
from signer.recovery.site import RecoverySite
from signer.recovery.token import read_half
from tests.factories.ceremonies import recovery_key
from tests.party.recovery_rig import backed_up, hand, key_at, make_site, ordain, order, order_file, recovery, write
from tests.party.rig import serving
from tests.signer.rig import START_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from core.documents.control import SignedCeremony
    from tests.party.recovery_rig import Site
    from tests.party.rig import Group, Process

FIRST, SECOND = "party-1", "party-2"


def backup_order(group: Group, site: Site, *names: str, party: str = FIRST, **changes: Any) -> SignedCeremony:  # noqa: ANN401
    fields = {"signers": (party,), "recovery": (key_at(site, party),)} | changes
    return order(group, CeremonyKind.BACKUP, *names, **fields)


def steps(process: Process, given: SignedCeremony) -> list[str]:
    told: list[str] = hand(process, given)["result"]["steps"]
    return told


def share_bytes(group: Group, party: str = FIRST) -> bytes:
    hsm = open_hsm(load_config(group.state(party)))
    try:
        backend = PartyBackend(ShareStore(group.state(party), hsm), deployment=group.world.deployment, party=party)
        share = backend.open(group.wallet)
        try:
            return bytes(share.serialise())
        finally:
            share.wipe()
    finally:
        hsm.close()


def refused(process: Process, op: str, **fields: object) -> str:
    answer = process.ask(op, **fields)
    assert not answer["ok"], answer
    code: str = answer["error"]["code"]
    return code


def test_a_share_is_backed_up_drilled_and_never_in_the_clear(small: Group, site: Site, base: Path) -> None:
    clear = share_bytes(small)
    site.pin(small)
    with small.up(FIRST) as parties:
        party = parties[FIRST]
        given = backup_order(small, site)
        made = backed_up(party, given)
        assert steps(party, given) == ["backed_up"]
        # An answer that was lost is given again.
        assert party.ask("backup", ceremony=given.document.digest)["result"] == made
        backup = write(base / "carried.backup", made["backup"])
        drill = order(small, CeremonyKind.DRILL, signers=(FIRST,))
        drill_file = order_file(base / "drill.json", drill)
        done = site.run("drill", "--backup", backup, "--ceremony", drill_file, "--out", base / "said.json")
        assert done.returncode == 0, done.stderr
        assert hand(party, drill)["ok"]
        said = json.loads((base / "said.json").read_text())
        assert party.ask("drilled", attestation=said)["result"]["records"] == 1
        assert party.ask("drilled", attestation=said)["result"]["records"] == 0
        assert steps(party, drill) == ["drilled"]
        log = party.log.read_bytes()
    shown = done.stdout.encode() + done.stderr.encode() + log
    halves = [half.read_bytes() for half in site.halves]
    for path in base.rglob("*"):
        if path.is_file():
            shown += path.read_bytes()
    assert all(clear[at : at + 32] not in shown for at in range(64, len(clear) - 32, 64))
    assert all(half not in shown for half in halves)


def test_an_operator_carries_backup_and_drill_with_a_courier(small: Group, site: Site, base: Path) -> None:
    site.pin(small)
    folder = base / "carried"
    folder.mkdir()
    given = backup_order(small, site)
    file = order_file(base / "backup.json", given)
    with small.up(FIRST, SECOND) as parties:
        done = ordain(file, parties, "--step", "backup", "--into", str(folder))
        assert done.returncode == 0, done.stderr
        # Every party of the wallet knows of it; the one that it names does it.
        assert done.stdout.count("knows it") == 2
        assert f"{FIRST} did it: backup" in done.stdout
        (backup,) = folder.iterdir()
        assert backup.stat().st_mode & 0o777 == 0o600
        drill = order(small, CeremonyKind.DRILL, signers=(FIRST,))
        file = order_file(base / "drill.json", drill)
        said = site.run("drill", "--backup", backup, "--ceremony", file, "--out", base / "said.json")
        assert said.returncode == 0, said.stderr
        taken = ordain(file, parties, "--step", "drilled", "--attestation", str(base / "said.json"))
        assert (taken.returncode, f"{FIRST} took the drill" in taken.stdout) == (0, True), taken.stderr
        # A share that signs is not destroyed: the courier says who refused, and writes no evidence.
        end = order_file(base / "destroy.json", order(small, CeremonyKind.DESTROY, signers=(FIRST,)))
        refusal = ordain(end, parties, "--step", "destroy", "--into", str(folder))
        assert (refusal.returncode, f"{FIRST} says no: ceremony" in refusal.stderr) == (1, True), refusal.stderr
        assert list(folder.iterdir()) == [backup]


def test_without_its_ceremony_nothing_is_backed_up(small: Group, site: Site) -> None:
    with small.up(FIRST, SECOND) as parties:
        party = parties[FIRST]
        given = backup_order(small, site)
        # Not handed over yet; then somebody else's; then another kind.
        assert refused(party, "backup", ceremony=given.document.digest) == "ceremony"
        assert refused(party, "backup", ceremony="nothing") == "malformed"
        assert refused(party, "backup", ceremony=7) == "malformed"
        assert hand(parties[SECOND], given)["ok"]
        assert refused(parties[SECOND], "backup", ceremony=given.document.digest) == "wrong_signer"
        drill = order(small, CeremonyKind.DRILL, signers=(FIRST,))
        assert hand(party, drill)["ok"]
        assert refused(party, "backup", ceremony=drill.document.digest) == "ceremony"
        for names in (("adam",), ("rita", "ravi")):
            assert hand(party, backup_order(small, site, *names))["error"]["code"] == "quorum"
        ahead = backup_order(small, site, epoch=1)
        assert hand(party, ahead)["ok"]
        assert refused(party, "backup", ceremony=ahead.document.digest) == "ceremony"
        weak = backup_order(small, site, recovery=(recovery_key(FIRST, 1),))
        assert hand(party, weak)["ok"]
        assert refused(party, "backup", ceremony=weak.document.digest) == "ceremony"
        assert not list((small.state(FIRST) / "backups").glob("*"))


@pytest.mark.parametrize(
    "point", ["signer.before_step", "signer.before_journal_fsync:2", "signer.after_journal_fsync:2"]
)
def test_killed_between_steps_it_is_backed_up_all_the_same(small: Group, site: Site, point: str) -> None:
    given = backup_order(small, site)
    with serving(small.state(FIRST), "serve", environment={"COUNTERSIGN_FAILPOINT": point}) as party:
        assert hand(party, given)["ok"]
        with pytest.raises(Exception, match=r"closed|reset|reached"):
            party.ask("backup", ceremony=given.document.digest)
        assert party.process.wait(START_SECONDS) == -signal.SIGKILL
    with small.up(FIRST) as parties:
        made = backed_up(parties[FIRST], given)
        assert steps(parties[FIRST], given) == ["backed_up"]
    (kept,) = (small.state(FIRST) / "backups").glob("*.backup")
    assert json.loads(kept.read_bytes()) == made["backup"]


def test_a_backup_that_was_lost_or_changed_here_is_not_answered(small: Group, site: Site) -> None:
    given = backup_order(small, site)
    with small.up(FIRST) as parties:
        made = backed_up(parties[FIRST], given)
        (kept,) = (small.state(FIRST) / "backups").glob("*.backup")
        kept.unlink()
        assert refused(parties[FIRST], "backup", ceremony=given.document.digest) == "ceremony"
        write(kept, {**made["backup"], "nonce": "A" * 16}).chmod(0o400)
        assert refused(parties[FIRST], "backup", ceremony=given.document.digest) == "ceremony"


def flip(value: dict[str, Any], field: str) -> None:
    text = str(value[field])
    value[field] = ("B" if text[0] == "A" else "A") + text[1:]


SPOILED: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (lambda one: flip(one, "sealed"), "was changed"),
    (lambda one: flip(one, "nonce"), "was changed"),
    (lambda one: flip(one, "wrapped_key"), "does not open"),
    (lambda one: one.update(wrapped_key=""), "no backup"),
    (lambda one: one.update(sealed=one["sealed"][:4000]), "was changed"),
    (lambda one: one.update(party=SECOND), "was changed"),
    (lambda one: one.update(party="party-3"), "is for others"),
    (lambda one: one.update(party="nobody"), "names no nobody"),
    (lambda one: one.update(epoch=1), "of epoch 1"),
    (lambda one: one.update(wallet="eip155:1:0x" + "0" * 40), "another wallet"),
    (lambda one: one.update(deployment="ab" * 32), "another deployment"),
    (lambda one: one.update(ceremony="ab" * 32), "was changed"),
    (lambda one: one.update(recovery="ab" * 32), "another recovery key"),
    (lambda one: one.update(kind="countersign.released.v1"), "no backup"),
    (lambda one: one.pop("nonce"), "no backup"),
    (lambda one: one.update(more=1), "no backup"),
]


@contextmanager
def opened(site: Site) -> Iterator[RecoverySite]:
    """Open a site's token in this process."""
    at_site = RecoverySite(site.state, [read_half(half) for half in site.halves], now=int(time.time()))
    try:
        yield at_site
    finally:
        at_site.close()


def test_a_spoiled_backup_does_not_open(small: Group, site: Site, base: Path) -> None:
    site.pin(small)
    with small.up(FIRST) as parties:
        made = backed_up(parties[FIRST], backup_order(small, site))["backup"]
    drill = order_file(base / "drill.json", order(small, CeremonyKind.DRILL, signers=(FIRST, SECOND))).read_bytes()
    raws = [(raw, "no backup") for raw in (b"", b"{", b"[]", b"\xff" * 100, b"A" * (5 * 1024 * 1024))]
    raws.append((json.dumps(made).encode()[:-100], "no backup"))
    for spoil, match in SPOILED:
        changed = dict(made)
        spoil(changed)
        raws.append((json.dumps(changed).encode(), match))
    with opened(site) as at_site:
        for raw, match in raws:
            with pytest.raises((BackupError, ConfigError, RefusedError), match=match):
                at_site.drill(raw, drill)
        assert not (site.state / "ledger").exists()
        # And what was not spoiled opens, so it was nothing else.
        assert at_site.drill(json.dumps(made).encode(), drill).party == FIRST
    assert len((site.state / "ledger").read_bytes().splitlines()) == 1


def test_neither_half_opens_alone_and_another_token_does_not_open(small: Group, site: Site, base: Path) -> None:
    other = make_site(base, "elsewhere")
    site.pin(small)
    other.pin(small)
    with small.up(FIRST) as parties:
        made = backed_up(parties[FIRST], backup_order(small, site))["backup"]
    backup = write(base / "carried.backup", made)
    drill = order_file(base / "drill.json", order(small, CeremonyKind.DRILL, signers=(FIRST,)))
    files = ("--backup", backup, "--ceremony", drill, "--out", base / "said.json")
    one, two = (str(half) for half in site.halves)
    for halves in (
        (),
        ("--half", one),
        ("--half", one, "--half", one),
        ("--half", two, "--half", str(other.halves[0])),
    ):
        done = recovery(site.state, "drill", *halves, *files)
        assert (done.returncode, "half" in done.stderr or "halves" in done.stderr) == (78, True), done.stderr
    done = other.run("drill", *files)
    assert (done.returncode, "another recovery key" in done.stderr) == (78, True), done.stderr
    swapped = ("--half", two, "--half", one)
    assert recovery(site.state, "drill", *swapped, *files).returncode == 0
    # What the other operators' site is told does not reach a secret of this one.
    for half in site.halves:
        assert half.stat().st_mode & 0o777 == 0o400
        text = half.read_text()
        assert all(text not in path.read_text("latin-1") for path in site.state.rglob("*") if path.is_file())


def test_a_drill_takes_its_ceremony_in_time_for_these_parties_by_the_quorum(
    small: Group, site: Site, base: Path
) -> None:
    site.pin(small)
    with small.up(FIRST) as parties:
        given = backup_order(small, site)
        raw = json.dumps(backed_up(parties[FIRST], given)["backup"]).encode()

    def drill(*names: str, **changes: Any) -> bytes:  # noqa: ANN401 - a ceremony's fields
        one = order(small, CeremonyKind.DRILL, *names, **({"signers": (FIRST,)} | changes))
        return order_file(base / "order.json", one).read_bytes()

    created = int(time.time()) - 3600
    late = dataclasses.replace(
        order(small, CeremonyKind.DRILL).document.header, created=created, expires=created + 1800
    )
    good = json.loads(drill())
    elsewhere = json.loads(order_file(base / "order.json", given).read_bytes())["consents"]
    wrong = {
        "a ceremony takes": (drill("adam"), drill("rita", "ravi"), json.dumps(good | {"consents": []}).encode()),
        "is for others": (drill(signers=(SECOND,)),),
        "is of epoch 0": (drill(epoch=1),),
        "threshold": (drill(threshold=3),),
        "no such ceremony": (order_file(base / "order.json", given).read_bytes(),),
        "expired|over": (drill(header=late),),
        "neither pinned": (drill(policy="ab" * 32),),
        "consent": (json.dumps(good | {"consents": elsewhere}).encode(),),
        "expected": (json.dumps(good | {"policies": None}).encode(), json.dumps(good | {"ceremony": None}).encode()),
        "no ceremony": (b"", b"nonsense", json.dumps(good | {"ceremony": {}}).encode()),
    }
    with opened(site) as at_site:
        for match, orders in wrong.items():
            for one in orders:
                with pytest.raises((BackupError, ConfigError, RefusedError), match=match):
                    at_site.drill(raw, one)
        assert at_site.drill(raw, drill()).epoch == 0


def test_a_drill_that_proves_nothing_is_not_taken(small: Group, site: Site, base: Path) -> None:
    site.pin(small)
    with small.up(FIRST, SECOND) as parties:
        party = parties[FIRST]
        backup = write(base / "carried.backup", backed_up(party, backup_order(small, site))["backup"])
        drill = order(small, CeremonyKind.DRILL, signers=(FIRST,))
        file = order_file(base / "drill.json", drill)
        done = site.run("drill", "--backup", backup, "--ceremony", file, "--out", base / "said.json")
        assert done.returncode == 0, done.stderr
        said = json.loads((base / "said.json").read_text())
        assert refused(party, "drilled", attestation=said) == "ceremony"
        assert hand(party, drill)["ok"]
        assert hand(parties[SECOND], drill)["ok"]
        assert refused(parties[SECOND], "drilled", attestation=said) == "wrong_signer"
        edits: list[dict[str, object]] = [{"proof": "0x" + "00" * 32}, {"time": said["time"] + 1}, {"epoch": 1}]
        edits += [{name: "ab" * 32} for name in ("backup", "recovery", "deployment", "ceremony")]
        edits.append({"party": SECOND})
        for edit in edits:
            assert refused(party, "drilled", attestation=said | edit) == "ceremony", edit
        malformed: list[object] = [None, [], {}, {**said, "more": 1}, {**said, "proof": "00"}]
        for broken in malformed:
            assert refused(party, "drilled", attestation=broken) == "malformed"
        assert party.ask("drilled", attestation=said)["ok"]


def test_a_site_keeps_its_halves_apart(base: Path) -> None:
    (base / "one").mkdir()
    (base / "two").mkdir()
    inside = base / "state" / "media"
    for first, second in (
        (base / "one" / "a", base / "one" / "b"),
        (base / "one" / "a", inside / "b"),
        (base / "one" / "a", base / "state" / "b"),
    ):
        done = recovery(base / "state", "init", "--name", "vault", "--half", first, "--half", second)
        assert done.returncode == 78, done.stdout
    done = recovery(base / "state", "init", "--name", "vault", "--half", base / "one" / "a")
    assert done.returncode == 78
    assert not (base / "state" / "recovery.json").exists()


def test_a_site_pins_what_two_people_compared(small: Group, site: Site, base: Path) -> None:
    genesis = base / "genesis.json"
    assert recovery(site.state, "pin", genesis, "--expect", "0" * 64).returncode == 78
    assert recovery(site.state, "pin", genesis).returncode == 78
    drill = order_file(base / "drill.json", order(small, CeremonyKind.DRILL, signers=(FIRST,)))
    write(base / "none.backup", {})
    done = site.run("drill", "--backup", base / "none.backup", "--ceremony", drill, "--out", base / "said.json")
    assert done.returncode == 78
    site.pin(small)
    site.pin(small)
    shown = site.run("key")
    assert json.loads(shown.stdout)["public_key"] == "0x" + site.public_key.hex()
