"""Why a decision is what it is: each rule as a tree of conditions, each with its truth, what it expected and found.

Built from the facts that a decision was made from, whenever somebody asks. It explains and decides nothing: no
signer reads it, and its truths come from the same `core.conditions.evaluate` as the decision's.
"""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import TYPE_CHECKING

from core.conditions import evaluate, shown
from core.decision import RuleResult, Section, Verdict, is_touched, limit_line, web_rules
from core.documents.policy import ConditionOp, Effect
from core.limits import UNBOUNDED, amount_of, scope_keys
from core.registry import facts_of_element, field_of, known_fact

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from core.documents.policy import Condition, Limit, Policy, Quorum, Rule
    from core.limits import Draw, Totals
    from core.registry import Fact, FactMap

ELEMENTS_MOST = 16
"""Elements of a list that a tree shows; what is left out is counted."""
_JOINS = frozenset({ConditionOp.ALL, ConditionOp.ANY, ConditionOp.NOT})
_EACH = frozenset({ConditionOp.SOME, ConditionOp.EVERY})


class Answer(StrEnum):
    """What a condition came to."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConditionNode:
    """A condition, or under `some` and `every` the part as it holds for one element (`element`, from 1).

    `found` is null where the fact is not known; `provenance` says how it is known. `left_out`: elements not shown.
    """

    answer: Answer
    op: ConditionOp
    field: str | None
    expected: tuple[str, ...]
    found: str | None
    provenance: str | None
    parts: tuple[ConditionNode, ...] = ()
    element: int = 0
    left_out: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class RuleNode:
    """One rule's part. `decisive`: outcome or quorum would be others without it.

    `used` is what a limit would stand at, own amount included (null: not known), `most` its bound, in its unit.
    """

    section: Section
    rule: str
    label: str
    verdict: Verdict
    web_rule: bool
    blocks: bool
    decisive: bool
    quorum: Quorum | None
    condition: ConditionNode | None
    used: int | None = None
    most: int | None = None


def _answer(condition: Condition, facts: Mapping[str, Fact]) -> Answer:
    truth = evaluate(condition, facts)
    if truth is None:
        return Answer.UNKNOWN
    return Answer.YES if truth else Answer.NO


def _parts(condition: Condition, facts: Mapping[str, Fact]) -> tuple[tuple[ConditionNode, ...], int]:
    if condition.op in _JOINS:
        return tuple(condition_node(part, facts) for part in condition.parts), 0
    elements = known_fact(condition.field, facts) if condition.op in _EACH else None
    if not isinstance(elements, tuple) or len(condition.parts) != 1:
        return (), 0
    nodes = tuple(
        condition_node(condition.parts[0], facts_of_element(element, facts), element=place)
        for place, element in enumerate(elements[:ELEMENTS_MOST], start=1)
    )
    return nodes, max(0, len(elements) - ELEMENTS_MOST)


def condition_node(condition: Condition, facts: Mapping[str, Fact], *, element: int = 0) -> ConditionNode:
    """Return a condition as a tree of answers.

    Args:
        condition: The condition.
        facts: What is known; in a list's element, with the element's own facts.
        element: Which element of a list this is about, from 1; 0 for the case itself.
    """
    parts, left_out = _parts(condition, facts)
    value = known_fact(condition.field, facts)
    field = field_of(condition.field)
    return ConditionNode(
        answer=_answer(condition, facts),
        op=condition.op,
        field=condition.field,
        expected=condition.values,
        found=None if value is None else shown(value),
        provenance=None if field is None else str(field.provenance),
        parts=parts,
        element=element,
        left_out=left_out,
    )


def deciding(node: ConditionNode) -> Iterator[ConditionNode]:
    """Yield the comparisons that a node's answer rests on."""
    if not node.parts:
        yield node
        return
    same = node.answer if node.op is not ConditionOp.NOT else None
    resting = [part for part in node.parts if same is None or part.answer is same]
    first_is_enough = (node.op in (ConditionOp.ANY, ConditionOp.SOME) and node.answer is Answer.YES) or (
        node.op in (ConditionOp.ALL, ConditionOp.EVERY) and node.answer is Answer.NO
    )
    # Without a part that says the same, it is an element that the tree leaves out.
    for part in (resting[:1] if first_is_enough else resting) or [dataclasses.replace(node, parts=())]:
        yield from deciding(part)


def missing(node: ConditionNode) -> list[str]:
    """Return the fields that an unknown answer waits for."""
    found = (leaf.field for leaf in deciding(node) if leaf.answer is Answer.UNKNOWN and leaf.field)
    return sorted(set(found)) if node.answer is Answer.UNKNOWN else []


