"""Parties that take turns, lie and never meet sign no more in degraded mode than the limit, and no mandate twice."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING

import pytest

from core.documents.party import Certificate
from core.errors import Refusal, RefusedError
from tests.factories.degraded import UNIT, code_of, forged, go, limited
from tests.factories.parties import Parties

if TYPE_CHECKING:
    from core.documents.bundle import Bundle


def alone(group: Parties, case: Bundle, place: int, liars: tuple[int, ...]) -> bool:
    """Have one honest party sign a case with parties that say whatever it takes; whether it does."""
    try:
        word = Certificate(reservations=(group[place].reserve(case, group.world.now),))
        quorum = (*liars, place)
        group[place].join(case, forged(group, word, *liars), group.terms(case, quorum), group.world.now)
    except RefusedError as refused:
        if refused.code is not Refusal.DENIED:
            raise
        return False
    return True


@pytest.mark.parametrize(("parties", "threshold", "corrupt"), [(3, 2, 1), (5, 3, 2)])
@pytest.mark.parametrize("several", [True, False])
def test_honest_parties_that_never_meet_sign_the_limit_together_and_no_more(
    parties: int, threshold: int, corrupt: int, *, several: bool
) -> None:
    """The worst there is: t - 1 lie, every honest party signs alone with them, each at the same nonces."""
    most = 12 * UNIT
    group = limited(threshold, parties, most)
    liars, honest = tuple(range(1, corrupt + 1)), range(corrupt + 1, parties + 1)
    for place in honest:
        # One mode in which everybody goes on who can, or one for each, all at once.
        others = [other for other in honest if other != place][: group.size - 1 - threshold]
        going = (*liars, *sorted((place, *others))) if several else (*liars, place)
        group.degrade(*going, known=(place,))
    signed_by: dict[int, int] = dict.fromkeys(honest, 0)
    for place in honest:
        for nonce in range(24):
            case = group.case(nonce, named=True, value=UNIT, max_fee_per_gas=1, max_priority_fee_per_gas=1)
            if not alone(group, case, place, liars):
                break
            signed_by[place] += case.intent.value
    total = sum(signed_by.values())
    # Whole transactions of one unit fill all but the fees of each part.
    assert most - len(honest) * UNIT <= total <= most


@pytest.mark.parametrize(("parties", "threshold"), [(3, 2), (5, 3)])
def test_rotating_quorums_of_honest_parties_sign_no_more_than_the_limit(parties: int, threshold: int) -> None:
    most = 12 * UNIT
    group = limited(threshold, parties, most)
    everybody = range(1, parties + 1)
    quorums = list(itertools.combinations(everybody, threshold))
    for places in quorums:
        group.degrade(*places, known=everybody)
    total = 0
    for places in quorums:
        reach = {group[place].journal.next_nonce(group.wallet.id) for place in places}
        case = group.case(max(reach), named=True, value=UNIT, max_fee_per_gas=1, max_priority_fee_per_gas=1)
        try:
            go(group, case, *places)
        except RefusedError:
            continue
        total += case.intent.value
    assert UNIT <= total <= most


def test_a_mandate_is_signed_at_one_nonce_whoever_signs_it() -> None:
    group = Parties()
    liars = (1, 2)
    for place in (3, 4):
        group.degrade(*liars, place, known=(place,))
    case = group.case(named=True, value=UNIT)
    assert alone(group, case, 3, liars)
    # Party 4 never heard of it. It signs another case first, and then this one's turn is over.
    assert alone(group, group.case(named=True, value=2 * UNIT), 4, liars)
    for nonce, code in ((0, Refusal.NONCE), (1, Refusal.INTENT_MISMATCH)):
        moved = dataclasses.replace(case, attempt=dataclasses.replace(case.attempt, nonce=nonce))
        assert code_of(lambda: group[4].reserve(moved, group.world.now)) is code  # noqa: B023


@pytest.mark.parametrize("honest_relay", [True, False])
def test_the_bound_of_a_window_with_both_ways_in_it(*, honest_relay: bool) -> None:
    """Whole certificates and degraded ones keep within the limit each; with an honest relay, together."""
    most = 12 * UNIT
    group = limited(most=most)
    order = group.degrade(1, 2, 5, known=(1, 2, 5))
    below = 0
    made = []
    for nonce in range(3):
        case = group.case(nonce, named=True, value=UNIT)
        made.append(go(group, case, 1, 2, 5))
        below += case.intent.value
    group.world.now = order.document.header.expires
    if honest_relay:
        for place in (3, 4):
            group[place].take(order, group.world.now)
            assert all(group[place].learn(one, group.world.now) for one in made)
    whole, nonce = 0, 3 if honest_relay else 0
    while True:
        case = group.case(nonce, value=UNIT)
        try:
            words = [group[place].reserve(case, group.world.now) for place in (3, 4)]
            # Parties 1 and 2 forget, or say that they do.
            lies = [group[n].sign(dataclasses.replace(words[0].document, party=f"party-{n}")) for n in (1, 2)]
            certificate = Certificate(reservations=(*words, *lies))
            group[3].join(case, certificate, group.terms(case, (1, 2, 3)), group.world.now)
        except RefusedError as refused:
            if refused.code is not Refusal.DENIED:
                raise
            break
        whole, nonce = whole + case.intent.value, nonce + 1
    assert whole <= most
    assert below <= most // 3
    assert (below + whole <= most) is honest_relay
    # What stands on the chain is less still: both began at nonce 0, and each nonce is mined once.
