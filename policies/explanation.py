"""Why a decision is what it is: every rule's result as a row with a sentence. Pure: nothing is read or written."""

from __future__ import annotations

import dataclasses

from core.canonical import canonical, parse
from core.documents.policy import Effect, Limit, Policy, Quorum, Rule
from core.policy import RuleResult, Section, Verdict
from core.quorum import describe
from core.schema import read_struct, write_struct
from policies.words import amount_words, condition_words


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExplainRow:
    """One rule's part in a decision, in the order of evaluation.

    `decisive`: the outcome or the quorum would be another one without it. `rule_words`: what the rule says.
    """

    section: str
    rule: str
    label: str
    verdict: str
    web_rule: bool
    decisive: bool
    sentence: str
    rule_words: str
    details: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class DecisionView:
    """A decision as pages show it; `summary` is the one sentence."""

    allowed: bool
    policy_digest: str
    policy_number: int
    grant: str | None
    required: Quorum
    required_words: str
    reasons: tuple[str, ...]
    summary: str
    rows: tuple[ExplainRow, ...]


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


def _rules(policy: Policy) -> dict[tuple[Section, str], Rule | Limit]:
    sections: tuple[tuple[Section, tuple[Rule | Limit, ...]], ...] = (
        (Section.GUARD, policy.guards),
        (Section.GRANT, policy.grants),
        (Section.ESCALATION, policy.escalations),
        (Section.LIMIT, policy.limits),
    )
    return {(section, rule.id): rule for section, rules in sections for rule in rules}


def _asks(rule: Rule | Limit | None) -> str:
    return describe(rule.quorum) if rule is not None and rule.quorum is not None else "no further person"


def _limit_sentence(policy: Policy, result: RuleResult, limit: Limit | None) -> str:
    shown, _, most = (result.details[0] if result.details else "").partition(" of ")
    if limit is None or not most.isdigit():
        words = " ".join(result.details)
    else:
        after = (
            amount_words(policy, limit.measure, limit.asset, int(shown)) if shown.isdigit() else "an unknown amount"
        )
        words = f"{after} with this transaction, of {amount_words(policy, limit.measure, limit.asset, int(most))}"
    if result.verdict is Verdict.WITHIN:
        return f"Within the limit: {words}."
    if limit is not None and limit.quorum is not None:
        return f"Over the limit: {words}. Asks for {_asks(limit)} as well."
    return f"Over the limit: {words}. Denied."


def _unmatched(result: RuleResult, tail: str) -> str | None:
    """Return the sentence of a rule that took no part, or None."""
    if result.verdict is Verdict.NOT_REACHED:
        return "Not reached: an earlier grant decided."
    if result.verdict is Verdict.WEB_ONLY:
        return "Left out: it rests on what a server claims."
    return f"Does not apply{tail}" if result.verdict is Verdict.NOT_MATCHED else None


def _sentence(policy: Policy, result: RuleResult, rule: Rule | Limit | None) -> str:
    why = "; ".join(result.details)
    tail = f": {why}." if why else "."
    if result.verdict in (Verdict.WITHIN, Verdict.EXCEEDED):
        return _limit_sentence(policy, result, rule if isinstance(rule, Limit) else None)
    unmatched = _unmatched(result, tail)
    if unmatched is not None:
        return unmatched
    unknown = result.verdict is Verdict.UNKNOWN
    if result.section is Section.ESCALATION:
        return f"{f'Could not be evaluated{tail} Asks' if unknown else 'Asks'} for {_asks(rule)} as well."
    blocks = result.section is Section.GUARD or (isinstance(rule, Rule) and rule.effect is Effect.BLOCK)
    if unknown:
        return f"{'Blocks' if blocks else 'Does not grant'}, because it could not be evaluated{tail}"
    return "Blocks." if blocks else f"Allows, with {_asks(rule)}."


def _decisive(result: RuleResult, rule: Rule | Limit | None) -> bool:
    if result.section is Section.GRANT:
        blocks = isinstance(rule, Rule) and rule.effect is Effect.BLOCK
        return result.verdict is Verdict.MATCHED or (blocks and result.verdict is Verdict.UNKNOWN)
    return result.verdict in (Verdict.MATCHED, Verdict.UNKNOWN, Verdict.EXCEEDED)


def explain_rows(*, policy: Policy, results: tuple[RuleResult, ...]) -> tuple[ExplainRow, ...]:
    """Return one row for each result, in the order of evaluation."""
    rules = _rules(policy)
    rows = []
    for result in results:
        rule = rules.get((result.section, result.rule))
        when = condition_words(policy, rule.when) if rule is not None and rule.when is not None else ""
        rows.append(
            ExplainRow(
                section=str(result.section),
                rule=result.rule,
                label=result.label,
                verdict=str(result.verdict),
                web_rule=result.web_rule,
                decisive=_decisive(result, rule),
                sentence=_sentence(policy, result, rule),
                rule_words=when,
                details=result.details,
            )
        )
    return tuple(rows)


def view_of(
    *,
    policy: Policy,
    allowed: bool,
    grant: str | None,
    required: Quorum,
    reasons: tuple[str, ...],
    results: tuple[RuleResult, ...],
) -> DecisionView:
    """Return a decision as pages show it."""
    wanted = describe(required)
    summary = f"Allowed by {grant}, with {wanted}." if allowed else f"Denied: {'; '.join(reasons)}."
    return DecisionView(
        allowed=allowed,
        policy_digest=policy.digest,
        policy_number=policy.number,
        grant=grant,
        required=required,
        required_words=wanted,
        reasons=reasons,
        summary=summary,
        rows=explain_rows(policy=policy, results=results),
    )
