"""Reading policies, decisions, and what limits already hold."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from django.db import connection
from django.db.models import Q, Sum

from core.canonical import parse
from core.documents.consent import SIGNED_CONSENTS
from core.documents.policy import Policy, SignedPolicy
from policies.errors import StoredPolicyError
from policies.explanation import (
    quorum_read,
    quorums_read,
    reasons_read,
    results_read,
    view_of,
)
from policies.facts import snapshot_read
from policies.models import (
    IN_FORCE_STATUSES,
    CountedLimit,
    Decision,
    Hold,
    Outcome,
    PolicyDraft,
    PolicyReport,
    PolicyVersion,
    Reservation,
    ReservationState,
    VersionStatus,
)
from policies.parts import parts_counted

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from django.db.models import QuerySet

    from core.documents.policy import EvidenceKind, Quorum
    from policies.explanation import DecisionView


_CHUNK = 2_000


@lru_cache(maxsize=16)
def _policy(digest: str, document: str) -> Policy:
    policy = Policy.from_bytes(document.encode())
    if policy.digest != digest or policy.to_bytes() != document.encode():
        msg = f"the stored policy {digest[:16]}… is not what that digest names"
        raise StoredPolicyError(msg)
    return policy


def version_policy(*, version: PolicyVersion) -> Policy:
    """Return a version's document.

    Raises:
        StoredPolicyError: The stored text is not what its digest names.
    """
    return _policy(version.digest, version.document)


def version_signed(*, version: PolicyVersion) -> SignedPolicy:
    """Return a version's document with the consents of its quorum."""
    consents = SIGNED_CONSENTS.read(parse(version.consents.encode()), "consents")
    return SignedPolicy(policy=version_policy(version=version), consents=consents)


def version_active() -> PolicyVersion | None:
    """Return the version in force, or None."""
    return PolicyVersion.objects.filter(status=VersionStatus.ACTIVE.value).first()


def policy_active() -> Policy | None:
    """Return the policy in force, or None before the genesis. Whether it has expired is the caller's to ask."""
    version = version_active()
    return None if version is None else version_policy(version=version)


def policy_active_signed() -> SignedPolicy | None:
    """Return the policy in force with its consents, or None."""
    version = version_active()
    return None if version is None else version_signed(version=version)


def policy_find(*, digest: str) -> Policy | None:
    """Return a policy by its digest, or None."""
    version = PolicyVersion.objects.filter(digest=digest).first()
    return None if version is None else version_policy(version=version)


def policy_chain(*, at: dt.datetime | None = None) -> tuple[SignedPolicy, ...]:
    """Return every policy that was ever in force, from the genesis to the active one; empty before the genesis.

    Args:
        at: Only to the one that was active then.

    Raises:
        StoredPolicyError: The stored versions do not follow each other.
    """
    kept = PolicyVersion.objects.filter(status__in=IN_FORCE_STATUSES).order_by("number")
    if at is not None:
        kept = kept.filter(activated_at__lte=at)
    chain = tuple(version_signed(version=version) for version in kept)
    before: str | None = None
    for number, signed in enumerate(chain, start=1):
        if signed.policy.previous != before or signed.policy.number != number:
            msg = f"policy {signed.policy.number} does not follow the one before it"
            raise StoredPolicyError(msg)
        before = signed.policy.digest
    return chain


def draft_list() -> QuerySet[PolicyDraft]:
    """Return all drafts, the newest first."""
    return PolicyDraft.objects.select_related("author")


def report_list(*, draft: PolicyDraft, kind: EvidenceKind) -> QuerySet[PolicyReport]:
    """Return the reports of one kind about a draft, the newest first."""
    return PolicyReport.objects.filter(draft=draft, kind=kind.value).order_by("-pk")


def decision_count() -> int:
    """Return how many decisions there are."""
    return Decision.objects.count()


def decision_find(*, intent_digest: str) -> Decision | None:
    """Return the decision about an intent, or None."""
    return Decision.objects.filter(intent_digest=intent_digest).first()


def decision_required(*, decision: Decision) -> Quorum:
    """Return the quorum that has to consent."""
    return quorum_read(text=decision.required)


def decision_asked(*, decision: Decision) -> tuple[Quorum, ...]:
    """Return every quorum that has to be filled by itself; signers count them so."""
    return quorums_read(text=decision.asked)


def decision_reasons(*, decision: Decision) -> tuple[str, ...]:
    """Return why not; empty when allowed."""
    return reasons_read(text=decision.reasons)


def decision_view(*, decision: Decision) -> DecisionView:
    """Return a stored decision with its explanation, in the same shape as a preview.

    Raises:
        StoredPolicyError: The policy that decided is not stored.
    """
    policy = policy_find(digest=decision.policy_digest)
    if policy is None:
        msg = f"the policy {decision.policy_digest[:16]}… that decided is not stored"
        raise StoredPolicyError(msg)
    return view_of(
        policy=policy,
        facts=snapshot_read(text=decision.facts),
        allowed=decision.outcome == Outcome.ALLOWED.value,
        grant=decision.grant or None,
        required=decision_required(decision=decision),
        reasons=decision_reasons(decision=decision),
        results=results_read(text=decision.results),
    )


def decision_parts(*, decision: Decision) -> int:
    """Return what the limits of a stored decision were divided by: 1 unless its wallet was in degraded mode then."""
    policy, facts = policy_find(digest=decision.policy_digest), snapshot_read(text=decision.facts)
    return (
        1
        if policy is None
        else parts_counted(policy=policy, facts=facts, results=results_read(text=decision.results))
    )


def reservation_list(*, intent_digest: str) -> QuerySet[Reservation]:
    """Return what an intent holds or held in each counter."""
    reservations = Reservation.objects.select_related("counter", "decision")
    return reservations.filter(decision__intent_digest=intent_digest)


def reservation_total(*, limit_id: str, scope_key: str, measure: str, asset: str, start: int | None) -> int:
    """Return the exact sum in one scope of what is held, and of what was spent since `start` (None: ever).

    What is held counts however old it is: a signer will count it from when it signs.
    """
    kept = Reservation.objects.filter(
        ~Q(state=ReservationState.RELEASED.value),
        counter__limit_id=limit_id,
        counter__scope_key=scope_key,
        counter__measure=measure,
        counter__asset=asset,
    )
    if start is not None:
        kept = kept.filter(Q(time__gte=start) | Q(state=ReservationState.HELD.value))
    if connection.vendor == "postgresql":
        return int(kept.order_by().aggregate(total=Sum("amount"))["total"] or 0)
    # SQLite keeps amounts as text: its own SUM would go through floats.
    return sum(kept.order_by().values_list("amount", flat=True).iterator())


def limits_counted() -> set[tuple[str, str, str, str]]:
    """Return the limits whose counters hold all of history: id, dimensions, measure, asset."""
    return set(CountedLimit.objects.values_list("limit_id", "per", "measure", "asset"))


def hold_draws() -> Iterator[tuple[str, bool, int, str]]:
    """Yield of each hold that was not released its intent, whether it is still held, its time and its draw's text."""
    kept = Hold.objects.exclude(state=ReservationState.RELEASED.value).order_by("decision_id")
    rows = kept.values_list("decision__intent_digest", "state", "time", "decision__draw")
    for intent, state, time, draw in rows.iterator(chunk_size=_CHUNK):
        yield intent, state == ReservationState.HELD.value, time, draw
