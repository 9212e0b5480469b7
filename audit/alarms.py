"""Alarms: what somebody has to look at. Raised once for each cause, told to ports, over when the cause is.

An alarm is an entry of the log with a severity; a row beside it says whether it still matters. Two kinds: a
*lasting* one is raised and cleared by whoever watches a condition (`alarm_raise`, `alarm_clear`); an entry written
with severity `alarm` or `critical` opens one by itself, which ends when a person acknowledges it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from django.db import DEFAULT_DB_ALIAS, connections, transaction

from audit.alarm_rows import AlarmRow, alarm_row_open
from audit.errors import AlarmMissingError, EntryRefusedError, NotInTransactionError
from audit.models import AuditAlarm, Severity
from audit.services import entry_append, entry_write
from audit.tags import AuditTag

if TYPE_CHECKING:
    from django.db.models import QuerySet

ACTOR = "system:alarms"
SUBJECT_MOST = 128
_RANK = {Severity.WARNING.value: 1, Severity.ALARM.value: 2, Severity.CRITICAL.value: 3}


def alarm_raise(
    *,
    tag: AuditTag | str,
    severity: Severity | str,
    subject: str,
    message: str,
    payload: dict[str, object] | None = None,
    actor: str = ACTOR,
) -> int | None:
    """Raise a lasting alarm in the caller's transaction, once for each cause (`tag` and `subject`).

    While the alarm is open, raising it again does nothing, unless it is louder now. Call it whenever the condition
    holds and `alarm_clear` whenever it does not.

    Args:
        tag: What is wrong.
        severity: From `warning` on.
        subject: What it is wrong with: a name, a digest, an id; at most 128 characters.
        message: One sentence about it, for people; no secrets.
        payload: What else there is to know.
        actor: Who noticed: `system:<part>`.

    Returns:
        The number of the entry; None if the alarm is open already.

    Raises:
        NotInTransactionError: Outside `transaction.atomic`.
        EntryRefusedError: If a field cannot be stored exactly.
    """
    level = Severity(severity)
    if level.value not in _RANK:
        msg = f"{tag}: an alarm has a severity from `warning` on"
        raise ValueError(msg)
    _in_transaction(tag)
    if len(subject) > SUBJECT_MOST:
        msg = f"{tag}: the subject is longer than {SUBJECT_MOST} characters"
        raise EntryRefusedError(msg)
    now_us = time.time_ns() // 1000
    quieter = _open_of(tag=tag, subject=subject).exclude(
        severity__in=[s for s, r in _RANK.items() if r >= _RANK[level]]
    )
    quieter.update(closed_us=now_us, closed_by=f"{ACTOR} ({level.value} now)"[:128])
    row = AlarmRow(tag=str(tag), subject=subject, severity=level, message=message, lasting=True, seq=0, at_us=now_us)
    # The row first: of two who notice at once, one finds it taken and writes no entry.
    if not alarm_row_open(row=row):
        return None
    said = (payload or {}) | {"message": message}
    written = entry_write(actor=actor, tag=tag, subject=subject, payload=said, severity=level)
    _open_of(tag=tag, subject=subject).update(first_seq=written.seq, last_seq=written.seq)
    return written.seq


def alarm_clear(*, tag: AuditTag | str, subject: str, message: str = "", actor: str = ACTOR) -> bool:
    """End a lasting alarm, in the caller's transaction, since its cause is over; whether one was open.

    Args:
        tag: As it was raised.
        subject: As it was raised.
        message: What it is like now.
        actor: Who noticed.

    Raises:
        NotInTransactionError: Outside `transaction.atomic`.
    """
    _in_transaction(tag)
    now_us = time.time_ns() // 1000
    open_ones = _open_of(tag=tag, subject=subject).filter(lasting=True)
    found = open_ones.values_list("first_seq", flat=True).first()
    if found is None or not open_ones.update(closed_us=now_us, closed_by=actor, due_us=now_us):
        return False
    said: dict[str, object] = {"alarm": str(tag), "entry": str(found), "message": message}
    entry_append(actor=actor, tag=AuditTag.ALARM_CLEARED, subject=subject, payload=said)
    return True


def alarm_follow(
    *, holds: bool, tag: AuditTag | str, severity: Severity | str, subject: str, message: str, actor: str = ACTOR
) -> None:
    """Raise a lasting alarm while `holds` and clear it otherwise, in a transaction of its own. See `alarm_raise`."""
    if not holds and not _open_of(tag=tag, subject=subject).exists():
        return
    with transaction.atomic():
        if holds:
            alarm_raise(tag=tag, severity=severity, subject=subject, message=message, actor=actor)
        else:
            alarm_clear(tag=tag, subject=subject, message=message, actor=actor)


def alarm_acknowledge(*, alarm_id: int, actor: str, note: str = "") -> AuditAlarm:
    """Note that a person has seen an alarm. One that does not last is over with it.

    Args:
        alarm_id: Its number.
        actor: The person's roster id.
        note: What they did about it, in their own words.

    Raises:
        AlarmMissingError: It is not open, or was acknowledged already.
    """
    now_us = time.time_ns() // 1000
    with transaction.atomic():
        waiting = AuditAlarm.objects.filter(pk=alarm_id, closed_us__isnull=True, acknowledged_us__isnull=True)
        if not waiting.update(acknowledged_us=now_us, acknowledged_by=actor):
            raise AlarmMissingError("this alarm is over, or somebody has acknowledged it")
        AuditAlarm.objects.filter(pk=alarm_id, lasting=False).update(closed_us=now_us, closed_by=actor)
        alarm = AuditAlarm.objects.get(pk=alarm_id)
        said: dict[str, object] = {"alarm": alarm.tag, "entry": str(alarm.first_seq), "note": note}
        entry_append(actor=actor, tag=AuditTag.ALARM_ACKNOWLEDGED, subject=alarm.subject, payload=said)
    return alarm


def alarms_open() -> QuerySet[AuditAlarm]:
    """Return the alarms that are not over, the newest first."""
    return AuditAlarm.objects.filter(closed_us__isnull=True).order_by("-pk")


def alarms_over() -> QuerySet[AuditAlarm]:
    """Return the alarms that are over, the newest first."""
    return AuditAlarm.objects.filter(closed_us__isnull=False).order_by("-pk")


def _open_of(*, tag: AuditTag | str, subject: str) -> QuerySet[AuditAlarm]:
    return AuditAlarm.objects.filter(tag=str(tag), subject=subject, closed_us__isnull=True)


def _in_transaction(tag: AuditTag | str) -> None:
    if not connections[DEFAULT_DB_ALIAS].in_atomic_block:
        msg = f"{tag}: an alarm belongs into the transaction of what it is about"
        raise NotInTransactionError(msg)
