"""Values for what is not enumerated, found by trying: lists, arguments of calls, amounts with a floor.

The real evaluator says of each attempt whether it fits. Nothing found means that nothing is shown.
"""

from __future__ import annotations

from itertools import islice, product
from typing import TYPE_CHECKING

from core.conditions import evaluate, nested_leaves
from core.documents.policy import Condition, ConditionOp
from core.registry import REGISTRY, SELF, flattened
from policies.proof.universe import fields_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from core.registry import Fact, FactMap

_MOST_TRIES = 20_000
_MOST_VALUES = 48
_ALL_BPS = 10_000
_NOTHING_LIKE_IT = "0x000000000000000000000000000000000000dEaD"


def _values(leaf: Condition) -> Iterator[Fact]:
    """Yield values at which a comparison turns."""
    for text in leaf.values:
        if text.isascii() and text.isdigit() and len(text) <= 78:  # noqa: PLR2004 - digits of 2^256
            yield from (number for number in (int(text), int(text) + 1, int(text) - 1) if number >= 0)
        if text in ("true", "false"):
            yield text == "true"
        yield text
    yield _NOTHING_LIKE_IT


def _elements(part: Condition) -> list[Fact]:
    """Return elements of a list that a part may tell apart."""
    by_field: dict[str, list[Fact]] = {}
    for leaf in nested_leaves(part):
        by_field.setdefault(leaf.field or "", []).extend(_values(leaf))
    inner = {field: _distinct(values)[:_MOST_VALUES] for field, values in by_field.items()}
    if any(field.startswith(SELF + ".") for field in inner):
        width = 1 + max(int(field.split(".")[1]) for field in inner if field.startswith(SELF + "."))
        columns = [inner.get(f"{SELF}.{place}", [0]) for place in range(width)]
        return [tuple(row) for row in islice(product(*columns), _MOST_VALUES)]
    if SELF in inner:
        return inner[SELF]
    rows = islice(product(*inner.values()), _MOST_VALUES)
    return [{}, *(dict(zip(inner, row, strict=True)) for row in rows)]


def _lists(leaves: list[Condition]) -> Iterator[Fact]:
    elements = [element for leaf in leaves for part in leaf.parts for element in _elements(part)][: 2 * _MOST_VALUES]
    yield ()
    for element in elements:
        yield (element,)
    yield from product(elements, repeat=2)


def _distinct(values: Iterable[Fact]) -> list[Fact]:
    """Leave out what was there before; true is not 1."""
    return list({(type(value), value): value for value in values}.values())


def _candidates(
    field: str, leaves: list[Condition], facts: FactMap, bounds: tuple[int, int] | None
) -> Iterator[Fact | None]:
    """Yield what a field might be; None: unknown. A number that is known stays in its region."""
    if bounds is not None:
        yield facts.get(field)
        first, last = bounds
        yield from (first, last)
        for leaf in leaves:
            if leaf.op is ConditionOp.FLOOR and len(leaf.values) == 2 and leaf.values[1].isdigit():  # noqa: PLR2004 - field, bps
                attested, kept = facts.get(leaf.values[0]), _ALL_BPS - int(leaf.values[1])
                floor = -(-attested * kept // _ALL_BPS) if isinstance(attested, int) else 0
                yield from (min(max(number, first), last) for number in (floor, floor - 1))
        return
    if field in REGISTRY and field in facts:
        yield facts[field]
        return
    yield None
    if any(leaf.parts for leaf in leaves):
        yield from _lists([leaf for leaf in leaves if leaf.parts])
    yield from _distinct(value for leaf in leaves if not leaf.parts for value in _values(leaf))
    for leaf in leaves:
        if leaf.op is ConditionOp.FLOOR and leaf.values:
            attested = facts.get(leaf.values[0])
            if isinstance(attested, int):
                yield from (0, attested, attested + 1)
        if leaf.op is ConditionOp.OWN_WALLET:
            named = facts.get("wallets.named")
            yield from sorted(named) if isinstance(named, frozenset) else ()


def invent(
    facts: FactMap, wanted: Mapping[Condition, bool | None], ranges: Mapping[str, tuple[int, int]]
) -> FactMap | None:
    """Complete facts so that free comparisons come out as wanted.

    Args:
        facts: What is known.
        wanted: Each free comparison with its truth.
        ranges: For each known number the region in which nothing else turns.

    Returns:
        The completed facts, or None where none were found.
    """
    open_fields: dict[str, list[Condition]] = {}
    for leaf in wanted:
        for field in sorted(fields_of(leaf)):
            if field == leaf.field or (leaf.op is ConditionOp.FLOOR and field == leaf.values[0]):
                open_fields.setdefault(field, []).append(leaf)
    # What a floor is held against comes before what is held against it.
    attested = {leaf.values[0] for leaf in wanted if leaf.op is ConditionOp.FLOOR and leaf.values}
    order = sorted(open_fields, key=lambda field: (field not in attested, field))
    return _Filling(open_fields, wanted, ranges).fill(dict(facts), order)


class _Filling:
    """One search, which gives up after so many attempts."""

    def __init__(
        self,
        leaves: Mapping[str, list[Condition]],
        wanted: Mapping[Condition, bool | None],
        ranges: Mapping[str, tuple[int, int]],
    ) -> None:
        self._leaves = leaves
        self._wanted = wanted
        self._ranges = ranges
        self._left = _MOST_TRIES

    def fill(self, facts: FactMap, order: list[str]) -> FactMap | None:
        """Give the fields in `order` values, one after the other, going back where nothing fits."""
        if not order:
            fits = all(evaluate(leaf, facts) is truth for leaf, truth in self._wanted.items())
            return facts if fits else None
        field, *rest = order
        own = self._leaves[field]
        decided = [leaf for leaf in own if not any(leaf in self._leaves[later] for later in rest)]
        for value in _candidates(field, own, facts, self._ranges.get(field)):
            self._left -= 1
            if self._left < 0:
                return None
            tried = _with(facts, field, value)
            if all(evaluate(leaf, tried) is self._wanted[leaf] for leaf in decided):
                found = self.fill(tried, rest)
                if found is not None:
                    return found
        return None


def _with(facts: FactMap, field: str, value: Fact | None) -> FactMap:
    """Return facts with one of them set, and what is inside it; None: unknown."""
    rest = {name: known for name, known in facts.items() if name != field}
    if value is None:
        return rest
    return rest | (flattened(field, value) if field not in REGISTRY else {field: value})
