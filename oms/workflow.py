"""Where a request goes next: after the decision, after each consent, after the re-check, and as custody reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from approvals.selectors import consent_documents
from audit.models import Severity
from audit.services import entry_append
from audit.tags import AuditTag
from core.custody_lifecycle import JobEvent
from core.documents.mandate import Mandate, SingleOrder
from core.lifecycle import Event, State
from custody.errors import CustodyError
from custody.services import job_create
from oms.models import TransactionRequest
from oms.preview import simulate
from oms.selectors import seats_of
from oms.transitions import request_lock, request_move
from policies.selectors import policy_active

if TYPE_CHECKING:
    import datetime as dt

    from core.documents.mandate import Intent
    from custody.ports import JobChange

ACTOR = "system:oms"

_FOLLOWS: dict[JobEvent, Event] = {
    JobEvent.SIGNER_WAITS: Event.SIGNER_WAITS,
    JobEvent.SIGNER_REFUSES: Event.SIGNER_REFUSES,
    JobEvent.SIGN: Event.SIGN,
    JobEvent.SEND: Event.SEND,
    JobEvent.INCLUDE: Event.INCLUDE,
    JobEvent.REORG: Event.REORG,
    JobEvent.FINALISE: Event.FINALISE,
    JobEvent.REVERT: Event.REVERT,
    JobEvent.SUPERSEDE: Event.SUPERSEDE,
}
"""What a job's step means for its request. Pinning a nonce is custody's own affair."""


def intent_of(mandate: Mandate) -> Intent:
    """Return the one intent of a mandate.

    Raises:
        TypeError: For a parent order, which `oms.services` has refused before.
    """
    if not isinstance(mandate.order, SingleOrder):
        msg = "a single intent was expected"
        raise TypeError(msg)
    return mandate.order.intent


def request_route(*, request: TransactionRequest, now: dt.datetime) -> None:
    """Approve a locked, pending request once every seat is filled."""
    seats = seats_of(request=request)
    if State(request.state) is State.PENDING and seats.filled:
        names = ", ".join(sorted(seats.approved_by))
        request_move(request=request, event=Event.FILL, actor=ACTOR, now=now, note=f"approved by {names}")


def request_recheck(*, reference: str, now: dt.datetime) -> bool:
    """Check an approved request once more on fresh state and hand it to custody; asks nodes, so no open transaction.

    Args:
        reference: Which request.
        now: The current time.

    Returns:
        Whether it moved. Without a simulation it waits and says why.
    """
    request = TransactionRequest.objects.get(reference=reference)
    mandate = Mandate.from_bytes(request.mandate_text.encode())
    intent = intent_of(mandate)
    simulation, problem = simulate(intent)
    policy = policy_active()
    with transaction.atomic():
        request = request_lock(reference=reference)
        if State(request.state) is not State.APPROVED:
            return False
        if policy is None or policy.digest != request.policy_digest:
            note = "The policy changed since this was asked: please ask again."
            request_move(request=request, event=Event.BLOCK, actor=ACTOR, now=now, note=note)
            return True
        if simulation is None:
            if request.sub_status != problem[:400]:
                request.sub_status = problem[:400]
                request.save(update_fields=["sub_status"])
                entry_append(
                    actor=ACTOR,
                    tag=AuditTag.REQUEST_STUCK,
                    subject=request.intent_digest,
                    payload={"why": request.sub_status},
                    severity=Severity.WARNING,
                )
            return False
        if not simulation.succeeded:
            note = f"Simulated again before signing, it would fail: {simulation.reason}"
            request_move(request=request, event=Event.BLOCK, actor=ACTOR, now=now, note=note)
            return True
        return _hand_over(request, mandate, intent, now)


def _hand_over(request: TransactionRequest, mandate: Mandate, intent: Intent, now: dt.datetime) -> bool:
    try:
        with transaction.atomic():
            job_create(
                actor=ACTOR,
                mandate=mandate,
                intent=intent,
                consents=consent_documents(subject=mandate.digest),
                now=now,
            )
    except CustodyError as error:
        request_move(request=request, event=Event.BLOCK, actor=ACTOR, now=now, note=str(error))
        return True
    request_move(request=request, event=Event.HAND_OVER, actor=ACTOR, now=now, note="with the signer")
    return True


def job_followed(change: JobChange) -> None:
    """Follow a job's step, inside its own transaction. A job that is no request's is none of ours."""
    event = _FOLLOWS.get(change.event)
    request = TransactionRequest.objects.select_for_update().filter(intent_digest=change.intent_digest).first()
    if event is None or request is None:
        return
    note = f"{change.code}: {change.message}" if change.code else change.message
    request_move(request=request, event=event, actor="system:custody", now=change.now, note=note)
