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
from policies.proof.universe import is_clock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from core.documents.policy import Policy
    from core.registry import FactMap
    from policies.proof.universe import Universe

DAY = 86_400
_DAYS = 9
_MOST_ROWS = 4096


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
        self._free = [free for free in universe.free if is_clock(free.leaf)]
        rows: dict[tuple[bool | None, ...], int] = {}
        for now in self._candidates():
            rows.setdefault(self._seen(now), now)
            if len(rows) > _MOST_ROWS:
                break
        self.rows = list(rows.items())
        self._complete = len(self.rows) <= _MOST_ROWS
        self.choice = Choice("moment", len(self.rows))

    def _candidates(self) -> list[int]:
        policy = self._policies[self._first]
        # A day before it was made: clocks differ.
        first, last = policy.header.created - DAY, policy.header.expires
        offsets = [offset for other in self._policies.values() for zone in other.zones for offset in zone.offsets]
        minutes, moments = self._changes()
        starts = sorted({first, *(at for at in moments | {o.since for o in offsets} if first < at <= last)})
        shifts = {0, *(offset.minutes for offset in offsets)}
        found = set(starts)
        for start in starts:
            midnight = start - start % DAY
            for day in range(_DAYS):
                found |= {
                    midnight + day * DAY + (minute - shift) % 1440 * 60 for minute in minutes for shift in shifts
                }
        return sorted(at for at in found if first <= at <= last)

    def _changes(self) -> tuple[set[int], set[int]]:
        """Return the minutes of a day, and the moments, at which some comparison may turn."""
        minutes, moments = {0}, set[int]()
        for free in self._free:
            leaf = free.leaf
            if leaf.op is ConditionOp.WITHIN:
                window = window_read(leaf.values)
                minutes |= {window.start % 1440, window.end % 1440} if window is not None else set()
            numbers = [int(text) for text in leaf.values if text.isascii() and text.isdigit() and len(text) <= 18]  # noqa: PLR2004 - more digits than any moment has
            turns = {number + more for number in numbers for more in (0, 1)}
            if leaf.field == "time.now":
                moments |= turns
            elif leaf.field == "time.minute":
                minutes |= {minute for minute in turns if minute < 1440}  # noqa: PLR2004 - minutes of a day
        return minutes, moments

    def _seen(self, now: int) -> tuple[bool | None, ...]:
        facts = {version: clock_facts(policy, now) for version, policy in self._policies.items()}
        return tuple(evaluate(free.leaf, facts[free.version or self._first]) for free in self._free)

    def axioms(self) -> Iterator[z3.BoolRef]:
        """Yield what choosing one of them means. Where there are too many to list, such comparisons stay free."""
        if not self._complete:
            return
        yield self.choice.bounds
        for place, (seen, _) in enumerate(self.rows):
            parts = []
            for free, truth in zip(self._free, seen, strict=True):
                parts.append(free.truth.yes if truth is True else z3.Not(free.truth.yes))
                parts.append(free.truth.no if truth is False else z3.Not(free.truth.no))
            yield z3.Implies(self.choice.is_(place), both(parts))

    def read(self, model: z3.ModelRef) -> int:
        """Return the moment that a model chose."""
        return self.rows[self.choice.read(model)][1]
