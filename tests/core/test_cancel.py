"""A cancel is a self-send of nothing, and its fee counts for whoever asked. (Hostile cancels: the forgery suite.)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from core.cancel import CANCEL_GAS, verify_cancel
from core.documents.consent import Decision, SubjectType
from core.documents.control import VetoOrder
from core.documents.roster import Role
from core.errors import Refusal, RefusedError
from core.verify import verify
from demo.forgeries.case import GWEI
from demo.forgeries.catalogue import Step, control, policy, sign
from tests.factories.world import DAY, World, seats
from tests.forgery.gate import CoreGate, case_of
from tests.forgery.institutions import adapt

if TYPE_CHECKING:
    from core.documents.bundle import Bundle
    from demo.forgeries import Case


@pytest.fixture
def gate() -> CoreGate:
    return CoreGate(World())


def signed(gate: CoreGate) -> tuple[Case, Step]:
    case = gate.case()
    step = sign(case.bundle())
    assert gate.deliver(step) is None
    return case, step


def test_a_cancel_sends_nothing_to_itself_at_the_intents_nonce(gate: CoreGate) -> None:
    case = gate.case()
    first = case.bundle()
    assert gate.deliver(sign(first)) is None
    token = verify_cancel(case.cancel(first, by=("rita",)), gate.pins, gate.journal, case.now)
    made = token.transaction
    assert (made.to, made.value, made.data, made.gas) == (case.wallet.rpartition(":")[2], 0, b"", CANCEL_GAS)
    assert made.nonce == first.attempt.nonce


def test_a_cancel_outlives_its_mandate(gate: CoreGate) -> None:
    case = gate.case()
    first = case.bundle()
    assert gate.deliver(sign(first)) is None
    later = case.at(DAY)
    assert gate.deliver(sign(later.cancel(first, by=("rita",)), later=DAY)) is None


def test_a_cancel_is_repeated_byte_for_byte_and_at_one_fee(gate: CoreGate) -> None:
    case = gate.case()
    first = case.bundle()
    cancel = case.cancel(first, by=("rita",))
    for step in (first, cancel, cancel):
        assert gate.deliver(sign(step)) is None
    assert gate.signed[1] == gate.signed[2]
    dearer = dataclasses.replace(cancel, attempt=case.attempt(first.attempt.nonce, 100 * 10**9, 3 * 10**9))
    assert gate.deliver(sign(dearer)) is Refusal.FEES


def test_after_a_cancel_the_lane_goes_on_and_the_intent_can_still_be_raised(gate: CoreGate) -> None:
    case = gate.case()
    first = case.bundle()
    raised = dataclasses.replace(first, attempt=case.attempt(first.attempt.nonce, 90 * 10**9, 2 * 10**9))
    following = case.bundle(attempt=case.attempt(case.nonce + 1))
    for step in (first, case.cancel(first, by=("rita",)), raised, following):
        assert gate.deliver(sign(step)) is None


def test_its_fee_counts_for_those_who_asked_whatever_mandate_is_put_beside_it(gate: CoreGate) -> None:
    case = gate.case()
    first = case.bundle()
    assert gate.deliver(sign(first)) is None
    cancel = case.cancel(first, by=("rita",))
    asker = dataclasses.replace(first.mandate.asker, id="tom")
    forged = dataclasses.replace(cancel, mandate=dataclasses.replace(first.mandate, asker=asker))
    for bundle in (cancel, forged):
        record = verify_cancel(bundle, gate.pins, gate.journal, case.now).record
        assert record is not None
        assert record.draw is not None
        assert (record.draw.initiators, record.draw.desk) == (("tessa",), "desk-a")


def test_a_bundle_is_either_a_payment_or_a_cancel(gate: CoreGate) -> None:
    case = gate.case()
    first = case.bundle()
    for check, bundle in ((verify, case.cancel(first, by=("rita",))), (verify_cancel, first)):
        with pytest.raises(RefusedError) as caught:
            check(bundle, gate.pins, gate.journal, case.now)
        assert caught.value.code is Refusal.CANCEL


def test_a_journal_that_began_anew_knows_nothing_to_cancel(gate: CoreGate) -> None:
    case, _ = signed(gate)
    fresh = CoreGate(gate.world)
    fresh.journal = gate.world.make_journal()
    bundle = case_of(gate.world, nonce=0).bundle()
    assert fresh.deliver(sign(case.cancel(bundle, by=("rita",)))) is Refusal.CANCEL


def spend(gate: CoreGate, **limits: int) -> Bundle:
    """Sign a payment and leave nothing of the named limits for another one."""
    world = gate.world
    rows = tuple(dataclasses.replace(x, most=limits.get(x.id, x.most)) for x in world.policy.limits)
    adapt(world, limits=rows)
    gate.pins, gate.journal = world.pins, world.journal
    first = gate.case().bundle()
    assert gate.deliver(sign(first)) is None
    return first


def test_a_lane_is_freed_when_payments_have_used_up_everything(gate: CoreGate) -> None:
    first = spend(gate, **{"count-day": 1, "native-day": 10**16 + 21_000 * 100 * GWEI, "usd-day": 25 * 10**8 + 1})
    case = dataclasses.replace(gate.case(), nonce=first.attempt.nonce + 1)
    assert gate.deliver(sign(case.bundle())) is Refusal.DENIED
    assert gate.deliver(sign(case.cancel(first, by=("rita",)))) is None


def test_cancels_have_a_reserve_of_each_fee_limit_and_no_more(gate: CoreGate) -> None:
    spent = 21_000 * 100 * GWEI
    first = spend(gate, **{"fee-day": spent})
    case = gate.case()
    for cap, answer in ((101, Refusal.DENIED), (100, None)):
        cancel = case.cancel(first, by=("rita",), max_fee_per_gas=cap * GWEI)
        assert gate.deliver(sign(cancel)) is answer
    following = dataclasses.replace(case, nonce=first.attempt.nonce + 1)
    assert gate.deliver(sign(following.bundle())) is Refusal.DENIED, "a payment has no part in the reserve"


def test_a_cancel_counts_in_every_limit_afterwards(gate: CoreGate) -> None:
    first = spend(gate, **{"count-day": 2})
    case = gate.case()
    assert gate.deliver(sign(case.cancel(first, by=("rita",)))) is None
    following = dataclasses.replace(case, nonce=first.attempt.nonce + 1)
    assert gate.deliver(sign(following.bundle())) is Refusal.DENIED


def test_a_fee_limit_that_only_asks_people_holds_no_cancel_back(gate: CoreGate) -> None:
    world = gate.world
    rows = tuple(
        dataclasses.replace(x, most=1, quorum=seats((Role.RISK_OFFICER, 1))) if x.id == "fee-day" else x
        for x in world.policy.limits
    )
    adapt(world, limits=rows)
    gate.pins, gate.journal = world.pins, world.journal
    first = gate.case().bundle()
    assert gate.deliver(sign(first)) is None
    assert gate.deliver(sign(gate.case().cancel(first, by=("rita",)))) is None


@pytest.mark.parametrize(
    ("decision", "code"), [(Decision.REJECT, Refusal.REJECTED), (Decision.WITHDRAW, Refusal.QUORUM)]
)
def test_a_veto_that_was_handed_over_ends_a_cancel(gate: CoreGate, decision: Decision, code: Refusal) -> None:
    case = gate.case()
    first = case.bundle()
    assert gate.deliver(sign(first)) is None
    cancel = case.cancel(first, by=("rita",))
    assert cancel.cancel is not None
    no = case.consent(cancel.cancel.document.digest, "rita", decision, subject_type=SubjectType.CANCEL)
    assert gate.deliver(control(VetoOrder(kind="veto", consents=(no,)))) is None
    assert gate.deliver(sign(cancel)) is code


def test_a_cancel_is_made_under_the_newest_policy_only(gate: CoreGate) -> None:
    case = gate.case()
    first = case.bundle()
    assert gate.deliver(sign(first)) is None
    newer = dataclasses.replace(case, policy=case.successor())
    assert gate.deliver(policy(case.sign_policy(newer.policy, *case.cast.admins))) is None
    assert gate.deliver(sign(case.cancel(first, by=("rita",)))) is Refusal.WRONG_POLICY
    under_newer = dataclasses.replace(newer.cancel(first, by=("rita",)), policy=newer.policy.digest)
    assert gate.deliver(sign(under_newer)) is None
