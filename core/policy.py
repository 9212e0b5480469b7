"""The decision: the same function shows and routes in the web tier and enforces in the signer.

Guards are all evaluated: any match blocks, and unknown blocks. Grants are ordered, first match; unknown never
grants; no match is a denial. Escalations and limits are all evaluated; unknown escalates; what they ask for is
joined. Nobody bypasses it.
"""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import TYPE_CHECKING

from core.conditions import Truth, evaluate, explain, is_web_only
from core.documents.policy import Effect, Limit, Measure, Policy, Quorum, Rule
from core.registry import FactMap, field_of
from core.limits import UNBOUNDED, Draw, Totals, amount_of, scope_keys
from core.quorum import EMPTY, join

if TYPE_CHECKING:
    from collections.abc import Iterable


class Section(StrEnum):
    """The four sections of a policy."""

    GUARD = "guard"
    GRANT = "grant"
    ESCALATION = "escalation"
    LIMIT = "limit"


class Verdict(StrEnum):
    """What a rule came to."""

    MATCHED = "matched"
    NOT_MATCHED = "not_matched"
    UNKNOWN = "unknown"
    WEB_ONLY = "web_only"
    NOT_REACHED = "not_reached"
    WITHIN = "within"
    EXCEEDED = "exceeded"


@dataclasses.dataclass(frozen=True)
class RuleResult:
    """One rule's result; `details` says which comparison failed and on which fact."""

    section: Section
    rule: str
    label: str
    verdict: Verdict
    web_rule: bool
    details: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Decision:
    """The outcome. `required` has no seats where no person is needed; `reasons` say why not, when not allowed.

    `asked` are the quorums that grant, escalations and limits ask for, each of which has to be filled by itself too.
    """

    allowed: bool
    required: Quorum
    grant: str | None
    reasons: tuple[str, ...]
    results: tuple[RuleResult, ...]
    asked: tuple[Quorum, ...]


_WEB_RULES: dict[str, frozenset[str]] = {}
_MOST_CACHED = 16


def _web_rules(policy: Policy) -> frozenset[str]:
    """Ids of the rules that rest on claimed facts, kept for each policy digest."""
    known = _WEB_RULES.get(policy.digest)
    if known is not None:
        return known
    rules = (*policy.guards, *policy.grants, *policy.escalations)
    web = {rule.id for rule in rules if is_web_only(rule.when)}
    web |= {limit.id for limit in policy.limits if limit.when and is_web_only(limit.when)}
    if len(_WEB_RULES) >= _MOST_CACHED:
        _WEB_RULES.clear()
    return _WEB_RULES.setdefault(policy.digest, frozenset(web))


class _Run:
    """One decision in the making."""

    def __init__(self, policy: Policy, facts: FactMap, *, enforce: bool, details: bool) -> None:
        self.facts = {name: value for name, value in facts.items() if field_of(name)}
        self.web = _web_rules(policy)
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
        if not self.details and verdict is Verdict.NOT_MATCHED:
            # Without details only what counts is kept: a signer reads outcomes, not explanations.
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
                why = "matched" if truth else "could not be evaluated, which blocks"
                self.reasons.append(f"guard {rule.id} ({rule.label}) {why}")

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
            self.reasons.append("no grant matches: denied by default")
            return None
        if granted.effect is Effect.BLOCK:
            self.reasons.append(f"grant {granted.id} ({granted.label}) blocks")
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
            if limit.measure is Measure.ASSET and amount == 0 and draw.assets:
                self.note(Section.LIMIT, limit, Verdict.NOT_MATCHED)
                continue
            worst = max(
                amount + (0 if limit.window == 0 else totals.used(limit, key, now=now))
                for key in scope_keys(limit.per, draw)
            )
            self._limit(limit, worst)

    def _limit(self, limit: Limit, total: int) -> None:
        shown = "unknown" if total >= UNBOUNDED else str(total)
        line = f"{shown} of {limit.most}"
        if total <= limit.most:
            self.note(Section.LIMIT, limit, Verdict.WITHIN, (line,))
            return
        self.note(Section.LIMIT, limit, Verdict.EXCEEDED, (line,))
        if limit.quorum is None:
            self.reasons.append(f"limit {limit.id} ({limit.label}) would be exceeded: {line}")
        else:
            self.asked.append(limit.quorum)


def _verdict(truth: Truth) -> Verdict:
    if truth is None:
        return Verdict.UNKNOWN
    return Verdict.MATCHED if truth else Verdict.NOT_MATCHED


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
        The decision; with details every rule's result, without only what counted.
    """
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


def limit_breaches(policy: Policy, draw: Draw, totals: Totals, *, now: int) -> tuple[str, ...]:
    """Return which hard limits a draw alone would break; for what is no payment (a cancel's fee)."""
    run = _Run(policy, {}, enforce=True, details=False)
    run.limits(policy.limits, draw, totals, now)
    return tuple(run.reasons)
