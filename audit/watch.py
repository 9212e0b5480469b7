"""Watching the log while it is written: whether the sequencer keeps up, and whether what is stored still holds.

Each round re-checks the newest entries, and some older ones further on than the round before, so that in time the
whole log is looked at. That finds accidents and careless hands early; proof for outsiders is `countersign-fsck`.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hmac
from typing import Any

from django.conf import settings
from django.db import OperationalError, connection, transaction

from audit.alarms import alarm_follow, alarm_raise
from audit.models import AuditRound, AuditTree, Severity
from audit.tags import AuditTag
from core.auditlog import entry_bytes, entry_leaf, entry_mac

ACTOR = "system:watch"
PACE = dt.timedelta(seconds=10)
BEHIND = dt.timedelta(seconds=30)
"""An entry that waits so long for its place means that no sequencer is at work."""
STRETCH = 512
_ROUND = "audit.watch"
_SEQUENCER = "sequencer"
_STORED = "entries"
_OLDEST = "SELECT min(e.at_us), count(*) FROM audit_pending p LEFT JOIN audit_entry e ON e.seq = p.entry_id"
_ROWS = (
    'SELECT l."index", l.leaf, e.at_us, e.actor, e.session, e.tag, e.subject, e.severity, e.payload, e.mac'
    ' FROM audit_leaf l LEFT JOIN audit_entry e ON e.seq = l.entry_id WHERE l."index" >= %s AND l."index" < %s'
    ' ORDER BY l."index"'
)
_TYPES = (int, str, int, str, str, str, str, str, str, str)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bad:
    """A stored entry that does not hold: its leaf's index, and what is wrong with it."""

    index: int
    why: str


def round_claim(*, name: str, every: dt.timedelta, now: dt.datetime) -> AuditRound | None:
    """Claim something periodic, if it is due; among several workers one gets it.

    Args:
        name: What is done.
        every: How long to leave between two rounds.
        now: The current time.
    """
    now_us = int(now.timestamp() * 1_000_000)
    AuditRound.objects.get_or_create(name=name, defaults={"at_us": 0})
    due = AuditRound.objects.filter(name=name, at_us__lte=now_us - int(every.total_seconds() * 1_000_000))
    # A row from the future is a clock that went back: the round is done rather than waited for.
    due |= AuditRound.objects.filter(name=name, at_us__gt=now_us)
    if not due.exists() or not due.update(at_us=now_us):
        return None
    return AuditRound.objects.get(name=name)


def watch_sweep(*, now: dt.datetime) -> int:
    """Look after the log, now and then; called by the workers' sweep.

    Returns:
        How many entries were re-checked.
    """
    turn = round_claim(name=_ROUND, every=PACE, now=now)
    if turn is None:
        return 0
    sequencer_watch(now=now)
    return stored_watch(turn=turn)


def sequencer_watch(*, now: dt.datetime) -> None:
    """Raise or clear the alarm over entries that wait too long for their place."""
    with connection.cursor() as cursor:
        cursor.execute(_OLDEST)
        oldest, waiting = cursor.fetchone() or (None, 0)
    waited_us = int(now.timestamp() * 1_000_000) - oldest if type(oldest) is int else 0
    behind = waiting > 0 and waited_us > int(BEHIND.total_seconds() * 1_000_000)
    alarm_follow(
        holds=behind,
        tag=AuditTag.LOG_BEHIND,
        severity=Severity.ALARM,
        subject=_SEQUENCER,
        message=f"{waiting} entries wait for their place, the oldest for {waited_us // 1_000_000} s",
        actor=ACTOR,
    )


def stored_watch(*, turn: AuditRound) -> int:
    """Re-check the newest entries and the next stretch of older ones; what does not hold is an alarm.

    Args:
        turn: Where the older ones go on; moved by this.

    Returns:
        How many were looked at.
    """
    size = AuditTree.objects.values_list("size", flat=True).first() or 0
    if type(size) is not int:
        _alarm(Bad(index=0, why="the size of the tree is no number"))
        return 0
    newest = max(0, size - STRETCH)
    start = turn.place if turn.place < newest else 0
    stretches = [(newest, size)] + ([(start, min(start + STRETCH, newest))] if newest else [])
    bad = next((found for first, end in stretches if (found := stretch_check(first=first, end=end))), None)
    AuditRound.objects.filter(pk=turn.pk).update(place=min(start + STRETCH, newest))
    if bad is not None:
        _alarm(bad)
    return sum(end - first for first, end in stretches)


def _alarm(bad: Bad) -> None:
    # Never cleared by itself: what was changed stays evidence after it is changed back.
    with transaction.atomic():
        alarm_raise(
            tag=AuditTag.LOG_TAMPERED,
            severity=Severity.CRITICAL,
            subject=_STORED,
            message=f"leaf {bad.index}: {bad.why}",
            payload={"leaf": str(bad.index)},
            actor=ACTOR,
        )


def stretch_check(*, first: int, end: int) -> Bad | None:
    """Return the first stored entry from leaf `first` to before `end` that does not hold."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(_ROWS, [first, end])
            rows = cursor.fetchall()
    except OperationalError as error:
        if "decode" not in str(error).lower():
            raise
        # SQLite stores bytes that are no text where it is told to, and its driver stumbles over them.
        return Bad(index=first, why="it, or one soon after it, holds bytes that are no text")
    expected = first
    for row in rows:
        if row[0] != expected:
            break
        why = _wrong(row)
        if why:
            return Bad(index=expected, why=why)
        expected += 1
    return None if expected == end else Bad(index=expected, why="its place is empty")


def _wrong(row: tuple[Any, ...]) -> str:
    """Return what is wrong with a stored entry, or nothing."""
    if row[2] is None and row[9] is None:
        return "its entry is gone"
    if any(type(value) is not kind for value, kind in zip(row, _TYPES, strict=True)):
        return "it holds a value of another type than was written"
    _, leaf, at_us, actor, session, tag, subject, severity, payload, mac = row
    try:
        raw = entry_bytes(
            at_us=at_us, actor=actor, session=session, tag=tag, subject=subject, severity=severity, payload=payload
        )
    except UnicodeEncodeError:
        return "it holds half of a character"
    if entry_leaf(raw).hex() != leaf:
        return "its entry does not give its leaf"
    if not hmac.compare_digest(entry_mac(settings.COUNTERSIGN_AUDIT_KEY, raw).encode(), mac.encode()):
        return "its code is not the application's"
    return ""
