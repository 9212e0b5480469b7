"""Rolling totals for a replay: what is held counts whatever its age, what was spent leaves by time.

The same rule as the web tier's reservations, over millions of draws in memory: one bisection for each question.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

from core.limits import amount_of, scope_keys, scope_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from core.documents.policy import Limit, Policy
    from core.limits import Draw, Scope, ScopeKey

Shares = tuple[tuple[int, "ScopeKey", int], ...]
"""What one draw adds: the place of the scope, the key and the amount."""


class _Row:
    """One scope under one key: what is held, and what was spent with running sums in the order of time."""

    __slots__ = ("held", "sums", "times")

    def __init__(self) -> None:
        self.held = 0
        self.times: list[int] = []
        self.sums = [0]

    def copy(self) -> _Row:
        other = _Row()
        other.held, other.times, other.sums = self.held, self.times.copy(), self.sums.copy()
        return other

    def spend(self, time: int, amount: int) -> None:
        if self.times and time < self.times[-1]:
            self._insert(time, amount)
            return
        self.times.append(time)
        self.sums.append(self.sums[-1] + amount)

    def _insert(self, time: int, amount: int) -> None:
        """Take what arrives late: clocks of several hosts differ a little."""
        place = bisect_right(self.times, time)
        self.times.insert(place, time)
        self.sums.insert(place, self.sums[place])
        for later in range(place + 1, len(self.sums)):
            self.sums[later] += amount

    def total(self, start: int | None) -> int:
        times = self.times
        if start is None or not times or times[0] >= start:
            return self.held + self.sums[-1]
        return self.held + self.sums[-1] - self.sums[bisect_left(times, start)]


def scopes_of(*policies: Policy) -> tuple[Scope, ...]:
    """Return what the limits of policies add up, each once; a limit on single transactions adds nothing up."""
    return tuple(dict.fromkeys(scope_of(limit) for p in policies for limit in p.limits if limit.window != 0))


def shares_of(scopes: Iterable[Scope], draw: Draw) -> Shares:
    """Return what a draw adds to each of these scopes."""
    shares: list[tuple[int, ScopeKey, int]] = []
    for place, (per, measure, asset) in enumerate(scopes):
        amount = amount_of(measure, asset, draw)
        if amount:
            shares += [(place, key, amount) for key in scope_keys(per, draw)]
    return tuple(shares)


class ReplayBook:
    """Totals of one course of history; `core.limits.Totals`."""

    def __init__(self, scopes: Iterable[Scope]) -> None:
        """Start empty, for these scopes in this order."""
        self._scopes = tuple(scopes)
        self._tables: list[dict[ScopeKey, _Row]] = [{} for _ in self._scopes]
        self._by_limit: dict[int, tuple[Limit, dict[ScopeKey, _Row], int | None]] = {}
        self._held: dict[int, tuple[tuple[_Row, int], ...]] = {}

    def branch(self) -> ReplayBook:
        """Return a book that knows the same and goes its own way from here."""
        other = ReplayBook(self._scopes)
        copies: dict[int, _Row] = {}
        for table, own in zip(self._tables, other._tables, strict=True):
            for key, row in table.items():
                own[key] = copies[id(row)] = row.copy()
        for number, rows in self._held.items():
            other._held[number] = tuple((copies[id(row)], amount) for row, amount in rows)
        return other

    def spend(self, shares: Shares, time: int) -> None:
        """Count a draw that was signed before anything else was decided: it is never held in between."""
        tables = self._tables
        for place, key, amount in shares:
            table = tables[place]
            row = table.get(key)
            if row is None:
                row = table[key] = _Row()
            row.spend(time, amount)

    def hold(self, number: int, shares: Shares) -> None:
        """Hold a draw's shares under its decision's number."""
        rows = []
        tables = self._tables
        for place, key, amount in shares:
            table = tables[place]
            row = table.get(key)
            if row is None:
                row = table[key] = _Row()
            row.held += amount
            rows.append((row, amount))
        self._held[number] = tuple(rows)

    def end(self, number: int, *, spent: int | None) -> None:
        """End what a decision holds, if it holds anything here.

        Args:
            number: The decision's.
            spent: When it was signed, Unix seconds; None if it was released.
        """
        for row, amount in self._held.pop(number, ()):
            row.held -= amount
            if spent is not None:
                row.spend(spent, amount)

    def _table(self, limit: Limit) -> tuple[Limit, dict[ScopeKey, _Row], int | None]:
        # The limit is kept with its table, so that its id stays its own.
        found = limit, self._tables[self._scopes.index(scope_of(limit))], limit.window
        self._by_limit[id(limit)] = found
        return found

    def used(self, limit: Limit, key: ScopeKey, *, now: int) -> int:
        """Return what a limit's window holds for a scope."""
        _, table, window = self._by_limit.get(id(limit)) or self._table(limit)
        row = table.get(key)
        return 0 if row is None else row.total(None if window is None else now - window)
