"""Counting against limits: counters are locked in one order, and what is held ends exactly once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction
from django.db.models import F, Max, Q

from audit.services import entry_append
from audit.tags import AuditTag
from core.conditions import evaluate
from core.schema import UINT256_MAX
from policies.errors import CounterConflictError
from policies.models import Decision, Hold, LimitCounter, Reservation, ReservationState
from policies.services.history import history_share

if TYPE_CHECKING:
    from core.limits import Totals
    from core.registry import FactMap
    from policies.limits import CounterName, Share

_SYSTEM = "system:policies"


def _name(counter: LimitCounter) -> CounterName:
    return counter.limit_id, counter.scope_key, counter.measure, counter.asset


def counters_lock(*, shares: list[Share]) -> dict[CounterName, LimitCounter]:
    """Make the counters that are missing and lock them all, sorted, until the transaction ends.

    Whoever holds a counter may sum its reservations and knows that nobody adds one meanwhile.
    """
    if not shares:
        return {}
    wanted = Q()
    missing = []
    for share in shares:
        limit_id, scope_key, measure, asset = share.name
        wanted |= Q(limit_id=limit_id, scope_key=scope_key, measure=measure, asset=asset)
        missing.append(LimitCounter(limit_id=limit_id, scope_key=scope_key, measure=measure, asset=asset))
    # Inserting in the same order as locking: two that make the same rows wait for each other, never in a circle.
    LimitCounter.objects.bulk_create(missing, ignore_conflicts=True)
    # SQLite has one writer at a time (transaction_mode IMMEDIATE), and Django leaves FOR UPDATE out there.
    ordered = LimitCounter.objects.filter(wanted).order_by("limit_id", "scope_key", "measure", "asset")
    return {_name(counter): counter for counter in ordered.select_for_update()}


def reservation_hold(
    *,
    decision: Decision,
    shares: list[Share],
    counters: dict[CounterName, LimitCounter],
    totals: Totals,
    facts: FactMap,
    now: int,
) -> None:
    """Hold an allowed transaction's share in every counter; the counters are locked by the caller.

    Raises:
        CounterConflictError: A counter changed under the lock, or the database itself found that a hard limit would
            be exceeded.
    """
    for share in shares:
        limit, counter = share.limit, counters[share.name]
        before = 0 if limit.window == 0 else totals.used(limit, share.key, now=now)
        # A limit that asks for more people, or whose condition is not met, is counted and does not cap.
        applies = limit.when is None or evaluate(limit.when, facts) is not False
        capped = limit.quorum is None and applies
        try:
            changed = LimitCounter.objects.filter(pk=counter.pk, revision=counter.revision).update(
                drawn=min(before + share.amount, UINT256_MAX),
                most=limit.most if capped else None,
                revision=F("revision") + 1,
            )
        except IntegrityError as error:
            msg = f"the database itself refuses to go over {limit.id}"
            raise CounterConflictError(msg) from error
        if changed != 1:
            msg = f"the counter of {limit.id} changed although it was locked"
            raise CounterConflictError(msg)
    Hold.objects.create(decision=decision, time=now)
    Reservation.objects.bulk_create(
        [
            Reservation(decision=decision, counter=counters[share.name], amount=share.amount, time=now)
            for share in shares
        ]
    )
    if shares:
        entry_append(
            actor=decision.asker,
            tag=AuditTag.LIMIT_RESERVED,
            subject=decision.intent_digest,
            payload={"shares": [_share_entry(share) for share in shares]},
        )


def _share_entry(share: Share) -> dict[str, object]:
    return {"limit": share.limit.id, "scope": share.name[1], "amount": str(share.amount)}


def _end(*, intent_digest: str, state: ReservationState, tag: str, now: int | None) -> None:
    with transaction.atomic():
        history_share()
        decision = Decision.objects.filter(intent_digest=intent_digest).only("pk").first()
        if decision is None:
            return
        last = Decision.objects.aggregate(last=Max("pk"))["last"]
        when = {} if now is None else {"time": now}
        # The state is in the condition of the very row that is updated, so of two who end it one finds nothing.
        held = Hold.objects.filter(decision_id=decision.pk, state=ReservationState.HELD.value)
        if held.update(state=state.value, ended_after=last, **when):
            ended = Reservation.objects.filter(decision_id=decision.pk).update(state=state.value, **when)
            entry_append(actor=_SYSTEM, tag=tag, subject=intent_digest, payload={"reservations": ended})


def reservation_release(*, intent_digest: str) -> None:
    """Give back what an intent holds. Idempotent: the second time, and after it was spent, nothing happens."""
    _end(intent_digest=intent_digest, state=ReservationState.RELEASED, tag=AuditTag.LIMIT_RELEASED, now=None)


def reservation_settle(*, intent_digest: str, now: int) -> None:
    """Turn what an intent holds into what it spent, at the time of its signature. Idempotent.

    A signer counts from when it signed; so does the web tier from here on, and before that it counts what is held
    however old it is. What is spent is never given back.

    Args:
        intent_digest: The intent that was signed.
        now: When it was signed, Unix seconds.
    """
    _end(intent_digest=intent_digest, state=ReservationState.SPENT, tag=AuditTag.LIMIT_SPENT, now=now)
