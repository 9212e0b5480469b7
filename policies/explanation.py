"""A decision as pages and programs show it: a tree of sections, rules and conditions. Pure: nothing is read."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.canonical import canonical, parse
from core.decision import RuleResult, Section, Verdict
from core.degraded import divided
from core.documents.policy import Quorum
from core.explain import explain_rules
from core.quorum import describe
from core.schema import read_struct, write_struct
from policies.parts import bounds_of, parts_counted
from policies.sentences import expected_words, found_words, rule_sentence, rule_text, summary

if TYPE_CHECKING:
    from core.documents.policy import Policy
    from core.explain import ConditionNode, RuleNode
    from core.registry import FactMap

_TITLES = {
    Section.GUARD: "Guards: any that matches blocks",
    Section.GRANT: "Grants: the first that matches allows",
    Section.ESCALATION: "Escalations: each that matches asks for more",
    Section.LIMIT: "Limits: own amount included",
}
_PARTS_WORDS = (
    "Every limit counts here as one of {parts} parts, rounded down: parties that do not reach each other count alone,"
    " and all of them together must not sign more than the policy's limit."
)
_COUNTING = frozenset({Verdict.MATCHED, Verdict.UNKNOWN, Verdict.EXCEEDED})


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConditionView:
    """A condition with its answer. `asks` and `found` in words; joins have parts and find nothing."""

    answer: str
    words: str
    found: str
    provenance: str
    parts: tuple[ConditionView, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class RuleView:
    """One rule's part in a decision.

    `decisive`: the outcome or the quorum would be another one without it. `words`: what the rule says.
    """

    node: RuleNode
    sentence: str
    words: str
    condition: ConditionView | None

    @property
    def tone(self) -> str:
        """How it is shown: what decided for or against, what asks for more, what took no part."""
        if not self.node.decisive:
            return ""
        if self.node.blocks:
            return "bad"
        return "good" if self.node.section is Section.GRANT else "warn"


@dataclasses.dataclass(frozen=True, kw_only=True)
class SectionView:
    """One section: the rules that count, then the others, of which a page shows only so many."""

    section: str
    title: str
    counting: tuple[RuleView, ...]
    others: tuple[RuleView, ...]

    @property
    def rules(self) -> tuple[RuleView, ...]:
        """All rules, those that count first."""
        return (*self.counting, *self.others)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DecisionView:
    """A decision as pages show it; `summary` is the one sentence.

    `disputed` names rules whose stored result is not what the stored facts give today, and limits that were held to
    a bound that is not the policy's: a changed row, or a changed program. `parts`: what limits were divided by, more
    than 1 if the wallet was in degraded mode.
    """

    allowed: bool
    policy_digest: str
    policy_number: int
    grant: str | None
    required: Quorum
    required_words: str
    reasons: tuple[str, ...]
    summary: str
    sections: tuple[SectionView, ...]
    disputed: tuple[str, ...]
    parts: int = 1

    @property
    def parts_words(self) -> str:
        """Why limits are not those of the policy; empty where they are."""
        return "" if self.parts == 1 else _PARTS_WORDS.format(parts=self.parts)

    @property
    def rule_count(self) -> int:
        """How many rules there are."""
        return sum(len(section.rules) for section in self.sections)


def results_write(*, results: tuple[RuleResult, ...]) -> str:
    """Return all results as canonical JSON."""
    return canonical(
        [
            {
                "section": str(result.section),
                "rule": result.rule,
                "label": result.label,
                "verdict": str(result.verdict),
                "web_rule": result.web_rule,
                "details": list(result.details),
            }
            for result in results
        ]
    ).decode()


def results_read(*, text: str) -> tuple[RuleResult, ...]:
    """Read what `results_write` wrote."""
    rows = parse(text.encode())
    return tuple(
        RuleResult(
            section=Section(row["section"]),
            rule=row["rule"],
            label=row["label"],
            verdict=Verdict(row["verdict"]),
            web_rule=row["web_rule"],
            details=tuple(row["details"]),
        )
        for row in (rows if isinstance(rows, list) else [])
    )


def quorum_write(*, quorum: Quorum) -> str:
    """Return a quorum as canonical JSON."""
    return canonical(write_struct(quorum, "quorum")).decode()


def quorum_read(*, text: str) -> Quorum:
    """Read what `quorum_write` wrote."""
    return read_struct(Quorum, parse(text.encode()), "quorum")


def quorums_write(*, quorums: tuple[Quorum, ...]) -> str:
    """Return several quorums as canonical JSON."""
    return canonical([write_struct(quorum, "quorum") for quorum in quorums]).decode()


def quorums_read(*, text: str) -> tuple[Quorum, ...]:
    """Read what `quorums_write` wrote."""
    rows = parse(text.encode())
    return tuple(read_struct(Quorum, row, "quorum") for row in rows) if isinstance(rows, list) else ()


def reasons_write(*, reasons: tuple[str, ...]) -> str:
    """Return reasons as canonical JSON."""
    return canonical(list(reasons)).decode()


def reasons_read(*, text: str) -> tuple[str, ...]:
    """Read what `reasons_write` wrote."""
    value = parse(text.encode())
    return tuple(str(reason) for reason in value) if isinstance(value, list) else ()


def _condition_view(policy: Policy, node: ConditionNode) -> ConditionView:
    joins = {"all": "all of these", "any": "at least one of these", "not": "not"}
    each = {"some": f"some element of {node.field} meets", "every": f"every element of {node.field} meets"}
    words = joins.get(node.op) or each.get(node.op) or f"{node.field} {expected_words(policy, node)}"
    if node.element:
        words = f"element {node.element}: {words}"
    if node.left_out:
        words += f" ({node.left_out} more elements are not shown)"
    return ConditionView(
        answer=str(node.answer),
        words=words,
        found="" if node.op in joins else found_words(policy, node),
        provenance="" if node.op in joins else node.provenance or "",
        parts=tuple(_condition_view(policy, part) for part in node.parts),
    )


def _section_view(policy: Policy, section: Section, rules: tuple[RuleNode, ...]) -> SectionView:
    views = [
        RuleView(
            node=rule,
            sentence=rule_sentence(policy, rule),
            words=rule_text(policy, rule),
            condition=None if rule.condition is None else _condition_view(policy, rule.condition),
        )
        for rule in rules
        if rule.section is section
    ]
    return SectionView(
        section=str(section),
        title=_TITLES[section],
        counting=tuple(view for view in views if view.node.decisive or view.node.verdict is Verdict.WITHIN),
        others=tuple(view for view in views if not (view.node.decisive or view.node.verdict is Verdict.WITHIN)),
    )


def _disputed(rules: tuple[RuleNode, ...], results: tuple[RuleResult, ...]) -> tuple[str, ...]:
    """Return rules that counted then and do not now, or the other way round; limits that had another bound then."""
    held_to = bounds_of(results)
    bounds = {rule.rule for rule in rules if held_to.get(rule.rule, str(rule.most)) != str(rule.most)}
    then = {(r.section, r.rule, r.verdict) for r in results if r.verdict in _COUNTING}
    now = {(r.section, r.rule, r.verdict) for r in rules if r.verdict in _COUNTING}
    return tuple(sorted(bounds | {rule for section, rule, _ in then ^ now if section is not Section.LIMIT}))


def view_of(
    *,
    policy: Policy,
    facts: FactMap,
    allowed: bool,
    grant: str | None,
    required: Quorum,
    reasons: tuple[str, ...],
    results: tuple[RuleResult, ...],
) -> DecisionView:
    """Return a decision as pages show it, explained from the facts that it was made from.

    Args:
        policy: The policy that decided.
        facts: What it was decided from.
        allowed: The outcome.
        grant: The grant that matched, if one did.
        required: The quorum that has to consent.
        reasons: Why not; empty when allowed.
        results: What counted, and every limit with its figure.
    """
    parts = parts_counted(policy=policy, facts=facts, results=results)
    rules = explain_rules(divided(policy, parts), facts, results)
    return DecisionView(
        allowed=allowed,
        policy_digest=policy.digest,
        policy_number=policy.number,
        grant=grant,
        required=required,
        required_words=describe(required),
        reasons=reasons,
        summary=summary(policy, rules, allowed=allowed, grant=grant, required=required),
        sections=tuple(_section_view(policy, section, rules) for section in Section),
        disputed=_disputed(rules, results),
        parts=parts,
    )


def view_refused(*, policy: Policy, why: str, required: Quorum) -> DecisionView:
    """Return what no rule was asked about, because a signer would refuse it in any case."""
    return DecisionView(
        allowed=False,
        policy_digest=policy.digest,
        policy_number=policy.number,
        grant=None,
        required=required,
        required_words=describe(required),
        reasons=(why,),
        summary=f"Denied: {why}.",
        sections=(),
        disputed=(),
    )


def _condition_data(view: ConditionView, node: ConditionNode) -> dict[str, object]:
    return {
        "answer": str(node.answer),
        "op": str(node.op),
        "field": node.field,
        "expected": list(node.expected),
        "found": node.found,
        "provenance": node.provenance,
        "words": view.words,
        "element": node.element or None,
        "left_out": node.left_out,
        "parts": [_condition_data(v, n) for v, n in zip(view.parts, node.parts, strict=True)],
    }


def _rule_data(view: RuleView) -> dict[str, object]:
    node = view.node
    condition = None
    if view.condition is not None and node.condition is not None:
        condition = _condition_data(view.condition, node.condition)
    return {
        "rule": node.rule,
        "label": node.label,
        "verdict": str(node.verdict),
        "decisive": node.decisive,
        "web_rule": node.web_rule,
        "sentence": view.sentence,
        "asks": None if node.quorum is None else write_struct(node.quorum, "quorum"),
        "used": None if node.used is None else str(node.used),
        "most": None if node.most is None else str(node.most),
        "condition": condition,
    }


def view_data(*, view: DecisionView) -> dict[str, object]:
    """Return the whole tree as JSON values; amounts as decimal strings, in their base units."""
    return {
        "allowed": view.allowed,
        "summary": view.summary,
        "policy": {"number": view.policy_number, "digest": view.policy_digest},
        "grant": view.grant,
        "required": write_struct(view.required, "quorum"),
        "required_words": view.required_words,
        "reasons": list(view.reasons),
        "disputed": list(view.disputed),
        "limit_parts": view.parts,
        "limit_parts_words": view.parts_words,
        "sections": [
            {"section": section.section, "rules": [_rule_data(rule) for rule in section.rules]}
            for section in view.sections
        ],
    }
