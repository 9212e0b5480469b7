"""Three-valued conditions over facts: yes, no, or unknown. Unknown is never guessed (Kleene's strong logic)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.documents.bundle import Provenance
from core.documents.policy import Condition, ConditionOp
from core.facts import REGISTRY, FactMap, FactType

if TYPE_CHECKING:
    from collections.abc import Iterator

Truth = bool | None

OPERATORS: dict[FactType, frozenset[ConditionOp]] = {
    FactType.TEXT: frozenset({ConditionOp.EQ, ConditionOp.IN}),
    FactType.TEXTS: frozenset({ConditionOp.HAS}),
    FactType.NUMBER: frozenset({ConditionOp.EQ, ConditionOp.LE, ConditionOp.GE, ConditionOp.IN}),
    FactType.FLAG: frozenset({ConditionOp.EQ}),
}
"""Which operators a field of each type takes; everything else is refused when the policy is drafted."""


def _compare_number(condition: Condition, value: int) -> Truth:
    if condition.op is ConditionOp.IN:
        return any(value == int(text) for text in condition.values)
    bound = int(condition.values[0])
    if condition.op is ConditionOp.LE:
        return value <= bound
    if condition.op is ConditionOp.GE:
        return value >= bound
    return value == bound if condition.op is ConditionOp.EQ else None


def _compare(condition: Condition, facts: FactMap) -> Truth:
    """Compare one fact; a fact that is missing or of the wrong type is unknown, and so is an odd operator."""
    value = facts.get(condition.field or "")
    if isinstance(value, bool):
        return value == (condition.values[0] == "true") if condition.op is ConditionOp.EQ else None
    if isinstance(value, int):
        return _compare_number(condition, value)
    if isinstance(value, str):
        known = condition.op in (ConditionOp.EQ, ConditionOp.IN)
        return value in condition.values if known else None
    if isinstance(value, frozenset):
        return not value.isdisjoint(condition.values) if condition.op is ConditionOp.HAS else None
    return None


def evaluate(condition: Condition, facts: FactMap) -> Truth:
    """Return True, False or None (unknown).

    Args:
        condition: A tree whose fields, operators and values `core.policy_check` has accepted.
        facts: What is known.
    """
    if condition.op is ConditionOp.ALL:
        unknown = False
        for part in condition.parts:
            truth = evaluate(part, facts)
            if truth is False:
                return False
            unknown = unknown or truth is None
        return None if unknown else True
    if condition.op is ConditionOp.ANY:
        unknown = False
        for part in condition.parts:
            truth = evaluate(part, facts)
            if truth is True:
                return True
            unknown = unknown or truth is None
        return None if unknown else False
    if condition.op is ConditionOp.NOT:
        truth = evaluate(condition.parts[0], facts)
        return None if truth is None else not truth
    return _compare(condition, facts)


def leaves(condition: Condition) -> Iterator[Condition]:
    """Yield every comparison of a tree."""
    if condition.parts or condition.op in (ConditionOp.ALL, ConditionOp.ANY, ConditionOp.NOT):
        for part in condition.parts:
            yield from leaves(part)
    else:
        yield condition


def is_web_only(condition: Condition) -> bool:
    """Whether a tree rests on claimed facts: a web rule, useful and never a guarantee."""
    return any(
        leaf.field in REGISTRY and REGISTRY[leaf.field].provenance is Provenance.CLAIMED for leaf in leaves(condition)
    )


def explain(condition: Condition, facts: FactMap) -> list[str]:
    """Say for each comparison that did not hold what was expected and what was found."""
    lines = []
    for leaf in leaves(condition):
        truth = evaluate(leaf, facts)
        if truth is not True:
            value = facts.get(leaf.field or "")
            found = "unknown" if value is None or truth is None else _shown(value)
            expected = ", ".join(leaf.values[:3]) + (", …" if len(leaf.values) > 3 else "")  # noqa: PLR2004 - a sentence
            lines.append(f"{leaf.field} {leaf.op} {expected}: {found}")
    return lines


def _shown(value: object) -> str:
    if isinstance(value, frozenset):
        return "{" + ", ".join(sorted(str(v) for v in value)) + "}"
    return str(value).lower() if isinstance(value, bool) else str(value)
