"""How far a swap is from the prices of others: what the sender gives and gets, valued, in basis points.

Integers only, rounded against us. Fees of the chain are no part of it.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chains.simulation.result import Simulation

_ALL_BPS = 10_000
_MILLIONTHS = 1_000_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Price:
    """What one whole unit of an asset costs, 10⁻⁸ US dollars, and its decimal places."""

    usd_e8: int
    decimals: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Exchange:
    """One asset given for another, base units; CAIP-19."""

    gives: str
    given: int
    gets: str
    got: int

    def loss_of(self, prices: Mapping[str, Price], parts: int) -> int | None:
        """Return how much less the got is worth than the given, in `parts` of it, rounded up; None without a price.

        Getting more than was given is no loss: 0.
        """
        first, second = prices.get(self.gives), prices.get(self.gets)
        if first is None or second is None or self.given <= 0:
            return None
        # Both sides are multiplied by both assets' decimals, so that nothing is rounded before the end.
        paid = self.given * first.usd_e8 * 10**second.decimals
        worth = self.got * second.usd_e8 * 10**first.decimals
        return 0 if worth >= paid or not paid else -(-(paid - worth) * parts // paid)

    def deviation_bps(self, prices: Mapping[str, Price]) -> int | None:
        """Return the loss in basis points, rounded up."""
        return self.loss_of(prices, _ALL_BPS)

    def loss_words(self, prices: Mapping[str, Price]) -> str:
        """Say the loss in per cent, three digits that count, for instance ``2.98 %`` or ``0.200 %``."""
        loss = self.loss_of(prices, _ALL_BPS * _MILLIONTHS)
        if loss is None:
            return ""
        places = 3 if loss < 100 * _MILLIONTHS else 2 if loss < 1_000 * _MILLIONTHS else 1
        unit: int = 10 ** (8 - places)
        rounded = (loss + unit // 2) // unit
        whole, part = divmod(rounded, 10**places)
        return f"{whole}.{part:0{places}d} %"


def exchange_of(simulation: Simulation, account: str) -> Exchange | None:
    """Return what an account exchanges: exactly one asset given, exactly one got; None if it is anything else."""
    changes = simulation.changes_of(account)
    gives = [(asset, -change) for asset, change in changes.items() if change < 0]
    gets = [(asset, change) for asset, change in changes.items() if change > 0]
    if len(gives) != 1 or len(gets) != 1:
        return None
    return Exchange(gives=gives[0][0], given=gives[0][1], gets=gets[0][0], got=gets[0][1])
