"""The life of a signing job as a literal table: ``(state, event) → state``. Nothing else moves a job.

A job begins where people and policy have finished: one intent with its consents. From `SIGNED` on, whoever holds the
raw bytes can send them, so the job is live until its nonce is *proven* consumed, whatever nodes say meanwhile.

A refusal that a courier reports is no proof: the case is *doubted* until something shows that it was never signed, or
that it was. Its nonce serves others meanwhile; if the signer turns out to hold it, the case comes back.
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
    DOUBTED = "doubted"
    REFUSED = "refused"
    SIGNED = "signed"
    LIVE = "live"
    INCLUDED = "included"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"


class JobEvent(StrEnum):
    """What can happen to a signing job."""

    PIN = "pin"
    SIGNER_WAITS = "signer_waits"
    SIGNER_REFUSES = "signer_refuses"
    SETTLE_REFUSAL = "settle_refusal"
    REOPEN = "reopen"
    YIELD = "yield"
    SIGN = "sign"
    SIGN_CANCEL = "sign_cancel"
    RAISE = "raise"
    SEND = "send"
    INCLUDE = "include"
    REORG = "reorg"
    FINALISE = "finalise"
    REVERT = "revert"
    SUPERSEDE = "supersede"
    CANCEL = "cancel"


JOB_TRANSITIONS: dict[tuple[JobState, JobEvent], JobState] = {
    (JobState.QUEUED, JobEvent.PIN): JobState.PINNED,
    (JobState.PINNED, JobEvent.SIGNER_WAITS): JobState.WAITING,
    (JobState.PINNED, JobEvent.SIGNER_REFUSES): JobState.DOUBTED,
    (JobState.PINNED, JobEvent.SIGN): JobState.SIGNED,
    (JobState.WAITING, JobEvent.SIGNER_REFUSES): JobState.DOUBTED,
    (JobState.WAITING, JobEvent.SIGN): JobState.SIGNED,
    # The signer holds this nonce for a case that was doubted: whoever waits on it starts again behind it.
    (JobState.PINNED, JobEvent.YIELD): JobState.QUEUED,
    (JobState.WAITING, JobEvent.YIELD): JobState.QUEUED,
    (JobState.DOUBTED, JobEvent.REOPEN): JobState.WAITING,
    (JobState.DOUBTED, JobEvent.SETTLE_REFUSAL): JobState.REFUSED,
    # Journalled and never answered, then expired: the cancel is the first thing of this nonce that anybody has.
    (JobState.PINNED, JobEvent.SIGN_CANCEL): JobState.SIGNED,
    (JobState.WAITING, JobEvent.SIGN_CANCEL): JobState.SIGNED,
    (JobState.SIGNED, JobEvent.SIGN_CANCEL): JobState.SIGNED,
    (JobState.LIVE, JobEvent.SIGN_CANCEL): JobState.LIVE,
    (JobState.LIVE, JobEvent.RAISE): JobState.LIVE,
    (JobState.SIGNED, JobEvent.SEND): JobState.LIVE,
    # Seen on the chain although no node has ever said yes: the send was ambiguous, or somebody else sent the bytes.
    (JobState.SIGNED, JobEvent.INCLUDE): JobState.INCLUDED,
    (JobState.SIGNED, JobEvent.SUPERSEDE): JobState.SUPERSEDED,
    (JobState.LIVE, JobEvent.INCLUDE): JobState.INCLUDED,
    (JobState.LIVE, JobEvent.SUPERSEDE): JobState.SUPERSEDED,
    (JobState.INCLUDED, JobEvent.REORG): JobState.LIVE,
    (JobState.INCLUDED, JobEvent.FINALISE): JobState.CONFIRMED,
    (JobState.INCLUDED, JobEvent.REVERT): JobState.FAILED,
    (JobState.INCLUDED, JobEvent.CANCEL): JobState.CANCELLED,
}

JOB_FINAL = frozenset(
    {JobState.REFUSED, JobState.CONFIRMED, JobState.FAILED, JobState.SUPERSEDED, JobState.CANCELLED}
)
"""Nothing moves any more."""

JOB_MINED = frozenset({JobState.CONFIRMED, JobState.FAILED, JobState.CANCELLED})
"""Final by a block: watched for a while longer."""

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
