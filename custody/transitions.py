"""The only writer of a job's state: row locked and fenced, table consulted, audit entry in the same transaction."""

from __future__ import annotations

import dataclasses
from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.db import transaction

from audit.models import Severity
from audit.services import entry_append
from audit.tags import AuditTag
from core.custody_lifecycle import JobEvent, JobState, job_apply
from custody.errors import LeaseLostError
from custody.machine import is_due_again
from custody.models import Job
from custody.ports import JobChange, job_change_announce

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

ACTOR = "system:custody"
ERROR_MOST = 400
_TAGS: dict[JobEvent, AuditTag] = {
    JobEvent.PIN: AuditTag.NONCE_ASSIGNED,
    JobEvent.SIGNER_WAITS: AuditTag.JOB_WAITS,
    JobEvent.SIGNER_REFUSES: AuditTag.JOB_DOUBTED,
    JobEvent.SETTLE_REFUSAL: AuditTag.JOB_REFUSED,
    JobEvent.REOPEN: AuditTag.JOB_REOPENED,
    JobEvent.YIELD: AuditTag.JOB_WAITS,
    JobEvent.SIGN: AuditTag.JOB_SIGNED,
    JobEvent.SIGN_CANCEL: AuditTag.CANCEL_SIGNED,
    JobEvent.RAISE: AuditTag.ATTEMPT_RAISED,
    JobEvent.SEND: AuditTag.JOB_DISPATCHED,
    JobEvent.INCLUDE: AuditTag.ATTEMPT_INCLUDED,
    JobEvent.REORG: AuditTag.ATTEMPT_REORGED,
    JobEvent.FINALISE: AuditTag.ATTEMPT_FINAL,
    JobEvent.REVERT: AuditTag.ATTEMPT_FINAL,
    JobEvent.SUPERSEDE: AuditTag.JOB_SUPERSEDED,
    JobEvent.CANCEL: AuditTag.JOB_CANCELLED,
}
_SEVERITIES: dict[JobEvent, Severity] = {
    JobEvent.SIGNER_WAITS: Severity.ALARM,
    JobEvent.SIGNER_REFUSES: Severity.ALARM,
    JobEvent.SETTLE_REFUSAL: Severity.WARNING,
    JobEvent.REOPEN: Severity.CRITICAL,
    JobEvent.YIELD: Severity.ALARM,
    JobEvent.SIGN_CANCEL: Severity.WARNING,
    JobEvent.REORG: Severity.ALARM,
    JobEvent.REVERT: Severity.ALARM,
    JobEvent.SUPERSEDE: Severity.CRITICAL,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Claim:
    """The right to advance a job until the lease ends; a later claim has a higher fence."""

    job_id: int
    fence: int


@contextmanager
def job_locked(*, claim: Claim) -> Iterator[Job]:
    """Open the transaction of one step: the row is locked, and still ours.

    Raises:
        LeaseLostError: If somebody else has claimed the job since.
    """
    with transaction.atomic():
        job = Job.objects.select_for_update().get(pk=claim.job_id)
        if job.fence != claim.fence:
            msg = f"job {claim.job_id}: fence {claim.fence} is over, {job.fence} holds"
            raise LeaseLostError(msg)
        yield job


def job_move(
    *,
    job: Job,
    event: JobEvent,
    now: dt.datetime,
    payload: dict[str, object],
    code: str = "",
    message: str = "",
    due_at: dt.datetime | None = None,
) -> JobState:
    """Move a locked job along the table, record it and tell the listeners.

    Args:
        job: Locked by `job_locked`; other changed fields are saved along.
        event: What happened.
        now: The current time.
        payload: For the audit entry; canonical JSON.
        code: Why, for machines, where something went wrong.
        message: Why, for people.
        due_at: When the next step is due; None: at once.

    Raises:
        JobLifecycleError: If the table has no such transition. Nothing is written.
    """
    before = JobState(job.state)
    after = job_apply(before, event)
    job.state = after.value
    job.error_code, job.error = code, message[:ERROR_MOST]
    job.trials = 0
    job.due_at = (due_at or now) if is_due_again(after) else None
    job.lease_until = None
    job.save()
    details: dict[str, object] = {"code": code, "from": before.value, "message": job.error, "to": after.value}
    entry_append(
        actor=ACTOR,
        tag=_TAGS[event],
        subject=job.intent_digest,
        payload={**payload, **details} if code or message else {**payload, "from": before.value, "to": after.value},
        severity=_SEVERITIES.get(event, Severity.INFO),
    )
    change = JobChange(
        intent_digest=job.intent_digest, event=event, state=after, code=code, message=job.error, now=now
    )
    job_change_announce(change)
    return after


def job_postpone(
    *, job: Job, now: dt.datetime, due_at: dt.datetime, code: str = "", message: str = "", loud: bool = True
) -> None:
    """Give a locked job's lease back without moving it. A new kind of trouble is an alarm, its repetition is not.

    `loud`: whether it is trouble at all.
    """
    del now
    new_trouble = loud and bool(code) and code != job.error_code
    job.trials = job.trials + 1 if code else 0
    job.error_code, job.error = code, message[:ERROR_MOST]
    job.due_at, job.lease_until = due_at, None
    job.save(update_fields=["trials", "error_code", "error", "due_at", "lease_until"])
    if new_trouble:
        entry_append(
            actor=ACTOR,
            tag=AuditTag.JOB_WAITS,
            subject=job.intent_digest,
            payload={"code": code, "message": job.error, "state": job.state},
            severity=Severity.ALARM,
        )
