"""What a case brings to the consent page besides its document: who has spoken, and which rules ask for people.

The consent page believes none of it: it checks each signature, and takes the words of rules from its own policy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from approvals.selectors import consent_documents
from core.decision import Section, Verdict
from core.schema import write_struct
from policies.explanation import results_read
from policies.selectors import decision_find, decision_parts

if TYPE_CHECKING:
    from oms.models import TransactionRequest

_RULES_MOST = 16
_ASKING = frozenset(
    {(Section.ESCALATION, Verdict.MATCHED), (Section.ESCALATION, Verdict.UNKNOWN), (Section.LIMIT, Verdict.EXCEEDED)}
)
"""Results that ask for people, besides the grant."""


def _rules(request: TransactionRequest) -> list[str]:
    """Return the ids of the rules that ask for people: the grant, then escalations and limits."""
    decision = decision_find(intent_digest=request.intent_digest)
    if decision is None or not decision.grant:
        return []
    more = [one.rule for one in results_read(text=decision.results) if (one.section, one.verdict) in _ASKING]
    return [decision.grant, *more][:_RULES_MOST]


def voices_of(*, subject: str) -> list[dict[str, object]]:
    """Return the consents about a document, by its digest, as the consent page takes them."""
    return [write_struct(one, "consent") for one in consent_documents(subject=subject)]


def case_standing(*, request: TransactionRequest) -> dict[str, object]:
    """Return where a case stands, as fields of what the consent page is asked."""
    decision = decision_find(intent_digest=request.intent_digest)
    return {
        "consents": voices_of(subject=request.mandate_digest),
        "rules": _rules(request),
        "limit_parts": 1 if decision is None else decision_parts(decision=decision),
    }
