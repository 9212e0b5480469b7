"""Nonces: one lane for each (chain, address), handed out under its row lock, dense.

At most one pinned job of a lane is unsigned, because a signer takes nonces in order as well: a refusal
therefore never leaves a hole behind later, signed transactions. A refused job's nonce is used again only after the
signer itself said that it holds nothing there. A courier that lies about that costs liveness (the signer refuses a
second intent at a nonce), never safety.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from django.db import transaction

from audit.services import entry_append
from audit.tags import AuditTag
from chains.reads import node_ask
from core.custody_lifecycle import JOB_UNSIGNED, JobEvent, JobState
from custody.errors import LaneError
from custody.failpoints import failpoint
from custody.models import Job, NonceAssignment, NonceLane, Wallet
from custody.transitions import ACTOR, Claim, job_locked, job_move

if TYPE_CHECKING:
    import datetime as dt


@dataclasses.dataclass(frozen=True, kw_only=True)
class LaneStatus:
    """What a signer says about a wallet's lane: the next nonce that it would take, and what the earlier ones hold."""

    next_nonce: int
    held: dict[int, str]


def lane_open(*, wallet: Wallet) -> NonceLane:
    """Return the wallet's lane; a first use starts it where the chain stands. Asks a node.

    Raises:
        ChainsError: If no node answers.
        LaneError: If the chain has consumed nonces that we never handed out.
    """
    consumed = node_ask(chain=wallet.chain_id, question=lambda node: node.nonce(wallet.address))
    with transaction.atomic():
        lane, created = NonceLane.objects.get_or_create(
            chain_id=wallet.chain_id, address=wallet.address, defaults={"next_nonce": consumed}
        )
        if created:
            payload: dict[str, object] = {"next_nonce": consumed}
            entry_append(actor=ACTOR, tag=AuditTag.LANE_OPENED, subject=wallet.caip10, payload=payload)
    if consumed > lane.next_nonce:
        raise LaneError(f"the chain has consumed {consumed} nonces, only {lane.next_nonce} were handed out here")
    return lane


def nonce_pin(*, claim: Claim, now: dt.datetime) -> bool:
    """Give a queued job the lane's next nonce, for ever; False while an earlier job of the lane is unsigned.

    Raises:
        ChainsError: If no node answers.
        LaneError: As `lane_open`.
        LeaseLostError: If the job is no longer ours.
    """
    wallet = Job.objects.select_related("wallet").get(pk=claim.job_id).wallet
    lane_id = lane_open(wallet=wallet).pk
    with job_locked(claim=claim) as job:
        lane = NonceLane.objects.select_for_update().get(pk=lane_id)
        unsigned = Job.objects.filter(wallet_id=job.wallet_id, state__in=[state.value for state in JOB_UNSIGNED])
        if unsigned.exists():
            return False
        NonceAssignment.objects.create(
            job=job, chain_id=lane.chain_id, sender=lane.address, nonce=lane.next_nonce, assigned_at=now
        )
        payload: dict[str, object] = {"nonce": lane.next_nonce, "sender": lane.address}
        lane.next_nonce += 1
        lane.save(update_fields=["next_nonce"])
        job_move(job=job, event=JobEvent.PIN, now=now, payload=payload)
        failpoint("custody.pin.before_commit")
    failpoint("custody.pin.after_commit")
    return True


def lane_advance(*, wallet_id: str, now: dt.datetime) -> None:
    """Make the lane's next queued job due at once. Only cuts latency, so outside the step's transaction and locks."""
    queued = Job.objects.filter(wallet_id=wallet_id, state=JobState.QUEUED, lease_until__isnull=True, error_code="")
    following = queued.order_by("pk").values_list("pk", flat=True).first()
    if following is not None:
        queued.filter(pk=following).update(due_at=now)


def nonce_release(*, job: Job, now: dt.datetime) -> int:
    """Let the next job use a refused job's nonce; inside the refusal's transaction, after asking the signer.

    Raises:
        LaneError: If a later nonce was handed out meanwhile, which the one-unsigned rule excludes.
    """
    assignment = NonceAssignment.objects.get(job=job, released_at__isnull=True)
    lane = NonceLane.objects.select_for_update().get(chain_id=assignment.chain_id, address=assignment.sender)
    if lane.next_nonce != assignment.nonce + 1:
        raise LaneError(f"nonce {assignment.nonce} is not the last one handed out")
    assignment.released_at = now
    assignment.save(update_fields=["released_at"])
    lane.next_nonce = assignment.nonce
    lane.save(update_fields=["next_nonce"])
    payload: dict[str, object] = {"nonce": assignment.nonce, "sender": assignment.sender}
    entry_append(actor=ACTOR, tag=AuditTag.NONCE_RELEASED, subject=job.intent_digest, payload=payload)
    return assignment.nonce
