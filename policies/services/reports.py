"""The life of a report about a draft: asked for, claimed once, alive while it moves, made whole or failed."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from django.db import DEFAULT_DB_ALIAS, connections, transaction

from audit.services import entry_append
from audit.tags import AuditTag
from core.canonical import canonical, tagged_digest
from policies.drafts import draft_read
from policies.errors import ReportLostError, ReportRefusedError
from policies.models import PolicyDraft, PolicyReport, ReportState
from policies.selectors import policy_active

if TYPE_CHECKING:
    from approvals.models import User
    from core.documents.policy import EvidenceKind

SILENCE = dt.timedelta(seconds=60)
"""A claim that shows no progress for this long is given up."""
RUNNING_MOST = 2
"""Reports that are made at the same time on all hosts together."""
_SYSTEM = "system:policies"
_OPEN = (ReportState.QUEUED.value, ReportState.RUNNING.value)
_ERROR_MOST = 2_000


def report_request(
    *, draft: PolicyDraft, kind: EvidenceKind, options: dict[str, object], by: User | None, now: dt.datetime
) -> PolicyReport:
    """Ask for a report about a draft as it stands. Asking for the same again while it is open gives the same one.

    Args:
        draft: What it is about.
        kind: Which report.
        options: What its runner takes; canonical JSON, no floats.
        by: Who asks; None at the command line.
        now: The current time.

    Raises:
        ReportRefusedError: The draft has problems, each of which is named.
    """
    reading = draft_read(text=draft.body, active=policy_active())
    if reading.policy is None or reading.problems:
        raise ReportRefusedError("Mend the draft first: " + "; ".join(reading.problems))
    content, asked = reading.policy.content_digest, canonical(options).decode()
    with transaction.atomic():
        # Whoever asks twice (a double click) waits here for the first, and then finds it.
        if not PolicyDraft.objects.select_for_update().filter(pk=draft.pk).exists():
            raise ReportRefusedError("The draft was removed meanwhile.")
        same = {"draft": draft, "kind": kind.value, "content": content, "options": asked}
        found = PolicyReport.objects.filter(**same, state__in=_OPEN).first()
        if found is not None:
            return found
        report = PolicyReport.objects.create(**same, asked_by=by, asked_at=now)
        entry_append(
            actor=_SYSTEM if by is None else f"user:{by.person_id}",
            tag=AuditTag.REPORT_ASKED,
            subject=f"draft:{draft.pk}",
            payload={"report": report.pk, "kind": kind.value, "content": content, "options": asked},
        )
        return report


def report_claim(*, now: dt.datetime, report_id: int | None = None) -> int | None:
    """Claim one queued report, the oldest first, or None. One statement: claimed by exactly one.

    Args:
        now: The current time.
        report_id: Only this one, whatever else runs.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    adapt = connection.ops.adapt_datetimefield_value
    lock = "FOR UPDATE SKIP LOCKED" if connection.vendor == "postgresql" else ""
    which = "id = %s" if report_id is not None else (
        "(SELECT count(*) FROM policies_report WHERE state = 'running') < %s"
    )  # fmt: skip
    statement = (
        "UPDATE policies_report SET state = 'running', claimed_at = %s WHERE state = 'queued' AND id = ("  # noqa: S608 - no input in it
        f"SELECT id FROM policies_report WHERE state = 'queued' AND {which} ORDER BY id LIMIT 1 {lock}) RETURNING id"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [adapt(now), RUNNING_MOST if report_id is None else report_id])
        rows = cursor.fetchall()
    return int(rows[0][0]) if rows else None


def report_beat(*, report_id: int, done: int, total: int, now: dt.datetime) -> None:
    """Save how far a running report is; that is also its sign of life.

    Raises:
        ReportLostError: It was given up, or its draft is gone: whoever makes it ends.
    """
    running = PolicyReport.objects.filter(pk=report_id, state=ReportState.RUNNING.value)
    if not running.update(done=done, total=total, claimed_at=now):
        raise ReportLostError("nobody waits for this report any more")


def report_finish(*, report_id: int, passed: bool, body: bytes, now: dt.datetime) -> PolicyReport:
    """Keep a report that is whole, under the digest of its bytes.

    Raises:
        ReportLostError: It was given up meanwhile.
    """
    with transaction.atomic():
        running = PolicyReport.objects.select_for_update().filter(pk=report_id, state=ReportState.RUNNING.value)
        report = running.first()
        if report is None:
            raise ReportLostError("nobody waits for this report any more")
        report.state, report.passed, report.finished_at = ReportState.DONE.value, passed, now
        report.body, report.digest = body.decode(), tagged_digest("report", body)
        report.done = report.total = max(report.total, report.done)
        report.save()
        _record(report)
        return report


def report_fail(*, report_id: int, why: str, now: dt.datetime) -> bool:
    """Give a running report up; whether it was still running."""
    with transaction.atomic():
        running = PolicyReport.objects.select_for_update().filter(pk=report_id, state=ReportState.RUNNING.value)
        report = running.first()
        if report is None:
            return False
        report.state, report.error, report.finished_at = ReportState.FAILED.value, why[:_ERROR_MOST], now
        report.save()
        _record(report)
        return True


def reports_expire(*, now: dt.datetime) -> int:
    """Give up what has shown no progress for too long; return how many."""
    silent = PolicyReport.objects.filter(state=ReportState.RUNNING.value, claimed_at__lte=now - SILENCE)
    why = f"It made no progress for {SILENCE.seconds} seconds and was given up. Please ask again."
    return sum(report_fail(report_id=pk, why=why, now=now) for pk in list(silent.values_list("pk", flat=True)))


def _record(report: PolicyReport) -> None:
    entry_append(
        actor=_SYSTEM,
        tag=AuditTag.REPORT_FINISHED,
        subject=f"draft:{report.draft_id}",
        payload={
            "report": report.pk,
            "kind": report.kind,
            "content": report.content,
            "state": report.state,
            "passed": report.passed,
            "digest": report.digest,
            "error": report.error,
        },
    )
