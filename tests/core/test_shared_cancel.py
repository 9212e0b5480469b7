"""What only some parties reserved before its time was over is cancelled by all of them: the lane goes on."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from core.cancel import verify_cancel
from core.documents.bundle import Attempt, CancelCase
from core.documents.consent import SubjectType
from core.documents.control import Cancel
from core.documents.mandate import SingleOrder
from core.documents.party import Certificate
from core.errors import Refusal, RefusedError
from tests.factories.parties import Parties
from tests.factories.world import DAY, header

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.documents.bundle import Bundle

GWEI = 10**9
FEES = (60 * GWEI, 2 * GWEI)


@pytest.fixture
def group() -> Parties:
    return Parties()


def code_of(work: Callable[[], object]) -> Refusal:
    with pytest.raises(RefusedError) as caught:
        work()
    return caught.value.code


def cancelled(group: Parties, case: Bundle, nonce: int = 0, **changes: Any) -> Bundle:  # noqa: ANN401 - of Cancel
    """Return a case's cancel, consented to now."""
    world = group.world
    fields: dict[str, Any] = {
        "header": header("cancel", world.deployment, now=world.now),
        "policy": world.policy.digest,
        "intent": case.intent.digest,
        "wallet": case.intent.wallet,
        "max_fee_per_gas": FEES[0],
        "max_priority_fee_per_gas": FEES[1],
        "reason": "Too few reserved it in time",
    }
    document = Cancel(**(fields | changes))
    consents = (world.consent(document.digest, "rita", subject_type=SubjectType.CANCEL),)
    return dataclasses.replace(
        case,
        header=header("bundle", world.deployment, now=world.now),
        attempt=Attempt(nonce=nonce, max_fee_per_gas=FEES[0], max_priority_fee_per_gas=FEES[1]),
        consents=(),
        cancel=CancelCase(document=document, consents=consents),
    )


def expire(group: Parties) -> None:
    group.world.now += DAY


def stuck(group: Parties) -> Bundle:
    """Have two of five reserve a case, and its time be over."""
    case = group.case()
    for place in (1, 2):
        group[place].reserve(case, group.world.now)
    expire(group)
    return case


def test_a_nonce_that_two_hold_for_an_expired_case_is_no_other_ones(group: Parties) -> None:
    case = stuck(group)
    assert code_of(lambda: group[1].reserve(case, group.world.now)) is Refusal.EXPIRED
    other = group.case()
    for place in (1, 2):
        assert code_of(lambda: group[place].reserve(other, group.world.now)) is Refusal.NONCE  # noqa: B023


def test_all_parties_cancel_it_and_the_next_case_is_signed(group: Parties) -> None:
    cancel = cancelled(group, stuck(group))
    now = group.world.now
    certificate = group.certificate(cancel, 1, 2, 3, 4)
    binding = certificate.reservations[0].document.binding
    about = {"message_hash": binding.signing_hash, "subject": binding.cancel}
    for place in (1, 3, 4):
        group[place].join(cancel, certificate, group.terms(cancel, (1, 3, 4), **about), now)
    assert group[5].learn(certificate, now)
    following = group.case(1)
    certificate = group.certificate(following, 2, 3, 4, 5)
    group[5].join(following, certificate, group.terms(following, (3, 4, 5)), now)
    digests = {party.journal.lane_digest(group.wallet.id) for party in list(group.all.values())[1:]}
    assert len(digests) == 1
    assert {party.journal.cancels(group.wallet.id) for party in group.all.values()} == {1}


def test_it_goes_to_one_nonce_and_is_one(group: Parties) -> None:
    case = stuck(group)
    ahead = cancelled(group, case, nonce=1)
    for place in (1, 3):
        assert code_of(lambda: group[place].reserve(ahead, group.world.now)) is Refusal.NONCE  # noqa: B023
    first, second = cancelled(group, case), cancelled(group, case, reason="Another")
    group[3].reserve(first, group.world.now)
    assert code_of(lambda: group[3].reserve(second, group.world.now)) is Refusal.CANCEL
    # A nonce is the intent's for ever, also where only its cancel was ever there.
    assert code_of(lambda: group[3].reserve(group.case(), group.world.now)) is Refusal.NONCE


def test_an_intent_that_still_lives_is_signed_at_that_nonce_or_nowhere(group: Parties) -> None:
    case, now = group.case(), group.world.now
    group[3].reserve(cancelled(group, case), now)
    elsewhere = dataclasses.replace(case, attempt=dataclasses.replace(case.attempt, nonce=1))
    assert code_of(lambda: group[3].reserve(elsewhere, now)) is Refusal.INTENT_USED
    word = group[3].reserve(case, now).document
    # What it draws is drawn as if it had come first.
    assert word.draw == group[4].reserve(case, now).document.draw


def test_a_mandate_that_holds_another_intent_says_nothing_about_who_asked(group: Parties) -> None:
    case, other = stuck(group), group.case()
    cancel = dataclasses.replace(cancelled(group, case), mandate=other.mandate)
    assert isinstance(other.mandate.order, SingleOrder)
    assert code_of(lambda: group[3].reserve(cancel, group.world.now)) is Refusal.INTENT_MISMATCH


def test_below_the_certificates_nobody_cancels_what_it_never_saw(group: Parties) -> None:
    case = stuck(group)
    group.degrade(1, 2, 3)
    cancel = cancelled(group, case)
    assert code_of(lambda: group[3].reserve(cancel, group.world.now)) is Refusal.CANCEL
    assert group[1].reserve(cancel, group.world.now).document.binding.cancel is not None


def test_what_was_certified_in_its_place_is_not_cancelled_in_its_name(group: Parties) -> None:
    case = group.case()
    group[1].reserve(case, group.world.now)
    other = group.case()
    certificate = group.certificate(other, 2, 3, 4, 5)
    assert group[1].learn(certificate, group.world.now)
    cancel = cancelled(group, case)
    for place in (1, 2):
        party = group[place]
        wanted = Refusal.CANCEL if place == 1 else Refusal.NONCE
        code = code_of(lambda: verify_cancel(cancel, party.pins, party.journal, group.world.now))  # noqa: B023
        assert code is wanted


def test_a_cancel_that_came_too_late_as_well_gives_way_to_a_certified_one(group: Parties) -> None:
    case = stuck(group)
    early = cancelled(group, case)
    group[5].reserve(early, group.world.now)
    late = cancelled(group, case, reason="Once more")
    certificate = group.certificate(late, 1, 2, 3, 4)
    assert group[5].learn(certificate, group.world.now)
    assert group[5].journal.cancels(group.wallet.id) == 1
    assert group[5].journal.lane_digest(group.wallet.id) == group[4].journal.lane_digest(group.wallet.id)
    assert isinstance(certificate, Certificate)
