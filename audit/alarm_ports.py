"""Telling people about alarms: each port is handed each alarm after its transaction committed, at least once.

A port is a function `port(*, notice: Notice)` named by its dotted path in `COUNTERSIGN_ALARM_PORTS`. It returns when
it has told whom it tells and raises when it could not: then it is tried again. It is called outside any transaction.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import logging
from typing import TYPE_CHECKING, Protocol, cast

from django.conf import settings
from django.utils.module_loading import import_string

from audit.alarm_advice import advice_of
from audit.models import AuditAlarm, AuditAlarmDelivery, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

AGAIN = dt.timedelta(seconds=30)
"""A port that failed, or a worker that died while it told one, is tried again after so long."""
GIVE_UP = dt.timedelta(days=1)
_AT_ONCE = 32
_LEVELS = {Severity.WARNING: logging.WARNING, Severity.ALARM: logging.ERROR, Severity.CRITICAL: logging.CRITICAL}
_logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Notice:
    """What a port tells people. `cleared`: the cause is over. `at`: UTC.

    `alarm_id` and `what` name it: a port that must not tell twice keeps the pair.
    """

    alarm_id: int
    what: str
    severity: Severity
    tag: str
    subject: str
    message: str
    advice: str
    at: dt.datetime
    cleared: bool
    entry: int


class AlarmPort(Protocol):
    """Tells people about one alarm."""

    def __call__(self, *, notice: Notice) -> None:
        """Tell them, or raise."""


def log_line(*, notice: Notice) -> None:
    """Write an alarm to the process's own log, where a log shipper picks it up."""
    level = logging.INFO if notice.cleared else _LEVELS.get(notice.severity, logging.ERROR)
    _logger.log(level, "alarm %s: %s %s: %s", notice.what, notice.tag, notice.subject, notice.message)


def _microseconds(at: dt.datetime) -> int:
    return int(at.timestamp() * 1_000_000)


def _what(alarm: AuditAlarm) -> str:
    return f"raised:{alarm.severity}" if alarm.closed_us is None or not alarm.lasting else "cleared"


def notice_of(*, alarm: AuditAlarm) -> Notice:
    """Return what there is to tell about an alarm as it stands."""
    cleared = _what(alarm) == "cleared"
    at_us = alarm.closed_us if cleared and alarm.closed_us is not None else alarm.last_us
    return Notice(
        alarm_id=alarm.pk,
        what=_what(alarm),
        severity=Severity(alarm.severity),
        tag=alarm.tag,
        subject=alarm.subject,
        message=alarm.message,
        advice=advice_of(tag=alarm.tag),
        at=dt.datetime.fromtimestamp(at_us / 1_000_000, tz=dt.UTC),
        cleared=cleared,
        entry=alarm.first_seq,
    )


def alarms_sweep(*, now: dt.datetime) -> int:
    """Hand what is new to the ports; called by the workers' sweep.

    Returns:
        How many times a port was told.
    """
    ports: Sequence[str] = settings.COUNTERSIGN_ALARM_PORTS
    now_us, later_us = _microseconds(now), _microseconds(now + AGAIN)
    told = 0
    for alarm in AuditAlarm.objects.filter(due_us__lte=now_us).order_by("due_us", "pk")[:_AT_ONCE]:
        # Whoever takes it has it for a while; another worker leaves it alone.
        if not AuditAlarm.objects.filter(pk=alarm.pk, due_us=alarm.due_us).update(due_us=later_us):
            continue
        results = [_tell(port, alarm, now_us) for port in ports]
        told += sum(result is True for result in results)
        if None not in results or notice_of(alarm=alarm).at < now - GIVE_UP:
            # What changed meanwhile made it due at another moment, and stays.
            AuditAlarm.objects.filter(pk=alarm.pk, due_us=later_us).update(due_us=None)
    return told


def _tell(path: str, alarm: AuditAlarm, now_us: int) -> bool | None:
    """Tell one port: whether it had to be told, or None if it could not be."""
    notice = notice_of(alarm=alarm)
    told = AuditAlarmDelivery.objects.filter(alarm=alarm, port=path)
    if told.filter(what=notice.what).exists():
        return False
    if notice.cleared and not told.exists():
        # Nobody heard that it began.
        return False
    try:
        cast("AlarmPort", import_string(path))(notice=notice)
    except Exception:  # one port's trouble keeps no other from being told
        _logger.exception("the alarm port %s failed", path)
        return None
    AuditAlarmDelivery.objects.get_or_create(alarm=alarm, port=path, what=notice.what, defaults={"at_us": now_us})
    return True
