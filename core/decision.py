"""What a decision is: the outcome, what every rule came to, and the sentences that say why not.

Both readings of a policy share it: the linear one (`core.policy`), which is the specification, and the indexed one
(`core.engine`), which has to say the same.
"""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import TYPE_CHECKING

from core.conditions import is_web_only
from core.documents.policy import Measure
from core.limits import UNBOUNDED

if TYPE_CHECKING:
    from core.documents.policy import Limit, Policy, Quorum, Rule
    from core.limits import Draw


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


COUNTING = frozenset({Verdict.MATCHED, Verdict.UNKNOWN, Verdict.EXCEEDED})
"""The only verdicts that a decision without details lists: what decided, and what could not be read."""


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
    `results` name with details every rule, without only those that counted (`COUNTING`), in the order of the
    sections and of the rules in each.
    """

    allowed: bool
    required: Quorum
    grant: str | None
    reasons: tuple[str, ...]
    results: tuple[RuleResult, ...]
    asked: tuple[Quorum, ...]


NO_GRANT = "no grant matches: denied by default"


def guard_reason(rule: Rule, *, known: bool) -> str:
    """Say that a guard blocks, because it matched or because it could not be evaluated."""
    why = "matched" if known else "could not be evaluated, which blocks"
    return f"guard {rule.id} ({rule.label}) {why}"


def block_reason(rule: Rule) -> str:
    """Say that a grant blocks."""
    return f"grant {rule.id} ({rule.label}) blocks"


def is_touched(limit: Limit, amount: int, draw: Draw) -> bool:
    """Whether a limit has to do with a draw: one of another asset has not, unless nobody knows what moves."""
    return limit.measure is not Measure.ASSET or amount != 0 or not draw.assets


def limit_line(limit: Limit, total: int) -> str:
    """Say how much of a limit would be used, in the limit's unit."""
    return f"{'unknown' if total >= UNBOUNDED else total} of {limit.most}"


def limit_reason(limit: Limit, line: str) -> str:
    """Say that a hard limit denies."""
    return f"limit {limit.id} ({limit.label}) would be exceeded: {line}"


def web_rules(policy: Policy) -> frozenset[str]:
    """Return the ids of the rules that rest on claimed facts: signers leave them out."""
    rules = (*policy.guards, *policy.grants, *policy.escalations)
    web = {rule.id for rule in rules if is_web_only(rule.when)}
    return frozenset(web | {limit.id for limit in policy.limits if limit.when and is_web_only(limit.when)})
