"""Reservation certificates: rotating quorums of parties multiply no nonce, no mandate and no limit."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING, Any

import pytest

from core.certificate import certificate_size, join
from core.documents.bundle import Attempt
from core.documents.party import Certificate, SessionKind
from core.documents.policy import Dimension, Measure
from core.documents.roster import WalletKind
from core.errors import CoreError, Refusal, RefusedError
from core.sessions import session_id
from tests.factories.parties import Parties
from tests.factories.world import DAY, ETHER, NATIVE, limit

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.documents.bundle import Bundle
    from core.documents.party import SignedReservation


def code_of(work: Callable[[], object]) -> Refusal:
    with pytest.raises(RefusedError) as caught:
        work()
    return caught.value.code


def joining(group: Parties, case: Bundle, certificate: Certificate, place: int = 1, **terms: Any) -> Refusal:  # noqa: ANN401
    """Return why a party does not join a session of the first three."""
    asked = group.terms(case, (1, 2, 3), **terms)
    return code_of(lambda: group[place].join(case, certificate, asked, group.world.now))


@pytest.mark.parametrize(("parties", "threshold"), [(n, t) for n in range(2, 17) for t in range(2, n + 1)])
def test_two_certificates_share_an_honest_party(parties: int, threshold: int) -> None:
    size = certificate_size(parties, threshold)
    assert size <= parties
    assert 2 * size - parties > threshold - 1
    # And no smaller one would do.
    assert 2 * (size - 1) - parties <= threshold - 1


def test_the_figures_of_the_house() -> None:
    assert (certificate_size(5, 3), certificate_size(3, 2)) == (4, 3)


def test_three_of_five_join_what_four_reserved() -> None:
    group = Parties()
    case = group.case()
    certificate = group.certificate(case, 1, 2, 3, 4)
    terms = group.terms(case, (1, 2, 5))
    for place in (1, 2, 5):
        record = group[place].join(case, certificate, terms, group.world.now)
        assert record.session == session_id(terms, group.world.deployment)


def test_too_few_or_the_same_twice_are_no_certificate() -> None:
    group = Parties()
    case = group.case()
    whole = group.certificate(case, 1, 2, 3, 4).reservations
    for few in (whole[:1], whole[:3], (*whole[:3], whole[0])):
        assert joining(group, case, Certificate(reservations=few)) is Refusal.CERTIFICATE


def test_nobody_else_signs_a_reservation() -> None:
    group, strangers = Parties(), Parties()
    case = group.case()
    whole = group.certificate(case, 1, 2, 3, 4).reservations
    documents = [signed.document for signed in whole]
    forged = [
        dataclasses.replace(whole[3], signature=bytes(64)),
        group[5].sign(documents[3]),
        strangers[4].sign(documents[3]),
        group[4].sign(dataclasses.replace(documents[3], party="party-9")),
        group[4].sign(
            dataclasses.replace(
                documents[3],
                header=strangers.certificate(strangers.case(), 1, 2, 3, 4).reservations[0].document.header,
            )
        ),
    ]
    for one in forged:
        with pytest.raises(CoreError):
            group[1].join(
                case, Certificate(reservations=(*whole[:3], one)), group.terms(case, (1, 2, 3)), group.world.now
            )


@pytest.mark.parametrize(
    "field", ["intent", "mandate", "nonce", "max_fee_per_gas", "max_priority_fee_per_gas", "cancel", "signing_hash"]
)
def test_words_about_something_else_do_not_count(field: str) -> None:
    group = Parties()
    case = group.case()
    whole = group.certificate(case, 1, 2, 3, 4).reservations
    numbers = ("nonce", "max_fee_per_gas", "max_priority_fee_per_gas")
    other: Any = 7 if field in numbers else bytes(32) if field == "signing_hash" else "ab" * 32
    binding = dataclasses.replace(whole[3].document.binding, **{field: other})
    lying = group[4].sign(dataclasses.replace(whole[3].document, binding=binding))
    assert joining(group, case, Certificate(reservations=(*whole[:3], lying))) is Refusal.CERTIFICATE


def test_a_party_that_did_not_verify_the_case_does_not_join() -> None:
    group = Parties()
    case = group.case()
    certificate = group.certificate(case, 1, 2, 3, 4)
    unread = dataclasses.replace(case, consents=case.consents[:2])
    refused = code_of(lambda: group[5].join(unread, certificate, group.terms(case, (1, 2, 5)), group.world.now))
    assert refused is Refusal.QUORUM


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("kind", SessionKind.REFRESH),
        ("wallet", None),
        ("public_key", None),
        ("epoch", 1),
        ("threshold", 2),
        ("message_hash", bytes(32)),
        ("subject", "ab" * 32),
        ("quorum", ("party-1", "party-2")),
        ("quorum", ("party-1", "party-2", "party-3", "party-4")),
        ("quorum", ("party-1", "party-3", "party-2")),
        ("quorum", ("party-1", "party-1", "party-2")),
        ("quorum", ("party-2", "party-3", "party-4")),
        ("quorum", ("party-1", "party-2", "party-9")),
    ],
)
def test_a_session_on_other_terms_is_refused(change: str, value: Any) -> None:  # noqa: ANN401
    group = Parties()
    case = group.case()
    certificate = group.certificate(case, 1, 2, 3, 4)
    terms = dataclasses.replace(group.terms(case, (1, 2, 3)), **{change: value})

    def work() -> object:
        # The signer's epoch is its share's own, whatever the terms say.
        party = group[1]
        verified = party.verify(case, group.world.now)
        return join(
            case, verified, certificate, terms, pins=party.pins, journal=party.journal, epoch=0, now=group.world.now
        )

    assert code_of(work) is Refusal.SESSION


def test_a_session_is_joined_once() -> None:
    group = Parties()
    case = group.case()
    certificate = group.certificate(case, 1, 2, 3, 4)
    terms = group.terms(case, (1, 2, 3))
    group[1].join(case, certificate, terms, group.world.now)
    again = code_of(lambda: group[1].join(case, certificate, terms, group.world.now))
    assert again is Refusal.SESSION


@pytest.mark.parametrize("asked", [places for size in range(4) for places in itertools.combinations((3, 4, 5), size)])
def test_one_nonce_is_certified_once_whatever_two_liars_sign(asked: tuple[int, ...]) -> None:
    """Parties 1 and 2 sign anything; each honest one gives its word to whoever asks it first, and to no other."""
    group = Parties()
    one, two = group.case(value=ETHER), group.case(value=2 * ETHER)
    words = {one.intent.digest: 2, two.intent.digest: 2}
    for place in (3, 4, 5):
        mine, other = (one, two) if place in asked else (two, one)
        group[place].reserve(mine, group.world.now)
        words[mine.intent.digest] += 1
        assert code_of(lambda: group[place].reserve(other, group.world.now)) is Refusal.NONCE  # noqa: B023
    assert sum(held >= group.size for held in words.values()) == 1


def test_what_was_certified_without_a_party_takes_the_place_of_what_only_it_reserved() -> None:
    group = Parties()
    alone, wanted = group.case(value=ETHER), group.case(value=2 * ETHER)
    group[5].reserve(alone, group.world.now)
    certificate = group.certificate(wanted, 1, 2, 3, 4)
    assert group[5].learn(certificate, group.world.now)
    assert not group[5].learn(certificate, group.world.now)
    group[5].join(wanted, certificate, group.terms(wanted, (1, 2, 5)), group.world.now)
    assert code_of(lambda: group[5].reserve(alone, group.world.now)) is Refusal.NONCE


def test_a_party_that_took_part_for_one_intent_learns_no_other_at_its_nonce() -> None:
    """Two certificates of one nonce: more parties lie than the threshold stands. Nothing more is signed there."""
    group = Parties()
    one, two = group.case(value=ETHER), group.case(value=2 * ETHER)
    group[1].join(one, group.certificate(one, 1, 2, 3, 4), group.terms(one, (1, 2, 3)), group.world.now)
    liars = [
        group[place].sign(
            dataclasses.replace(
                signed.document, binding=dataclasses.replace(signed.document.binding, intent=two.intent.digest)
            )
        )
        for place, signed in enumerate(group.certificate(one, 1, 2, 3, 4).reservations, start=1)
    ]
    forged = Certificate(reservations=tuple(liars))
    assert code_of(lambda: group[1].learn(forged, group.world.now)) is Refusal.CERTIFICATE


def test_a_party_that_missed_a_nonce_learns_it_first_and_in_order() -> None:
    group = Parties()
    cases = [group.case(nonce) for nonce in range(3)]
    certificates = [group.certificate(case, 1, 2, 3, 4) for case in cases]
    now = group.world.now
    assert code_of(lambda: group[5].reserve(cases[2], now)) is Refusal.NONCE
    assert code_of(lambda: group[5].learn(certificates[1], now)) is Refusal.NONCE
    assert all(group[5].learn(one, now) for one in certificates[:2])
    group[5].join(cases[2], certificates[2], group.terms(cases[2], (1, 2, 5)), now)
    assert group[5].journal.next_nonce(group.wallet.id) == 3


def limited() -> Parties:
    """Return parties under a limit of 8 ether a day for each initiator, over all wallets."""
    day = limit("day", Measure.ASSET, 8 * ETHER, order=1, asset=NATIVE, window=DAY)
    return Parties(limits=(dataclasses.replace(day, per=(Dimension.INITIATOR,)),))


def test_rotating_quorums_over_several_wallets_multiply_no_limit() -> None:
    """Parties 1 and 2 lie. 4 and 5 have each counted another 3 of the 8, so both give their word on 3 more."""
    group = limited()
    now = group.world.now
    one, two, three = (group.case(value=3 * ETHER, wallet=wallet) for wallet in range(3))
    group.certificate(one, 3, 4)
    second = group.certificate(two, 1, 2, 3, 5)
    honest = [group[place].reserve(three, now) for place in (4, 5)]
    assert code_of(lambda: group[3].reserve(three, now)) is Refusal.DENIED
    lies = [group[place].sign(dataclasses.replace(honest[0].document, party=f"party-{place}")) for place in (1, 2)]
    certificate = Certificate(reservations=(*honest, *lies))
    terms = group.terms(three, (1, 2, 4))
    assert code_of(lambda: group[4].join(three, certificate, terms, now)) is Refusal.BEHIND
    assert group[4].learn(second, now)
    assert code_of(lambda: group[4].join(three, certificate, terms, now)) is Refusal.DENIED


def test_what_was_learned_counts_once_and_from_now_on() -> None:
    group = limited()
    certificate = group.certificate(group.case(value=3 * ETHER), 1, 2, 3, 4)
    (counted,) = group.policy.limits
    learned = group.world.now + 3_600
    assert group[5].learn(certificate, learned)
    assert not group[5].learn(certificate, learned + 60)
    for place, began in ((4, group.world.now), (5, learned)):
        journal = group[place].journal
        assert 3 * ETHER < journal.used(counted, ("tessa",), now=began + DAY) < 4 * ETHER
        assert journal.used(counted, ("tessa",), now=began + DAY + 1) == 0


def test_the_parties_own_reckonings_are_joined_to_the_worse() -> None:
    group = Parties()
    words = group.certificate(group.case(), 1, 2, 3, 4).reservations
    more = dataclasses.replace(words[3].document.draw, usd_e8=10**15)
    lying = group[4].sign(dataclasses.replace(words[3].document, draw=more))
    assert group[5].learn(Certificate(reservations=(*words[:3], lying)), group.world.now)
    drawn = group[5].journal.draw_of(words[0].document.binding.intent)
    assert drawn is not None
    assert drawn.usd_e8 == 10**15
    another = dataclasses.replace(more, desk="another")
    lying = group[4].sign(dataclasses.replace(words[3].document, draw=another))
    fresh = group[3]
    fresh.journal = group.world.make_journal(signer="party-3")
    refused = code_of(lambda: fresh.learn(Certificate(reservations=(*words[:3], lying)), group.world.now))
    assert refused is Refusal.DENIED


def test_a_fee_raise_takes_a_certificate_of_its_own() -> None:
    group = Parties()
    case = group.case()
    slow = dataclasses.replace(case, attempt=Attempt(nonce=0, max_fee_per_gas=10**9, max_priority_fee_per_gas=10**8))
    fast = dataclasses.replace(
        case, attempt=Attempt(nonce=0, max_fee_per_gas=2 * 10**9, max_priority_fee_per_gas=2 * 10**8)
    )
    first = group.certificate(slow, 1, 2, 3, 4)
    group[1].join(slow, first, group.terms(slow, (1, 2, 3)), group.world.now)
    asked = group.terms(fast, (1, 2, 3))
    assert code_of(lambda: group[1].join(fast, first, asked, group.world.now)) is Refusal.CERTIFICATE
    second = group.certificate(fast, 1, 2, 3, 4)
    group[1].join(fast, second, asked, group.world.now)
    # A raise draws nothing again, for whoever learns it either.
    group[5].learn(first, group.world.now)
    group[5].learn(second, group.world.now)
    (fees,) = [one for one in group.policy.limits if one.id == "fee-day"]
    assert (
        fees is None or group[5].journal.used(fees, (group.wallet.id,), now=group.world.now) == case.intent.fee_most
    )


def test_no_certificate_helps_a_wallet_that_one_signer_holds() -> None:
    group = Parties()
    case = group.case()
    certificate = group.certificate(case, 1, 2, 3, 4)
    single = tuple(dataclasses.replace(wallet, kind=WalletKind.HSM) for wallet in group.policy.wallets)
    changed = dataclasses.replace(group.policy, wallets=single)
    pins = dataclasses.replace(group[1].pins, policies={group.policy.digest: changed})
    group[1].pins = pins
    with pytest.raises(RefusedError):
        group[1].learn(certificate, group.world.now)


def forged(group: Parties, honest: SignedReservation, *places: int) -> tuple[SignedReservation, ...]:
    """Have corrupt parties repeat an honest one's word as their own, lanes and all."""
    return tuple(group[place].sign(dataclasses.replace(honest.document, party=f"party-{place}")) for place in places)


