"""A cancel is a self-send of nothing, and its fee counts for whoever asked. (Hostile cancels: the forgery suite.)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from core.cancel import CANCEL_GAS, verify_cancel
from core.errors import Refusal, RefusedError
from core.verify import verify
from demo.forgeries.catalogue import Step, sign
from tests.factories.world import DAY, World
from tests.forgery.gate import CoreGate, case_of

if TYPE_CHECKING:
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
