"""What a signer makes of a successor that is handed to it: what waits, what replaces it, and what ends it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from core.control import VETOED, check_veto
from core.documents.consent import Decision, SubjectType
from core.documents.control import VetoOrder
from core.documents.roster import Role
from core.errors import Refusal
from core.succession import LEAST_RECOVERY_DELAY
from demo.forgeries.catalogue import control, policy, sign
from tests.factories.succession import HOLDERS, next_policy, recover, recoverable, without
from tests.factories.world import DAY, World, header
from tests.forgery.gate import CoreGate
from tests.forgery.institutions import adapt

if TYPE_CHECKING:
    from core.documents.policy import SignedPolicy


@pytest.fixture
def gate() -> CoreGate:
    world = recoverable()
    # One person more for each seat, so that anybody can be removed.
    spare = {"clara": Role.RISK_OFFICER, "tom": Role.CRO, "olga": Role.POLICY_ADMIN, "tessa": Role.SECURITY_COMMITTEE}
    people = tuple(
        dataclasses.replace(p, roles=(*p.roles, *([spare[p.id]] if p.id in spare else ())))
        for p in world.policy.people
    )
    return CoreGate(adapt(world, people=people))


def signed(gate: CoreGate, *, later: int = 0, by: tuple[str, ...] = ("adam", "anna"), **changes: Any) -> SignedPolicy:  # noqa: ANN401
    """Sign a loosening (unless told otherwise) that was drafted `later` seconds after the world's now."""
    world = gate.world
    head = header("policy", world.deployment, now=world.now + later, lifetime=30 * DAY)
    fields: dict[str, Any] = {"header": head, "institution": "New Bank"}
    return world.sign_policy(next_policy(world, **(fields | changes)), *by)


def tightening(gate: CoreGate, *, later: int = 0, without_: str = "tom") -> SignedPolicy:
    """Sign the removal of one person."""
    return signed(gate, later=later, institution="Example Bank", people=without(gate.world, without_))


def veto(world: World, subject: str, name: str, decision: Decision = Decision.REJECT) -> VetoOrder:
    consent = world.consent(subject, name, decision, subject_type=SubjectType.POLICY)
    return VetoOrder(kind="veto", consents=(consent,))


def waiting(gate: CoreGate) -> str | None:
    found = gate.journal.waiting_at(gate.journal.clock)
    return found.policy if found is not None else None


def in_force(gate: CoreGate, later: int) -> str:
    return gate.journal.policy_at(gate.world.now + later)


def test_what_waits_or_is_in_force_is_taken_once(gate: CoreGate) -> None:
    slow, fast = signed(gate), tightening(gate, later=1)
    for one, later in ((slow, 0), (slow, 5), (fast, 6), (fast, 7)):
        assert gate.deliver(policy(one, later=later)) is None
    assert gate.journal.sequence == 1 + 2


def test_one_drafted_later_replaces_what_waits_and_its_delay_starts_anew(gate: CoreGate) -> None:
    old, new = signed(gate), signed(gate, later=1)
    assert gate.deliver(policy(old)) is None
    assert gate.deliver(policy(new, later=100)) is None
    assert in_force(gate, DAY) == gate.world.deployment
    assert in_force(gate, DAY + 100) == new.policy.digest
    assert gate.deliver(policy(old, later=101)) is Refusal.SUCCESSION


def test_one_drafted_earlier_replaces_nothing(gate: CoreGate) -> None:
    stale, stale_tightening, new = signed(gate), tightening(gate), signed(gate, later=1)
    assert gate.deliver(policy(new)) is None
    for kept_back in (stale, stale_tightening):
        assert gate.deliver(policy(kept_back, later=9)) is Refusal.SUCCESSION
    assert waiting(gate) == new.policy.digest


