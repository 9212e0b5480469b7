"""What a decision came to, in sentences: from the tree of its rules, in the names and units of its policy. Pure."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from core.decision import Section, Verdict
from core.documents.policy import Condition, ConditionOp
from core.explain import Answer, closest, deciding, lacking, missing
from core.quorum import describe
from policies.words import amount_words, condition_words, value_words

if TYPE_CHECKING:
    from collections.abc import Iterable

    from core.documents.policy import Policy, Quorum
    from core.explain import ConditionNode, RuleNode

_FACTS_SHOWN = 4
_TIME_DIGITS = 11


def _listed(parts: Iterable[str], most: int = _FACTS_SHOWN) -> str:
    """Join what is said, each once; of many, the first ones."""
    said = list(dict.fromkeys(parts))
    more = f" and {len(said) - most} more" if len(said) > most else ""
    if more or len(said) <= 1:
        return ", ".join(said[:most]) + more
    return ", ".join(said[:-1]) + " and " + said[-1]


def expected_words(policy: Policy, node: ConditionNode) -> str:
    """Say what a comparison asks of its field."""
    if node.op in (ConditionOp.SOME, ConditionOp.EVERY):
        return "has one that is meant" if node.op is ConditionOp.SOME else "has only what is meant"
    asked = Condition(op=node.op, field=node.field, values=node.expected, parts=())
    return condition_words(policy, asked).removeprefix(f"{node.field} ")


def found_words(policy: Policy, node: ConditionNode) -> str:
    """Say what a comparison found."""
    if node.found is None:
        return "not known"
    if node.field == "time.now" and node.found.isdigit() and len(node.found) <= _TIME_DIGITS:
        return f"{dt.datetime.fromtimestamp(int(node.found), tz=dt.UTC):%Y-%m-%d %H:%M} UTC"
    return value_words(policy, node.field or "", node.found)


def fact_words(policy: Policy, node: ConditionNode) -> str:
    """Say a comparison and what it found, in the few words that a sentence has room for."""
    field = node.field or "it"
    if node.answer is Answer.UNKNOWN:
        return f"{field} is not known" if node.found is None else f"{field} cannot be compared"
    found = found_words(policy, node)
    if node.op is ConditionOp.EQ or (node.answer is Answer.YES and node.op is ConditionOp.IN):
        return f"{field} is {found}"
    if node.answer is Answer.YES and node.op is ConditionOp.HAS:
        return f"{field} {expected_words(policy, node)}"
    if node.answer is Answer.YES:
        return f"{field} ({found}) {expected_words(policy, node)}"
    asked = expected_words(policy, node)
    if node.op is ConditionOp.HAS:
        return f"{field} is {found}, which {asked.replace('includes', 'does not include', 1)}"
    return f"{field} is {found}, not {asked.removeprefix('is ')}"


def because(policy: Policy, rule: RuleNode) -> str:
    """Say on which facts a rule's answer rests; nothing for a rule without conditions."""
    if rule.condition is None:
        return ""
    return _listed(fact_words(policy, leaf) for leaf in deciding(rule.condition))


def _unknown(rule: RuleNode) -> str:
    fields = [] if rule.condition is None else missing(rule.condition)
    return f"could not be evaluated: {_listed(fields)} is not known" if fields else "could not be evaluated"


def _asks(quorum: Quorum | None) -> str:
    return "no further person" if quorum is None else describe(quorum)


def limit_figures(policy: Policy, rule: RuleNode) -> str:
    """Say what a limit would stand at, of how much."""
    limit = next((one for one in policy.limits if one.id == rule.rule), None)
    if limit is None:
        return "a limit that the policy no longer has"
    total = "an unknown amount" if rule.used is None else amount_words(policy, limit.measure, limit.asset, rule.used)
    whole = amount_words(policy, limit.measure, limit.asset, limit.most)
    if rule.most is None or rule.most == limit.most:
        return f"{total} with this transaction, of {whole}"
    part = amount_words(policy, limit.measure, limit.asset, rule.most)
    return f"{total} with this transaction, of {part}, which is the part of {whole} that counts in degraded mode"


