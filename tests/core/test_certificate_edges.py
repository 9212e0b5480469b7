"""What a certificate rests on beside its words: whose wallet and memory, what was caught, how often it was tried."""

from __future__ import annotations

import dataclasses

import pytest

from core.certificate import ABORTS_MOST, join
from core.documents.party import Certificate, LaneState
from core.errors import Refusal
from core.party_keys import party_key
from core.records import AbortRecord
from core.verify import verify
from tests.core.test_certificate import code_of
from tests.factories.parties import Parties


def test_a_party_without_a_key_in_the_policy_has_no_word() -> None:
    group = Parties()
    for name in ("party-9", "tessa", ""):
        assert code_of(lambda: party_key(group.policy, name)) is Refusal.CERTIFICATE  # noqa: B023
    alone = dataclasses.replace(group.policy, signers=())
    assert code_of(lambda: party_key(alone, "party-1")) is Refusal.CERTIFICATE


def test_what_is_learned_is_of_a_wallet_of_ones_own_and_not_of_the_past() -> None:
    group = Parties()
    now = group.world.now
    whole = group.certificate(group.case(), 1, 2, 3, 4)
    assert (
        code_of(lambda: group[5].learn(Certificate(reservations=whole.reservations[:1]), now)) is Refusal.CERTIFICATE
    )
    stranger = dataclasses.replace(group[5], pins=dataclasses.replace(group[5].pins, signer="party-9"))
    assert code_of(lambda: stranger.learn(whole, now)) is Refusal.UNKNOWN_WALLET
    nowhere = "eip155:1:0x" + "9" * 40
    words = [
        group[place].sign(
            dataclasses.replace(one.document, binding=dataclasses.replace(one.document.binding, wallet=nowhere))
        )
        for place, one in enumerate(whole.reservations, start=1)
    ]
    assert code_of(lambda: group[5].learn(Certificate(reservations=tuple(words)), now)) is Refusal.UNKNOWN_WALLET
    group[5].journal.saw(now + 1)
    assert code_of(lambda: group[5].learn(whole, now)) is Refusal.CLOCK
    assert group[5].learn(whole, now + 1)


def test_whoever_joins_has_journalled_what_stands_behind_the_words() -> None:
    group = Parties()
    now = group.world.now
    missed, case = group.case(wallet=1), group.case()
    earlier = group.certificate(missed, 1, 2, 3, 4)
    certificate = group.certificate(case, 1, 2, 3, 4)
    terms = group.terms(case, (1, 2, 5))
    assert code_of(lambda: group[5].join(case, certificate, terms, now)) is Refusal.BEHIND
    assert group[5].learn(earlier, now)
    group[5].join(case, certificate, terms, now)


@pytest.mark.parametrize("cancels", [0, 1])
def test_cancels_that_others_counted_are_learned_first_and_other_wallets_are_nobodys_business(
    cancels: int,
) -> None:
    group = Parties()
    case = group.case()
    foreign = LaneState(wallet="eip155:1:0x" + "8" * 40, next_nonce=7, cancels=7, held="f" * 64)
    words = []
    for place, one in enumerate(group.certificate(case, 1, 2, 3, 4).reservations, start=1):
        lanes = tuple(dataclasses.replace(lane, cancels=cancels) for lane in one.document.lanes)
        words.append(group[place].sign(dataclasses.replace(one.document, lanes=(*lanes, foreign))))
    certificate = Certificate(reservations=tuple(words))
    terms = group.terms(case, (1, 2, 3))
    if cancels == 0:
        group[3].join(case, certificate, terms, group.world.now)
    else:
        assert code_of(lambda: group[3].join(case, certificate, terms, group.world.now)) is Refusal.BEHIND


def test_a_case_that_was_verified_and_not_journalled_is_not_joined() -> None:
    group = Parties()
    case = group.case()
    certificate = group.certificate(case, 1, 2, 3, 4)
    party, now = group[5], group.world.now
    verified = verify(case, party.pins, party.journal, now)
    terms = group.terms(case, (1, 2, 5))

    def work() -> object:
        return join(case, verified, certificate, terms, pins=party.pins, journal=party.journal, epoch=0, now=now)

    assert code_of(work) is Refusal.CERTIFICATE


def test_whom_the_protocol_caught_is_in_no_session_until_the_shares_are_new() -> None:
    group = Parties()
    case = group.case()
    certificate = group.certificate(case, 1, 2, 3, 4)
    now = group.world.now
    record = group[1].join(case, certificate, group.terms(case, (1, 2, 3)), now)
    caught = AbortRecord(
        kind="abort", time=now, session=record.session, reason="lied", culprits=("party-2",), ban=True, consents=()
    )
    group[1].journal.apply(group[1].journal.encode(caught))
    assert code_of(lambda: group[1].join(case, certificate, group.terms(case, (1, 2, 4)), now)) is Refusal.FROZEN
    group[1].join(case, certificate, group.terms(case, (1, 3, 4)), now)


def test_as_many_sessions_may_end_as_are_said_and_no_more() -> None:
    group = Parties()
    case = group.case()
    certificate = group.certificate(case, 1, 2, 3, 4)
    for _ in range(ABORTS_MOST):
        group[1].join(case, certificate, group.terms(case, (1, 2, 3)), group.world.now)
    asked = group.terms(case, (1, 2, 3))
    assert code_of(lambda: group[1].join(case, certificate, asked, group.world.now)) is Refusal.FROZEN


def test_a_case_decided_over_whole_limits_takes_a_whole_certificate_also_once_fewer_may_go_on() -> None:
    group = Parties()
    case, now = group.case(named=True), group.world.now
    few = group.certificate(case, 1, 2, 3)
    party = group[1]
    before = verify(case, party.pins, party.journal, now)
    group.degrade(1, 2, 3)
    terms = group.terms(case, (1, 2, 3))

    def work() -> object:
        return join(case, before, few, terms, pins=party.pins, journal=party.journal, epoch=0, now=now)

    assert code_of(work) is Refusal.CERTIFICATE
    party.join(case, few, terms, now)
