"""Three-valued conditions over facts: yes, no, or unknown. Unknown is never guessed (Kleene's strong logic).

`some` is the `any` and `every` the `all` of its part over a list's elements. A missing fact, a fact of the wrong
type, an unknown field and an operator that does not suit the field are unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.documents.bundle import Provenance
from core.documents.policy import Condition, ConditionOp
from core.names import is_address
from core.registry import Fact, FactMap, FactType, facts_of_element, field_of, known_fact
from core.timewindow import offset_of, window_read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

Truth = bool | None

_ALL_BPS = 10_000
_JOINS = (ConditionOp.ALL, ConditionOp.ANY, ConditionOp.NOT)
_EACH = (ConditionOp.SOME, ConditionOp.EVERY)

OPERATORS: dict[FactType, frozenset[ConditionOp]] = {
    FactType.TEXT: frozenset({ConditionOp.EQ, ConditionOp.IN}),
    FactType.TEXTS: frozenset({ConditionOp.HAS}),
    FactType.NUMBER: frozenset({ConditionOp.EQ, ConditionOp.LE, ConditionOp.GE, ConditionOp.IN}),
    FactType.FLAG: frozenset({ConditionOp.EQ}),
    FactType.LIST: frozenset({ConditionOp.SOME, ConditionOp.EVERY}),
    FactType.ANY: frozenset(
        {
            ConditionOp.EQ,
            ConditionOp.IN,
            ConditionOp.LE,
            ConditionOp.GE,
            ConditionOp.SOME,
            ConditionOp.EVERY,
            ConditionOp.OWN_WALLET,
            ConditionOp.FLOOR,
        }
    ),
}
"""Which operators a field of each type takes; `operators_of` adds what single fields take."""

_MORE: dict[str, frozenset[ConditionOp]] = {
    "time.now": frozenset({ConditionOp.WITHIN}),
    "destination": frozenset({ConditionOp.OWN_WALLET}),
    "contract": frozenset({ConditionOp.OWN_WALLET}),
    "approve.spender": frozenset({ConditionOp.OWN_WALLET}),
    "amount": frozenset({ConditionOp.FLOOR}),
}


def operators_of(name: str) -> frozenset[ConditionOp]:
    """Return the operators that a field takes; none where there is no such field."""
    field = field_of(name)
    if field is None:
        return frozenset()
    return OPERATORS[field.type] | _MORE.get(name, frozenset())


def _whole(text: str) -> int | None:
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) <= 78 else None  # noqa: PLR2004 - 2^256


def _compare_number(condition: Condition, value: int) -> Truth:
    bounds = [_whole(text) for text in condition.values]
    if not bounds or None in bounds:
        return None
    if condition.op is ConditionOp.IN:
        return value in bounds
    bound = bounds[0] or 0
    if condition.op is ConditionOp.LE:
        return value <= bound
    if condition.op is ConditionOp.GE:
        return value >= bound
    return value == bound if condition.op is ConditionOp.EQ else None


def _compare(condition: Condition, value: Fact) -> Truth:
    values = condition.values
    if isinstance(value, bool):
        plain = condition.op is ConditionOp.EQ and values and values[0] in ("true", "false")
        return value == (values[0] == "true") if plain else None
    if isinstance(value, int):
        return _compare_number(condition, value)
    if isinstance(value, str):
        known = condition.op in (ConditionOp.EQ, ConditionOp.IN) and values
        return value in values if known else None
    if isinstance(value, frozenset):
        return not value.isdisjoint(values) if condition.op is ConditionOp.HAS else None
    return None


def _all(truths: Iterable[Truth]) -> Truth:
    unknown = False
    for truth in truths:
        if truth is False:
            return False
        unknown = unknown or truth is None
    return None if unknown else True


def _negated(truth: Truth) -> Truth:
    return None if truth is None else not truth


def _any(truths: Iterable[Truth]) -> Truth:
    return _negated(_all(_negated(truth) for truth in truths))


def _within(condition: Condition, facts: Mapping[str, Fact]) -> Truth:
    now, zones = known_fact("time.now", facts), known_fact("time.zones", facts)
    window = window_read(condition.values)
    if condition.field != "time.now" or window is None or not isinstance(now, int):
        return None
    offset = offset_of(window.zone, zones if isinstance(zones, frozenset) else frozenset())
    return None if offset is None else window.holds(now + offset * 60)


def _own_wallet(condition: Condition, facts: Mapping[str, Fact]) -> Truth:
    value, named = known_fact(condition.field, facts), known_fact("wallets.named", facts)
    if not isinstance(value, str) or not is_address(value) or not isinstance(named, frozenset):
        return None
    return value in named


def _floor(condition: Condition, facts: Mapping[str, Fact]) -> Truth:
    """Compare with an attested amount less some basis points, rounded up: never a unit less than was asked for."""
    if len(condition.values) != 2:  # noqa: PLR2004 - field and basis points
        return None
    name, bps = condition.values[0], _whole(condition.values[1])
    field = field_of(name)
    value, attested = known_fact(condition.field, facts), known_fact(name, facts)
    if field is None or field.provenance is not Provenance.ATTESTED or bps is None or not 0 <= bps <= _ALL_BPS:
        return None
    if isinstance(value, bool) or isinstance(attested, bool):
        return None
    if not isinstance(value, int) or not isinstance(attested, int):
        return None
    return value * _ALL_BPS >= attested * (_ALL_BPS - bps)


def _each(condition: Condition, facts: Mapping[str, Fact]) -> Truth:
    value = known_fact(condition.field, facts)
    if not isinstance(value, tuple) or len(condition.parts) != 1:
        return None
    truths = (evaluate(condition.parts[0], facts_of_element(element, facts)) for element in value)
    return _any(truths) if condition.op is ConditionOp.SOME else _all(truths)


def _joined(condition: Condition, facts: Mapping[str, Fact]) -> Truth:
    if not condition.parts:
        return None
    truths = (evaluate(part, facts) for part in condition.parts)
    if condition.op is ConditionOp.NOT:
        return _negated(_all(truths))
    return _all(truths) if condition.op is ConditionOp.ALL else _any(truths)


_TESTS: dict[ConditionOp, Callable[[Condition, Mapping[str, Fact]], Truth]] = {
    ConditionOp.ALL: _joined,
    ConditionOp.ANY: _joined,
    ConditionOp.NOT: _joined,
    ConditionOp.SOME: _each,
    ConditionOp.EVERY: _each,
    ConditionOp.WITHIN: _within,
    ConditionOp.OWN_WALLET: _own_wallet,
    ConditionOp.FLOOR: _floor,
}


def evaluate(condition: Condition, facts: Mapping[str, Fact]) -> Truth:
    """Return True, False or None (unknown).

    Args:
        condition: A tree; one that `core.policy_check` has not accepted may be unknown, but is never a wrong yes.
        facts: What is known.
    """
    test = _TESTS.get(condition.op)
    if test is not None:
        return test(condition, facts)
    value = known_fact(condition.field, facts)
    return None if value is None else _compare(condition, value)


def leaves(condition: Condition) -> Iterator[Condition]:
    """Yield every comparison of a tree; `some` and `every` are one each, with the part that they hold for."""
    if condition.op in _JOINS:
        for part in condition.parts:
            yield from leaves(part)
    else:
        yield condition


def nested_leaves(condition: Condition) -> Iterator[Condition]:
    """Yield every comparison of a tree, also those inside `some` and `every`."""
    for leaf in leaves(condition):
        yield leaf
        for part in leaf.parts:
            yield from nested_leaves(part)


def is_web_only(condition: Condition) -> bool:
    """Whether a tree rests on claimed facts: a web rule, useful and never a guarantee."""
    return any(_is_claimed(name) for leaf in nested_leaves(condition) for name in _names(leaf))


def _names(leaf: Condition) -> tuple[str | None, ...]:
    return (leaf.field, *leaf.values[:1]) if leaf.op is ConditionOp.FLOOR else (leaf.field,)


def _is_claimed(name: str | None) -> bool:
    field = field_of(name)
    return field is not None and field.provenance is Provenance.CLAIMED


def explain(condition: Condition, facts: FactMap) -> list[str]:
    """Say for each comparison that did not hold what was expected and what was found."""
    lines = []
    for leaf in leaves(condition):
        truth = evaluate(leaf, facts)
        if truth is not True:
            value = facts.get(leaf.field or "")
            found = "unknown" if value is None or truth is None else shown(value)
            lines.append(f"{_expected(leaf)}: {found}")
    return lines


def _expected(leaf: Condition) -> str:
    if leaf.parts:
        inner = ", ".join(_expected(part) for part in leaf.parts)
        return f"{leaf.field or ''} {leaf.op} ({inner})".strip()
    values = ", ".join(leaf.values[:3]) + (", …" if len(leaf.values) > 3 else "")  # noqa: PLR2004 - a sentence
    return f"{leaf.field} {leaf.op} {values}".strip()


def shown(value: Fact) -> str:
    """Spell a fact for people."""
    if isinstance(value, frozenset):
        return "{" + ", ".join(sorted(value)) + "}"
    if isinstance(value, tuple):
        return f"{len(value)} element{'' if len(value) == 1 else 's'}"
    return str(value).lower() if isinstance(value, bool) else str(value)
