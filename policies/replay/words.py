"""Why a replayed decision came out as it did, in the names and units of the policy that decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.decision import NO_GRANT, Section, Verdict
from core.documents.policy import Effect
from policies.words import amount_words

if TYPE_CHECKING:
    from core.decision import Decision, RuleResult
    from core.documents.policy import Policy


def decision_words(policy: Policy, decision: Decision) -> list[str]:
    """Return a sentence for each rule that counted; for what no rule was asked about, the reason itself."""
    if not decision.results:
        return list(decision.reasons)
    blocking = {rule.id for rule in policy.grants if rule.effect is Effect.BLOCK}
    words = [said for said in (_result_words(policy, decision, blocking, r) for r in decision.results) if said]
    return [*words, NO_GRANT] if NO_GRANT in decision.reasons else words


def _result_words(policy: Policy, decision: Decision, blocking: set[str], result: RuleResult) -> str:
    """Say what one rule did; nothing for a grant that was not the one."""
    unknown = result.verdict is Verdict.UNKNOWN
    name = f"{result.section} '{result.label}'"
    if result.section is Section.LIMIT:
        return f"{name}: {_figures(policy, result)}"
    if result.section is Section.GRANT and result.rule not in blocking:
        return f"{name} allows" if decision.allowed and result.rule == decision.grant else ""
    does = "asks for more" if result.section is Section.ESCALATION else "blocks"
    return f"{name} {does}, because it could not be evaluated" if unknown else f"{name} {does}"


def _figures(policy: Policy, result: RuleResult) -> str:
    limit = next((one for one in policy.limits if one.id == result.rule), None)
    total = result.details[0].partition(" of ")[0] if result.details else ""
    if limit is None:
        return "exceeded"
    known = total.isascii() and total.isdigit()
    shown = amount_words(policy, limit.measure, limit.asset, int(total)) if known else "an unknown amount"
    more = "" if limit.quorum is None else ", asks for more"
    return f"{shown}, of {amount_words(policy, limit.measure, limit.asset, limit.most)}{more}"
