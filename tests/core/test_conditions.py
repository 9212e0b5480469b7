"""Kleene's three-valued logic, compared with its definition by brute force: unknown means that both are possible."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.conditions import OPERATORS, evaluate, explain, is_web_only, operators_of
from core.documents.policy import Condition, ConditionOp
from core.facts import REGISTRY, FactMap, FactType
from tests.factories.world import compare
from tests.soak import bounded

ALL, ANY, NOT, EQ, IN, LE, GE, HAS, SOME, EVERY, WITHIN, OWN_WALLET, FLOOR = ConditionOp
FLAGS = [name for name, field in REGISTRY.items() if field.type is FactType.FLAG][:4]


def join(op: ConditionOp, *parts: Condition) -> Condition:
    return Condition(op=op, field=None, values=(), parts=parts)


LEAVES = st.sampled_from(FLAGS).map(lambda name: compare(name, EQ, "true"))
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.builds(
            lambda op, parts: join(op, *parts), st.sampled_from([ALL, ANY]), st.lists(inner, min_size=1, max_size=3)
        )
        | st.builds(lambda part: join(NOT, part), inner)
    ),
    max_leaves=6,
)


def two_valued(condition: Condition, facts: dict[str, bool]) -> bool:
    if condition.op is ALL:
        return all(two_valued(part, facts) for part in condition.parts)
    if condition.op is ANY:
        return any(two_valued(part, facts) for part in condition.parts)
    if condition.op is NOT:
        return not two_valued(condition.parts[0], facts)
    return facts[condition.field or ""]


@bounded(200)
@given(TREES, st.dictionaries(st.sampled_from(FLAGS), st.booleans()))
def test_what_is_decided_holds_however_the_unknown_turns_out(tree: Condition, known: dict[str, bool]) -> None:
    unknown = [name for name in FLAGS if name not in known]
    outcomes = {
        two_valued(tree, known | dict(zip(unknown, values, strict=True)))
        for values in product([True, False], repeat=len(unknown))
    }
    facts: FactMap = dict(known)
    truth = evaluate(tree, facts)
    assert truth is None or outcomes == {truth}
    if not unknown:
        assert truth is not None


A, B = FLAGS[:2]
KLEENE_AND = {(True, True): True, (True, None): None, (True, False): False, (None, None): None, (None, False): False}
KLEENE_OR = {(True, True): True, (True, None): True, (True, False): True, (None, None): None, (None, False): None}


@pytest.mark.parametrize(("left", "right"), list(product([True, False, None], repeat=2)))
def test_the_truth_tables(left: bool | None, right: bool | None) -> None:  # noqa: FBT001 - a table
    facts: FactMap = {name: value for name, value in ((A, left), (B, right)) if value is not None}
    both = (compare(A, EQ, "true"), compare(B, EQ, "true"))
    for op, table, otherwise in ((ALL, KLEENE_AND, False), (ANY, KLEENE_OR, False)):
        expected = table.get((left, right), table.get((right, left), otherwise))
        assert evaluate(join(op, *both), facts) is expected
    negated = None if left is None else not left
    assert evaluate(join(NOT, both[0]), facts) is negated


@pytest.mark.parametrize(
    ("condition", "facts", "expected"),
    [
        (compare("amount", LE, "5"), {"amount": 5}, True),
        (compare("amount", LE, "5"), {"amount": 6}, False),
        (compare("amount", GE, "5"), {"amount": 5}, True),
        (compare("amount", GE, "5"), {"amount": 4}, False),
        (compare("amount", EQ, "5"), {"amount": 5}, True),
        (compare("amount", IN, "4", "5"), {"amount": 5}, True),
        (compare("amount", IN, "4", "5"), {"amount": 6}, False),
        (compare("amount", GE, str(2**255)), {"amount": 2**255 - 1}, False),
        (compare("amount", LE, "5"), {}, None),
        # Facts of the wrong type are unknown, never true by accident: True is 1 in Python, and "5" is not 5.
        (compare("amount", EQ, "1"), {"amount": True}, None),
        (compare("amount", EQ, "5"), {"amount": "5"}, None),
        (compare("amount", LE, "5"), {"amount": "5"}, None),
        (compare("amount", LE, "5"), {"amount": True}, None),
        (compare("chain", EQ, "eip155:1"), {"chain": "eip155:1"}, True),
        (compare("chain", IN, "eip155:1", "eip155:2"), {"chain": "eip155:2"}, True),
        (compare("chain", IN, "eip155:1"), {"chain": "eip155:10"}, False),
        (compare("initiator.roles", HAS, "trader", "cro"), {"initiator.roles": frozenset({"cro"})}, True),
        (compare("initiator.roles", HAS, "trader"), {"initiator.roles": frozenset()}, False),
        (compare("initiator.roles", EQ, "trader"), {"initiator.roles": frozenset({"trader"})}, None),
        (compare("destination.listed", EQ, "false"), {"destination.listed": False}, True),
        (compare("destination.listed", IN, "true"), {"destination.listed": True}, None),
    ],
)
def test_comparisons(condition: Condition, facts: FactMap, expected: bool | None) -> None:  # noqa: FBT001 - a table
    assert evaluate(condition, facts) is expected


def test_every_operator_is_offered_for_some_type_and_every_type_has_one() -> None:
    assert set(OPERATORS) == set(FactType)
    offered = {op for ops in OPERATORS.values() for op in ops} | {
        op for name in REGISTRY for op in operators_of(name)
    }
    assert offered == set(ConditionOp) - {ALL, ANY, NOT}


def test_a_tree_is_a_web_rule_if_any_leaf_is_claimed_however_deep() -> None:
    claimed, derived = compare("web.first_use", EQ, "true"), compare("amount", GE, "1")
    assert is_web_only(join(NOT, join(ANY, derived, join(ALL, derived, claimed))))
    assert not is_web_only(join(NOT, join(ANY, derived, derived)))


def test_what_did_not_hold_is_explained_with_what_was_found() -> None:
    tree = join(ALL, compare("amount", LE, "5"), compare("initiator.roles", HAS, "cro"), compare("usd", LE, "9"))
    lines = explain(tree, {"amount": 7, "initiator.roles": frozenset({"trader"})})
    assert lines == ["amount le 5: 7", "initiator.roles has cro: {trader}", "usd le 9: unknown"]
