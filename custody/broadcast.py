"""Sending stored bytes to nodes, again and again until they are seen: the same bytes, never others.

"Already known" is success. A time-out is ambiguous, never failure. A node's refusal is kept and shown, but does not
end the job: whoever holds the bytes can send them elsewhere, so only the chain says how it ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from audit.services import entry_append
from audit.tags import AuditTag
from chains.errors import AmbiguousSendError, NodeDownError, NodeRefusalError, WrongChainError
from chains.reads import node_open
from chains.selectors import node_list_usable
from chains.services import node_stop
from core.custody_lifecycle import JobEvent, JobState
from core.documents.mandate import Intent
from custody.backoff import backoff
from custody.failpoints import failpoint
from custody.machine import Kind, sends_of
from custody.models import BroadcastAttempt, BroadcastOutcome, Job, Transmission
from custody.selectors import rule_of, transmission_list
from custody.settings import poll_interval
from custody.transitions import ACTOR, Claim, job_locked, job_move, job_postpone

if TYPE_CHECKING:
    import datetime as dt

    from chains.models import Node

PERHAPS_SENT = frozenset({BroadcastOutcome.ACCEPTED, BroadcastOutcome.KNOWN, BroadcastOutcome.AMBIGUOUS})


_TRANSFER = bytes.fromhex("a9059cbb")
"""ERC-20 `transfer(address,uint256)`."""


def trades(intent: Intent) -> bool:
    """Whether an intent calls a contract for more than moving a token: others could run ahead of it."""
    return bool(intent.data) and intent.data[:4] != _TRANSFER and intent.to != intent.sender


def nodes_to_send(*, job: Job) -> tuple[list[Node], str]:
    """Return the nodes that are sent a job's bytes, and what is wrong if there are none.

    What trades goes to the chain's private nodes alone, where its rule names any; never to all because they are away.
    """
    usable = node_list_usable(chain=job.wallet.chain_id)
    private = rule_of(chain=job.wallet.chain_id).private_labels
    if not private or not trades(Intent.from_bytes(job.intent.encode())):
        return usable, "no usable node"
    chosen = [node for node in usable if node.label in private]
    return chosen, f"none of the private nodes ({', '.join(sorted(private))}) can be used"


def _send(node: Node, transmission: Transmission) -> tuple[BroadcastOutcome, str]:
    """Send once to one node, and say what came of it."""
    try:
        with node_open(node=node) as client:
            outcome = client.send(bytes(transmission.raw), bytes.fromhex(transmission.transaction_hash))
    except WrongChainError as error:
        node_stop(node_id=node.pk, reason=error.message)
        return BroadcastOutcome.WRONG_CHAIN, error.message
    except NodeDownError as error:
        return BroadcastOutcome.DOWN, error.message
    except NodeRefusalError as error:
        return BroadcastOutcome.REFUSED, error.message
    except AmbiguousSendError as error:
        return BroadcastOutcome.AMBIGUOUS, error.message
    return BroadcastOutcome(outcome.value), ""


def _attempt(claim: Claim, node: Node, transmission: Transmission, now: dt.datetime) -> BroadcastAttempt:
    """Send a transmission to a node; the attempt is on record before the first byte leaves."""
    with job_locked(claim=claim):
        attempt = BroadcastAttempt.objects.create(transmission=transmission, node=node.label, started_at=now)
        failpoint("custody.send.before_commit")
    failpoint("custody.send.after_commit")
    outcome, message = _send(node, transmission)
    failpoint("custody.send.after_send")
    earlier = BroadcastAttempt.objects.filter(transmission=transmission, node=node.label).exclude(pk=attempt.pk)
    with job_locked(claim=claim) as job:
        news = not earlier.filter(outcome=outcome).exists()
        attempt.outcome, attempt.message = outcome, message
        attempt.save(update_fields=["outcome", "message"])
        if news:
            payload: dict[str, object] = {
                "message": message,
                "node": node.label,
                "outcome": outcome.value,
                "transaction": transmission.transaction_hash,
            }
            entry_append(actor=ACTOR, tag=AuditTag.ATTEMPT_SENT, subject=job.intent_digest, payload=payload)
        failpoint("custody.sent.before_commit")
    failpoint("custody.sent.after_commit")
    return attempt


def job_broadcast(*, claim: Claim, now: dt.datetime) -> None:
    """Send all of a signed job's bytes to every node that may have them.

    Raises:
        LeaseLostError: If the job is no longer ours.
    """
    job = Job.objects.select_related("wallet").get(pk=claim.job_id)
    nodes, missing = nodes_to_send(job=job)
    stored = transmission_list(job=job)
    chosen = sends_of([(one.transaction_hash, Kind(one.kind)) for one in stored], state=JobState(job.state))
    sent = [one for one in stored if one.transaction_hash in chosen]
    attempts = [_attempt(claim, node, transmission, now) for transmission in sent for node in nodes]
    perhaps = any(attempt.outcome in PERHAPS_SENT for attempt in attempts)
    with job_locked(claim=claim) as job:
        if perhaps:
            Transmission.objects.filter(job=job).update(sent_at=now)
        if perhaps and job.state == JobState.SIGNED:
            payload: dict[str, object] = {
                "nodes": sorted({a.node for a in attempts if a.outcome in PERHAPS_SENT}),
                "transactions": [transmission.transaction_hash for transmission in sent],
            }
            job_move(job=job, event=JobEvent.SEND, now=now, payload=payload)
            failpoint("custody.live.before_commit")
        elif perhaps:
            job_postpone(job=job, now=now, due_at=now + poll_interval())
        else:
            reasons = "; ".join(f"{a.node}: {a.message or a.outcome}" for a in attempts) or missing
            job_postpone(job=job, now=now, due_at=now + backoff(job.trials), code="unsent", message=reasons)
    failpoint("custody.live.after_commit")