def _limit_sentence(policy: Policy, rule: RuleNode) -> str:
    if rule.verdict is Verdict.NOT_MATCHED:
        return f"Does not apply: {because(policy, rule)}." if rule.condition is not None else "Does not apply."
    figures = limit_figures(policy, rule)
    if rule.verdict is Verdict.WITHIN:
        return f"Within the limit: {figures}."
    return f"Over the limit: {figures}. " + ("Denied." if rule.blocks else f"Asks for {_asks(rule.quorum)} as well.")


def rule_sentence(policy: Policy, rule: RuleNode) -> str:
    """Say what one rule came to."""
    if rule.section is Section.LIMIT:
        return _limit_sentence(policy, rule)
    if rule.verdict is Verdict.NOT_REACHED:
        return "Not reached: an earlier grant decided."
    if rule.verdict is Verdict.NOT_MATCHED:
        return f"Does not apply: {because(policy, rule)}."
    unknown = rule.verdict is Verdict.UNKNOWN
    why = _unknown(rule) if unknown else because(policy, rule)
    if rule.section is Section.ESCALATION:
        return f"Asks for {_asks(rule.quorum)} as well: {'it ' if unknown else ''}{why}."
    if unknown:
        return f"{'Blocks' if rule.blocks else 'Does not grant'}: it {why}."
    return f"Blocks: {why}." if rule.blocks else f"Allows, with {_asks(rule.quorum)}: {why}."


def _against(policy: Policy, rule: RuleNode) -> str | None:
    """Say how a rule denies, or None if it does not."""
    if not (rule.decisive and rule.blocks):
        return None
    if rule.section is Section.LIMIT:
        return f"limit '{rule.label}' would be exceeded: {limit_figures(policy, rule)}"
    does = "matched" if rule.section is Section.GUARD else "blocks"
    told = _unknown(rule) if rule.verdict is Verdict.UNKNOWN else f"{does}: {because(policy, rule)}"
    return f"{rule.section} '{rule.label}' {told}"


def _no_grant(policy: Policy, rules: tuple[RuleNode, ...]) -> str:
    near = closest(rules)
    if near is None:
        return "no grant matches"
    lacks = _listed(fact_words(policy, leaf) for leaf in lacking(near))
    return f"no grant matches; the closest, '{near.label}', fails because {lacks}"


def summary(
    policy: Policy, rules: tuple[RuleNode, ...], *, allowed: bool, grant: str | None, required: Quorum
) -> str:
    """Say a whole decision in one sentence.

    Args:
        policy: The policy that decided.
        rules: Every rule's part.
        allowed: The outcome.
        grant: The grant that matched, if one did.
        required: The quorum that has to consent.
    """
    granted = next((r for r in rules if r.section is Section.GRANT and r.rule == grant), None)
    if allowed and granted is not None:
        raised = [r for r in rules if r.decisive and r.section in (Section.ESCALATION, Section.LIMIT)]
        more = "; " + _listed(f"'{r.label}' asks for more" for r in raised) if raised else ""
        return (
            f"Allowed by grant '{granted.label}' with {describe(required)}, because {because(policy, granted)}{more}."
        )
    against = [said for said in (_against(policy, rule) for rule in rules) if said is not None]
    if granted is None and not any(r.decisive and r.blocks and r.section is Section.GRANT for r in rules):
        against.append(_no_grant(policy, rules))
    return f"Denied: {'; '.join(against)}."


def rule_text(policy: Policy, rule: RuleNode) -> str:
    """Say a rule's condition as it was drafted; nothing if it has none."""
    whens: dict[str, Condition | None] = {limit.id: limit.when for limit in policy.limits}
    if rule.section is not Section.LIMIT:
        whens = {one.id: one.when for one in (*policy.guards, *policy.grants, *policy.escalations)}
    when = whens.get(rule.rule)
    return "" if when is None else condition_words(policy, when)
