"""Finding what there is to tell, and telling it: claimed, tried, tried again later, and given up with an alarm."""

from __future__ import annotations

import datetime as dt
import logging
import time

from django.db import transaction
from django.db.models import Q

from audit.alarms import alarm_follow
from audit.models import Severity
from audit.tags import AuditTag
from chains.guards import outside_transaction
from oms.models import Notice, NoticeChoice, NoticeState
from oms.notifications.causes import EVERY, causes_of, notices_keep
from oms.notifications.errors import NotToldError, WebhookRefusedError
from oms.notifications.ways import notice_send

TRIALS = 6
LEASE = dt.timedelta(minutes=2)
"""For how long a notice that is being told is left alone: longer than any way takes."""
_FIRST_WAIT = dt.timedelta(seconds=30)
_AT_ONCE = 16
_BUDGET_SECONDS = 5.0
"""Of one sweep: what signs and sends runs in the same worker, and must not wait for a mail server that hangs."""
_logger = logging.getLogger(__name__)


def wait_after(trials: int) -> dt.timedelta:
    """Return how long to wait after so many failures: 30 s, 1, 2, 4, 8 min and so on."""
    doubled: int = 2 ** max(0, trials - 1)
    return _FIRST_WAIT * doubled


def collect(*, now: dt.datetime) -> int:
    """Store what there is to tell those whose turn it is; return how many notices are new."""
    free = Q(looked_at__isnull=True) | Q(looked_at__lte=now - EVERY)
    due = NoticeChoice.objects.filter(free).exclude(kinds="").select_related("user").order_by("pk")
    made = 0
    for choice in due[:_AT_ONCE]:
        if not NoticeChoice.objects.filter(free, pk=choice.pk).update(looked_at=now):
            continue
        for cause in causes_of(choice=choice, now=now):
            made += notices_keep(choice=choice, cause=cause, now=now)
    return made


def deliver(*, now: dt.datetime) -> int:
    """Tell what is due; return how many were told. Asks mail servers and webhooks, so in no transaction."""
    outside_transaction("somebody told")
    told, began = 0, time.monotonic()
    for notice in Notice.objects.filter(due_at__lte=now, state=NoticeState.WAITING).order_by("due_at", "pk")[
        :_AT_ONCE
    ]:
        if time.monotonic() - began > _BUDGET_SECONDS:
            break
        claimed = Notice.objects.filter(pk=notice.pk, due_at=notice.due_at, state=NoticeState.WAITING)
        if claimed.update(due_at=now + LEASE):
            told += _tell(notice, now)
    return told


def _tell(notice: Notice, now: dt.datetime) -> int:
    choice = NoticeChoice.objects.filter(pk=notice.user_id).first() or NoticeChoice(user=notice.user)
    mine = Notice.objects.filter(pk=notice.pk, state=NoticeState.WAITING)
    try:
        notice_send(notice, choice, now=now)
    except NotToldError as error:
        trials = notice.trials + 1
        if trials < TRIALS:
            mine.update(trials=trials, problem=str(error)[:300], due_at=now + wait_after(trials))
        else:
            _give_up(notice, str(error), trials)
        return 0
    except WebhookRefusedError as error:
        _give_up(notice, str(error), notice.trials + 1)
        return 0
    mine.update(state=NoticeState.SENT, trials=notice.trials + 1, problem="", due_at=None)
    _alarm(notice, "", holds=False)
    return 1


def _alarm(notice: Notice, why: str, *, holds: bool) -> None:
    person = notice.user.person_id
    alarm_follow(
        holds=holds,
        tag=AuditTag.NOTICE_FAILED,
        severity=Severity.WARNING,
        subject=f"{notice.way}:{person}",
        message=f"{person} cannot be told by {notice.way}: {why}" if holds else f"{person} was told by {notice.way}",
        actor="system:notices",
    )


def _give_up(notice: Notice, why: str, trials: int) -> None:
    given_up = Notice.objects.filter(pk=notice.pk)
    with transaction.atomic():
        given_up.update(state=NoticeState.FAILED, trials=trials, problem=why[:300], due_at=None)
        _alarm(notice, why, holds=True)


def notices_sweep(*, now: dt.datetime) -> int:
    """Find and tell what there is to tell; called by the workers' sweep.

    Returns:
        How many were told.
    """
    try:
        collect(now=now)
    except Exception:  # what is stored already is told all the same
        _logger.exception("what there is to tell could not be collected")
    return deliver(now=now)
