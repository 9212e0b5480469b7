"""A party that lost its disk, or its token, gets its share back by ceremonies, and signs with it again."""

from __future__ import annotations

import dataclasses
import json
import secrets
import shutil
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from core.documents.control import CeremonyKind, LaneStart
from core.documents.party import SessionKind, SessionTerms
from core.documents.roster import SignerRole
from core.errors import CoreError
from core.schema import write_struct
from signer.errors import SignerError
from signer.party.restore import Brought, restore
from signer.provision import init_state
from tests.factories.ceremonies import ceremony, signed, transport_key
from tests.factories.succession import next_policy
from tests.party.recovery_rig import backed_up, hand, key_at, order, order_file, write
from tests.party.renewing import order as refresh_order
from tests.party.renewing import refresh
from tests.party.rig import GWEI, Group, relay_to
from tests.signer.rig import command

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence
    from pathlib import Path

    from core.documents.control import SignedCeremony
    from core.documents.policy import SignedPolicy
    from tests.party.recovery_rig import Site

FIRST = "party-1"
SKEW = 120
KEPT = ("tokens", "softhsm2.conf", "hsm-pin", "signer.toml")


@pytest.fixture
def group(unlimited: Group) -> Group:
    return unlimited


def back_up(group: Group, site: Site, path: Path) -> Path:
    """Have the first party back its share up."""
    site.pin(group)
    with group.up(FIRST) as parties:
        given = order(group, CeremonyKind.BACKUP, signers=(FIRST,), recovery=(key_at(site, FIRST),))
        return write(path, backed_up(parties[FIRST], given)["backup"])


def lose_disk(group: Group) -> None:
    """Leave the first party its token and its settings, and nothing else."""
    for path in group.state(FIRST).iterdir():
        if path.name not in KEPT:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


class Return:
    """One restore, as people prepare it."""

    def __init__(self, group: Group, site: Site, backup: Path, later: Sequence[SignedPolicy] = ()) -> None:
        self.group, self.site, self.backup, self.later = group, site, backup, later
        self.base = group.base
        shown = command(group.state(FIRST), "transport")
        assert shown.returncode == 0, shown.stderr
        self.public_key = bytes.fromhex(json.loads(shown.stdout)["public_key"][2:])
        group.world.now = int(time.time())
        self.start = self.started()
        self.order = self.ordered()

    @property
    def policy(self) -> str:
        return self.later[-1].policy.digest if self.later else self.group.world.policy.digest

    def started(self, *names: str, **changes: Any) -> SignedCeremony:  # noqa: ANN401 - a ceremony's fields
        fields = {
            "signers": (FIRST,),
            "lanes": (LaneStart(wallet=self.group.wallet.id, next_nonce=0),),
            "policy": self.policy,
        } | changes
        world = self.group.world
        return signed(world, ceremony(world, CeremonyKind.JOURNAL_START, self.group.wallet, **fields), *names)

    def ordered(self, *names: str, **changes: Any) -> SignedCeremony:  # noqa: ANN401 - a ceremony's fields
        world = self.group.world
        key = transport_key(world, FIRST, self.public_key)
        fields = {"signers": (FIRST,), "recovery": (key,), "policy": self.policy} | changes
        return signed(world, ceremony(world, CeremonyKind.RESTORE, self.group.wallet, **fields), *names)

    def release(self, **changes: Any) -> subprocess.CompletedProcess[str]:  # noqa: ANN401 - a ceremony's fields
        given = self.ordered(**changes) if changes else self.order
        out = self.base / "released.json"
        out.unlink(missing_ok=True)
        file = order_file(self.base / "order.json", given, self.later)
        return self.site.run("release", "--backup", self.backup, "--ceremony", file, "--out", out)

    def restore(
        self,
        *,
        start: SignedCeremony | None = None,
        given: SignedCeremony | None = None,
        failpoint: str | None = None,
    ) -> subprocess.CompletedProcess[str]:
        return command(
            self.group.state(FIRST),
            "restore",
            *("--genesis", str(self.base / "genesis.json"), "--expect", self.group.world.deployment),
            *("--start", str(order_file(self.base / "start.json", start or self.start, self.later))),
            *("--ceremony", str(order_file(self.base / "order.json", given or self.order))),
            *("--released", str(self.base / "released.json")),
            **({"COUNTERSIGN_FAILPOINT": failpoint} if failpoint else {}),
        )

    def restore_here(self, *, start: SignedCeremony | None = None, given: SignedCeremony | None = None) -> str:
        """Restore in this process, to see errors as they are."""
        brought = Brought(
            genesis=(self.base / "genesis.json").read_bytes(),
            start=order_file(self.base / "start.json", start or self.start, self.later).read_bytes(),
            ceremony=order_file(self.base / "order.json", given or self.order).read_bytes(),
            released=(self.base / "released.json").read_bytes(),
        )
        return restore(self.group.state(FIRST), brought, lambda digest: digest, now=int(time.time()))


