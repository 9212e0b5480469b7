"""Nonces: one lane for each (chain, address), handed out under its row lock, dense.

At most one pinned job of a lane is unsigned. A refused job's nonce serves the next one after the signer itself said
that it holds nothing there; a courier that lies about that is found out when the signer refuses a second intent at
the nonce, and the first case comes back (`lane_reclaim`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from audit.services import entry_append
from audit.tags import AuditTag
from chains.reads import node_ask_all
from core.custody_lifecycle import JOB_UNSIGNED, JobEvent, JobState
from core.documents.mandate import Intent
from custody.errors import LaneError
from custody.failpoints import failpoint
from custody.fees import Fees, fees_suggested, fees_within
from custody.models import Job, NonceAssignment, NonceLane, Wallet
from custody.nonces import nonce_agreed, nonce_next, nonce_returns
from custody.transitions import ACTOR, Claim, job_locked, job_move

if TYPE_CHECKING:
    import datetime as dt

    from chains.nodes.client import NodeClient


def fees_ask(*, chain: str) -> Fees:
    """Return what the chain's nodes suggest to pay now, wei per gas.

    Raises:
        ChainsError: If no node answers.
    """

    def question(node: NodeClient) -> Fees:
        suggestion = node.suggest_fees()
        return Fees(most=suggestion.max_fee_per_gas, tip=suggestion.max_priority_fee_per_gas)

    return fees_suggested(list(node_ask_all(chain=chain, question=question).answers.values()))


def _consumed(wallet: Wallet, lane: NonceLane | None) -> int:
    """Return how many nonces the chain has consumed, as more than half of its nodes say.

    Raises:
        LaneError: If they do not agree, and what they say could matter.
    """
    poll = node_ask_all(chain=wallet.chain_id, question=lambda node: node.nonce(wallet.address))
    answers = list(poll.answers.values())
    agreed = nonce_agreed(answers, silent=len(poll.silent))
    if agreed is not None:
        return agreed
    if lane is not None and max(answers) <= lane.next_nonce:
        # Some lag behind the others; none of them knows of a nonce that was not handed out here.
        return max(answers)
    said = ", ".join(f"{label}: {count}" for label, count in sorted(poll.answers.items()))
    quiet = f"; no answer from {', '.join(poll.silent)}" if poll.silent else ""
    raise LaneError(f"the nodes do not agree on how many nonces are consumed ({said}{quiet})")


def lane_open(*, wallet: Wallet) -> NonceLane:
    """Return the wallet's lane; a first use starts it where a majority of nodes says that the chain stands.

    Raises:
        ChainsError: If no node answers.
        LaneError: If nodes do not agree, or the chain has consumed nonces that we never handed out.
    """
    known = NonceLane.objects.filter(chain_id=wallet.chain_id, address=wallet.address).first()
    consumed = _consumed(wallet, known)
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


def lane_next(*, wallet: Wallet) -> int:
    """Return the nonce that the wallet's next case gets; where none was handed out yet, by what its chain says.

    Nothing is stored; asks nodes, so not inside a database transaction.

    Raises:
        ChainsError: If no node answers.
        LaneError: If nodes do not agree.
    """
    lane = NonceLane.objects.filter(chain_id=wallet.chain_id, address=wallet.address).first()
    return _consumed(wallet, None) if lane is None else lane.next_nonce


def _unsigned(wallet_id: str) -> int:
    return Job.objects.filter(wallet_id=wallet_id, state__in=[state.value for state in JOB_UNSIGNED]).count()


def nonce_pin(*, claim: Claim, now: dt.datetime) -> bool:
    """Give a queued job the lane's next nonce, for ever, and its first fees; False while another one is unsigned.

    Raises:
        ChainsError: If no node answers.
        LaneError: As `lane_open`.
        LeaseLostError: If the job is no longer ours.
    """
    before = Job.objects.select_related("wallet").get(pk=claim.job_id)
    lane_id = lane_open(wallet=before.wallet).pk
    if _unsigned(before.wallet_id):
        return False
    intent = Intent.from_bytes(before.intent.encode())
    caps = Fees(most=intent.max_fee_per_gas, tip=intent.max_priority_fee_per_gas)
    fees = fees_within(fees_ask(chain=before.wallet.chain_id), caps)
    with job_locked(claim=claim) as job:
        lane = NonceLane.objects.select_for_update().get(pk=lane_id)
        nonce = nonce_next(lane_next=lane.next_nonce, held=None, unsigned=_unsigned(job.wallet_id))
        if nonce is None:
            return False
        NonceAssignment.objects.create(
            job=job, chain_id=lane.chain_id, sender=lane.address, nonce=nonce, assigned_at=now
        )
        lane.next_nonce = nonce + 1
        lane.save(update_fields=["next_nonce"])
        job.attempt_most, job.attempt_tip = fees.most, fees.tip
        payload: dict[str, object] = {
            "max_fee_per_gas": str(fees.most),
            "max_priority_fee_per_gas": str(fees.tip),
            "nonce": nonce,
            "sender": lane.address,
        }
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


def doubts_wake(*, wallet_id: str, now: dt.datetime) -> None:
    """Have the lane's doubted cases looked at now: something happened that may settle them."""
    doubted = Job.objects.filter(wallet_id=wallet_id, state=JobState.DOUBTED, lease_until__isnull=True)
    doubted.update(due_at=now)


