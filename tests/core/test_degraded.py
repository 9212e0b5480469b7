"""Degraded mode: parties that go on below their certificates multiply no limit, no nonce and no mandate."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from core.certificate import certificate_size
from core.control import check_veto
from core.degraded import DEGRADED_SECONDS_MOST, divided, going_together, in_force, parts_of
from core.documents.bundle import Attempt, CancelCase
from core.documents.consent import Decision, SubjectType
from core.documents.control import Cancel, VetoOrder
from core.documents.party import Certificate
from core.documents.policy import Measure
from core.documents.roster import Role
from core.errors import Refusal
from tests.factories.ceremonies import signed
from tests.factories.degraded import UNIT, code_of, go, limited
from tests.factories.parties import Parties
from tests.factories.world import DAY, NATIVE, header, limit, seats

if TYPE_CHECKING:
    from core.documents.bundle import Bundle
    from core.documents.control import SignedCeremony


def test_three_of_five_go_on_when_people_say_so() -> None:
    group = Parties()
    case = group.case(named=True)
    few = group.certificate(case, 1, 2, 3)
    terms = group.terms(case, (1, 2, 3))
    assert code_of(lambda: group[1].join(case, few, terms, group.world.now)) is Refusal.CERTIFICATE
    group.degrade(1, 2, 3)
    go(group, case, 1, 2, 3)


def test_only_mandates_that_name_their_nonce_go_on_also_with_a_whole_certificate() -> None:
    group = Parties()
    plain, named = group.case(), group.case(named=True)
    group.degrade(1, 2, 3)
    assert code_of(lambda: group[1].reserve(plain, group.world.now)) is Refusal.DENIED
    group[4].reserve(plain, group.world.now)
    whole = group.certificate(named, 1, 2, 3, 5)
    group[1].join(named, whole, group.terms(named, (1, 2, 3)), group.world.now)


@pytest.mark.parametrize("value", [3 * UNIT, 8 * UNIT])
def test_limits_are_divided_and_gas_counts_as_ever(value: int) -> None:
    group = limited()
    group.degrade(1, 2, 3)
    big = group.case(named=True, value=value)
    assert code_of(lambda: group[1].reserve(big, group.world.now)) is Refusal.DENIED
    # Who has not been told counts the whole limit, and signs nothing below a certificate.
    group[4].reserve(big, group.world.now)
    go(group, group.case(named=True, value=UNIT), 1, 2, 3)


def test_what_was_reserved_over_whole_limits_never_goes_on_below_a_certificate() -> None:
    group = limited()
    big = group.case(named=True, value=8 * UNIT)
    words = group.certificate(big, 1, 2, 3)
    group.degrade(1, 2, 3)
    terms = group.terms(big, (1, 2, 3))
    assert code_of(lambda: group[1].join(big, words, terms, group.world.now)) is Refusal.DENIED
    # Nor at a party where the mode is not in force: there it takes a whole certificate.
    group[4].reserve(big, group.world.now)
    outside = group.terms(big, (1, 2, 4))
    assert code_of(lambda: group[4].join(big, words, outside, group.world.now)) is Refusal.CERTIFICATE


def test_words_and_quorum_are_of_those_who_go_on() -> None:
    group = Parties()
    group.degrade(1, 2, 3, known=range(1, 6))
    case = group.case(named=True)
    now = group.world.now
    inside, mixed = group.certificate(case, 1, 2, 3), group.certificate(case, 1, 2, 4)
    terms = group.terms(case, (1, 2, 3))
    assert code_of(lambda: group[1].join(case, mixed, terms, now)) is Refusal.CERTIFICATE
    for place, quorum_of in ((1, (1, 2, 4)), (4, (1, 2, 4))):
        asked = group.terms(case, quorum_of)
        assert code_of(lambda: group[place].join(case, inside, asked, now)) is Refusal.CERTIFICATE  # noqa: B023
    two = Certificate(reservations=inside.reservations[:2])
    assert code_of(lambda: group[1].join(case, two, terms, now)) is Refusal.CERTIFICATE
    twice = Certificate(reservations=(*inside.reservations[:2], inside.reservations[0]))
    assert code_of(lambda: group[1].join(case, twice, terms, now)) is Refusal.CERTIFICATE
    group[1].join(case, inside, terms, now)


def test_two_modes_with_different_parties_do_not_add_up_to_one_more_party() -> None:
    group = Parties()
    group.degrade(1, 2, 3, known=(1, 2, 3, 4))
    group.degrade(1, 2, 4, known=(1, 2, 3, 4))
    case = group.case(named=True)
    across = group.certificate(case, 1, 3, 4)
    terms = group.terms(case, (1, 3, 4))
    assert code_of(lambda: group[1].join(case, across, terms, group.world.now)) is Refusal.CERTIFICATE


def ends(group: Parties, order: SignedCeremony, decision: Decision, place: int) -> None:
    party = group[place]
    consents = signed(group.world, order.document, "rita", decision=decision).consents
    for record in check_veto(
        VetoOrder(kind="veto", consents=consents), party.pins, party.journal, now=group.world.now
    ):
        party.journal.apply(party.journal.encode(record))


@pytest.mark.parametrize("how", [Decision.REJECT, Decision.WITHDRAW, None])
def test_it_ends_by_anybodys_no_or_by_its_time(how: Decision | None) -> None:
    group = limited()
    order = group.degrade(1, 2, 3)
    case = group.case(named=True, value=UNIT)
    words = group.certificate(case, 1, 2, 3)
    now = group.world.now
    if how is None:
        now = order.document.header.expires
    else:
        ends(group, order, how, 1)
    party = group[1]
    assert in_force(group.wallet.id, group[2].journal, now=group.world.now)
    assert not in_force(group.wallet.id, party.journal, now=now)
    if how is not None:
        asked = group.terms(case, (1, 2, 3))
        assert code_of(lambda: party.join(case, words, asked, now)) is Refusal.CERTIFICATE
        big = group.case(1, value=7 * UNIT)
        party.reserve(big, now)


def test_another_wallet_goes_by_its_own_rules() -> None:
    group = limited()
    group.degrade(1, 2, 3)
    big = group.case(wallet=1, value=5 * UNIT)
    group[1].reserve(big, group.world.now)
    # But what it drew counts: the limit is the initiator's, over all wallets.
    assert code_of(lambda: group[1].reserve(group.case(named=True, value=1), group.world.now)) is Refusal.DENIED


def test_every_measure_is_divided_and_only_limits_are() -> None:
    ask = seats((Role.RISK_OFFICER, 3))
    limits = (
        limit("count", Measure.COUNT, 5, order=1, window=DAY),
        limit("fee", Measure.FEE, 2, order=2, window=DAY),
        dataclasses.replace(limit("each", Measure.ASSET, 9 * UNIT, order=3, asset=NATIVE, window=0), quorum=ask),
    )
    policy = Parties(limits=limits).policy
    parts = parts_of(policy.wallets[0])
    assert parts == 3
    over = divided(policy, parts)
    assert [one.most for one in over.limits] == [1, 0, 3 * UNIT]
    assert dataclasses.replace(over, limits=policy.limits) == policy
    assert divided(policy, 1) is policy
    assert divided(policy, parts) is over


@pytest.mark.parametrize(("parties", "threshold"), [(n, t) for n in range(3, 17) for t in range(2, n + 1)])
def test_the_parts_are_as_many_as_honest_parties_can_count_alone(parties: int, threshold: int) -> None:
    """Where c lie, each session has t - c honest ones or more, and each counts what it signs within a part."""
    parts = parties - threshold + 1
    for corrupt in range(threshold):
        # Together they sign (n - c) / (t - c) parts at most, all sessions being counted t - c times.
        assert parties - corrupt <= parts * (threshold - corrupt)
    # And where fewer than certify can go on at all, nothing is left whole.
    assert parts > 1 or certificate_size(parties, threshold) == threshold


def test_a_limit_that_asks_for_people_asks_sooner() -> None:
    ask = dataclasses.replace(
        limit("each", Measure.ASSET, 9 * UNIT, order=1, asset=NATIVE, window=0), quorum=seats((Role.RISK_OFFICER, 3))
    )
    group = Parties(limits=(ask,))
    group[1].reserve(group.case(value=4 * UNIT, wallet=1), group.world.now)
    group.degrade(1, 2, 3)
    assert (
        code_of(lambda: group[1].reserve(group.case(named=True, value=4 * UNIT), group.world.now)) is Refusal.QUORUM
    )


def cancelled(group: Parties, case: Bundle, fee: int) -> Bundle:
    document = Cancel(
        header=header("cancel", group.world.deployment, now=group.world.now),
        policy=group.policy.digest,
        intent=case.intent.digest,
        wallet=group.wallet.id,
        max_fee_per_gas=fee,
        max_priority_fee_per_gas=fee,
        reason="Too slow",
    )
    consents = tuple(
        group.world.consent(document.digest, name, subject_type=SubjectType.CANCEL) for name in ("rita", "ravi")
    )
    attempt = Attempt(nonce=case.attempt.nonce, max_fee_per_gas=fee, max_priority_fee_per_gas=fee)
    return dataclasses.replace(case, cancel=CancelCase(document=document, consents=consents), attempt=attempt)


def test_a_cancel_goes_to_its_own_nonce_over_divided_fees() -> None:
    fees = limit("fee", Measure.FEE, 10**18, order=1, window=DAY)
    group = Parties(limits=(fees,))
    case = group.case(max_fee_per_gas=10**9, max_priority_fee_per_gas=10**9)
    for place in (1, 2, 3):
        group[place].reserve(case, group.world.now)
    # Two whole reserves of the fee limit before, of a third of it in degraded mode: 2/3 of 10^18 wei.
    dear, cheap = (cancelled(group, case, fee // 21_000) for fee in (9 * 10**17, 6 * 10**17))
    group[4].reserve(case, group.world.now)
    group[4].reserve(dear, group.world.now)
    group.degrade(1, 2, 3)
    assert code_of(lambda: group[1].reserve(dear, group.world.now)) is Refusal.DENIED
    certificate = group.certificate(cheap, 1, 2, 3)
    binding = certificate.reservations[0].document.binding
    terms = group.terms(cheap, (1, 2, 3), subject=binding.cancel, message_hash=binding.signing_hash)
    for place in (1, 2, 3):
        group[place].join(cheap, certificate, terms, group.world.now)


def test_parties_that_come_back_learn_what_was_signed_and_go_on() -> None:
    group = limited()
    order = group.degrade(1, 2, 3)
    made = [go(group, group.case(nonce, named=True, value=UNIT), 1, 2, 3) for nonce in range(2)]
    now = group.world.now
    assert code_of(lambda: group[4].learn(made[0], now)) is Refusal.CERTIFICATE
    for place in (4, 5):
        group[place].take(order, now)
        assert code_of(lambda: group[place].learn(made[1], now)) is Refusal.NONCE  # noqa: B023
        assert [group[place].learn(one, now) for one in (*made, made[0])] == [True, True, False]
    group.world.now = now = order.document.header.expires
    following = group.case(2, value=3 * UNIT)
    group[5].join(following, group.certificate(following, 1, 2, 4, 5), group.terms(following, (1, 2, 5)), now)
    (day,) = group.policy.limits
    assert 5 * UNIT < group[5].journal.used(day, ("tessa",), now=now) < 6 * UNIT


def test_whoever_hears_of_it_when_it_is_over_learns_by_it_and_signs_nothing() -> None:
    group = limited()
    order = group.degrade(1, 2, 3)
    made = go(group, group.case(named=True, value=UNIT), 1, 2, 3)
    ends(group, order, Decision.REJECT, 4)
    assert code_of(lambda: group[4].take(order, group.world.now)) is Refusal.REJECTED
    group.world.now = order.document.header.expires + 3 * DAY
    for place in (4, 5):
        group[place].take(order, group.world.now)
        assert not in_force(group.wallet.id, group[place].journal, now=group.world.now)
        assert group[place].learn(made, group.world.now)
    later = group.case(1, named=True, value=UNIT)
    words = group.certificate(later, 3, 4, 5)
    terms = group.terms(later, (3, 4, 5))
    assert code_of(lambda: group[5].join(later, words, terms, group.world.now)) is Refusal.CERTIFICATE
    # Words that were given after its time teach nobody anything either.
    fresh = Parties()
    late = fresh.degrade(1, 2, 3, known=())
    fresh.world.now = late.document.header.expires
    fresh[5].take(late, fresh.world.now)
    words = fresh.certificate(fresh.case(named=True), 1, 2, 3)
    assert code_of(lambda: fresh[5].learn(words, fresh.world.now)) is Refusal.CERTIFICATE


def test_one_that_is_over_takes_the_same_people() -> None:
    group = Parties()
    order = group.degrade(1, 2, 3, known=())
    group.world.now = order.document.header.expires + DAY
    one = dataclasses.replace(order, consents=order.consents[:1])
    assert code_of(lambda: group[4].take(one, group.world.now)) is Refusal.QUORUM
    # People who said so only when it was over opened nothing.
    belated = signed(group.world, order.document)
    assert code_of(lambda: group[4].take(belated, group.world.now)) is Refusal.EXPIRED
    group[4].take(order, group.world.now)


def test_what_was_signed_below_a_certificate_takes_the_place_of_nothing() -> None:
    group = Parties()
    order = group.degrade(1, 2, 3)
    other = group.case(value=1)
    group[4].reserve(other, group.world.now)
    made = go(group, group.case(named=True), 1, 2, 3)
    group[4].take(order, group.world.now)
    assert code_of(lambda: group[4].learn(made, group.world.now)) is Refusal.CERTIFICATE
    assert group[4].journal.intents[other.intent.digest] == (group.wallet.id, 0)


def test_a_mode_is_short_whatever_people_sign() -> None:
    group = Parties()
    assert DEGRADED_SECONDS_MOST == 7 * DAY
    longer = dataclasses.replace(
        header("ceremony", group.world.deployment, now=group.world.now), expires=group.world.now + 7 * DAY + 1
    )
    assert code_of(lambda: group.degrade(1, 2, 3, header=longer)) is Refusal.CEREMONY


A, B, C, D = (f"party-{place}" for place in range(1, 5))


TOLD: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({A: [[A, B, C]], B: [[A, B, C]], C: [[A, B, C]]}, (A, B, C)),
    ({A: [[A, B, C]], B: [[A, B, C]], C: []}, ()),
    # Not those that name others, nor those that name themselves with others than the rest does.
    ({A: [[A, B, C]], B: [[A, B, C]], C: [[A, B, C]], D: [[A, B, C]]}, (A, B, C)),
    ({A: [[A, B, C], [A, B, D]], B: [[A, B, D]], C: [[A, B, C]], D: [[A, B, D]]}, (A, B, D)),
    ({A: [[A, B, C]], B: [[A, B, C]], C: [[C, B, A]]}, ()),
    # What a party answers may be anything at all.
    ({A: None, B: "abc", C: [None, 7, {}, [[]], "abc", [None, C]]}, ()),
    ({A: {"party-1": 1}, B: [[B] * 99], C: [[C]]}, ()),
]


@pytest.mark.parametrize(("told", "going"), TOLD)
def test_those_go_on_that_say_so_of_themselves_and_each_other(told: dict[str, Any], going: tuple[str, ...]) -> None:
    answers: dict[str, dict[str, Any]] = {name: {"epoch": 0, "going_on": modes} for name, modes in told.items()}
    assert going_together(answers, list(told), 3) == going
    assert going_together({name: {} for name in told}, list(told), 3) == ()
