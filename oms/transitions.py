"""The only writer of a request's state: row locked, table consulted, event and audit entry written with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audit.models import Severity
from audit.services import entry_append
from audit.tags import AuditTag
from core.lifecycle import RELEASES, Event, State, apply
from oms.models import TransactionEvent, TransactionRequest
from policies.services import reservation_release, reservation_settle

if TYPE_CHECKING:
    import datetime as dt

NOTE_MOST = 400
_SEVERITIES = {
    Event.SIGNER_DOUBTED: Severity.WARNING,
    Event.SIGNER_REFUSES: Severity.ALARM,
    Event.SIGN_CANCEL: Severity.WARNING,
    Event.SIGNER_WAITS: Severity.WARNING,
    Event.BLOCK: Severity.WARNING,
    Event.REORG: Severity.WARNING,
    Event.REVERT: Severity.ALARM,
    Event.SUPERSEDE: Severity.CRITICAL,
}


def request_lock(*, reference: str) -> TransactionRequest:
    """Return a request whose row is locked until the caller's transaction ends."""
    return TransactionRequest.objects.select_for_update().get(reference=reference)


def request_move(*, request: TransactionRequest, event: Event, actor: str, now: dt.datetime, note: str = "") -> State:
    """Move a locked request along the table, inside the caller's transaction.

    Args:
        request: From `request_lock`, or made in this transaction.
        event: What happened.
        actor: Roster id, or ``system:…``.
        now: The current time.
        note: Why, in words; shown to people.

    Raises:
        LifecycleError: If the table has no such transition. Nothing is written.
    """
    before = State(request.state)
    after = apply(before, event)
    request.state = after.value
    request.sub_status = note[:NOTE_MOST]
    request.moved_at = now
    request.lease_until = None
    request.save(update_fields=["state", "sub_status", "moved_at", "lease_until"])
    TransactionEvent.objects.create(
        request=request,
        at=now,
        event=event.value,
        before=before.value,
        after=after.value,
        actor=actor,
        note=note[:NOTE_MOST],
    )
    entry_append(
        actor=actor,
        tag=AuditTag.REQUEST_MOVED,
        subject=request.intent_digest,
        payload={"event": event.value, "from": before.value, "note": note[:NOTE_MOST], "to": after.value},
        severity=_SEVERITIES.get(event, Severity.INFO),
    )
    if after in RELEASES:
        reservation_release(intent_digest=request.intent_digest)
    elif event in (Event.SIGN, Event.SIGN_CANCEL):
        reservation_settle(intent_digest=request.intent_digest, now=int(now.timestamp()))
    return after