def waiting_wake(*, signer: str, now: dt.datetime) -> None:
    """Have cases tried now that wait for a signer which was away, instead of when their patience ends.

    Args:
        signer: Its roster id.
        now: The current time.
    """
    wallets = [wallet.pk for wallet in Wallet.objects.all() if signer in wallet.asked]
    waiting = Job.objects.filter(wallet_id__in=wallets, state__in=JOB_UNSIGNED, lease_until__isnull=True)
    waiting.update(due_at=now)


def nonce_release(*, job: Job, now: dt.datetime) -> int:
    """Let the next job use an unsigned job's nonce; inside the step's transaction, after asking the signer.

    Raises:
        LaneError: If a later nonce was handed out meanwhile, which the one-unsigned rule excludes.
    """
    assignment = NonceAssignment.objects.get(job=job, released_at__isnull=True)
    lane = NonceLane.objects.select_for_update().get(chain_id=assignment.chain_id, address=assignment.sender)
    if not nonce_returns(lane_next=lane.next_nonce, nonce=assignment.nonce):
        raise LaneError(f"nonce {assignment.nonce} is not the last one handed out")
    assignment.released_at = now
    assignment.save(update_fields=["released_at"])
    lane.next_nonce = assignment.nonce
    lane.save(update_fields=["next_nonce"])
    payload: dict[str, object] = {"nonce": assignment.nonce, "sender": assignment.sender}
    entry_append(actor=ACTOR, tag=AuditTag.NONCE_RELEASED, subject=job.intent_digest, payload=payload)
    return assignment.nonce


def nonce_asked(*, job: Job) -> NonceAssignment | None:
    """Return the nonce at which a job was asked for last, held or released."""
    return NonceAssignment.objects.filter(job=job).order_by("-pk").first()


def lane_reclaim(*, job: Job, now: dt.datetime) -> None:
    """Give a doubted case its nonce back, because the signer holds it there; in the transaction of the case's step.

    Whoever waits unsigned on that nonce starts again behind it.

    Raises:
        LaneError: If the nonce is not free and its holder is signed: then the signer contradicts itself.
    """
    asked = NonceAssignment.objects.get(job=job, pk=max(job.assignments.values_list("pk", flat=True)))
    lane = NonceLane.objects.select_for_update().get(chain_id=asked.chain_id, address=asked.sender)
    holders = NonceAssignment.objects.filter(chain_id=asked.chain_id, sender=asked.sender, released_at__isnull=True)
    holder = holders.filter(nonce=asked.nonce).first()
    if holder is not None:
        _yield(holder.job_id, now)
        lane.refresh_from_db()
    if lane.next_nonce != asked.nonce:
        raise LaneError(f"nonce {asked.nonce} cannot be given back: the lane's next is {lane.next_nonce}")
    NonceAssignment.objects.create(
        job=job, chain_id=asked.chain_id, sender=asked.sender, nonce=asked.nonce, assigned_at=now
    )
    lane.next_nonce = asked.nonce + 1
    lane.save(update_fields=["next_nonce"])


def _yield(job_id: int, now: dt.datetime) -> None:
    other = Job.objects.select_for_update().get(pk=job_id)
    if JobState(other.state) not in JOB_UNSIGNED:
        raise LaneError("the nonce holds another transaction, which is signed")
    nonce = nonce_release(job=other, now=now)
    # Whoever works on it at this moment loses its claim.
    other.fence += 1
    message = f"nonce {nonce} holds an earlier case at the signer; this one waits for the next nonce"
    job_move(
        job=other, event=JobEvent.YIELD, now=now, payload={"nonce": nonce}, code="nonce_yielded", message=message
    )
