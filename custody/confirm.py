"""Watching the chain until a job's nonce is proven consumed: by its own bytes, or by others'.

Nothing is final before the chain's depth. A block that goes away takes its sighting back, and the same bytes are sent
again.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from chains.errors import NodeError
from chains.reads import node_ask, node_ask_all
from core.custody_lifecycle import JobEvent
from custody.backoff import backoff
from custody.failpoints import failpoint
from custody.models import Confirmation, ConfirmationStatus, Job, Transmission
from custody.selectors import sighting_of, transmission_list
from custody.settings import poll_interval
from custody.transitions import Claim, job_locked, job_move, job_postpone

if TYPE_CHECKING:
    import datetime as dt

    from chains.nodes.client import NodeClient
    from chains.nodes.wire import Block, Receipt
    from chains.reads import Poll


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Seen:
    """What one node shows: the receipt of one of the job's transmissions, in a block that is canonical there."""

    transmission: Transmission | None
    receipt: Receipt | None
    head: Block
    superseded: bool


def _look(node: NodeClient, job: Job, sent: list[Transmission]) -> _Seen:
    """Look for any of the job's transmissions, else whether its nonce is consumed at finality depth."""
    for transmission in sent:
        receipt = node.receipt(bytes.fromhex(transmission.transaction_hash))
        if receipt is None:
            continue
        block = node.block(receipt.block_number)
        if block is not None and block.hash == receipt.block_hash:
            return _Seen(transmission=transmission, receipt=receipt, head=node.head(), superseded=False)
    head = node.head()
    final_number = head.number - job.wallet.chain.confirmation_depth + 1
    # Every transmission of a job has the same nonce.
    superseded = final_number >= 0 and node.nonce(job.wallet.address, at=final_number) > sent[0].nonce
    return _Seen(transmission=None, receipt=None, head=head, superseded=superseded)


def _payload(transaction_hash: str, number: int, block_hash: str, depth: int) -> dict[str, object]:
    return {"block": number, "block_hash": block_hash, "depth": depth, "transaction": transaction_hash}


def _include(claim: Claim, transmission: Transmission, receipt: Receipt, head: Block, now: dt.datetime) -> None:
    depth = max(1, head.number - receipt.block_number + 1)
    with job_locked(claim=claim) as job:
        Confirmation.objects.create(
            transmission=transmission,
            block_number=receipt.block_number,
            block_hash=receipt.block_hash.hex(),
            succeeded=receipt.succeeded,
            gas_used=receipt.gas_used,
            gas_price=receipt.gas_price,
            depth=depth,
            seen_at=now,
        )
        payload = _payload(transmission.transaction_hash, receipt.block_number, receipt.block_hash.hex(), depth)
        job_move(job=job, event=JobEvent.INCLUDE, now=now, payload=payload)
        failpoint("custody.include.before_commit")
    failpoint("custody.include.after_commit")


def job_observe(*, claim: Claim, now: dt.datetime) -> bool:
    """Look for a sent job's transaction on the chain; False if nothing has happened to its nonce yet.

    Raises:
        ChainsError: If no node answers.
        LeaseLostError: If the job is no longer ours.
    """
    job = Job.objects.select_related("wallet__chain").get(pk=claim.job_id)
    sent = transmission_list(job=job)
    seen = node_ask_all(chain=job.wallet.chain_id, question=lambda node: _look(node, job, sent))
    for answer in seen.answers.values():
        if answer.transmission is not None and answer.receipt is not None:
            _include(claim, answer.transmission, answer.receipt, answer.head, now)
            return True
    if not seen.is_majority or not all(answer.superseded for answer in seen.answers.values()):
        return False
    with job_locked(claim=claim) as job:
        message = f"nonce {sent[0].nonce} was consumed by a transaction that is not ours"
        payload: dict[str, object] = {"nodes": sorted(seen.answers), "nonce": sent[0].nonce}
        job_move(job=job, event=JobEvent.SUPERSEDE, now=now, payload=payload, code="superseded", message=message)
    return True


