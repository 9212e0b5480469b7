"""Fix a case's facts in a model, so that what the encoding says of it can be compared with the real engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import z3

from core.conditions import evaluate
from core.decision import is_touched
from core.limits import amount_of, scope_of
from core.registry import known_fact
from policies.proof.terms import FlagTerm, NumberTerm, SetTerm, TextTerm
from policies.proof.universe import NEW

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from core.documents.policy import Limit
    from core.limits import Draw, ScopeKey
    from core.registry import FactMap
    from policies.proof.model import Model


class Spent:
    """Totals that are the same whoever asks: one figure for each scope, and so much more of all time."""

    def __init__(self, figures: Mapping[int, int], *, earlier: int = 0) -> None:
        """Take a figure for each of some buckets."""
        self._figures = figures
        self._earlier = earlier

    def used(self, limit: Limit, key: ScopeKey | None = None, *, now: int = 0) -> int:
        """Return a limit's figure."""
        del key, now
        recent = self._figures.get(sum(map(ord, repr(scope_of(limit)))) % 4, 0)
        return recent + (self._earlier if limit.window is None else 0)


def _is(term: object, value: object) -> z3.BoolRef:
    if isinstance(term, TextTerm):
        return term.equals(str(value))
    if isinstance(term, NumberTerm) and isinstance(value, int):
        return term.choice.is_(term.region(value))
    if isinstance(term, FlagTerm):
        return term.on == bool(value)
    assert isinstance(term, SetTerm)
    assert isinstance(value, frozenset)
    return z3.And([on == (member in value) for member, on in term.members.items()] or [z3.BoolVal(True)])  # noqa: FBT003 - z3's constructor


def pinned(model: Model, facts: FactMap, draw: Draw, spent: Spent) -> Iterator[z3.BoolRef]:
    """Yield formulas that leave a model no choice but this case."""
    for (field, _), term in model.universe.terms.items():
        value = known_fact(field, facts)
        yield term.known == (value is not None)
        if value is not None:
            yield _is(term, value)
    for free in model.universe.free:
        truth = evaluate(free.leaf, facts)
        yield free.truth.yes == (truth is True)
        yield free.truth.no == (truth is False)
    for capped in model.encodings[NEW].limits:
        limit = capped.limit
        amount = amount_of(limit.measure, limit.asset, draw)
        used = 0 if limit.window == 0 else spent.used(limit)
        yield capped.over == (is_touched(limit, amount, draw) and amount + used > limit.most)