def case_after(group: Group, began: int) -> Any:  # noqa: ANN401 - a case's JSON
    """Return a case that was made after a new journal may take it."""
    while time.time() < began + 3:
        time.sleep(0.2)
    group.world.now = began + SKEW + 1
    intent = group.world.intent(value=10**12, max_fee_per_gas=10 * GWEI, max_priority_fee_per_gas=GWEI)
    return group.world.bundle(group.world.mandate(intent), nonce=0).to_json()


def test_a_party_that_lost_its_disk_signs_again(group: Group, site: Site, base: Path) -> None:
    back = Return(group, site, back_up(group, site, base / "carried.backup"))
    lose_disk(group)
    assert back.release().returncode == 0
    began = int(time.time()) + 1
    done = back.restore()
    assert done.returncode == 0, done.stderr
    # Once more changes nothing.
    assert back.restore().returncode == 0
    with group.up() as parties, relay_to(parties) as relay:
        for name in group.names[1:]:
            assert hand(parties[name], back.order)["ok"]
        assert hand(parties[FIRST], back.order)["result"]["steps"] == ["restored"]
        made, certificate = relay.sign(case_after(group, began), group.wallet)
        assert made["raw"]
        # Two of three: all three gave their word, the restored one too.
        assert certificate is not None
        assert len(certificate["reservations"]) == 3


def test_a_party_that_lost_its_token_comes_back_with_another_key(group: Group, site: Site, base: Path) -> None:
    backup = back_up(group, site, base / "carried.backup")
    shutil.rmtree(group.state(FIRST))
    init_state(group.state(FIRST), FIRST, role=SignerRole.PARTY, socket_path=None, allowed_uids=(), group=None)
    made = command(group.state(FIRST), "keygen")
    key = bytes.fromhex(json.loads(made.stdout)["public_key"][2:])
    signers = tuple(
        dataclasses.replace(one, public_key=key) if one.id == FIRST else one for one in group.world.policy.signers
    )
    # Its people signed it long enough ago: another key is a loosening, which waits.
    delay = group.world.policy.controls.succession_delay
    group.world.now = int(time.time()) - delay - 60
    successor = group.world.sign_policy(next_policy(group.world, signers=signers), "adam", "anna")
    group.world.now = int(time.time())
    back = Return(group, site, backup, [successor])
    done = back.release()
    assert done.returncode == 0, done.stderr
    # Under the policy from before, this token is nobody's.
    before = Return(group, site, backup)
    refused = before.restore()
    assert (refused.returncode, "names another key" in refused.stderr) == (78, True), refused.stderr
    assert not (group.state(FIRST) / "pins.json").exists()
    done = back.restore()
    assert done.returncode == 0, done.stderr
    with group.up(FIRST) as parties:
        status = parties[FIRST].ask("status")["result"]
        assert (status["number"], status["policy"]) == (2, successor.policy.digest)
        assert hand(parties[FIRST], back.order)["result"]["steps"] == ["restored"]


