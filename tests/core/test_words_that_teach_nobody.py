"""A word that is good enough to sign over and not to learn from: whoever was away would stay behind for ever."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from core.documents.party import Certificate
from core.errors import Refusal
from tests.core.test_certificate import code_of
from tests.factories.parties import Parties
from tests.factories.world import DAY


def said(group: Parties, certificate: Certificate, **changes: Any) -> Certificate:  # noqa: ANN401 - of Reservation
    """Have party-1 say something else beside the same binding."""
    first, *others = certificate.reservations
    return Certificate(reservations=(group[1].sign(dataclasses.replace(first.document, **changes)), *others))


@pytest.mark.parametrize("newest", ["0" * 64, "f" * 64])
def test_nobody_joins_over_a_policy_that_never_was_in_force(newest: str) -> None:
    group = Parties()
    case, now = group.case(), group.world.now
    honest = group.certificate(case, 1, 2, 3, 4)
    strange = said(group, honest, newest=newest)
    terms = group.terms(case, (2, 3, 4))
    assert code_of(lambda: group[5].learn(strange, now)) is Refusal.WRONG_POLICY
    for place in (2, 3, 4):
        assert code_of(lambda: group[place].join(case, strange, terms, now)) is Refusal.BEHIND  # noqa: B023
    # What they join over instead is learned by whoever was away, and the lanes stay alike.
    group[3].join(case, honest, terms, now)
    assert group[5].learn(honest, now)
    following = group.certificate(group.case(1), 2, 3, 4, 5)
    assert len({one.document.lanes for one in following.reservations}) == 1


@pytest.mark.parametrize("created", [-8 * DAY, 8 * DAY])
def test_in_degraded_mode_words_are_given_in_its_time(created: int) -> None:
    group = Parties()
    group.degrade(1, 2, 3, known=(1, 2, 3, 4))
    case, now = group.case(named=True), group.world.now
    honest = group.certificate(case, 1, 2, 3)
    header = honest.reservations[0].document.header
    moved = dataclasses.replace(header, created=now + created, expires=now + created + DAY)
    strange, terms = said(group, honest, header=moved), group.terms(case, (1, 2, 3))
    assert code_of(lambda: group[4].learn(strange, now)) is Refusal.CERTIFICATE
    for place in (2, 3):
        assert code_of(lambda: group[place].join(case, strange, terms, now)) is Refusal.CERTIFICATE  # noqa: B023
        group[place].join(case, honest, terms, now)
    assert group[4].learn(honest, now)
