"""What a transaction counts under, and what earlier ones hold: `core.limits.Totals` over the database."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.canonical import canonical
from core.limits import amount_of, scope_keys
from core.schema import UINT256_MAX
from policies.selectors import reservation_total

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


class StoredTotals:
    """The web tier's totals: unreleased reservations in the window. Exact only while the counters are locked."""

    def __init__(self) -> None:
        self._known: dict[tuple[CounterName, int | None], int] = {}

    def used(self, limit: Limit, key: ScopeKey, *, now: int) -> int:
        """Return what a limit's window holds for a scope."""
        start = None if limit.window is None else now - limit.window
        name = counter_name(limit, key)
        if (name, start) not in self._known:
            limit_id, scope_key, measure, asset = name
            self._known[(name, start)] = reservation_total(
                limit_id=limit_id, scope_key=scope_key, measure=measure, asset=asset, start=start
            )
        return self._known[(name, start)]
