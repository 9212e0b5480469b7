"""The life of a signing job as a literal table: ``(state, event) → state``. Nothing else moves a job.

A job begins where people and policy have finished: one intent with its consents. From `SIGNED` on, whoever holds the
raw bytes can send them, so the job is live until its nonce is *proven* consumed, whatever nodes say meanwhile.
"""

from __future__ import annotations

from enum import StrEnum

from core.errors import CoreError


class JobLifecycleError(CoreError):
    """The event is not allowed in this state."""


class JobState(StrEnum):
    """Where a signing job stands."""

    QUEUED = "queued"
    PINNED = "pinned"
    WAITING = "waiting"
    REFUSED = "refused"
    SIGNED = "signed"
    LIVE = "live"
    INCLUDED = "included"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    SUPERSEDED = "superseded"


class JobEvent(StrEnum):
    """What can happen to a signing job."""

    PIN = "pin"
    SIGNER_WAITS = "signer_waits"
    SIGNER_REFUSES = "signer_refuses"
    SIGN = "sign"
    SEND = "send"
    INCLUDE = "include"
    REORG = "reorg"
    FINALISE = "finalise"
    REVERT = "revert"
    SUPERSEDE = "supersede"


JOB_TRANSITIONS: dict[tuple[JobState, JobEvent], JobState] = {
    (JobState.QUEUED, JobEvent.PIN): JobState.PINNED,
    (JobState.PINNED, JobEvent.SIGNER_WAITS): JobState.WAITING,
    (JobState.PINNED, JobEvent.SIGNER_REFUSES): JobState.REFUSED,
    (JobState.PINNED, JobEvent.SIGN): JobState.SIGNED,
    (JobState.WAITING, JobEvent.SIGNER_REFUSES): JobState.REFUSED,
    (JobState.WAITING, JobEvent.SIGN): JobState.SIGNED,
    (JobState.SIGNED, JobEvent.SEND): JobState.LIVE,
    # Seen on the chain although no node has ever said yes: the send was ambiguous, or somebody else sent the bytes.
    (JobState.SIGNED, JobEvent.INCLUDE): JobState.INCLUDED,
    (JobState.SIGNED, JobEvent.SUPERSEDE): JobState.SUPERSEDED,
    (JobState.LIVE, JobEvent.INCLUDE): JobState.INCLUDED,
    (JobState.LIVE, JobEvent.SUPERSEDE): JobState.SUPERSEDED,
    (JobState.INCLUDED, JobEvent.REORG): JobState.LIVE,
    (JobState.INCLUDED, JobEvent.FINALISE): JobState.CONFIRMED,
    (JobState.INCLUDED, JobEvent.REVERT): JobState.FAILED,
}

JOB_FINAL = frozenset({JobState.REFUSED, JobState.CONFIRMED, JobState.FAILED, JobState.SUPERSEDED})
"""Nothing is due any more."""

JOB_UNSIGNED = frozenset({JobState.PINNED, JobState.WAITING})
"""A nonce is pinned and no signature is stored: at most one such job for each lane."""

JOB_LIVE = frozenset({JobState.SIGNED, JobState.LIVE, JobState.INCLUDED})
"""The signed bytes exist, so the payment may happen at any time."""


def job_apply(state: JobState, event: JobEvent) -> JobState:
    """Return the next state.

    Raises:
        JobLifecycleError: If the table has no such transition.
    """
    try:
        return JOB_TRANSITIONS[(state, event)]
    except KeyError:
        msg = f"{event} is not possible while {state}"
        raise JobLifecycleError(msg) from None
