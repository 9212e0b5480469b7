"""Kleene's three-valued logic, compared with its definition by brute force: unknown means that both are possible."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.conditions import OPERATORS, evaluate, explain, is_web_only, operators_of
from core.documents.policy import Condition, ConditionOp
from core.facts import REGISTRY, FactMap, FactType
from tests.factories.world import LISTED, compare
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


@pytest.mark.parametrize(
    ("condition", "facts", "expected"),
    [
        # Of an argument the fact itself says what it is; what does not suit it is unknown.
        (compare("arg.0", EQ, "5"), {"arg.0": 5}, True),
        (compare("arg.0", EQ, "5"), {"arg.0": "5"}, True),
        (compare("arg.0", EQ, "five"), {"arg.0": 5}, None),
        (compare("arg.0", LE, "5"), {"arg.0": "5"}, None),
        (compare("arg.0", GE, "-3"), {"arg.0": -2}, True),
        (compare("arg.0", LE, "-3"), {"arg.0": -2}, False),
        (compare("arg.0", EQ, "true"), {"arg.0": True}, True),
        (compare("arg.0", EQ, "1"), {"arg.0": True}, None),
        (compare("arg.0", EQ, str(2**256 - 1)), {"arg.0": 2**256 - 1}, True),
        (compare("arg.0", LE, str(2**256 - 2)), {"arg.0": 2**256 - 1}, False),
        (compare("arg.0", EQ, "x"), {"arg.0": ("x",)}, None),
        (compare("arg.0", EQ), {"arg.0": 5}, None),
        (compare("arg.0", EQ), {"arg.0": "x"}, None),
        (compare("arg.0", EQ, "x"), {}, None),
        (compare("nothing", EQ, "x"), {"nothing": "x"}, None),
        (compare("arg.00", EQ, "5"), {"arg.00": 5}, None),
        (compare("destination", OWN_WALLET), {"destination": LISTED, "wallets.named": frozenset({LISTED})}, True),
        (compare("destination", OWN_WALLET), {"destination": LISTED, "wallets.named": frozenset()}, False),
        (compare("destination", OWN_WALLET), {"destination": LISTED}, None),
        (compare("arg.0", OWN_WALLET), {"arg.0": "0xab", "wallets.named": frozenset()}, None),
        (compare("arg.0", OWN_WALLET), {"arg.0": 5, "wallets.named": frozenset()}, None),
        (compare("arg.0", FLOOR, "effects.received", "100"), {"arg.0": 99, "effects.received": 100}, True),
        (compare("arg.0", FLOOR, "effects.received", "100"), {"arg.0": 98, "effects.received": 100}, False),
        # 1 % less than 101 is 99.99: rounded up against us.
        (compare("arg.0", FLOOR, "effects.received", "100"), {"arg.0": 99, "effects.received": 101}, False),
        (compare("arg.0", FLOOR, "effects.received", "0"), {"arg.0": 0, "effects.received": 0}, True),
        (compare("arg.0", FLOOR, "effects.received", "10000"), {"arg.0": 0, "effects.received": 2**256 - 1}, True),
        (compare("arg.0", FLOOR, "effects.received", "10001"), {"arg.0": 0, "effects.received": 1}, None),
        (compare("arg.0", FLOOR, "effects.received", "x"), {"arg.0": 0, "effects.received": 1}, None),
        (compare("arg.0", FLOOR, "effects.received", "1"), {"arg.0": 5}, None),
        (compare("arg.0", FLOOR, "usd", "1"), {"arg.0": 5, "usd": 1}, None),
        (compare("arg.0", FLOOR, "effects.received", "1"), {"arg.0": True, "effects.received": 1}, None),
        (compare("arg.0", FLOOR, "effects.received"), {"arg.0": 5, "effects.received": 1}, None),
        (join(ALL), {}, None),
        (join(ANY), {}, None),
        (join(NOT), {}, None),
    ],
)
def test_what_does_not_suit_is_unknown(condition: Condition, facts: FactMap, expected: bool | None) -> None:  # noqa: FBT001 - a table
    assert evaluate(condition, facts) is expected


def over(op: ConditionOp, part: Condition, field: str = "arg.0") -> Condition:
    return Condition(op=op, field=field, values=(), parts=(part,))


BIG = compare("item", GE, "5")
ELEMENTS = st.lists(st.integers(0, 9) | st.just("text"), max_size=5)


@bounded(200)
@given(ELEMENTS)
def test_some_and_every_are_any_and_all_over_the_elements(elements: list[int | str]) -> None:
    facts: FactMap = {"arg.0": tuple(elements)}
    known = [element >= 5 for element in elements if isinstance(element, int)]
    whole = len(known) == len(elements)
    some, every = evaluate(over(SOME, BIG), facts), evaluate(over(EVERY, BIG), facts)
    assert some is (True if any(known) else False if whole else None)
    assert every is (False if not all(known) else True if whole else None)
    # De Morgan, also where something is unknown.
    negated = evaluate(over(EVERY, join(NOT, BIG)), facts)
    assert negated is (None if some is None else not some)


@pytest.mark.parametrize("value", [None, 5, "x", True, frozenset({"x"})])
def test_what_is_no_list_has_no_elements_and_is_unknown(value: object) -> None:
    facts: FactMap = {} if value is None else {"arg.0": value}  # type: ignore[dict-item]  # on purpose
    assert evaluate(over(SOME, BIG), facts) is None
    assert evaluate(over(EVERY, BIG), facts) is None
    assert evaluate(Condition(op=SOME, field="arg.0", values=(), parts=()), {"arg.0": (1,)}) is None


def test_the_parts_of_an_element_have_names_and_lists_may_hold_lists() -> None:
    facts: FactMap = {"arg.0": ((1, "a"), (7, "b")), "desk": "d", "item": 9}
    assert evaluate(over(SOME, join(ALL, compare("item.0", GE, "5"), compare("item.1", EQ, "b"))), facts) is True
    assert evaluate(over(SOME, join(ALL, compare("item.0", GE, "5"), compare("item.1", EQ, "a"))), facts) is False
    assert evaluate(over(EVERY, join(ALL, compare("desk", EQ, "d"), compare("item.0", GE, "1"))), facts) is True
    # The element is a list: what was called item outside is not seen inside.
    assert evaluate(over(EVERY, BIG), facts) is None
    nested: FactMap = {"arg.0": ((1, 2), (8, 9))}
    assert evaluate(over(SOME, over(EVERY, BIG, "item")), nested) is True
    assert evaluate(over(EVERY, over(SOME, BIG, "item")), nested) is False
    assert evaluate(over(EVERY, over(SOME, BIG, "item")), {"arg.0": ()}) is True
    assert evaluate(over(SOME, BIG), {"arg.0": ()}) is False


def test_each_call_of_a_batch_has_its_own_facts_and_none_of_the_outermost() -> None:
    inner: FactMap = {"call.kind": "token_transfer", "amount": 4}
    facts: FactMap = {"calls": ({"call.kind": "contract_call", "arg.0": 9}, inner), "arg.0": 9, "desk": "d"}
    few = join(ANY, compare("call.kind", EQ, "contract_call"), compare("amount", LE, "4"))
    assert evaluate(over(EVERY, few, "calls"), facts) is True
    assert evaluate(over(EVERY, join(ALL, few, compare("desk", EQ, "d")), "calls"), facts) is True
    # The inner call has no argument: the outermost one's must not be taken for it.
    assert evaluate(over(EVERY, compare("arg.0", EQ, "9"), "calls"), facts) is None


def test_what_is_claimed_is_found_in_lists_and_floors_too() -> None:
    claimed = compare("web.first_use", EQ, "true")
    assert is_web_only(over(EVERY, join(NOT, claimed), "calls"))
    assert not is_web_only(over(EVERY, BIG))
    assert evaluate(compare("arg.0", FLOOR, "web.simulation", "1"), {"arg.0": 5, "web.simulation": "ok"}) is None


def test_lists_are_explained_as_one_comparison() -> None:
    assert explain(over(EVERY, BIG), {"arg.0": (1, 2)}) == ["arg.0 every (item ge 5): 2 elements"]
    assert explain(compare("destination", OWN_WALLET), {}) == ["destination own_wallet: unknown"]
