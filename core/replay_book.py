"""Rolling totals for a replay: what is held counts whatever its age, what was spent leaves by time.

The same rule as the web tier's reservations, over millions of draws in memory: one bisection for each question.
"""

from __future__ import annotations

import copy
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

from core.limits import amount_of, scope_keys, scope_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from core.documents.policy import Limit, Policy
    from core.limits import Draw, Scope, ScopeKey

Shares = tuple[tuple["Scope", "ScopeKey", int], ...]
"""What one draw adds to each scope and key."""


class _Row:
    """One scope under one key: what is held, and what was spent with running sums in the order of time."""

    __slots__ = ("held", "sums", "times")

    def __init__(self) -> None:
        self.held = 0
        self.times: list[int] = []
        self.sums = [0]

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

    def since(self, start: int | None) -> int:
        if start is None or not self.times or self.times[0] >= start:
            return self.held + self.sums[-1]
        return self.held + self.sums[-1] - self.sums[bisect_left(self.times, start)]


def scopes_of(*policies: Policy) -> tuple[Scope, ...]:
    """Return what the limits of policies add up, each once; a limit on single transactions adds nothing up."""
    return tuple(dict.fromkeys(scope_of(limit) for p in policies for limit in p.limits if limit.window != 0))


def shares_of(scopes: Iterable[Scope], draw: Draw) -> Shares:
    """Return what a draw adds to each of these scopes."""
    keys: dict[object, list[ScopeKey]] = {}
    shares: list[tuple[Scope, ScopeKey, int]] = []
    for scope in scopes:
        per, measure, asset = scope
        amount = amount_of(measure, asset, draw)
        if amount:
            if per not in keys:
                keys[per] = scope_keys(per, draw)
            shares.extend((scope, key, amount) for key in keys[per])
    return tuple(shares)


class ReplayBook:
    """Totals of one course of history; `core.limits.Totals`."""

    def __init__(self, scopes: Iterable[Scope]) -> None:
        """Start empty, for these scopes."""
        self._tables: dict[Scope, dict[ScopeKey, _Row]] = {scope: {} for scope in scopes}
        self._by_limit: dict[int, dict[ScopeKey, _Row]] = {}
        self._held: dict[int, tuple[tuple[_Row, int], ...]] = {}
        self.asked: list[tuple[Limit, ScopeKey, int]] = []

    def branch(self) -> ReplayBook:
        """Return a book that knows the same and goes its own way from here."""
        other = ReplayBook(())
        other._tables, other._held = copy.deepcopy((self._tables, self._held))
        return other

    def hold(self, number: int, shares: Shares) -> None:
        """Hold a draw's shares under its decision's number."""
        rows = []
        for scope, key, amount in shares:
            table = self._tables[scope]
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

    def used(self, limit: Limit, key: ScopeKey, *, now: int) -> int:
        """Return what a limit's window holds for a scope, and remember that it was asked."""
        table = self._by_limit.get(id(limit))
        if table is None:
            # Policies outlive their replay, so that an id is the limit's for as long as the book is.
            table = self._by_limit[id(limit)] = self._tables[scope_of(limit)]
        row = table.get(key)
        total = 0 if row is None else row.since(None if limit.window is None else now - limit.window)
        self.asked.append((limit, key, total))
        return total

    def agrees(self, asked: Iterable[tuple[Limit, ScopeKey, int]], *, now: int) -> bool:
        """Whether this book would have answered the same."""
        return all(self.used(limit, key, now=now) == total for limit, key, total in asked)