def test_three_cases_in_a_circle_multiply_no_limit() -> None:
    """Each of three honest parties has counted two of three cases, and none of them all three."""
    group = limited()
    now = group.world.now
    cases = [group.case(value=3 * ETHER, wallet=wallet) for wallet in range(3)]
    first = [group[place].reserve(case, now) for place, case in zip((3, 4, 5), cases, strict=True)]
    second = [group[place].reserve(case, now) for place, case in zip((5, 3, 4), cases, strict=True)]
    for case, early, late, place in zip(cases, first, second, (5, 3, 4), strict=True):
        for copied in (early, late):
            certificate = Certificate(reservations=(early, late, *forged(group, copied, 1, 2)))
            asked = group.terms(case, sorted((1, 2, place)))
            assert code_of(lambda: group[place].join(case, certificate, asked, now)) is Refusal.BEHIND  # noqa: B023


def test_what_was_certified_counts_also_where_something_small_was_reserved_in_its_place() -> None:
    """Party 5 holds a small case where 3 and 4 certified a large one: as many nonces, but not as much drawn."""
    group = limited()
    now = group.world.now
    one, two, three = (group.case(value=3 * ETHER, wallet=wallet) for wallet in range(3))
    group[5].reserve(group.case(value=1), now)
    words = [group[place].reserve(one, now) for place in (3, 4)]
    certificate = Certificate(reservations=(*words, *forged(group, words[0], 1, 2)))
    group[3].join(one, certificate, group.terms(one, (1, 2, 3)), now)
    words = [group[place].reserve(two, now) for place in (4, 5)]
    second = [Certificate(reservations=(*words, *forged(group, copied, 1, 2))) for copied in words]
    words = [group[place].reserve(three, now) for place in (3, 5)]
    third = [Certificate(reservations=(*words, *forged(group, copied, 1, 2))) for copied in words]
    for case, place, certificates in ((two, 4, second), (three, 5, third)):
        for certificate in certificates:
            asked = group.terms(case, sorted((1, 2, place)))
            assert code_of(lambda: group[place].join(case, certificate, asked, now)) is Refusal.BEHIND  # noqa: B023


def test_parties_that_took_the_same_cases_in_another_order_say_so_again() -> None:
    group = Parties()
    now = group.world.now
    one, two = (group.case(wallet=wallet) for wallet in range(2))
    early = [group[place].reserve(one, now) for place in (1, 2)]
    group.certificate(two, 1, 2, 3, 4)
    late = [group[place].reserve(one, now) for place in (3, 4)]
    terms = group.terms(one, (1, 2, 3))
    mixed = Certificate(reservations=(*early, *late))
    assert code_of(lambda: group[1].join(one, mixed, terms, now)) is Refusal.BEHIND
    group[1].join(one, group.certificate(one, 1, 2, 3, 4), terms, now)
