"""The one loop that drives everything: claim what is due, advance it by one step, give it back.

The embedded thread and Celery run the same `sweep_once`. Whoever dies in a step leaves a lease that ends and a row
that says how far it got; the next claim continues there.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from typing import TYPE_CHECKING

from django.db import DEFAULT_DB_ALIAS, connections

from chains.errors import ChainsError
from core.custody_lifecycle import JobState
from custody.attempts import can_raise, cancel_due, job_cancel, job_raise
from custody.backoff import backoff
from custody.broadcast import job_broadcast
from custody.confirm import job_follow, job_guard, job_observe
from custody.doubts import job_doubt
from custody.errors import LaneError, LeaseLostError
from custody.failpoints import failpoint
from custody.key_brake import key_brake, may_raise
from custody.lanes import nonce_pin
from custody.machine import Act, Finding, Step, step_of, unmined_act
from custody.models import BroadcastAttempt, Job
from custody.selectors import is_first_open, transmission_list
from custody.settings import lease, poll_interval, resend_interval
from custody.signing import job_sign
from custody.transitions import Claim, job_locked, job_postpone

if TYPE_CHECKING:
    from collections.abc import Callable

STEPS_MOST = 64
"""Steps of one sweep: it ends even where every step makes the next one due at once."""
_LANE_BUSY = dt.timedelta(milliseconds=500)
_MOVED = frozenset({Finding.INCLUDED, Finding.SUPERSEDED})
_TAKEN = "its nonce is consumed by a transaction that is not ours; not final yet"
_logger = logging.getLogger(__name__)


def claim_next(*, now: dt.datetime) -> Claim | None:
    """Claim the job that has been due for longest, or None. One statement: claimed by exactly one worker."""
    connection = connections[DEFAULT_DB_ALIAS]
    lock = "FOR UPDATE SKIP LOCKED" if connection.vendor == "postgresql" else ""
    statement = (
        "UPDATE custody_job SET lease_until = %s, fence = fence + 1 WHERE id = ("  # noqa: S608 - no input in it
        "SELECT id FROM custody_job WHERE due_at <= %s AND (lease_until IS NULL OR lease_until <= %s) "
        f"ORDER BY due_at, id LIMIT 1 {lock}) RETURNING id, fence"
    )
    adapt = connection.ops.adapt_datetimefield_value
    with connection.cursor() as cursor:
        cursor.execute(statement, [adapt(now + lease()), adapt(now), adapt(now)])
        rows = cursor.fetchall()
    return Claim(job_id=rows[0][0], fence=rows[0][1]) if rows else None


def _pin(claim: Claim, now: dt.datetime) -> None:
    if not nonce_pin(claim=claim, now=now):
        with job_locked(claim=claim) as job:
            job_postpone(job=job, now=now, due_at=now + _LANE_BUSY)


def _sign(claim: Claim, now: dt.datetime) -> None:
    job_sign(claim=claim, now=now)


def _cancel(claim: Claim, now: dt.datetime) -> None:
    order = cancel_due(job=Job.objects.get(pk=claim.job_id), now=now)
    if order is not None:
        job_cancel(claim=claim, order=order, now=now)


def _doubt(claim: Claim, now: dt.datetime) -> None:
    job_doubt(claim=claim, now=now)


def _send(claim: Claim, now: dt.datetime) -> None:
    # Bytes that were perhaps sent before (a crash, a time-out, somebody else) may be mined already.
    tried = BroadcastAttempt.objects.filter(transmission__job_id=claim.job_id)
    if tried.exists() and job_observe(claim=claim, now=now) in _MOVED:
        return
    job_broadcast(claim=claim, now=now)


def _watch(claim: Claim, now: dt.datetime) -> None:
    finding = job_observe(claim=claim, now=now)
    if finding in _MOVED:
        return
    job = Job.objects.select_related("wallet").get(pk=claim.job_id)
    sent = transmission_list(job=job)
    act = unmined_act(
        finding=finding,
        unsent=any(one.sent_at is None for one in sent),
        can_raise=is_first_open(job=job) and can_raise(job=job, sent=sent) and may_raise(job=job),
        raise_due=job.raise_at is not None and job.raise_at <= now,
        resend_due=any(one.sent_at is None or one.sent_at <= now - resend_interval() for one in sent),
    )
    if act is Act.RAISE:
        job_raise(claim=claim, now=now)
    elif act is Act.SEND:
        job_broadcast(claim=claim, now=now)
    else:
        with job_locked(claim=claim) as job:
            code, message = ("nonce_taken", _TAKEN) if finding is Finding.TAKEN else ("", "")
            job_postpone(job=job, now=now, due_at=now + poll_interval(), code=code, message=message)


def _follow(claim: Claim, now: dt.datetime) -> None:
    job_follow(claim=claim, now=now)


def _guard(claim: Claim, now: dt.datetime) -> None:
    job_guard(claim=claim, now=now)


_STEPS: dict[Step, Callable[[Claim, dt.datetime], None]] = {
    Step.PIN: _pin,
    Step.SIGN: _sign,
    Step.CANCEL: _cancel,
    Step.DOUBT: _doubt,
    Step.SEND: _send,
    Step.WATCH: _watch,
    Step.FOLLOW: _follow,
    Step.GUARD: _guard,
}


def _hold(claim: Claim, code: str, message: str, now: dt.datetime) -> None:
    try:
        with job_locked(claim=claim) as job:
            job_postpone(job=job, now=now, due_at=now + backoff(job.trials), code=code, message=message)
    except LeaseLostError as error:
        _logger.info("%s", error)


def job_advance(*, claim: Claim, now: dt.datetime) -> None:
    """Advance a claimed job by one step. Whatever goes wrong, the job waits and is tried again."""
    job = Job.objects.get(pk=claim.job_id)
    state = JobState(job.state)
    due = step_of(state, cancel_due=cancel_due(job=job, now=now) is not None)
    step = _STEPS.get(due)
    if step is None:
        with job_locked(claim=claim) as job:
            job.due_at = job.lease_until = None
            job.save(update_fields=["due_at", "lease_until"])
        return
    brake = key_brake(job=job, step=due, now=now)
    if brake:
        _hold(claim, "key", brake, now)
        return
    try:
        step(claim, now)
    except LeaseLostError as error:
        _logger.info("%s", error)
    except ChainsError as error:
        _hold(claim, "node", str(error), now)
    except LaneError as error:
        _hold(claim, "lane", str(error), now)
    except Exception as error:
        # One broken case must not stop the others; the alarm names it.
        _logger.exception("job %s: step %s failed", claim.job_id, state)
        _hold(claim, "internal", type(error).__name__, now)


def sweep_once(*, now: dt.datetime, most: int = STEPS_MOST) -> int:
    """Claim and advance due jobs, one step each time, until nothing is due.

    Args:
        now: The current time; what the sweep itself takes is added.
        most: Steps after which it ends anyhow.

    Returns:
        How many steps were made.
    """
    started = time.monotonic()
    for done in range(most):
        at = now + dt.timedelta(seconds=time.monotonic() - started)
        claim = claim_next(now=at)
        if claim is None:
            return done
        failpoint("custody.claim.after_commit")
        job_advance(claim=claim, now=at)
    return most
