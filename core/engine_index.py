"""Which rules can apply at all: for every value of a fact, one bit for each rule that the value does not rule out.

A rule whose top-level conjunction demands `asset in (A, B)` is certainly False for any other asset, whatever else is
known or not (Kleene: one False part makes *all* False). For each field that such demands name, a table gives the bits
of the rules that a value leaves standing; what is left over all known facts are the candidates. A fact that is
missing or of another type than the registry says rules nothing out: its rules stay candidates, and the unknown
reaches them.
"""

from __future__ import annotations

import dataclasses
from bisect import bisect_right
from typing import TYPE_CHECKING

from core.documents.policy import Condition, ConditionOp
from core.registry import REGISTRY, FactMap, FactType

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_ORDERS = frozenset({ConditionOp.EQ, ConditionOp.LE, ConditionOp.GE})
_MOST_DIGITS = 78
_FLAGS = {"true": True, "false": False}


@dataclasses.dataclass(frozen=True)
class Span:
    """What one rule demands of a number: at least `least` and less than `end` (None: no such bound)."""

    least: int | None
    end: int | None


def whole_number(text: str) -> int | None:
    """Read a number as policies spell it; None for anything else, which is then left to the plain reading."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else None


def _demands(condition: Condition) -> Iterator[tuple[Condition, bool]]:
    """Yield the comparisons that must hold (True) or must not hold (False) for a condition not to be False."""
    if condition.op is ConditionOp.ALL:
        for part in condition.parts:
            yield from _demands(part)
    elif condition.op is ConditionOp.NOT:
        if len(condition.parts) == 1 and condition.parts[0].field is not None:
            yield condition.parts[0], False
    elif condition.field is not None:
        yield condition, True


def _bits(mask: int) -> Iterator[int]:
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


class ValueTable:
    """The bits that each text (or flag) leaves standing; `other` those that any further value does."""

    def __init__(self, everything: int) -> None:
        """Start with no demands."""
        self._named: dict[str | bool, int] = {}
        self._barred: dict[str | bool, int] = {}
        self.other = everything
        self.masks: dict[str | bool, int] = {}

    def add(self, bit: int, wanted: frozenset[str | bool] | None, barred: frozenset[str | bool]) -> None:
        """Add a rule that takes only `wanted` values (None: any), and none of `barred`."""
        if wanted is not None:
            self.other &= ~bit
            for value in wanted - barred:
                self._named[value] = self._named.get(value, 0) | bit
        for value in barred:
            self._barred[value] = self._barred.get(value, 0) | bit

    def freeze(self) -> None:
        """Compute the masks, once all rules are in."""
        for value in self._named.keys() | self._barred.keys():
            self.masks[value] = (self.other | self._named.get(value, 0)) & ~self._barred.get(value, 0)


class SpanTable:
    """The bits that a number leaves standing, by the stretch between two bounds that it falls into."""

    def __init__(self, spans: dict[int, Span], everything: int) -> None:
        """Cut the numbers at every bound.

        Args:
            spans: What the rules (by bit) demand; a rule that is not among them takes every number.
            everything: The bits of all rules.
        """
        start = everything
        changes: dict[int, int] = {}
        for bit, span in spans.items():
            if span.least is not None:
                start &= ~bit
            if span.least is not None and span.end is not None and span.least >= span.end:
                continue
            for bound in (span.least, span.end):
                if bound is not None:
                    changes[bound] = changes.get(bound, 0) ^ bit
        self.bounds = sorted(changes)
        self.masks = [start]
        for bound in self.bounds:
            self.masks.append(self.masks[-1] ^ changes[bound])


def _span(leaves: Iterable[Condition]) -> Span | None:
    """Return what comparisons with one number demand together; None where the plain reading has to say it."""
    least: int | None = None
    end: int | None = None
    for leaf in leaves:
        bound = whole_number(leaf.values[0]) if len(leaf.values) == 1 and leaf.op in _ORDERS else None
        if bound is None:
            continue
        if leaf.op is not ConditionOp.LE:
            least = bound if least is None else max(least, bound)
        if leaf.op is not ConditionOp.GE:
            end = bound + 1 if end is None else min(end, bound + 1)
    return None if least is None and end is None else Span(least, end)


def _plain(leaf: Condition, kind: FactType) -> frozenset[str | bool] | None:
    """Return the values of a comparison that a table can hold; None for all others."""
    if not leaf.values:
        return None
    if kind is FactType.TEXT and leaf.op in (ConditionOp.EQ, ConditionOp.IN):
        return frozenset(leaf.values)
    if kind is FactType.TEXTS and leaf.op is ConditionOp.HAS:
        return frozenset(leaf.values)
    if kind is FactType.FLAG and leaf.op is ConditionOp.EQ and len(leaf.values) == 1 and leaf.values[0] in _FLAGS:
        return frozenset({_FLAGS[leaf.values[0]]})
    return None


class Index:
    """An index over conditions, each known by its place; None is a condition that always applies."""

    def __init__(self, conditions: Sequence[Condition | None]) -> None:
        """Build the tables once."""
        self.everything = (1 << len(conditions)) - 1
        self._values: dict[str, ValueTable] = {}
        self._spans: dict[str, dict[int, Span]] = {}
        for place, condition in enumerate(conditions):
            if condition is not None:
                self._add(1 << place, condition)
        for table in self._values.values():
            table.freeze()
        tables = [(name, REGISTRY[name].type, t.masks, t.other) for name, t in self._values.items()]
        self._texts = [(name, masks, other) for name, kind, masks, other in tables if kind is FactType.TEXT]
        self._flags = [(name, masks, other) for name, kind, masks, other in tables if kind is FactType.FLAG]
        self._lists = [(name, masks, other) for name, kind, masks, other in tables if kind is FactType.TEXTS]
        self._numbers = [
            (name, table.bounds, table.masks)
            for name, table in ((name, SpanTable(spans, self.everything)) for name, spans in self._spans.items())
        ]

    def _add(self, bit: int, condition: Condition) -> None:
        by_field: dict[str, list[tuple[Condition, bool]]] = {}
        for leaf, wanted in _demands(condition):
            if leaf.field in REGISTRY:
                by_field.setdefault(leaf.field, []).append((leaf, wanted))
        for field, leaves in by_field.items():
            kind = REGISTRY[field].type
            if kind is FactType.NUMBER:
                span = _span(leaf for leaf, wanted in leaves if wanted)
                if span is not None:
                    self._spans.setdefault(field, {})[bit] = span
            else:
                self._add_values(bit, field, kind, leaves)

    def _add_values(self, bit: int, field: str, kind: FactType, leaves: list[tuple[Condition, bool]]) -> None:
        wanted: frozenset[str | bool] | None = None
        barred: frozenset[str | bool] = frozenset()
        for leaf, holds in leaves:
            values = _plain(leaf, kind)
            if values is None or (kind is FactType.TEXTS and (not holds or wanted is not None)):
                # A list can meet two demands with two of its values: the first demand alone is looked up.
                continue
            if not holds:
                barred |= values
            else:
                wanted = values if wanted is None else wanted & values
        if wanted is not None or barred:
            self._values.setdefault(field, ValueTable(self.everything)).add(bit, wanted, barred)

    def candidates(self, facts: FactMap) -> int:
        """Return the bits of the conditions that are not certainly False.

        Args:
            facts: What is known.
        """
        mask = self.everything
        for name, masks, other in self._texts:
            value = facts.get(name)
            if type(value) is str:
                mask &= masks.get(value, other)
        # Mostly little is left now, and often nothing.
        return self._rest(mask, facts) if mask else 0

    def _rest(self, mask: int, facts: FactMap) -> int:
        for name, masks, other in self._flags:
            value = facts.get(name)
            if type(value) is bool:
                mask &= masks.get(value, other)
        for name, masks, other in self._lists:
            value = facts.get(name)
            if type(value) is frozenset:
                left = other
                for text in value:
                    left |= masks.get(text, other)
                mask &= left
        for name, bounds, spans in self._numbers:
            value = facts.get(name)
            if type(value) is int:
                mask &= spans[bisect_right(bounds, value)]
        return mask

    @staticmethod
    def places(mask: int) -> Iterator[int]:
        """Yield the places of a mask's conditions in their order."""
        return _bits(mask)