def limit_results(
    policy: Policy, facts: FactMap, draw: Draw, totals: Totals, *, now: int, enforce: bool = False
) -> tuple[RuleResult, ...]:
    """Return what every limit came to, with its figure, in the words of a decision with details.

    Args:
        policy: The policy that decides.
        facts: What is known.
        draw: What the transaction itself draws.
        totals: What earlier transactions drew.
        now: Unix seconds.
        enforce: Whether web rules are left out, as in a signer.
    """
    web = web_rules(policy)
    results = []
    for limit in policy.limits:
        left_out = enforce and limit.id in web
        verdict, lines = (Verdict.WEB_ONLY, ()) if left_out else _limit_verdict(limit, facts, draw, totals, now)
        results.append(RuleResult(Section.LIMIT, limit.id, limit.label, verdict, limit.id in web, lines))
    return tuple(results)


def _limit_verdict(
    limit: Limit, facts: FactMap, draw: Draw, totals: Totals, now: int
) -> tuple[Verdict, tuple[str, ...]]:
    amount = amount_of(limit.measure, limit.asset, draw)
    applies = limit.when is None or evaluate(limit.when, facts) is not False
    if not applies or not is_touched(limit, amount, draw):
        return Verdict.NOT_MATCHED, ()
    earlier = 0
    if limit.window != 0:
        earlier = max(totals.used(limit, key, now=now) for key in scope_keys(limit.per, draw))
    total = amount + earlier
    return Verdict.WITHIN if total <= limit.most else Verdict.EXCEEDED, (limit_line(limit, total),)


def _rule_verdict(section: Section, answer: Answer, *, reached: bool) -> Verdict:
    if section is Section.GRANT and not reached:
        return Verdict.NOT_REACHED
    return {Answer.YES: Verdict.MATCHED, Answer.NO: Verdict.NOT_MATCHED, Answer.UNKNOWN: Verdict.UNKNOWN}[answer]


def _rules(section: Section, rules: Iterable[Rule], facts: FactMap, web: frozenset[str]) -> Iterator[RuleNode]:
    reached = True
    for rule in rules:
        node = condition_node(rule.when, facts)
        verdict = _rule_verdict(section, node.answer, reached=reached)
        blocks = section is Section.GUARD or rule.effect is Effect.BLOCK
        counts = verdict is Verdict.MATCHED or (
            verdict is Verdict.UNKNOWN and (section is not Section.GRANT or blocks)
        )
        yield RuleNode(
            section=section,
            rule=rule.id,
            label=rule.label,
            verdict=verdict,
            web_rule=rule.id in web,
            blocks=blocks,
            decisive=counts,
            quorum=rule.quorum,
            condition=node,
        )
        reached = reached and not (section is Section.GRANT and counts)


def _limits(
    policy: Policy, facts: FactMap, recorded: Mapping[str, RuleResult], web: frozenset[str]
) -> Iterator[RuleNode]:
    for limit in policy.limits:
        result = recorded.get(limit.id)
        verdict = Verdict.NOT_MATCHED if result is None else result.verdict
        total = (result.details[0] if result is not None and result.details else "").partition(" of ")[0]
        yield RuleNode(
            section=Section.LIMIT,
            rule=limit.id,
            label=limit.label,
            verdict=verdict,
            web_rule=limit.id in web,
            blocks=limit.quorum is None,
            decisive=verdict is Verdict.EXCEEDED,
            quorum=limit.quorum,
            condition=None if limit.when is None else condition_node(limit.when, facts),
            used=int(total) if total.isascii() and total.isdigit() and len(total) <= len(str(UNBOUNDED)) else None,
            most=limit.most,
        )


def explain_rules(policy: Policy, facts: FactMap, results: Iterable[RuleResult]) -> tuple[RuleNode, ...]:
    """Return every rule's part in a decision, in the order of evaluation.

    Args:
        policy: The policy that decided.
        facts: What it was decided from.
        results: What was kept of the results; limits' figures cannot be found out again, so they are taken from it.
    """
    web = web_rules(policy)
    recorded = {result.rule: result for result in results if result.section is Section.LIMIT}
    return (
        *_rules(Section.GUARD, policy.guards, facts, web),
        *_rules(Section.GRANT, sorted(policy.grants, key=lambda rule: rule.order), facts, web),
        *_rules(Section.ESCALATION, policy.escalations, facts, web),
        *_limits(policy, facts, recorded, web),
    )


def closest(rules: Iterable[RuleNode]) -> RuleNode | None:
    """Return the grant that lacked least, for a case that none granted: the fewest comparisons to mend."""
    tried = [r for r in rules if r.section is Section.GRANT and not r.blocks and r.condition is not None]
    return min(tried, key=lambda rule: len(_lacking(rule.condition)), default=None)


def _lacking(node: ConditionNode | None) -> list[ConditionNode]:
    """Return the comparisons that keep a node from a yes."""
    if node is None or node.answer is Answer.YES:
        return []
    if node.op in (ConditionOp.ALL, ConditionOp.EVERY) and node.parts:
        return [leaf for part in node.parts for leaf in _lacking(part)]
    if node.op in (ConditionOp.ANY, ConditionOp.SOME) and node.parts:
        return min((_lacking(part) for part in node.parts), key=len)
    return [node]


def lacking(rule: RuleNode) -> list[ConditionNode]:
    """Return the comparisons that keep a rule from matching."""
    return _lacking(rule.condition)
