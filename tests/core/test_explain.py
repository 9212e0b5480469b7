"""Explanations: the tree says what the decision says, names what it rests on, and decides nothing."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from core.conditions import evaluate
from core.decision import RuleResult, Section, Verdict
from core.documents.policy import Condition, ConditionOp, Effect, Rule
from core.documents.roster import Role
from core.explain import (
    ELEMENTS_MOST,
    Answer,
    closest,
    condition_node,
    deciding,
    explain_rules,
    lacking,
    limit_results,
    missing,
)
from core.facts import derive_facts, resolve_asker
from core.policy import decide
from tests.factories.world import DAY, ETHER, NOW, STRANGER, World, compare, every, seats
from tests.factories.world import LISTED as PLACE

if TYPE_CHECKING:
    from core.documents.policy import Limit
    from core.limits import Draw, ScopeKey
    from core.registry import Fact, FactMap

LISTED = compare("destination.listed", ConditionOp.EQ, "true")
SMALL = compare("amount", ConditionOp.LE, "10")
CLEAR = compare("sanctions.clear", ConditionOp.EQ, "true")


def joined(op: ConditionOp, *parts: Condition, field: str | None = None) -> Condition:
    return Condition(op=op, field=field, values=(), parts=parts)


def test_a_comparison_says_what_it_expected_found_and_how_that_is_known() -> None:
    node = condition_node(SMALL, {"amount": 11})
    assert (node.answer, node.expected, node.found, node.provenance) == (Answer.NO, ("10",), "11", "derived")
    node = condition_node(CLEAR, {})
    assert (node.answer, node.found, node.provenance) == (Answer.UNKNOWN, None, "attested")
    assert missing(node) == ["sanctions.clear"]
    # A fact of the wrong type is as unknown here as it is to a decision.
    node = condition_node(SMALL, {"amount": "5"})
    assert (node.answer, node.found) == (Answer.UNKNOWN, None)


@pytest.mark.parametrize(
    ("condition", "facts", "rests_on"),
    [
        (every(LISTED, SMALL), {"destination.listed": True, "amount": 5}, ["destination.listed", "amount"]),
        (every(LISTED, SMALL), {"destination.listed": False, "amount": 5}, ["destination.listed"]),
        (every(LISTED, SMALL), {"amount": 5}, ["destination.listed"]),
        (joined(ConditionOp.ANY, LISTED, SMALL), {"destination.listed": False, "amount": 5}, ["amount"]),
        (joined(ConditionOp.ANY, LISTED, SMALL), {"destination.listed": False, "amount": 50},
         ["destination.listed", "amount"]),
        (joined(ConditionOp.NOT, every(LISTED, SMALL)), {"destination.listed": False, "amount": 5},
         ["destination.listed"]),
    ],
)  # fmt: skip
def test_an_answer_names_what_it_rests_on(condition: Condition, facts: FactMap, rests_on: list[str]) -> None:
    assert [leaf.field for leaf in deciding(condition_node(condition, facts))] == rests_on


def test_lists_are_shown_element_by_element() -> None:
    paid = compare("destination.listed", ConditionOp.EQ, "true")
    every_call = joined(ConditionOp.EVERY, paid, field="calls")
    facts: FactMap = {"calls": ({"destination.listed": True}, {"destination.listed": False}, {})}
    node = condition_node(every_call, facts)
    assert (node.answer, [part.answer for part in node.parts]) == (Answer.NO, [Answer.YES, Answer.NO, Answer.UNKNOWN])
    assert [part.element for part in node.parts] == [1, 2, 3]
    assert [leaf.element for leaf in deciding(node)] == [2]
    calls: tuple[Fact, ...] = tuple({"destination.listed": place < 40} for place in range(41))
    node = condition_node(every_call, {"calls": calls})
    assert (len(node.parts), node.left_out, node.answer) == (ELEMENTS_MOST, 41 - ELEMENTS_MOST, Answer.NO)
    assert [leaf.op for leaf in deciding(node)] == [ConditionOp.EVERY]
    assert condition_node(every_call, {}).answer is Answer.UNKNOWN


def _case(world: World, value: int, to: str) -> tuple[FactMap, Draw]:
    intent = world.intent(value=value, to=to)
    mandate = world.mandate(intent)
    who = resolve_asker(mandate, world.policy)
    return derive_facts(intent, world.policy, who, order=mandate.digest, now=NOW)


class Totals:
    """Nothing was drawn before."""

    def used(self, limit: Limit, key: ScopeKey, *, now: int) -> int:
        """Return nothing."""
        del limit, key, now
        return 0


@pytest.mark.parametrize("value", [1, ETHER, 5 * ETHER, 21 * ETHER, 60 * ETHER])
@pytest.mark.parametrize("to", [PLACE, STRANGER])
def test_the_tree_says_what_the_linear_reading_says(value: int, to: str) -> None:
    world = World()
    facts, draw = _case(world, value, to)
    policy = world.policy
    decided = decide(policy, facts, draw, Totals(), now=NOW, enforce=False, details=True)
    results = limit_results(policy, facts, draw, Totals(), now=NOW)
    nodes = explain_rules(policy, facts, results)
    assert {(n.section, n.rule, n.verdict) for n in nodes} == {
        (r.section, r.rule, r.verdict) for r in decided.results
    }
    assert [r for r in decided.results if r.section is Section.LIMIT and r.verdict is not Verdict.NOT_MATCHED] == [
        r for r in results if r.verdict is not Verdict.NOT_MATCHED
    ]
    for node in nodes:
        if node.used is not None and node.most is not None:
            assert (node.verdict is Verdict.EXCEEDED) is (node.used > node.most)


def test_a_denial_names_the_closest_grant_and_what_it_lacks() -> None:
    near = Rule(id="near", label="Near", order=2, when=every(LISTED, SMALL), effect=Effect.ALLOW,
                quorum=seats((Role.CRO, 1)))  # fmt: skip
    far = dataclasses.replace(near, id="far", order=1, when=every(LISTED, SMALL, CLEAR))
    block = dataclasses.replace(near, id="block", order=3, effect=Effect.BLOCK, quorum=None, when=LISTED)
    policy = dataclasses.replace(World().policy, grants=(near, far, block), guards=(), escalations=(), limits=())
    nodes = explain_rules(policy, {"destination.listed": False, "amount": 5}, ())
    found = closest(nodes)
    assert found is not None
    assert (found.rule, [leaf.field for leaf in lacking(found)]) == ("near", ["destination.listed"])
    assert closest(()) is None


def test_figures_that_are_not_numbers_are_not_shown_as_numbers() -> None:
    world = World()
    results = [
        RuleResult(Section.LIMIT, limit.id, limit.label, Verdict.EXCEEDED, False, (line,))  # noqa: FBT003 - its order
        for limit, line in zip(
            world.policy.limits, ("unknown of 5", "² of 5", "", "9" * 90 + " of 5", "7 of 5"), strict=True
        )
    ]
    used = [node.used for node in explain_rules(world.policy, {}, results) if node.section is Section.LIMIT]
    assert used == [None, None, None, None, 7]


def test_a_truth_is_the_decisions_own() -> None:
    facts: FactMap = {"destination.listed": True, "amount": DAY}
    for condition in (every(LISTED, SMALL), joined(ConditionOp.ANY, LISTED, CLEAR), joined(ConditionOp.NOT, CLEAR)):
        truth = evaluate(condition, facts)
        wanted = Answer.UNKNOWN if truth is None else Answer.YES if truth else Answer.NO
        assert condition_node(condition, facts).answer is wanted