def _recheck(node: NodeClient, sighting: Confirmation) -> tuple[bool, Block]:
    """Say whether a sighting still stands, and where the chain ends."""
    head = node.head()
    if head.number < sighting.block_number:
        # Behind, or rolled back: either way this node cannot say what is at that height.
        raise NodeError(node.label, f"is at block {head.number}, before {sighting.block_number}")
    block = node.block(sighting.block_number)
    receipt = node.receipt(bytes.fromhex(sighting.transmission.transaction_hash))
    stands = (
        block is not None
        and receipt is not None
        and block.hash.hex() == sighting.block_hash == receipt.block_hash.hex()
        and receipt.succeeded == sighting.succeeded
    )
    return stands, head


def job_follow(*, claim: Claim, now: dt.datetime) -> None:
    """Look at an included job again: gone, not deep enough, or final.

    Raises:
        ChainsError: If no node answers.
        LeaseLostError: If the job is no longer ours.
    """
    job = Job.objects.select_related("wallet__chain").get(pk=claim.job_id)
    sighting = sighting_of(job=job)
    if sighting is None:
        message = f"job {job.pk} is included without a sighting"
        raise LookupError(message)
    depth_needed = job.wallet.chain.confirmation_depth
    stands, head = node_ask(chain=job.wallet.chain_id, question=lambda node: _recheck(node, sighting))
    depth = head.number - sighting.block_number + 1
    if not stands:
        _take_back(claim, sighting, depth, now)
    elif depth < depth_needed:
        with job_locked(claim=claim) as job:
            Confirmation.objects.filter(pk=sighting.pk).update(depth=depth)
            job_postpone(job=job, now=now, due_at=now + poll_interval())
    else:
        votes = node_ask_all(chain=job.wallet.chain_id, question=lambda node: _recheck(node, sighting)[0])
        _finish(claim, sighting, depth, votes, now)


def _take_back(claim: Claim, sighting: Confirmation, depth: int, now: dt.datetime) -> None:
    with job_locked(claim=claim) as job:
        Confirmation.objects.filter(pk=sighting.pk).update(status=ConfirmationStatus.REORGED)
        payload = _payload(sighting.transmission.transaction_hash, sighting.block_number, sighting.block_hash, depth)
        message = f"block {sighting.block_number} is no longer part of the chain"
        job_move(job=job, event=JobEvent.REORG, now=now, payload=payload, code="reorg", message=message)


def _finish(claim: Claim, sighting: Confirmation, depth: int, votes: Poll[bool], now: dt.datetime) -> None:
    with job_locked(claim=claim) as job:
        apart = ", ".join(sorted(label for label, stands in votes.answers.items() if not stands))
        if apart or not votes.is_majority:
            message = f"not final: {apart} shows another block {sighting.block_number}"
            if not apart:
                message = (
                    f"not final: no answer from {', '.join(votes.silent)}; more than half of the nodes must agree"
                )
            code, due_at = "nodes_disagree" if apart else "nodes_silent", now + backoff(job.trials)
            job_postpone(job=job, now=now, due_at=due_at, code=code, message=message)
            return
        Confirmation.objects.filter(pk=sighting.pk).update(depth=depth, status=ConfirmationStatus.FINAL)
        payload = _payload(sighting.transmission.transaction_hash, sighting.block_number, sighting.block_hash, depth)
        payload |= {"gas_used": sighting.gas_used, "nodes": sorted(votes.answers), "succeeded": sighting.succeeded}
        if sighting.succeeded:
            job_move(job=job, event=JobEvent.FINALISE, now=now, payload=payload)
        else:
            message = "the transaction was mined and reverted"
            job_move(job=job, event=JobEvent.REVERT, now=now, payload=payload, code="reverted", message=message)
        failpoint("custody.final.before_commit")
    failpoint("custody.final.after_commit")
