"""Reading the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from audit.models import AuditEntry, AuditHead, Severity
from core.hashchain import Entry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import QuerySet


def entry_list_for_subject(*, subject: str) -> QuerySet[AuditEntry]:
    """Return what happened to one subject, oldest first."""
    return AuditEntry.objects.filter(subject=subject).order_by("seq")


def alarm_list(*, most: int = 20) -> list[AuditEntry]:
    """Return the newest alarms."""
    loud = [Severity.ALARM.value, Severity.CRITICAL.value]
    return list(AuditEntry.objects.filter(severity__in=loud).order_by("-seq")[:most])


def head_get() -> tuple[int, str]:
    """Return the last number and hash; 0 and nothing for an empty log."""
    head = AuditHead.objects.first()
    return (0, "") if head is None else (head.seq, head.hash)


def entry_iterate() -> Iterator[Entry]:
    """Yield all entries in order."""
    for row in AuditEntry.objects.order_by("seq").iterator(chunk_size=2000):
        yield Entry(
            seq=row.seq,
            at_us=row.at_us,
            actor=row.actor,
            tag=row.tag,
            subject=row.subject,
            severity=row.severity,
            payload=row.payload,
            prev_hash=row.prev_hash,
            hash=row.hash,
        )
