"""The page of alarms: what somebody has to look at, since when, what to do, and who has seen it."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from audit.alarm_advice import advice_of
from audit.alarms import alarm_acknowledge, alarms_open, alarms_over
from audit.errors import AlarmMissingError
from oms.log_selectors import reads_log
from oms.selectors import DESK_ROLES, person_of
from oms.views import page_context, page_user

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from approvals.models import User
    from audit.models import AuditAlarm

PAGE_ROWS = 25
NOTE_MOST = 400
_TONES = {"warning": "warn", "alarm": "bad", "critical": "bad"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class AlarmRow:
    """An alarm as the page shows it."""

    alarm: AuditAlarm
    tone: str
    advice: str
    raised: dt.datetime | None
    last: dt.datetime | None
    acknowledged: dt.datetime | None
    closed: dt.datetime | None


def sees_alarms(*, user: User) -> bool:
    """Whether alarms, which name people and cases of all desks, are somebody's: officers' and the log's readers'."""
    person = person_of(user=user)
    return reads_log(user=user) or (person is not None and bool(set(person.roles) - DESK_ROLES))


def _at(at_us: int | None) -> dt.datetime | None:
    """Return a time, or None for what is none: a row may have been edited."""
    try:
        return None if at_us is None else dt.datetime.fromtimestamp(at_us / 1_000_000, tz=dt.UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def _row(alarm: AuditAlarm) -> AlarmRow:
    return AlarmRow(
        alarm=alarm,
        tone=_TONES.get(alarm.severity, "bad"),
        advice=advice_of(tag=alarm.tag),
        raised=_at(alarm.raised_us),
        last=_at(alarm.last_us),
        acknowledged=_at(alarm.acknowledged_us),
        closed=_at(alarm.closed_us),
    )


def _watcher(request: HttpRequest) -> User:
    user = page_user(request)
    if not sees_alarms(user=user):
        raise PermissionDenied
    return user


@never_cache
@require_GET
def alarms(request: HttpRequest) -> HttpResponse:
    """List the alarms that are open, or those that are over."""
    _watcher(request)
    over = request.GET.get("show") == "over"
    page = Paginator(alarms_over() if over else alarms_open(), PAGE_ROWS).get_page(request.GET.get("page"))
    context = page_context(request, page=page, rows=[_row(alarm) for alarm in page], over=over, note_most=NOTE_MOST)
    return render(request, "oms/alarms.html", context)


@require_POST
def alarm_seen(request: HttpRequest, alarm_id: int) -> HttpResponse:
    """Note that this person has seen an alarm."""
    user = _watcher(request)
    note = request.POST.get("note", "").strip()[:NOTE_MOST]
    if "\x00" in note:
        messages.error(request, "The note holds a character that is none.")
        return redirect("oms:alarms")
    try:
        alarm_acknowledge(alarm_id=min(alarm_id, 2**63 - 1), actor=user.person_id, note=note)
    except AlarmMissingError as error:
        messages.error(request, f"Not noted: {error}.")
    else:
        messages.success(request, "Noted in your name.")
    return redirect("oms:alarms")
