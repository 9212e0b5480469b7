"""Conditions made into functions once, so that a decision neither looks up operators nor reads numbers from text.

Only what is plain is compiled: a comparison of a fact of the registry's own type. Everything else, an operator or a
field that is not known here and a fact of another type included, goes to `core.conditions.evaluate`, which decides
what it means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.conditions import Truth, evaluate
from core.documents.policy import Condition, ConditionOp
from core.engine_index import whole_number
from core.registry import REGISTRY, FactMap, FactType

if TYPE_CHECKING:
    from collections.abc import Callable

    Test = Callable[[FactMap], Truth]


def _plainly(condition: Condition) -> Test:
    return lambda facts: evaluate(condition, facts)


def _text(leaf: Condition, field: str) -> Test:
    values = frozenset(leaf.values)

    def test(facts: FactMap) -> Truth:
        value = facts.get(field)
        if type(value) is str:
            return value in values
        return None if value is None else evaluate(leaf, facts)

    return test


def _texts(leaf: Condition, field: str) -> Test:
    values = frozenset(leaf.values)

    def test(facts: FactMap) -> Truth:
        value = facts.get(field)
        if type(value) is frozenset:
            return not value.isdisjoint(values)
        return None if value is None else evaluate(leaf, facts)

    return test


def _flag(leaf: Condition, field: str) -> Test:
    wanted = leaf.values[0] == "true"

    def test(facts: FactMap) -> Truth:
        value = facts.get(field)
        if type(value) is bool:
            return value is wanted
        return None if value is None else evaluate(leaf, facts)

    return test


def _most(leaf: Condition, field: str, bound: int) -> Test:
    def test(facts: FactMap) -> Truth:
        value = facts.get(field)
        if type(value) is int:
            return value <= bound
        return None if value is None else evaluate(leaf, facts)

    return test


def _least(leaf: Condition, field: str, bound: int) -> Test:
    def test(facts: FactMap) -> Truth:
        value = facts.get(field)
        if type(value) is int:
            return value >= bound
        return None if value is None else evaluate(leaf, facts)

    return test


def _one_of(leaf: Condition, field: str, numbers: frozenset[int]) -> Test:
    def test(facts: FactMap) -> Truth:
        value = facts.get(field)
        if type(value) is int:
            return value in numbers
        return None if value is None else evaluate(leaf, facts)

    return test


def _number(leaf: Condition, field: str) -> Test:
    numbers = [whole_number(text) for text in leaf.values]
    bounds = [number for number in numbers if number is not None]
    if len(bounds) != len(numbers) or (leaf.op is not ConditionOp.IN and len(bounds) != 1):
        return _plainly(leaf)
    if leaf.op is ConditionOp.LE:
        return _most(leaf, field, bounds[0])
    if leaf.op is ConditionOp.GE:
        return _least(leaf, field, bounds[0])
    if leaf.op in (ConditionOp.EQ, ConditionOp.IN):
        return _one_of(leaf, field, frozenset(bounds))
    return _plainly(leaf)


def _leaf(leaf: Condition) -> Test:
    if leaf.field not in REGISTRY or not leaf.values or leaf.parts:
        return _plainly(leaf)
    kind = REGISTRY[leaf.field].type
    if kind is FactType.TEXT and leaf.op in (ConditionOp.EQ, ConditionOp.IN):
        return _text(leaf, leaf.field)
    if kind is FactType.TEXTS and leaf.op is ConditionOp.HAS:
        return _texts(leaf, leaf.field)
    if kind is FactType.FLAG and leaf.op is ConditionOp.EQ and leaf.values in (("true",), ("false",)):
        return _flag(leaf, leaf.field)
    return _number(leaf, leaf.field) if kind is FactType.NUMBER else _plainly(leaf)


def _all(parts: tuple[Test, ...]) -> Test:
    def test(facts: FactMap) -> Truth:
        truth: Truth = True
        for part in parts:
            found = part(facts)
            if found is False:
                return False
            if found is None:
                truth = None
        return truth

    return test


def _any(parts: tuple[Test, ...]) -> Test:
    def test(facts: FactMap) -> Truth:
        truth: Truth = False
        for part in parts:
            found = part(facts)
            if found is True:
                return True
            if found is None:
                truth = None
        return truth

    return test


def _not(part: Test) -> Test:
    def test(facts: FactMap) -> Truth:
        found = part(facts)
        return None if found is None else not found

    return test


def compile_condition(condition: Condition) -> Test:
    """Return a function of the facts that says what `core.conditions.evaluate` says of this condition.

    Args:
        condition: A tree that `core.policy_check` accepts.

    Returns:
        A function that returns True, False or None (unknown).
    """
    if condition.op is ConditionOp.ALL:
        return _all(tuple(compile_condition(part) for part in condition.parts))
    if condition.op is ConditionOp.ANY:
        return _any(tuple(compile_condition(part) for part in condition.parts))
    if condition.op is ConditionOp.NOT:
        return _not(compile_condition(condition.parts[0]))
    return _leaf(condition)
