"""A condition tree as rows: all rows of a group hold, and any group will do. Pure, and exact in both directions.

What is deeper than that stays a tree of its own in its row, so no tree is ever rewritten by being looked at.
"""

from __future__ import annotations

import dataclasses

from core.documents.policy import Condition, ConditionOp

_TWO = 2


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConditionRow:
    """One row: a comparison, or whatever else a tree may hold; `negated` when the row must not hold."""

    condition: Condition
    negated: bool


Groups = tuple[tuple[ConditionRow, ...], ...]


def _row(condition: Condition) -> ConditionRow:
    if condition.op is ConditionOp.NOT and len(condition.parts) == 1:
        return ConditionRow(condition=condition.parts[0], negated=True)
    return ConditionRow(condition=condition, negated=False)


def _group(condition: Condition) -> tuple[ConditionRow, ...]:
    if condition.op is ConditionOp.ALL and len(condition.parts) >= _TWO:
        return tuple(_row(part) for part in condition.parts)
    return (_row(condition),)


def groups_of(condition: Condition) -> Groups:
    """Return a tree as groups of rows."""
    if condition.op is ConditionOp.ANY and len(condition.parts) >= _TWO:
        return tuple(_group(part) for part in condition.parts)
    return (_group(condition),)


def _join(op: ConditionOp, parts: tuple[Condition, ...]) -> Condition:
    return parts[0] if len(parts) == 1 else Condition(op=op, field=None, values=(), parts=parts)


def _tree(row: ConditionRow) -> Condition:
    if not row.negated:
        return row.condition
    return Condition(op=ConditionOp.NOT, field=None, values=(), parts=(row.condition,))


def tree_of(groups: Groups) -> Condition:
    """Return groups of rows as a tree.

    Args:
        groups: At least one group, each with at least one row.
    """
    return _join(ConditionOp.ANY, tuple(_join(ConditionOp.ALL, tuple(map(_tree, group))) for group in groups))
