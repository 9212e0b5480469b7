"""When it happens: every moment that the time windows and the clock's facts can tell apart.

Windows repeat each week as long as no zone changes its offset, so one week after each change holds every
combination that there is. The real evaluator says what holds at each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import z3

from core.conditions import evaluate
from core.documents.policy import ConditionOp
from core.timewindow import window_read, zones_now
from policies.proof.terms import Choice, both
from policies.proof.universe import MINUTE, WEEKDAY, is_clock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from core.documents.policy import Policy
    from core.registry import FactMap
    from policies.proof.universe import Universe

DAY = 86_400
_DAYS = 9
_MOST_ROWS = 4096
_LONG = 19
"""Digits of a number that is no moment any more."""


def clock_facts(policy: Policy, now: int) -> FactMap:
    """Return the facts that follow from the clock and a policy's zones alone."""
    return {
        "time.now": now,
        "time.minute": now // 60 % 1440,
        "time.weekday": (now // DAY + 3) % 7,
        "time.zones": zones_now(policy.zones, now),
    }


class Moments:
    """The moments of a policy's life that its conditions can tell apart."""

    def __init__(self, universe: Universe, policies: Mapping[str, Policy]) -> None:
        """Look at every change within the life of the version that is checked (the first)."""
        self._policies = policies
        self._first = next(iter(policies))
        self._minute, self._weekday = universe.number(MINUTE), universe.number(WEEKDAY)
        self._free = [free for free in universe.free if is_clock(free.leaf)]
        rows: dict[tuple[object, ...], int] = {}
        # Without windows every minute comes on every weekday: nothing to list.
        for now in self._candidates() if self._free else ():
            rows.setdefault(self._seen(now), now)
            if len(rows) > _MOST_ROWS:
                break
        self._rows = list(rows.items())
        self._complete = len(self._rows) <= _MOST_ROWS
        self._choice = Choice("moment", max(1, len(self._rows)))

    def _candidates(self) -> Iterator[int]:
        policy = self._policies[self._first]
        # A day before it was made: clocks differ.
        first, last = policy.header.created - DAY, policy.header.expires
        offsets = [offset for other in self._policies.values() for zone in other.zones for offset in zone.offsets]
        minutes, moments = self._changes()
        changes = {offset.since for offset in offsets} | moments if self._free else set[int]()
        shifts = {0, *(offset.minutes for offset in offsets)} if minutes else {0}
        local = sorted({(minute - shift) % 1440 for minute in minutes for shift in shifts} | set(self._minute.starts))
        for start in sorted({first, *(at for at in changes if first < at <= last)}):
            yield start
            midnight = start - start % DAY
            for day in range(_DAYS):
                for minute in local:
                    at = midnight + day * DAY + minute * 60
                    if start <= at <= last:
                        yield at

    def _changes(self) -> tuple[set[int], set[int]]:
        """Return the minutes of a local day, and the moments, at which some window or zone may turn."""
        minutes, moments = set[int](), set[int]()
        for free in self._free:
            leaf = free.leaf
            window = window_read(leaf.values) if leaf.op is ConditionOp.WITHIN else None
            if window is not None:
                minutes |= {0, window.start % 1440, window.end % 1440}
            elif leaf.field == "time.now":
                numbers = [
                    int(text) for text in leaf.values if text.isascii() and text.isdigit() and len(text) < _LONG
                ]
                moments |= {number + more for number in numbers for more in (0, 1)}
        return minutes, moments

    def _seen(self, now: int) -> tuple[object, ...]:
        clock = self._minute.region(now // 60 % 1440), self._weekday.region((now // DAY + 3) % 7)
        if not self._free:
            return clock
        facts = {version: clock_facts(policy, now) for version, policy in self._policies.items()}
        return (*clock, *(evaluate(free.leaf, facts[free.version or self._first]) for free in self._free))

    def axioms(self) -> Iterator[z3.BoolRef]:
        """Yield what choosing one of them means. Where there are too many to list, windows stay free."""
        yield self._minute.known
        yield self._weekday.known
        if not self._free or not self._complete:
            return
        yield self._choice.bounds
        for place, ((minute, weekday, *seen), _) in enumerate(self._rows):
            parts = [self._minute.choice.is_(int(str(minute))), self._weekday.choice.is_(int(str(weekday)))]
            for free, truth in zip(self._free, seen, strict=True):
                parts.append(free.truth.yes if truth is True else z3.Not(free.truth.yes))
                parts.append(free.truth.no if truth is False else z3.Not(free.truth.no))
            yield z3.Implies(self._choice.is_(place), both(parts))

    def read(self, model: z3.ModelRef) -> int:
        """Return a moment such as a model chose."""
        if self._free and self._complete:
            return self._rows[self._choice.read(model)][1]
        clock = self._minute.choice.read(model), self._weekday.choice.read(model)
        made = self._policies[self._first].header.created
        return next((now for now in self._candidates() if self._seen(now)[:2] == clock), made)
