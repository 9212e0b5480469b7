"""The witness's desk: what people hand in, what signers learn, and leases that only a continuing journal gets."""

from __future__ import annotations

import base64
import dataclasses
import json
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

from core.documents.consent import Decision, SubjectType
from core.documents.control import Ceremony, CeremonyKind, Halt, Resume
from core.documents.lease import SignedLease
from core.ed25519 import is_signed
from core.journal import Journal
from core.schema import read_struct, write_struct
from demo.forgeries.keepers import public_of
from tests.factories.world import DAY, NOW, World
from tests.witness.desks import Asking, folder_named, grown, halt_of, header, order, veto_of, witnessed
from witness.desk import Desk
from witness.serve import pin
from witness.service import STORE_FILE, init_state, load_config
from witness.store import WitnessStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from core.documents.policy import Policy


@pytest.fixture
def world() -> World:
    return witnessed()


@pytest.fixture
def state(tmp_path: Path, world: World) -> Path:
    folder = folder_named(tmp_path / "witness", "w-1")
    desk = Desk(load_config(folder, watching=False), WitnessStore(folder / STORE_FILE))
    desk.pin(world.signed_policy, world.deployment, now=world.now)
    return folder


@pytest.fixture
def witness(state: Path, world: World) -> Iterator[Asking]:
    with Asking(state, world).serving() as asking:
        yield asking


def test_a_lease_says_what_is_known_over_the_signers_challenge(witness: Asking, world: World) -> None:
    journal = grown(world, "a", "b")
    challenge = "0x" + "5c" * 32
    status, body = witness.lease(journal, challenge=challenge)
    assert status == 200, body
    signed = read_struct(SignedLease, body, "lease")
    lease = signed.document
    assert is_signed(public_of("w-1"), signed.signature, bytes.fromhex(lease.digest))
    assert (lease.witness, lease.signer, lease.header.deployment) == ("w-1", world.signer, world.deployment)
    assert lease.challenge.hex() == "5c" * 32
    assert (lease.journal_size, lease.journal_root) == (3, journal.tree.root())
    assert (lease.header.created, lease.header.expires) == (NOW, NOW + 600)
    assert (lease.policy, lease.halts, lease.vetoes) == (world.policy.digest, (), ())


def test_only_a_journal_that_continues_is_leased_to(witness: Asking, world: World) -> None:
    assert witness.lease(grown(world, "a", "b"))[0] == 200
    # It has to say where it continues, and may stay where it was.
    assert witness.lease(grown(world, "a", "b", "c")) == (409, {"error": {"status": 409, "message": "3"}})
    assert witness.lease(grown(world, "a", "b"), old=3)[0] == 200
    assert witness.lease(grown(world, "a", "b", "c", "d"), old=3)[0] == 200
    assert witness.ask("/status")[1]["alarms"] == []


@pytest.mark.parametrize(
    ("names", "old", "status"),
    [
        (("a",), 3, 409),
        (("a",), 2, 409),
        ((), 0, 409),
        (("a", "x"), 3, 409),
        (("a", "x", "y"), 3, 422),
        (("x", "y", "z", "zz"), 3, 422),
    ],
)
def test_a_journal_that_went_back_or_another_way_alarms(
    witness: Asking, world: World, names: tuple[str, ...], old: int, status: int
) -> None:
    assert witness.lease(grown(world, "a", "b"))[0] == 200
    assert witness.lease(grown(world, *names), old=old)[0] == status
    (alarm,) = witness.ask("/status")[1]["alarms"]
    assert world.signer in alarm["words"]
    assert alarm["at"] == NOW
    assert witness.lease(grown(world, "a", "b", "c"), old=3)[0] == 200


def test_what_was_seen_outlives_a_restart(state: Path, world: World) -> None:
    halt = order(world, "halt", halt_of(world), "rita")
    no = veto_of(world, "7e" * 32)
    with Asking(state, world).serving() as first:
        assert first.lease(grown(world, "a", "b"))[0] == 200
        assert first.hand(halt)[0] == 200
        assert first.hand(no)[0] == 200
    with Asking(state, world).serving() as second:
        assert second.lease(grown(world, "a"), old=2)[0] == 409
        status, body = second.lease(grown(world, "a", "b"), old=3)
        assert status == 200
        lease = read_struct(SignedLease, body, "lease").document
        assert lease.halts == (halt_of_digest(halt),)
        assert [(veto.subject, veto.actor) for veto in lease.vetoes] == [("7e" * 32, "rita")]
        assert second.hand(halt)[1]["taken"][0]["new"] is False


def halt_of_digest(handed: dict[str, Any]) -> str:
    return Halt.from_json(handed["document"]).digest


