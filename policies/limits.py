"""What a transaction counts under, and what earlier ones hold: `core.limits.Totals` over the database."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.canonical import canonical
from core.limits import amount_of, scope_keys
from core.schema import UINT256_MAX
from policies.facts import draw_read
from policies.selectors import hold_draws, limits_counted, reservation_total

if TYPE_CHECKING:
    from collections.abc import Iterable

    from core.documents.policy import Limit
    from core.limits import Draw, ScopeKey

CounterName = tuple[str, str, str, str]
"""Limit id, scope key, measure, asset: the identity of a counter, and the order in which counters are locked."""


def counter_name(limit: Limit, key: ScopeKey) -> CounterName:
    """Name the counter of a limit in one scope.

    The key says which dimensions it is of, so a limit that is redefined under its old id starts a counter of its own.
    """
    scope = {str(dimension): part for dimension, part in zip(limit.per, key, strict=True)}
    return limit.id, canonical(scope).decode(), str(limit.measure), limit.asset or ""


LimitName = tuple[str, str, str, str]
"""Limit id, dimensions, measure, asset."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class HeldDraw:
    """One draw that was not released."""

    intent: str
    held: bool
    time: int
    draw: Draw


@dataclasses.dataclass(frozen=True, kw_only=True)
class Share:
    """What one transaction would hold in one counter, in the limit's unit, at most 2^256 - 1."""

    name: CounterName
    limit: Limit
    key: ScopeKey
    amount: int


def shares_of(limits: Iterable[Limit], draw: Draw) -> list[Share]:
    """Return everything that a draw counts under in these limits, in the order in which counters are locked.

    As in a signer, it counts in every limit of its scope, also in one whose condition it does not meet.
    """
    shares: dict[CounterName, Share] = {}
    for limit in limits:
        amount = min(amount_of(limit.measure, limit.asset, draw), UINT256_MAX)
        for key in scope_keys(limit.per, draw) if amount else ():
            name = counter_name(limit, key)
            shares[name] = Share(name=name, limit=limit, key=key, amount=amount)
    return [shares[name] for name in sorted(shares)]


def limit_name(limit: Limit) -> LimitName:
    """Name a limit by what it counts, as `CountedLimit` does."""
    return limit.id, ",".join(limit.per), str(limit.measure), limit.asset or ""


class StoredTotals:
    """The web tier's totals: what is held, and what was spent in the window. Exact only while counters are locked.

    A limit whose counters do not hold all of history yet is added up from the draws themselves.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[CounterName, int | None], int] = {}
        self._counted: set[LimitName] | None = None
        self._draws: list[HeldDraw] | None = None

    def used(self, limit: Limit, key: ScopeKey, *, now: int) -> int:
        """Return what a limit's window holds for a scope."""
        start = None if limit.window is None else now - limit.window
        name = counter_name(limit, key)
        if (name, start) not in self._known:
            counted = self.is_counted(limit)
            self._known[(name, start)] = _stored(name, start) if counted else self._added_up(limit, key, start)
        return self._known[(name, start)]

    def is_counted(self, limit: Limit) -> bool:
        """Whether a limit's counters hold all of history."""
        if self._counted is None:
            self._counted = limits_counted()
        return limit_name(limit) in self._counted

    def draws(self) -> list[HeldDraw]:
        """Return every draw that counts in a limit that nobody counts yet."""
        if self._draws is None:
            self._draws = [
                HeldDraw(intent=intent, held=held, time=time, draw=draw_read(text=text))
                for intent, held, time, text in hold_draws()
            ]
        return self._draws

    def _added_up(self, limit: Limit, key: ScopeKey, start: int | None) -> int:
        return sum(
            min(amount_of(limit.measure, limit.asset, one.draw), UINT256_MAX)
            for one in self.draws()
            if (start is None or one.held or one.time >= start) and key in scope_keys(limit.per, one.draw)
        )


def _stored(name: CounterName, start: int | None) -> int:
    limit_id, scope_key, measure, asset = name
    return reservation_total(limit_id=limit_id, scope_key=scope_key, measure=measure, asset=asset, start=start)