def test_a_tightening_is_in_force_at_once_and_what_waited_follows_it_no_more(gate: CoreGate) -> None:
    slow, fast = signed(gate), tightening(gate, later=1)
    assert gate.deliver(policy(slow)) is None
    assert gate.deliver(policy(fast, later=2)) is None
    assert in_force(gate, 2) == fast.policy.digest
    assert in_force(gate, 9 * DAY) == fast.policy.digest
    assert gate.deliver(policy(slow, later=3)) is Refusal.SUCCESSION


def test_a_recovery_replaces_no_quorums_successor_and_a_quorum_replaces_a_recovery(gate: CoreGate) -> None:
    lost = recover(gate.world, HOLDERS[:2], people=without(gate.world, "tom"))
    slow = signed(gate)
    assert gate.deliver(policy(lost)) is None
    assert waiting(gate) == lost.policy.digest
    assert gate.deliver(policy(slow, later=1)) is None
    assert waiting(gate) == slow.policy.digest
    again = recover(gate.world, HOLDERS[:2], people=without(gate.world, "olga"))
    assert gate.deliver(policy(again, later=2)) is Refusal.SUCCESSION


def test_a_recovery_comes_after_its_time_and_no_sooner(gate: CoreGate) -> None:
    lost = recover(gate.world, HOLDERS[:2], people=without(gate.world, "tom"))
    assert gate.deliver(policy(lost, later=10)) is None
    assert in_force(gate, LEAST_RECOVERY_DELAY + 9) == gate.world.deployment
    assert in_force(gate, LEAST_RECOVERY_DELAY + 10) == lost.policy.digest


@pytest.mark.parametrize("name", ["tessa", "tom", "olga", "adam"])
@pytest.mark.parametrize("recovery", [True, False])
@pytest.mark.parametrize("decision", [Decision.REJECT, Decision.WITHDRAW])
def test_any_one_person_ends_what_waits(gate: CoreGate, name: str, decision: Decision, *, recovery: bool) -> None:
    world = gate.world
    slow = recover(world, HOLDERS[:2], people=without(world, "tom")) if recovery else signed(gate)
    assert gate.deliver(policy(slow)) is None
    assert gate.deliver(control(veto(world, slow.policy.digest, name, decision))) is None
    assert waiting(gate) is None
    assert in_force(gate, 30 * DAY) == world.deployment
    again = Refusal.REJECTED if decision is Decision.REJECT else Refusal.SUCCESSION
    assert gate.deliver(policy(slow, later=1)) in (again, Refusal.SUCCESSION)


def test_a_rejection_that_comes_first_holds(gate: CoreGate) -> None:
    slow = signed(gate)
    assert gate.deliver(control(veto(gate.world, slow.policy.digest, "tom"))) is None
    assert gate.deliver(policy(slow)) is Refusal.REJECTED


def test_a_withdrawal_that_comes_first_leaves_a_seat_open(gate: CoreGate) -> None:
    slow = signed(gate)
    assert gate.deliver(control(veto(gate.world, slow.policy.digest, "anna", Decision.WITHDRAW))) is None
    assert gate.deliver(policy(slow)) is Refusal.SUCCESSION


def test_nobody_vetoes_what_is_in_force(gate: CoreGate) -> None:
    fast = tightening(gate)
    assert gate.deliver(policy(fast)) is None
    for digest in (fast.policy.digest, gate.world.deployment):
        assert gate.deliver(control(veto(gate.world, digest, "olga"))) is Refusal.SUCCESSION


def test_whom_a_waiting_successor_removes_counts_for_nothing_already(gate: CoreGate) -> None:
    world = gate.world
    bundle = gate.case().bundle()
    slow = signed(gate, people=without(world, "ravi"))
    assert gate.deliver(policy(slow)) is None
    assert gate.deliver(sign(bundle)) is Refusal.QUORUM
    assert gate.deliver(control(veto(world, slow.policy.digest, "ravi"))) is Refusal.UNKNOWN_PERSON
    assert gate.deliver(control(veto(world, slow.policy.digest, "rita"))) is None
    assert gate.deliver(sign(bundle)) is None, "rejected, it removes nobody"


