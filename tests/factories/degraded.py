"""Degraded mode in memory: a limit that is divided, parties that sign together, and parties that lie."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from core.documents.party import Certificate
from core.documents.policy import Dimension, Measure
from core.errors import Refusal, RefusedError
from tests.factories.parties import Parties
from tests.factories.world import DAY, ETHER, NATIVE, limit

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.documents.bundle import Bundle

UNIT = ETHER // 10
"""Small enough that two risk officers are all it takes."""


def code_of(work: Callable[[], object]) -> Refusal:
    """Return the code of the refusal that some work meets."""
    with pytest.raises(RefusedError) as caught:
        work()
    return caught.value.code


def limited(threshold: int = 3, parties: int = 5, most: int = 9 * UNIT) -> Parties:
    """Return parties under a limit a day for each initiator, over all wallets: 9 units, 3 in degraded mode."""
    day = limit("day", Measure.ASSET, most, order=1, asset=NATIVE, window=DAY)
    return Parties(threshold, parties, limits=(dataclasses.replace(day, per=(Dimension.INITIATOR,)),))


def go(group: Parties, case: Bundle, *places: int) -> Certificate:
    """Have these parties reserve a case and sign it together."""
    certificate = group.certificate(case, *places)
    for place in places:
        group[place].join(case, certificate, group.terms(case, places), group.world.now)
    return certificate


def forged(group: Parties, word: Certificate, *places: int) -> Certificate:
    """Have corrupt parties repeat an honest one's word as their own."""
    honest = word.reservations[0]
    lies = [group[place].sign(dataclasses.replace(honest.document, party=f"party-{place}")) for place in places]
    return Certificate(reservations=(honest, *lies))
