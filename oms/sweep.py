"""What happens to requests without anybody doing anything: they expire, or they are checked again and handed over."""

from __future__ import annotations

import datetime as dt
import logging

from django.db import transaction
from django.db.models import Q

from core.lifecycle import Event, State
from oms.holds import FREE, is_held
from oms.models import TransactionRequest
from oms.transitions import request_lock, request_move
from oms.workflow import ACTOR, request_recheck, request_reconsider
from policies.selectors import policy_active

LEASE = dt.timedelta(seconds=30)
STEPS_MOST = 64
_EXPIRING = (State.REQUESTED.value, State.PENDING.value, State.APPROVED.value)
_logger = logging.getLogger(__name__)


def request_expire(*, reference: str, now: dt.datetime) -> bool:
    """Let a request expire whose time is over; whether it did."""
    with transaction.atomic():
        request = request_lock(reference=reference)
        if request.state not in _EXPIRING or now < request.expires_at:
            return False
        held = request.state == State.APPROVED and is_held(request=request)
        note = "held, and released by nobody in time" if held else "nobody decided in time"
        request_move(request=request, event=Event.EXPIRE, actor=ACTOR, now=now, note=note)
        return True


def _claim(*, now: dt.datetime) -> list[str]:
    """Claim approved requests that nobody checks at the moment; a lease that ended is free."""
    free = Q(lease_until__isnull=True) | Q(lease_until__lte=now)
    due = TransactionRequest.objects.filter(free, FREE, state=State.APPROVED, expires_at__gt=now).order_by("moved_at")
    claimed = []
    for reference in list(due.values_list("reference", flat=True)[:STEPS_MOST]):
        taken = TransactionRequest.objects.filter(free, reference=reference, state=State.APPROVED)
        if taken.update(lease_until=now + LEASE):
            claimed.append(reference)
    return claimed


def _outdated(*, now: dt.datetime) -> list[str]:
    """Claim pending requests that were asked under another version than the one in force, each now and then."""
    policy = policy_active()
    if policy is None:
        return []
    free = Q(lease_until__isnull=True) | Q(lease_until__lte=now)
    pending = TransactionRequest.objects.filter(free, state=State.PENDING, expires_at__gt=now)
    due = pending.exclude(policy_digest=policy.digest).order_by("moved_at")
    return [
        reference
        for reference in list(due.values_list("reference", flat=True)[:STEPS_MOST])
        if pending.filter(reference=reference).update(lease_until=now + LEASE)
    ]


def sweep_once(*, now: dt.datetime) -> int:
    """Expire and hand over what is due; return how many requests moved.

    Args:
        now: The current time.
    """
    moved = 0
    over = TransactionRequest.objects.filter(state__in=_EXPIRING, expires_at__lte=now).order_by("expires_at")
    for reference in list(over.values_list("reference", flat=True)[:STEPS_MOST]):
        try:
            moved += request_expire(reference=reference, now=now)
        except Exception:  # as below
            _logger.exception("request %s could not expire", reference[:8])
    for reference in _outdated(now=now):
        try:
            moved += request_reconsider(reference=reference, now=now)
        except Exception:  # as below
            _logger.exception("request %s could not be reconsidered", reference[:8])
    for reference in _claim(now=now):
        try:
            moved += request_recheck(reference=reference, now=now)
        except Exception:  # one request's trouble does not keep the others waiting
            _logger.exception("request %s could not be checked", reference[:8])
    return moved