def test_a_newer_policy_is_named_also_while_it_waits(witness: Asking, world: World) -> None:
    loose = dataclasses.replace(
        world.policy,
        header=header(world, "policy", expires=world.now + 30 * DAY),
        number=2,
        previous=world.policy.digest,
        limits=(),
    )
    handed = write_struct(world.sign_policy(loose, "adam", "anna"), "signed_policy")
    assert witness.hand(handed)[0] == 200
    assert read_struct(SignedLease, witness.lease(grown(world))[1], "lease").document.policy == loose.digest
    kinds = [row["kind"] for row in witness.ask("/documents")[1]["documents"]]
    assert kinds == ["policy", "policy"]
    page = witness.ask("/documents?after=1")[1]
    assert [row["digest"] for row in page["documents"]] == [loose.digest]
    assert page["documents"][0]["document"] == handed
    assert witness.ask(f"/documents?after={page['next']}")[1] == {"documents": [], "next": page["next"]}
    # One person ends it while it waits: then the one in force is the newest again.
    no = world.consent(loose.digest, "olga", Decision.REJECT, subject_type=SubjectType.POLICY)
    assert witness.hand(write_struct(no, "consent"))[0] == 200
    named = read_struct(SignedLease, witness.lease(grown(world), old=1)[1], "lease").document
    assert named.policy == world.policy.digest
    assert [veto.subject for veto in named.vetoes] == [loose.digest]


def test_a_halt_stops_whom_it_names_until_it_is_lifted(witness: Asking, world: World) -> None:
    everyone, other = halt_of(world), halt_of(world, "hsm-9")
    for halt in (everyone, other):
        assert witness.hand(order(world, "halt", halt, "rita"))[0] == 200
    assert read_struct(SignedLease, witness.lease(grown(world))[1], "lease").document.halts == (everyone.digest,)
    resume = Resume(
        header=header(world, "resume"),
        policy=world.policy.digest,
        halt=everyone.digest,
        signers=(world.signer,),
        reason="Go on",
    )
    status, body = witness.hand(order(world, "resume", resume, "adam"))
    assert status == 403, body
    assert witness.hand(order(world, "resume", resume, "adam", "anna"))[0] == 200
    assert read_struct(SignedLease, witness.lease(grown(world), old=1)[1], "lease").document.halts == ()
    assert witness.ask("/status")[1]["halts"] == {world.signer: [], "log-1": [everyone.digest]}


@pytest.mark.parametrize(
    ("make", "status"),
    [
        (lambda _: [1, 2], 400),
        (lambda _: {"kind": "veto"}, 400),
        (lambda _: {"statement": {}, "proof": {}}, 400),
        (lambda _: {"policy": None, "consents": []}, 400),
        (lambda _: b"{" * 70, 400),
        (lambda _: b"\xff", 400),
        (lambda _: b"1.5", 400),
        # Signed by nobody, by somebody else, for another decision, and by a policy's quorum less one.
        (lambda world: order(world, "halt", halt_of(world)), 403),
        (lambda _: veto_of(witnessed(), "7e" * 32), 409),
        (lambda world: veto_of(world, "7e" * 32, decision=Decision.APPROVE), 403),
        (lambda world: write_struct(world.sign_policy(_next(world), "adam"), "signed_policy"), 409),
        (lambda world: write_struct(world.sign_policy(_next(world, number=3), "adam", "anna"), "signed_policy"), 409),
    ],
)
def test_what_does_not_convince_is_refused_and_changes_nothing(
    witness: Asking, world: World, make: Callable[[World], object], status: int
) -> None:
    got, body = witness.hand(make(world))
    assert got == status, body
    assert [row["kind"] for row in witness.ask("/documents")[1]["documents"]] == ["policy"]


@pytest.mark.parametrize("path", ["/documents", "/lease", "/add-checkpoint"])
@pytest.mark.parametrize("length", ["1048577", "-1", "9" * 400, "1e3", "\u0665".encode().decode("latin-1"), ""])
def test_what_is_too_large_is_refused_before_it_is_read(witness: Asking, path: str, length: str) -> None:
    host, port = witness.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as asking:
        asking.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode("latin-1"))
        assert asking.makefile("rb").readline().split()[1] == b"400"


def _next(world: World, **changes: Any) -> Policy:  # noqa: ANN401 - Policy's fields
    fields: dict[str, Any] = {
        "header": header(world, "policy", expires=world.now + 30 * DAY),
        "number": 2,
        "previous": world.policy.digest,
    }
    return dataclasses.replace(world.policy, **(fields | changes))


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"deployment": "0" * 64}, 403),
        ({"signer": "hsm-9"}, 403),
        ({"signer": "log-1"}, 403),
        ({"signer": "HSM 1"}, 400),
        ({"challenge": "0x00"}, 400),
        ({"challenge": None}, 400),
        ({"size": 0}, 400),
        ({"size": 2**256 - 1}, 400),
        ({"size": True}, 400),
        ({"size": "1"}, 400),
        ({"old": -1}, 400),
        ({"old": 5}, 400),
        ({"proof": ["0x" + "00" * 32] * 65}, 400),
        ({"proof": ["0x" + "00" * 32]}, 422),
        ({"start": {"line": "e30", "path": []}}, 422),
        ({"more": 1}, 400),
    ],
)
def test_a_lease_request_that_is_wrong_gets_a_typed_answer(
    witness: Asking, world: World, changes: dict[str, Any], status: int
) -> None:
    got, body = witness.lease(grown(world), **changes)
    assert got == status, body
    assert body["error"]["message"]
    assert witness.lease(grown(world))[0] == 200