def test_whose_key_a_waiting_successor_replaces_needs_the_new_one(gate: CoreGate) -> None:
    world = gate.world
    people = tuple(
        dataclasses.replace(p, keys=world.policy.people[0].keys) if p.id == "ravi" else p
        for p in without(world, "tessa")
    )
    clients = tuple(dataclasses.replace(c, responsible=("rita",)) for c in world.policy.clients)
    assert gate.deliver(policy(signed(gate, people=people, clients=clients))) is None
    assert gate.deliver(sign(gate.case().bundle(gate.case().mandate()))) is Refusal.UNKNOWN_PERSON, "tessa is gone"
    by_tom = dataclasses.replace(gate.case(), cast=dataclasses.replace(gate.case().cast, initiator="tom"))
    assert gate.deliver(sign(by_tom.bundle())) is Refusal.QUORUM, "ravi's old key is gone"


def test_a_recovery_that_waits_removes_nobody(gate: CoreGate) -> None:
    lost = recover(gate.world, HOLDERS[:2], people=without(gate.world, "ravi", "tessa"))
    assert gate.deliver(policy(lost)) is None
    assert gate.deliver(sign(gate.case().bundle())) is None


def test_whom_a_waiting_successor_removes_signs_no_other_successor(gate: CoreGate) -> None:
    world = gate.world
    slow = signed(gate, people=without(world, "anna"))
    assert gate.deliver(policy(slow)) is None
    assert gate.deliver(policy(signed(gate, later=1), later=1)) is Refusal.SUCCESSION


def test_a_policys_consents_are_used_up_by_it(gate: CoreGate) -> None:
    gate.world.keys["adam"].counter = 41
    slow = signed(gate)
    assert gate.deliver(policy(slow)) is None
    gate.world.keys["adam"].counter = 41
    assert gate.deliver(policy(signed(gate, later=1), later=1)) is Refusal.COUNTER
    used = slow.consents[1].statement.header
    head = header("policy", gate.world.deployment, now=gate.world.now + 2, lifetime=30 * DAY)
    again = next_policy(gate.world, header=head, guards=())
    gate.world.keys["adam"].counter = 42
    consents = tuple(
        gate.world.consent(again.digest, name, subject_type=SubjectType.POLICY, header=head)
        for name, head in (("adam", header("consent", gate.world.deployment)), ("anna", used))
    )
    forged = dataclasses.replace(slow, policy=again, consents=consents)
    assert gate.deliver(policy(forged, later=2)) is Refusal.CONSENT_REPLAYED


def test_a_clock_that_went_back_accepts_no_policy(gate: CoreGate) -> None:
    assert gate.deliver(policy(tightening(gate), later=5)) is None
    assert gate.deliver(policy(signed(gate), later=4)) is Refusal.CLOCK


def test_only_documents_that_can_be_rejected_are(gate: CoreGate) -> None:
    for kind in (SubjectType.HALT, SubjectType.ENROLMENT):
        consent = gate.world.consent("5a" * 32, "tom", Decision.REJECT, subject_type=kind)
        assert gate.deliver(control(VetoOrder(kind="veto", consents=(consent,)))) is Refusal.CONSENT_MISMATCH
    for kind in sorted(VETOED):
        consent = gate.world.consent("5a" * 32, "tom", Decision.REJECT, subject_type=kind)
        order = VetoOrder(kind="veto", consents=(consent,))
        assert len(check_veto(order, gate.pins, gate.journal, now=gate.world.now)) == 1


def test_nobody_looks_for_problems_in_what_nobody_signed(gate: CoreGate) -> None:
    """To look through a document that was made for it takes minutes, in which the signer serves nobody."""
    twice = (*gate.world.policy.signers, *gate.world.policy.signers)
    assert gate.deliver(policy(signed(gate, by=(), signers=twice))) is Refusal.SUCCESSION
    assert gate.deliver(policy(signed(gate, by=("adam",), signers=twice))) is Refusal.SUCCESSION
    assert gate.deliver(policy(signed(gate, signers=twice))) is Refusal.POLICY_INVALID
