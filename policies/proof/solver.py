"""Questions to z3, under one deadline. Whatever is not answered in time is unknown, and unknown proves nothing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import z3

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


_QUESTION_MS = 40_000
"""The most for one question: whoever waits for the report hears of it within a minute, or gives it up."""


class OutOfTimeError(Exception):
    """z3 gave no answer, or the time is over."""


class Solver:
    """A solver over finite domains that many questions share."""

    def __init__(self, *, deadline: float, tick: Callable[[], None] | None = None) -> None:
        """Start with nothing known.

        Args:
            deadline: On `time.monotonic`'s clock.
            tick: Called once for each question.
        """
        self._solver = z3.SolverFor("QF_FD")
        self._deadline = deadline
        self._tick = tick

    def learn(self, facts: Iterable[z3.BoolRef]) -> None:
        """Take formulas for true."""
        self._solver.add(*facts)

    def _check(self, assumptions: Sequence[z3.BoolRef]) -> bool:
        if self._tick is not None:
            self._tick()
        left = int((self._deadline - time.monotonic()) * 1000)
        if left <= 0:
            raise OutOfTimeError("the time is over")
        self._solver.set("timeout", min(left, _QUESTION_MS))
        answer = self._solver.check(*assumptions)
        if answer == z3.unknown:
            raise OutOfTimeError(f"z3 gave no answer: {self._solver.reason_unknown()}")
        return bool(answer == z3.sat)

    def possible(self, *assumptions: z3.BoolRef) -> bool:
        """Whether some case meets all of these names (or negated names).

        Raises:
            OutOfTimeError: Nobody knows.
        """
        return self._check(assumptions)

    def find(self, *formulas: z3.BoolRef) -> z3.ModelRef | None:
        """Return a case that meets all of these formulas, or None if there is none.

        Raises:
            OutOfTimeError: Nobody knows.
        """
        self._solver.push()
        try:
            self._solver.add(*formulas)
            return self._solver.model() if self._check(()) else None
        finally:
            self._solver.pop()

    def reasons(self, fixed: Sequence[z3.BoolRef], blamed: Sequence[z3.BoolRef]) -> list[z3.BoolRef] | None:
        """Return a smallest part of `blamed` that no case meets together with `fixed`; None if there is a case.

        Smallest in that nothing can be left out of it.
        """
        if self._check([*fixed, *blamed]):
            return None
        core = {name.get_id() for name in self._solver.unsat_core()}
        kept = [name for name in blamed if name.get_id() in core]
        place = 0
        while place < len(kept):
            rest = kept[:place] + kept[place + 1 :]
            if self._check([*fixed, *rest]):
                place += 1
            else:
                core = {name.get_id() for name in self._solver.unsat_core()}
                kept = kept[:place] + [name for name in rest[place:] if name.get_id() in core]
        return kept
