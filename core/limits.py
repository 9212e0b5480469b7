"""What a transaction draws, and how windows add it up.

Every draw counts in every limit of its scope, whichever rule let it pass. A draw is never given back here: it
leaves a window only by time.
"""

from __future__ import annotations

import dataclasses
from bisect import bisect_left
from itertools import product
from typing import Protocol

from core.documents.policy import Dimension, Limit, Measure
from core.names import ACCOUNT, ADDRESS, AMOUNT, ASSET, CHAIN, SLUG, TIME, native_asset
from core.schema import Items, Maybe, Struct, of

UNBOUNDED = 2**256
"""Stands for an amount that is not known: above every threshold."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class AssetDraw:
    """What is drawn of one asset, base units; the native coin includes gas times fee cap."""

    asset: str = of(ASSET)
    amount: int = of(AMOUNT)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Draw:
    """One transaction as limits see it. `usd_e8` null: no price was known; `fee` in wei, worst case."""

    time: int = of(TIME)
    initiators: tuple[str, ...] = of(Items(SLUG, least=1, most=17))
    desk: str = of(SLUG)
    wallet: str = of(ACCOUNT)
    chain: str = of(CHAIN)
    asset: str | None = of(Maybe(ASSET))
    destination: str | None = of(Maybe(ADDRESS))
    contract: str | None = of(Maybe(ADDRESS))
    amounts: tuple[AssetDraw, ...] = of(Items(Struct(lambda: AssetDraw), most=33))
    usd_e8: int | None = of(Maybe(AMOUNT))
    fee: int = of(AMOUNT)


ScopeKey = tuple[str, ...]
Scope = tuple[tuple[Dimension, ...], Measure, str | None]


class Totals(Protocol):
    """Whoever adds up: the signer's journal, or the web tier's counters."""

    def used(self, limit: Limit, key: ScopeKey, *, now: int) -> int:
        """Return what is already drawn in the limit's window for this scope, in the limit's unit."""


def scope_of(limit: Limit) -> Scope:
    """Return what two limits must share to be added up from the same figures."""
    return limit.per, limit.measure, limit.asset


def scope_keys(per: tuple[Dimension, ...], draw: Draw) -> list[ScopeKey]:
    """Return the keys that a draw counts under; several where a client's responsible persons initiate together."""
    parts: dict[Dimension, tuple[str, ...]] = {
        Dimension.INITIATOR: draw.initiators,
        Dimension.DESK: (draw.desk,),
        Dimension.WALLET: (draw.wallet,),
        Dimension.CHAIN: (draw.chain,),
        Dimension.ASSET: (draw.asset or "?",),
        Dimension.DESTINATION: (draw.destination or "?",),
        Dimension.CONTRACT: (draw.contract or "-",),
    }
    return [tuple(key) for key in product(*(parts[dimension] for dimension in per))]


def amount_of(measure: Measure, asset: str | None, draw: Draw) -> int:
    """Return what a draw adds to a limit: base units, 10⁻⁸ US dollars, transactions or wei."""
    if measure is Measure.ASSET:
        # A call that is not understood may move any token of its chain; the native coin that it sends is known.
        token = asset is not None and asset.startswith(f"{draw.chain}/") and asset != native_asset(draw.chain)
        if draw.asset is None and token:
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