def test_what_does_not_hold_restores_nothing(group: Group, site: Site, base: Path) -> None:
    back = Return(group, site, back_up(group, site, base / "carried.backup"))
    lose_disk(group)
    other_key = (transport_key(group.world, FIRST, site.public_key),)
    for changes in ({"epoch": 1}, {"signers": ("party-2",)}, {"recovery": ()}):
        done = back.release(**changes)
        assert (done.returncode, "Traceback" in done.stderr) == (78, False)
    # Released to the recovery site's own key: another ceremony's, and not this token's to open.
    assert back.release(recovery=other_key).returncode == 0
    assert back.restore().returncode == 78
    assert back.release().returncode == 0
    lone = back.ordered("adam")
    cases: tuple[dict[str, SignedCeremony], ...] = (
        {"given": lone},
        {"given": back.ordered(epoch=1)},
        {"given": back.ordered(recovery=other_key)},
        {"given": order(group, CeremonyKind.DRILL, signers=(FIRST,))},
        {"start": back.started("adam")},
        {"start": back.started(signers=("party-2",))},
        {"start": back.order},
    )
    for case in cases:
        with pytest.raises((SignerError, CoreError)):
            back.restore_here(**case)
    released = json.loads((base / "released.json").read_bytes())
    edits: tuple[dict[str, object], ...] = (
        {"wrapped_key": "AAAA"},
        {"ceremony": "ab" * 32},
        {"transport": "ab" * 32},
        {"kind": "countersign.backup.v1"},
        {"backup": released["backup"] | {"party": "party-2"}},
        {"backup": released["backup"] | {"nonce": "A" * 16}},
        {"backup": None},
    )
    for edit in edits:
        (base / "released.json").unlink()
        write(base / "released.json", released | edit)
        with pytest.raises(SignerError):
            back.restore_here()
    for name in ("pins.json", "journal", "policies", "shares"):
        assert not (group.state(FIRST) / name).exists(), name


@pytest.mark.parametrize("point", ["signer.before_journal_fsync", "signer.after_head", "signer.before_step"])
def test_killed_in_between_it_goes_on(group: Group, site: Site, base: Path, point: str) -> None:
    back = Return(group, site, back_up(group, site, base / "carried.backup"))
    lose_disk(group)
    assert back.release().returncode == 0
    assert back.restore(failpoint=point).returncode == -signal.SIGKILL
    assert (group.state(FIRST) / "pins.json").exists()
    done = back.restore()
    assert done.returncode == 0, done.stderr
    with group.up(FIRST) as parties:
        assert hand(parties[FIRST], back.order)["result"]["steps"] == ["restored"]


def test_a_share_from_before_a_refresh_comes_back_and_signs_with_nobody(group: Group, site: Site, base: Path) -> None:
    backup = back_up(group, site, base / "carried.backup")
    with group.up() as parties, relay_to(parties) as relay:
        assert refresh(group, relay, refresh_order(group)).epoch == 1
    assert not list((group.state(FIRST) / "backups").glob("*.backup"))
    lose_disk(group)
    back = Return(group, site, backup)
    # There is no backup of epoch 1, and the one that is there passes for no other.
    assert back.release(epoch=1).returncode == 78
    assert back.release().returncode == 0
    began = int(time.time()) + 1
    done = back.restore()
    assert done.returncode == 0, done.stderr
    with group.up() as parties, relay_to(parties) as relay:
        case = case_after(group, began)
        words = [parties[name].ask("reserve", bundle=case)["result"] for name in group.names]
        assert parties[FIRST].ask("status")["result"]["shares"][group.wallet.id]["epoch"] == 0
        binding = words[0]["document"]["binding"]
        for epoch, asked in ((0, "party-2"), (1, FIRST)):
            terms = SessionTerms(
                kind=SessionKind.SIGN,
                wallet=group.wallet.id,
                public_key=group.wallet.public_key,
                epoch=epoch,
                threshold=2,
                quorum=(FIRST, "party-2"),
                message_hash=bytes.fromhex(binding["signing_hash"][2:]),
                subject=binding["intent"],
                nonce=secrets.token_bytes(32),
            )
            joining = {
                "bundle": case,
                "certificate": {"reservations": words},
                "terms": write_struct(terms, "terms"),
            }
            answer = parties[asked].ask("join", joining=joining)
            assert (answer["error"]["code"], "epoch" in answer["error"]["message"]) == ("session", True), answer
        # The two others sign; the first one's word counts, its share does not.
        made, _ = relay.sign(case, group.wallet)
        assert made["raw"]