def ceremony_of(world: World, number: int) -> tuple[dict[str, Any], Journal, dict[str, Any]]:
    """Return a signed ceremony, the journal that it starts, and the proof that this is its start."""
    ceremony = Ceremony(
        header=header(world, "ceremony"),
        policy=world.policy.digest,
        kind=CeremonyKind.JOURNAL_START,
        signers=(world.signer,),
        wallet=None,
        epoch=number,
        threshold=0,
        lanes=(),
        not_before=world.now,
        reason="Disk lost",
        plan=None,
        recovery=(),
    )
    consents = [
        write_struct(world.consent(ceremony.digest, name, subject_type=SubjectType.CEREMONY), "consent")
        for name in ("adam", "anna")
    ]
    anew = world.make_journal(full=True, ceremony=ceremony.digest)
    return {"ceremony": ceremony.to_json(), "consents": consents}, anew, start_of(anew)


def start_of(journal: Journal) -> dict[str, Any]:
    line = Journal().encode(journal.start) if journal.start is not None else b""
    return {
        "line": base64.urlsafe_b64encode(line).rstrip(b"=").decode(),
        "path": ["0x" + hashed.hex() for hashed in journal.tree.inclusion(0)],
    }


def test_a_journal_that_a_ceremony_started_is_taken_once(witness: Asking, world: World) -> None:
    assert witness.lease(grown(world, "a", "b"))[0] == 200
    handed, anew, start = ceremony_of(world, 1)
    assert witness.lease(anew, start=start)[0] == 409
    assert witness.hand(handed | {"consents": handed["consents"][:1]})[0] == 403
    assert witness.hand(handed)[0] == 200
    assert witness.lease(anew)[0] == 409
    assert witness.lease(anew, start=start | {"path": ["0x" + "00" * 32]})[0] == 422
    assert witness.lease(anew, start=start)[0] == 200
    assert witness.lease(anew, start=start, old=1)[0] == 200
    # The old journal is over, and the ceremony does not start another one.
    assert witness.lease(grown(world, "a", "b"), old=1)[0] == 422
    other = world.make_journal(full=True, ceremony=anew.start.ceremony, time=world.now + 1)  # type: ignore[union-attr]  # it began
    assert witness.lease(other, start=start_of(other), old=1)[0] == 409


def test_an_earlier_ceremonys_journal_does_not_come_back(witness: Asking, world: World) -> None:
    first, one, start_one = ceremony_of(world, 1)
    second, two, start_two = ceremony_of(world, 2)
    assert witness.hand(first)[0] == witness.hand(second)[0] == 200
    assert witness.lease(one, start=start_one)[0] == 200
    assert witness.lease(two, start=start_two)[0] == 200
    assert witness.lease(one, start=start_one)[0] == 409
    assert witness.lease(one, start=start_one, old=1)[0] == 409
    assert witness.lease(two, start=start_two, old=1)[0] == 200


def test_without_pins_there_is_no_desk(tmp_path: Path, world: World) -> None:
    folder = tmp_path / "new"
    init_state(folder, "w-1", {})
    with Asking(folder, world).serving() as asking:
        for path in ("/documents", "/status"):
            assert asking.ask(path)[0] == 404
        assert asking.hand({"kind": "veto", "consents": []})[0] == 404
        assert asking.lease(grown(world))[0] == 404
        assert asking.ask("/documents?after=-1")[0] == 400


def test_pinning_takes_the_compared_digest_and_its_own_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = witnessed(int(time.time()))
    state = folder_named(tmp_path / "witness", "w-1")
    file = tmp_path / "genesis.json"
    file.write_text(json.dumps(write_struct(world.signed_policy, "signed_policy")))
    assert pin([str(file), "--state", str(state), "--expect", world.deployment]) == 0
    assert "pinned" in capsys.readouterr().out
    assert pin([str(file), "--state", str(state), "--expect", "0" * 64]) == 2
    strange = tmp_path / "strange"
    init_state(strange, "w-1", {})
    assert pin([str(file), "--state", str(strange), "--expect", world.deployment]) == 2
    assert "does not name witness w-1 with this key" in capsys.readouterr().err
    assert pin([str(tmp_path / "none"), "--state", str(state), "--expect", world.deployment]) == 2
