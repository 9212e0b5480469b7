"""What a transaction draws, and how windows add it up.

Every draw counts in every limit of its scope, whichever rule let it pass. A draw is never given back here: it
leaves a window only by time.
"""

from __future__ import annotations

import dataclasses
from bisect import bisect_left
from itertools import product
from typing import TYPE_CHECKING, Protocol

from core.documents.policy import Dimension, Limit, Measure
from core.names import ACCOUNT, ADDRESS, AMOUNT, ASSET, CHAIN, DIGEST, SLUG, TIME, native_asset
from core.schema import Items, Maybe, Struct, Text, of

if TYPE_CHECKING:
    from collections.abc import Callable

UNBOUNDED = 2**256
"""Stands for an amount that is not known: above every threshold."""
MOST_NAMED = 33
"""The most assets, destinations or contracts that one draw names; a transaction with more is not understood."""
_BENEFICIARY = Text(most=64, pattern=r"[A-Za-z0-9._-]+")


@dataclasses.dataclass(frozen=True, kw_only=True)
class AssetDraw:
    """What is drawn of one asset, base units; the native coin includes gas times fee cap."""

    asset: str = of(ASSET)
    amount: int = of(AMOUNT)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Draw:
    """One transaction as limits see it. It counts whole under each key: counting too much is the safe direction.

    `order` is the mandate's digest, which all children of an order share. `assets`, `destinations`,
    `beneficiaries`, `contracts` and `protocols` are sorted and name nothing twice; empty means not known (for
    contracts and protocols: none). `usd_e8` null: no price was known; `fee` in wei, worst case.
    """

    time: int = of(TIME)
    order: str = of(DIGEST)
    initiators: tuple[str, ...] = of(Items(SLUG, least=1, most=17))
    desk: str = of(SLUG)
    wallet: str = of(ACCOUNT)
    chain: str = of(CHAIN)
    assets: tuple[str, ...] = of(Items(ASSET, most=MOST_NAMED))
    destinations: tuple[str, ...] = of(Items(ADDRESS, most=MOST_NAMED))
    beneficiaries: tuple[str, ...] = of(Items(_BENEFICIARY, most=MOST_NAMED))
    contracts: tuple[str, ...] = of(Items(ADDRESS, most=MOST_NAMED))
    protocols: tuple[str, ...] = of(Items(SLUG, most=MOST_NAMED))
    amounts: tuple[AssetDraw, ...] = of(Items(Struct(lambda: AssetDraw), most=MOST_NAMED + 1))
    usd_e8: int | None = of(Maybe(AMOUNT))
    fee: int = of(AMOUNT)

    def __post_init__(self) -> None:
        """Refuse lists in any but their one spelling."""
        for names in (self.assets, self.destinations, self.beneficiaries, self.contracts, self.protocols):
            if list(names) != sorted(set(names)):
                msg = "what a draw names is sorted, each once"
                raise ValueError(msg)


ScopeKey = tuple[str, ...]
Scope = tuple[tuple[Dimension, ...], Measure, str | None]


class Totals(Protocol):
    """Whoever adds up: the signer's journal, or the web tier's counters."""

    def used(self, limit: Limit, key: ScopeKey, *, now: int) -> int:
        """Return what is already drawn in the limit's window for this scope, in the limit's unit."""


_NAMED: dict[Dimension, Callable[[Draw], tuple[str, ...]]] = {
    Dimension.INITIATOR: lambda draw: draw.initiators,
    Dimension.DESK: lambda draw: (draw.desk,),
    Dimension.WALLET: lambda draw: (draw.wallet,),
    Dimension.CHAIN: lambda draw: (draw.chain,),
    Dimension.ASSET: lambda draw: draw.assets or ("?",),
    Dimension.DESTINATION: lambda draw: draw.destinations or ("?",),
    Dimension.BENEFICIARY: lambda draw: draw.beneficiaries or ("?",),
    Dimension.CONTRACT: lambda draw: draw.contracts or ("-",),
    Dimension.PROTOCOL: lambda draw: draw.protocols or ("-",),
    Dimension.MANDATE: lambda draw: (draw.order,),
}
"""What a draw names in each dimension."""


def scope_of(limit: Limit) -> Scope:
    """Return what two limits must share to be added up from the same figures."""
    return limit.per, limit.measure, limit.asset


SEVERAL = frozenset(
    {Dimension.ASSET, Dimension.DESTINATION, Dimension.BENEFICIARY, Dimension.CONTRACT, Dimension.PROTOCOL}
)
"""Of what one draw can name many: a batch of calls pays many destinations. (Initiators: 17 at most.)"""


def scope_keys(per: tuple[Dimension, ...], draw: Draw) -> list[ScopeKey]:
    """Return the keys that a draw counts under; several where it names several people, assets or destinations.

    What is not known counts under a key of its own, ``?``; where there is nothing to name, under ``-``.
    """
    named = [_NAMED[dimension](draw) for dimension in per]
    if len(named) == 1:
        return [(name,) for name in named[0]]
    return [tuple(key) for key in product(*named)]


def amount_of(measure: Measure, asset: str | None, draw: Draw) -> int:
    """Return what a draw adds to a limit: base units, 10⁻⁸ US dollars, transactions or wei."""
    if measure is Measure.ASSET:
        # A call that is not understood may move any token of its chain; the native coin that it sends is known.
        token = asset is not None and asset.startswith(f"{draw.chain}/") and asset != native_asset(draw.chain)
        if not draw.assets and token:
            return UNBOUNDED
        return sum(part.amount for part in draw.amounts if part.asset == asset)
    if measure is Measure.USD:
        return UNBOUNDED if draw.usd_e8 is None else draw.usd_e8
    return 1 if measure is Measure.COUNT else draw.fee


class DrawBook:
    """Rolling totals over draws that arrive in the order of time: one bisection for each question."""

    def __init__(self) -> None:
        """Start empty."""
        self._draws: list[Draw] = []
        self._tables: dict[Scope, dict[ScopeKey, tuple[list[int], list[int]]]] = {}

    def add(self, draw: Draw) -> None:
        """Count a draw; its time is not earlier than the last one's."""
        self._draws.append(draw)
        for scope, table in self._tables.items():
            self._count(scope, table, draw)

    def since(self, scope: Scope, key: ScopeKey, start: int | None) -> int:
        """Return the total of draws at or after `start` (None: of all)."""
        times, sums = self._table(scope).get(key, ([], [0]))
        first = 0 if start is None else bisect_left(times, start)
        return sums[-1] - sums[first]

    def _table(self, scope: Scope) -> dict[ScopeKey, tuple[list[int], list[int]]]:
        if scope not in self._tables:
            table: dict[ScopeKey, tuple[list[int], list[int]]] = {}
            for draw in self._draws:
                self._count(scope, table, draw)
            self._tables[scope] = table
        return self._tables[scope]

    @staticmethod
    def _count(scope: Scope, table: dict[ScopeKey, tuple[list[int], list[int]]], draw: Draw) -> None:
        per, measure, asset = scope
        for key in scope_keys(per, draw):
            times, sums = table.setdefault(key, ([], [0]))
            times.append(draw.time)
            sums.append(sums[-1] + amount_of(measure, asset, draw))
