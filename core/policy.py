"""The decision: the same function shows and routes in the web tier and enforces in the signer.

Guards are all evaluated: any match blocks, and unknown blocks. Grants are ordered, first match; unknown never
grants; no match is a denial. Escalations and limits are all evaluated; unknown escalates; what they ask for is
joined. Nobody bypasses it.

The reading here, rule after rule, says what a policy means. Without details the same is said by an index over the
rules (`core.engine`), which tests hold equal to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.conditions import Truth, evaluate, explain
from core.decision import (
    COUNTING,
    NO_GRANT,
    Decision,
    RuleResult,
    Section,
    Verdict,
    block_reason,
    guard_reason,
    is_touched,
    limit_line,
    limit_reason,
    web_rules,
)
from core.documents.policy import Effect, Limit, Policy, Quorum, Rule
from core.engine import engine_for
from core.limits import Draw, Totals, amount_of, scope_keys
from core.quorum import EMPTY, join

if TYPE_CHECKING:
    from collections.abc import Iterable

    from core.registry import FactMap

__all__ = ["Decision", "RuleResult", "Section", "Verdict", "decide", "read_linearly"]


class _Run:
    """One decision in the making."""

    def __init__(self, policy: Policy, facts: FactMap, *, enforce: bool, details: bool) -> None:
        self.facts = facts
        self.web = web_rules(policy)
        self.enforce = enforce
        self.details = details
        self.results: list[RuleResult] = []
        self.reasons: list[str] = []
        self.asked: list[Quorum] = []

    def skip(self, section: Section, rule: Rule | Limit) -> bool:
        """Signers leave web rules out: what a server claims is neither a reason to sign nor proof of anything."""
        if self.enforce and rule.id in self.web:
            self.note(section, rule, Verdict.WEB_ONLY)
            return True
        return False

    def note(self, section: Section, rule: Rule | Limit, verdict: Verdict, more: Iterable[str] = ()) -> None:
        if not self.details and verdict not in COUNTING:
            # A signer reads outcomes, not explanations.
            return
        lines = tuple(more)
        if self.details and rule.when is not None and verdict in (Verdict.NOT_MATCHED, Verdict.UNKNOWN):
            lines = tuple(explain(rule.when, self.facts))
        self.results.append(RuleResult(section, rule.id, rule.label, verdict, rule.id in self.web, lines))

    def guards(self, rules: Iterable[Rule]) -> None:
        for rule in rules:
            if self.skip(Section.GUARD, rule):
                continue
            truth = evaluate(rule.when, self.facts)
            self.note(Section.GUARD, rule, _verdict(truth))
            if truth is not False:
                self.reasons.append(guard_reason(rule, known=truth is True))

    def grants(self, rules: Iterable[Rule]) -> str | None:
        granted: Rule | None = None
        for rule in sorted(rules, key=lambda r: r.order):
            if granted is not None:
                self.note(Section.GRANT, rule, Verdict.NOT_REACHED)
                continue
            if self.skip(Section.GRANT, rule):
                continue
            truth = evaluate(rule.when, self.facts)
            self.note(Section.GRANT, rule, _verdict(truth))
            # A blocking grant that cannot be evaluated still ends the search: what follows was written to come
            # after it.
            if truth is True or (truth is None and rule.effect is Effect.BLOCK):
                granted = rule
        if granted is None:
            self.reasons.append(NO_GRANT)
            return None
        if granted.effect is Effect.BLOCK:
            self.reasons.append(block_reason(granted))
            return None
        self.asked.append(granted.quorum or EMPTY)
        return granted.id

    def escalations(self, rules: Iterable[Rule]) -> None:
        for rule in rules:
            if self.skip(Section.ESCALATION, rule):
                continue
            truth = evaluate(rule.when, self.facts)
            self.note(Section.ESCALATION, rule, _verdict(truth))
            if truth is not False:
                self.asked.append(rule.quorum or EMPTY)

    def limits(self, limits: Iterable[Limit], draw: Draw, totals: Totals, now: int) -> None:
        for limit in limits:
            if self.skip(Section.LIMIT, limit):
                continue
            if limit.when is not None and evaluate(limit.when, self.facts) is False:
                self.note(Section.LIMIT, limit, Verdict.NOT_MATCHED)
                continue
            amount = amount_of(limit.measure, limit.asset, draw)
            if not is_touched(limit, amount, draw):
                self.note(Section.LIMIT, limit, Verdict.NOT_MATCHED)
                continue
            worst = max(
                amount + (0 if limit.window == 0 else totals.used(limit, key, now=now))
                for key in scope_keys(limit.per, draw)
            )
            self._limit(limit, worst)

    def _limit(self, limit: Limit, total: int) -> None:
        line = limit_line(limit, total)
        if total <= limit.most:
            self.note(Section.LIMIT, limit, Verdict.WITHIN, (line,))
            return
        self.note(Section.LIMIT, limit, Verdict.EXCEEDED, (line,))
        if limit.quorum is None:
            self.reasons.append(limit_reason(limit, line))
        else:
            self.asked.append(limit.quorum)


def _verdict(truth: Truth) -> Verdict:
    if truth is None:
        return Verdict.UNKNOWN
    return Verdict.MATCHED if truth else Verdict.NOT_MATCHED


def read_linearly(
    policy: Policy,
    facts: FactMap,
    draw: Draw,
    totals: Totals,
    *,
    now: int,
    enforce: bool,
    details: bool,
) -> Decision:
    """Decide one transaction by reading every rule in its order: the specification. Arguments as in `decide`."""
    run = _Run(policy, facts, enforce=enforce, details=details)
    run.guards(policy.guards)
    grant = run.grants(policy.grants)
    run.escalations(policy.escalations)
    run.limits(policy.limits, draw, totals, now)
    allowed = grant is not None and not run.reasons
    return Decision(
        allowed=allowed,
        required=join(run.asked),
        grant=grant,
        reasons=tuple(run.reasons),
        results=tuple(run.results),
        asked=tuple(run.asked),
    )


def decide(
    policy: Policy,
    facts: FactMap,
    draw: Draw,
    totals: Totals,
    *,
    now: int,
    enforce: bool,
    details: bool = False,
) -> Decision:
    """Decide one transaction.

    Args:
        policy: A policy that `core.policy_check` accepts.
        facts: What is known; missing fields are unknown.
        draw: What the transaction itself draws; it counts in every limit.
        totals: What earlier transactions drew.
        now: Unix seconds, UTC.
        enforce: True in a signer: rules over claimed facts are left out.
        details: Whether to say for each rule which comparison failed.

    Returns:
        The decision; with details every rule's result, without only those that counted.
    """
    if details:
        return read_linearly(policy, facts, draw, totals, now=now, enforce=enforce, details=True)
    return engine_for(policy, enforce=enforce).decide(facts, draw, totals, now=now)
