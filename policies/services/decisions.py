"""Deciding: the same function as in a signer, over the same facts, with this tier's own counters.

What is decided here shows and routes; the signer decides again for itself.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from types import MappingProxyType
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction

from audit.models import Severity
from audit.services import entry_append
from audit.tags import AuditTag
from core.calldata import movements_of
from core.documents.base import Header, check_deployment, check_lifetime
from core.documents.mandate import Asker, Intent, Mandate, SingleOrder
from core.errors import Refusal, RefusedError, require
from core.explain import limit_results
from core.facts import resolve_asker
from core.policy import Section, Verdict, decide
from core.quorum import EMPTY
from core.schema import write_struct
from policies.degraded import policy_counted
from policies.errors import DecisionConflictError, MandateRefusedError, NoPolicyError
from policies.explanation import quorum_write, quorums_write, reasons_write, results_write, view_of, view_refused
from policies.facts import FactValue, draw_write, facts_gather, snapshot_write
from policies.limits import StoredTotals, shares_of
from policies.models import Decision, Outcome
from policies.selectors import decision_find, policy_active
from policies.services.history import history_share, limits_count, limits_leave, limits_missing
from policies.services.reservations import counters_lock, reservation_hold

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.documents.policy import Policy
    from core.facts import FactMap
    from core.limits import Draw, Totals
    from core.policy import Decision as Decided
    from core.policy import RuleResult
    from policies.explanation import DecisionView


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Case:
    """What is decided about. `counted` is the policy with the limits that hold for its wallet now."""

    policy: Policy
    counted: Policy
    mandate: Mandate
    intent: Intent
    facts: FactMap
    draw: Draw


def _policy_in_force(now: int) -> Policy:
    policy = policy_active()
    if policy is None:
        msg = "No policy is in force: nothing can be decided before the genesis is stored."
        raise NoPolicyError(msg)
    if now >= policy.header.expires:
        msg = f"Policy {policy.number} has expired: nothing can be decided until its successor is signed."
        raise NoPolicyError(msg)
    return policy


def _intent_of(mandate: Mandate) -> Intent:
    if not isinstance(mandate.order, SingleOrder):
        raise RefusedError(Refusal.UNSUPPORTED, "parent orders are not decided yet")
    return mandate.order.intent


_NOTHING: Mapping[str, FactValue] = MappingProxyType({})


def _case_of(
    mandate: Mandate,
    policy: Policy,
    claims: Mapping[str, FactValue],
    now: int,
    *,
    attested: Mapping[str, FactValue] = _NOTHING,
) -> _Case:
    """Check what a signer would refuse whatever the rules say, and gather the facts.

    Raises:
        MandateRefusedError: With the signer's own code.
    """
    try:
        require(mandate.policy == policy.digest, Refusal.WRONG_POLICY, "the mandate was made under another policy")
        intent = _intent_of(mandate)
        for document in (mandate, intent):
            check_deployment(document, policy.deployment)
            check_lifetime(document, now=now)
        known = any(wallet.id == intent.wallet for wallet in policy.wallets)
        require(known, Refusal.UNKNOWN_WALLET, "the policy knows no such wallet")
        shown = movements_of(intent) or ()
        require(intent.movements == shown, Refusal.MOVEMENTS, "the calldata moves something else than is shown")
        who = resolve_asker(mandate, policy)
    except RefusedError as error:
        raise MandateRefusedError(str(error.code), error.message) from error
    facts, draw = facts_gather(
        intent=intent, policy=policy, who=who, claims=claims, order=mandate.digest, now=now, attested=attested
    )
    counted = policy_counted(policy=policy, wallet=intent.wallet, now=now)
    return _Case(policy=policy, counted=counted, mandate=mandate, intent=intent, facts=facts, draw=draw)


def _decide(case: _Case, totals: Totals, now: int) -> Decided:
    return decide(case.counted, case.facts, case.draw, totals, now=now, enforce=False)


def _results(case: _Case, decided: Decided, totals: Totals, now: int) -> tuple[RuleResult, ...]:
    """Return what counted, and every limit with its figure: the rest can be explained again from the facts."""
    rules = [result for result in decided.results if result.section is not Section.LIMIT]
    return (*rules, *limit_results(case.counted, case.facts, case.draw, totals, now=now))


def decision_preview(
    *,
    intent: Intent,
    asker: Asker,
    claims: Mapping[str, FactValue],
    now: int,
    attested: Mapping[str, FactValue] = _NOTHING,
) -> DecisionView:
    """Say what policy would decide now. Nothing is decided, nothing is held.

    Args:
        intent: The transaction.
        asker: Who would ask.
        claims: What this server knows under claimed fields, for instance ``{"web.simulation": "ok"}``.
        now: Unix seconds.
        attested: What attesters say, as `core.attested` lets it count under the policy in force.

    Raises:
        NoPolicyError: No policy is in force.
    """
    policy = _policy_in_force(now)
    header = Header(
        type=Mandate.TYPE,
        version=1,
        deployment=intent.header.deployment,
        id=intent.header.id,
        created=intent.header.created,
        expires=intent.header.expires,
    )
    order = SingleOrder(kind="intent", intent=intent)
    mandate = Mandate(header=header, policy=policy.digest, asker=asker, purpose="", order=order)
    try:
        case = _case_of(mandate, policy, claims, now, attested=attested)
    except MandateRefusedError as error:
        return view_refused(policy=policy, why=error.message, required=EMPTY)
    totals = StoredTotals()
    decided = _decide(case, totals, now)
    return view_of(
        policy=policy,
        facts=case.facts,
        allowed=decided.allowed,
        grant=decided.grant,
        required=decided.required,
        reasons=decided.reasons,
        results=_results(case, decided, totals, now),
    )


def decision_make(
    *,
    mandate: Mandate,
    claims: Mapping[str, FactValue],
    now: int,
    attested: Mapping[str, FactValue] = _NOTHING,
) -> Decision:
    """Decide a mandate's intent, keep all that it was decided from, and hold its share of every limit.

    Idempotent: the same mandate gets its stored decision. Locks counters, then the head of the log: a caller that
    is in a transaction of its own calls this before it writes an audit entry, or two of them may wait in a circle
    (which PostgreSQL ends with an error for one of them).

    Args:
        mandate: What the asker signed.
        claims: What this server knows under claimed fields.
        now: Unix seconds.
        attested: What attesters say, as `core.attested` lets it count under the policy in force.

    Raises:
        NoPolicyError: No policy is in force.
        MandateRefusedError: No rule could make a signer accept it.
        DecisionConflictError: The intent was decided under another mandate.
    """
    limits_count(policy=_policy_in_force(now), now=now)
    with transaction.atomic():
        if isinstance(mandate.order, SingleOrder):
            stored = _stored(mandate, mandate.order.intent)
            if stored is not None:
                return stored
        history_share()
        # Read after the wait for history: a policy that came into force meanwhile may count what nobody counted yet.
        policy = _policy_in_force(now)
        if limits_missing(policy=policy):
            raise DecisionConflictError("The policy changed at this moment: please ask again.")
        case = _case_of(mandate, policy, claims, now, attested=attested)
        shares = shares_of(case.policy.limits, case.draw)
        counters = counters_lock(shares=shares)
        # Whoever decided the same intent meanwhile held the same counters, and is done.
        stored = _stored(mandate, case.intent)
        if stored is not None:
            return stored
        totals = StoredTotals()
        decided = _decide(case, totals, now)
        decision = _decision_store(case, decided, _results(case, decided, totals, now), now)
        if decided.allowed:
            reservation_hold(
                decision=decision,
                shares=shares,
                counters=counters,
                totals=totals,
                facts=case.facts,
                now=now,
            )
            limits_leave(policy=case.policy)
        _decision_record(case, decided)
        return decision


def _stored(mandate: Mandate, intent: Intent) -> Decision | None:
    decision = decision_find(intent_digest=intent.digest)
    if decision is not None and decision.mandate_digest != mandate.digest:
        msg = "This intent was decided before, under another mandate."
        raise DecisionConflictError(msg)
    return decision


def _decision_store(case: _Case, decided: Decided, results: tuple[RuleResult, ...], now: int) -> Decision:
    decision = Decision(
        intent_digest=case.intent.digest,
        mandate_digest=case.mandate.digest,
        policy_digest=case.policy.digest,
        asker=case.mandate.asker.id,
        decided_at=dt.datetime.fromtimestamp(now, tz=dt.UTC),
        facts=snapshot_write(facts=case.facts),
        draw=draw_write(draw=case.draw),
        mandate=case.mandate.to_bytes().decode(),
        results=results_write(results=results),
        outcome=(Outcome.ALLOWED if decided.allowed else Outcome.DENIED).value,
        grant=decided.grant or "",
        required=quorum_write(quorum=decided.required),
        asked=quorums_write(quorums=decided.asked),
        reasons=reasons_write(reasons=decided.reasons),
    )
    try:
        with transaction.atomic():
            decision.save(force_insert=True)
    except IntegrityError as error:
        if decision_find(intent_digest=case.intent.digest) is None:
            raise
        # Without any limit there is no counter to wait for: the unique digest decides who was first.
        msg = "This intent is being decided already: ask again for its decision."
        raise DecisionConflictError(msg) from error
    return decision


def _decision_record(case: _Case, decided: Decided) -> None:
    actor, subject = case.mandate.asker.id, case.intent.digest
    over = [r.rule for r in decided.results if r.section is Section.LIMIT and r.verdict is Verdict.EXCEEDED]
    if over and not decided.allowed:
        # What refuses for safety also alarms.
        entry_append(
            actor=actor,
            tag=AuditTag.LIMIT_REFUSED,
            subject=subject,
            payload={"limits": over},
            severity=Severity.WARNING,
        )
    entry_append(
        actor=actor,
        tag=AuditTag.DECISION_MADE,
        subject=subject,
        payload={
            "mandate": case.mandate.digest,
            "policy": case.policy.digest,
            "allowed": decided.allowed,
            "grant": decided.grant,
            "required": write_struct(decided.required, "quorum"),
            "reasons": list(decided.reasons),
        },
    )
