"""Requests that are approved and held: placed when one is asked, released by an operator.

A hold delays and nothing else. Whoever holds every consent of a case can have it signed without us, so it is no
safeguard: it is there so that people can consent to a rotation long before the day on which it is carried out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Q

from audit.models import Severity
from audit.services import entry_append
from audit.tags import AuditTag
from core.lifecycle import FINAL, State
from custody.wake import wake
from oms.errors import RequestRefusedError
from oms.models import RequestHold, TransactionRequest
from oms.transitions import request_lock

if TYPE_CHECKING:
    import datetime as dt

FREE = Q(hold__isnull=True) | Q(hold__released_at__isnull=False)
"""Requests that nothing holds."""


def hold_place(*, request: TransactionRequest, actor: str, now: dt.datetime) -> RequestHold:
    """Hold a request that is just asked, in the caller's transaction.

    Args:
        request: Not decided yet.
        actor: Who asks for it.
        now: The current time.
    """
    hold = RequestHold.objects.create(request=request, placed_by=actor, placed_at=now)
    payload: dict[str, object] = {"reference": request.reference}
    entry_append(actor=actor, tag=AuditTag.REQUEST_HELD, subject=request.intent_digest, payload=payload)
    return hold


def is_held(*, request: TransactionRequest) -> bool:
    """Whether a request waits for an operator's word."""
    return RequestHold.objects.filter(request=request, released_at__isnull=True).exists()


def hold_release(*, actor: str, reference: str, now: dt.datetime) -> RequestHold:
    """Let a held request go on; once it is approved it is simulated again and handed to its signer.

    Args:
        actor: Who says so: ``user:…``.
        reference: Which request.
        now: The current time.

    Raises:
        RequestRefusedError: If there is nothing to release.
    """
    with transaction.atomic():
        request = TransactionRequest.objects.filter(reference=reference).first()
        if request is None:
            raise RequestRefusedError("missing", "There is no such request.")
        request = request_lock(reference=reference)
        hold = RequestHold.objects.select_for_update().filter(request=request, released_at__isnull=True).first()
        if hold is None:
            raise RequestRefusedError("not_held", "This request is not held: nothing was changed.")
        if State(request.state) in FINAL:
            raise RequestRefusedError("moved_on", f"This request is {request.state} by now; nothing was changed.")
        hold.released_by, hold.released_at = actor, now
        hold.save(update_fields=["released_by", "released_at"])
        entry_append(
            actor=actor,
            tag=AuditTag.REQUEST_RELEASED,
            subject=request.intent_digest,
            payload={"placed_by": hold.placed_by, "reference": reference},
            severity=Severity.INFO,
        )
    wake()
    return hold
