"""What people hand to a party while a session goes on counts until the last round, as it does before the first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from core.documents.consent import Decision, SubjectType
from core.documents.control import CONTROL_ORDER, CeremonyKind, VetoOrder
from core.party_script import ScriptError, rounds_script
from core.records import AbortRecord
from core.schema import write_struct
from core.sessions import session_id
from tests.factories.ceremonies import ceremony, signed
from tests.mpc.rig import generating, new_shares
from tests.party.inside import Inside
from tests.party.test_compromise import asked_to_join, words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from core.documents.bundle import Bundle
    from core.documents.party import SessionTerms

Answer = dict[str, Any]
QUORUM = ("party-1", "party-2")
STEPS = ("begin", "round 1", "round 2", "round 3")


@pytest.fixture(scope="module")
def blobs() -> dict[int, bytes]:
    return {index: bytes(share.serialise()) for index, share in new_shares(generating(2, 3)).items()}


@pytest.fixture
def inside(blobs: dict[int, bytes], tmp_path: Path) -> Inside:
    return Inside(blobs, 2, tmp_path)


class Running:
    """A session that honest parties joined, before its first round."""

    def __init__(self, inside: Inside, *, named: bool = False, words_of: int = 3) -> None:
        self.inside = inside
        self.case: Bundle = inside.group.case(named=named)
        certificate = words(inside, self.case, *list(inside.group.all)[:words_of])
        self.terms: SessionTerms = inside.group.terms(self.case, (1, 2))
        request = asked_to_join(self.case, certificate, self.terms)
        self.hellos, bad = inside.ask(dict.fromkeys(QUORUM, request))
        assert not bad, bad

    def steps(self, before: str, work: Callable[[], None]) -> Iterator[str]:
        """Carry it on, and do something before one of its steps; yield each step that all of them took."""
        name = "0x" + session_id(self.terms, self.inside.group.world.deployment).hex()
        script = rounds_script(name, self.hellos)
        batch = next(script)
        try:
            while True:
                if batch.step == before:
                    work()
                heard = self.inside.ask(batch.frames)
                step, batch = batch.step, script.send(heard)
                yield step
        except StopIteration as end:
            yield "signed" if all("signature" in one for one in end.value.values()) else "nothing"


def hand(inside: Inside, **request: Any) -> None:  # noqa: ANN401 - a request's fields
    good, bad = inside.ask(dict.fromkeys(inside.group.all, request))
    assert not bad, bad
    assert len(good) == len(inside.group.all)


def ban(running: Running) -> None:
    group = running.inside.group
    order = signed(group.world, ceremony(group.world, CeremonyKind.BAN, group.wallet, signers=("party-2",)))
    hand(running.inside, op="ceremony", ceremony=write_struct(order, "ceremony"))


def caught(running: Running) -> None:
    """Have each party catch party-2 in another session that it began at the same time."""
    for name in QUORUM:
        store = running.inside.services[name]._store  # noqa: SLF001 - what the protocol leaves behind
        session = next(iter(store.journal.sessions.about(running.terms.message_hash)))
        store.append(
            AbortRecord(
                kind="abort",
                time=running.inside.now,
                session=session,
                reason="transfer",
                culprits=("party-2",),
                ban=True,
                consents=(),
            )
        )


def veto(running: Running, subject: str, actor: str, decision: Decision, kind: SubjectType) -> None:
    consent = running.inside.group.world.consent(subject, actor, decision, subject_type=kind)
    order = VetoOrder(kind="veto", consents=(consent,))
    hand(running.inside, op="control", order=CONTROL_ORDER.write(order, "order"))


def rejected(running: Running) -> None:
    veto(running, running.case.mandate.digest, "rita", Decision.REJECT, SubjectType.MANDATE)


def withdrawn(running: Running) -> None:
    veto(running, running.case.mandate.digest, "tessa", Decision.WITHDRAW, SubjectType.MANDATE)


@pytest.mark.parametrize("before", [STEPS[0], STEPS[-1]])
@pytest.mark.parametrize(
    ("event", "code"), [(ban, "frozen"), (caught, "frozen"), (rejected, "rejected"), (withdrawn, "withdrawn")]
)
def test_what_is_handed_over_ends_a_session_at_whatever_step(
    inside: Inside, event: Callable[[Running], None], code: str, before: str
) -> None:
    running = Running(inside)
    done: list[str] = []
    with pytest.raises(ScriptError) as refused:
        done.extend(running.steps(before, lambda: event(running)))
    assert done == list(STEPS[: STEPS.index(before)])
    assert {name: one["code"] for name, one in refused.value.refusals.items()} == dict.fromkeys(QUORUM, code)
    # Over for good: nothing that is repeated or handed over later wakes it up.
    name = "0x" + session_id(running.terms, inside.group.world.deployment).hex()
    turn = {"op": "turn", "turn": {"session": name, "envelopes": []}}
    _, bad = inside.ask(dict.fromkeys(QUORUM, turn))
    assert {one["code"] for one in bad.values()} == {"session"}


def test_what_is_about_something_else_ends_no_session(inside: Inside) -> None:
    running = Running(inside)
    other = inside.group.case(1)
    group = inside.group

    def elsewhere() -> None:
        veto(running, other.mandate.digest, "rita", Decision.REJECT, SubjectType.MANDATE)
        order = signed(group.world, ceremony(group.world, CeremonyKind.BAN, group.wallets[1], signers=("party-2",)))
        hand(inside, op="ceremony", ceremony=write_struct(order, "ceremony"))

    assert list(running.steps("round 2", elsewhere)) == [*STEPS[:-1], "signed"]


def test_a_degraded_mode_that_people_end_ends_what_was_begun_in_it(inside: Inside) -> None:
    group = inside.group
    order = signed(group.world, ceremony(group.world, CeremonyKind.DEGRADED, group.wallet, signers=QUORUM))
    hand(inside, op="ceremony", ceremony=write_struct(order, "ceremony"))
    running = Running(inside, named=True, words_of=2)
    no = (order.document.digest, "olga", Decision.REJECT, SubjectType.CEREMONY)
    with pytest.raises(ScriptError) as refused:
        list(running.steps("round 1", lambda: veto(running, *no)))
    assert {one["code"] for one in refused.value.refusals.values()} == {"session"}


def test_a_degraded_mode_that_begins_ends_what_was_decided_over_whole_limits(inside: Inside) -> None:
    group = inside.group
    order = signed(group.world, ceremony(group.world, CeremonyKind.DEGRADED, group.wallet, signers=QUORUM))
    running = Running(inside, named=True)
    with pytest.raises(ScriptError) as refused:
        list(running.steps("begin", lambda: hand(inside, op="ceremony", ceremony=write_struct(order, "ceremony"))))
    assert {one["code"] for one in refused.value.refusals.values()} == {"session"}
