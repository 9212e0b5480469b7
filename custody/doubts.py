"""Cases whose refusal a courier reported: looked at again until something shows what became of them."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from chains.reads import node_ask_all
from core.custody_lifecycle import JobEvent
from core.documents.base import SKEW
from core.documents.mandate import Intent, Mandate
from custody.errors import SignerWaitsError
from custody.lanes import lane_reclaim, nonce_asked
from custody.models import Job, NonceLane, Transmission
from custody.nonces import Doubt, LaneStatus, doubt_judge, nonce_agreed
from custody.signing import lane_status
from custody.transitions import Claim, job_locked, job_move, job_postpone

if TYPE_CHECKING:
    from custody.models import NonceAssignment

INTERVAL = dt.timedelta(seconds=30)
"""How often a doubted case is looked at; sooner where its lane moves."""


def _signed_other(job: Job, asked: NonceAssignment) -> bool:
    """Whether bytes of another intent at that nonce are here: they were checked against the wallet's key."""
    others = Transmission.objects.filter(nonce=asked.nonce, job__wallet_id=job.wallet_id).exclude(job=job)
    return others.exists()


def _over(job: Job, asked: NonceAssignment, now: dt.datetime) -> bool:
    """Whether no signer signs the case any more, and the chain has consumed no nonce that we did not hand out."""
    expires = min(
        Mandate.from_bytes(job.mandate.encode()).header.expires, Intent.from_bytes(job.intent.encode()).header.expires
    )
    if now.timestamp() < expires + SKEW:
        return False
    poll = node_ask_all(chain=job.wallet.chain_id, question=lambda node: node.nonce(job.wallet.address))
    consumed = nonce_agreed(list(poll.answers.values()), silent=len(poll.silent))
    lane = NonceLane.objects.get(chain_id=asked.chain_id, address=asked.sender)
    return consumed is not None and consumed <= lane.next_nonce


def job_doubt(*, claim: Claim, now: dt.datetime) -> None:
    """Look again at a case whose refusal was only reported.

    Raises:
        ChainsError: If no node answers where one has to.
        LaneError: If the signer holds the case at a nonce that is signed for another.
        LeaseLostError: If the job is no longer ours.
    """
    job = Job.objects.select_related("wallet").get(pk=claim.job_id)
    asked = nonce_asked(job=job)
    if asked is None:
        message = f"job {job.pk} is doubted without a nonce"
        raise LookupError(message)
    lane: LaneStatus | None
    try:
        lane = lane_status(job=job)
    except SignerWaitsError:
        lane = None
    verdict = doubt_judge(
        lane=lane,
        nonce=asked.nonce,
        intent=job.intent_digest,
        signed_other=_signed_other(job, asked),
        over=_over(job, asked, now),
    )
    with job_locked(claim=claim) as job:
        if verdict is Doubt.REOPEN:
            lane_reclaim(job=job, now=now)
            message = f"its refusal was reported wrongly: the signer holds it at nonce {asked.nonce}"
            payload: dict[str, object] = {"nonce": asked.nonce, "reported": job.error_code}
            job_move(job=job, event=JobEvent.REOPEN, now=now, payload=payload, code="held", message=message)
        elif verdict is Doubt.SETTLED:
            job_move(
                job=job,
                event=JobEvent.SETTLE_REFUSAL,
                now=now,
                payload={"nonce": asked.nonce},
                code=job.error_code,
                message=_settled_words(job),
            )
        else:
            job_postpone(job=job, now=now, due_at=now + INTERVAL, code=job.error_code, message=job.error)


def _settled_words(job: Job) -> str:
    return job.error.partition(". The courier reports")[0]
