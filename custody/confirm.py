"""Watching the chain until a job's nonce is proven consumed: by its own bytes, or by others'.

Nothing is final before the chain's depth, nor before its `safe` or `finalized` block where its rule says so. A block
that goes away takes its sighting back, and the same bytes are sent again. What is final is still watched.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from django.utils import timezone

from audit.models import Severity
from audit.services import entry_append
from audit.tags import AuditTag
from chains.reads import node_ask_all
from core.custody_lifecycle import JobEvent
from custody.backoff import backoff
from custody.failpoints import failpoint
from custody.looks import look_at, recheck_at
from custody.machine import Finding, Kind, Standing, end_of, look_judge, recheck_judge
from custody.models import Confirmation, ConfirmationStatus, Job
from custody.proofs import sighting_prove
from custody.selectors import rule_of, sighting_of, transmission_list
from custody.settings import guard_interval, poll_interval
from custody.transitions import ACTOR, Claim, job_locked, job_move, job_postpone

if TYPE_CHECKING:
    from chains.reads import Poll
    from custody.machine import Recheck, Sight
    from custody.models import Transmission

_WORDS = {Kind.PAYMENT: "the payment", Kind.CANCEL: "the cancel"}


def _payload(transaction_hash: str, number: int, block_hash: str, depth: int) -> dict[str, object]:
    return {"block": number, "block_hash": block_hash, "depth": depth, "transaction": transaction_hash}


def _include(claim: Claim, sent: list[Transmission], sight: Sight, now: dt.datetime) -> None:
    transmission = next(one for one in sent if one.transaction_hash == sight.transaction_hash)
    with job_locked(claim=claim) as job:
        Confirmation.objects.create(
            transmission=transmission,
            block_number=sight.block_number,
            block_hash=sight.block_hash,
            succeeded=sight.succeeded,
            gas_used=sight.gas_used,
            gas_price=sight.gas_price,
            depth=sight.depth,
            seen_at=now,
        )
        payload = _payload(sight.transaction_hash, sight.block_number, sight.block_hash, sight.depth)
        job_move(
            job=job, event=JobEvent.INCLUDE, now=now, payload=payload, message=_version_words(sent, transmission)
        )
        failpoint("custody.include.before_commit")
    failpoint("custody.include.after_commit")


def _version_words(sent: list[Transmission], mined: Transmission) -> str:
    """Say which version of the nonce was mined, where there are several."""
    if len(sent) == 1:
        return ""
    words = f"mined by version {sent.index(mined) + 1} of {len(sent)}"
    return f"{words}: the cancel" if mined.kind == Kind.CANCEL else words


def job_observe(*, claim: Claim, now: dt.datetime) -> Finding:
    """Look for a sent job's versions on the chain; included and superseded move the job.

    Raises:
        ChainsError: If no node answers.
        LeaseLostError: If the job is no longer ours.
    """
    job = Job.objects.select_related("wallet__chain").get(pk=claim.job_id)
    sent = transmission_list(job=job)
    rule = rule_of(chain=job.wallet.chain_id)
    seen = node_ask_all(chain=job.wallet.chain_id, question=lambda node: look_at(node, job, sent, rule))
    found = look_judge(seen.answers, silent=len(seen.silent))
    if found.finding is Finding.INCLUDED and found.sight is not None:
        _include(claim, sent, found.sight, now)
    elif found.finding is Finding.SUPERSEDED:
        with job_locked(claim=claim) as job:
            message = f"nonce {sent[0].nonce} was consumed by a transaction that is not ours"
            payload: dict[str, object] = {"nodes": sorted(seen.answers), "nonce": sent[0].nonce}
            job_move(job=job, event=JobEvent.SUPERSEDE, now=now, payload=payload, code="superseded", message=message)
    return found.finding


def _rechecks(sighting: Confirmation, job: Job) -> Poll[Recheck]:
    rule = rule_of(chain=job.wallet.chain_id)
    depth = job.wallet.chain.confirmation_depth
    return node_ask_all(
        chain=job.wallet.chain_id, question=lambda node: recheck_at(node, sighting, rule=rule, depth=depth)
    )


def _sighting(job: Job) -> Confirmation:
    sighting = sighting_of(job=job)
    if sighting is None:
        message = f"job {job.pk} is included without a sighting"
        raise LookupError(message)
    return sighting


def job_follow(*, claim: Claim, now: dt.datetime) -> None:
    """Look at an included job again: gone, not deep enough, or final.

    Raises:
        ChainsError: If no node answers, or none proves the receipt against a header that enough nodes hold.
        LeaseLostError: If the job is no longer ours.
    """
    job = Job.objects.select_related("wallet__chain").get(pk=claim.job_id)
    sighting = _sighting(job)
    votes = _rechecks(sighting, job)
    standing = recheck_judge(votes.answers, silent=len(votes.silent))
    depth = max((one.depth for one in votes.answers.values()), default=1)
    if standing is Standing.GONE:
        _take_back(claim, sighting, depth, now)
    elif standing is Standing.YOUNG:
        with job_locked(claim=claim) as job:
            Confirmation.objects.filter(pk=sighting.pk).update(depth=depth)
            job_postpone(job=job, now=now, due_at=now + poll_interval())
    elif standing is Standing.FINAL:
        evidence = sighting_prove(chain=job.wallet.chain_id, sighting=sighting)
        _finish(claim, sighting, votes, now, depth=depth, evidence=evidence)
    else:
        _not_yet(claim, sighting, votes, now)


def _not_yet(claim: Claim, sighting: Confirmation, votes: Poll[Recheck], now: dt.datetime) -> None:
    apart = ", ".join(sorted(label for label, one in votes.answers.items() if not one.stands))
    code, message = "nodes_disagree", f"not final: {apart} shows another block {sighting.block_number}"
    if not apart:
        code = "nodes_silent"
        message = f"not final: no answer from {', '.join(votes.silent)}; more than half of the nodes must agree"
    with job_locked(claim=claim) as job:
        job_postpone(job=job, now=now, due_at=now + backoff(job.trials), code=code, message=message)


def _take_back(claim: Claim, sighting: Confirmation, depth: int, now: dt.datetime) -> None:
    with job_locked(claim=claim) as job:
        Confirmation.objects.filter(pk=sighting.pk).update(status=ConfirmationStatus.REORGED)
        payload = _payload(sighting.transmission.transaction_hash, sighting.block_number, sighting.block_hash, depth)
        message = f"block {sighting.block_number} is no longer part of the chain: the same bytes are sent again"
        job_move(job=job, event=JobEvent.REORG, now=now, payload=payload, code="reorg", message=message)
        job.transmissions.update(sent_at=None)
        failpoint("custody.reorg.before_commit")
    failpoint("custody.reorg.after_commit")


def _finish(
    claim: Claim, sighting: Confirmation, votes: Poll[Recheck], now: dt.datetime, *, depth: int, evidence: str
) -> None:
    mined = sighting.transmission
    event = end_of(Kind(mined.kind), succeeded=sighting.succeeded)
    with job_locked(claim=claim) as job:
        Confirmation.objects.filter(pk=sighting.pk).update(
            depth=depth, status=ConfirmationStatus.FINAL, final_at=now, evidence=evidence
        )
        payload = _payload(mined.transaction_hash, sighting.block_number, sighting.block_hash, depth)
        payload |= {"gas_used": sighting.gas_used, "nodes": sorted(votes.answers), "succeeded": sighting.succeeded}
        code, message = "", ""
        if event is JobEvent.REVERT:
            code, message = "reverted", "the transaction was mined and reverted"
        elif event is JobEvent.CANCEL:
            code, message = "cancelled", "the cancel was mined: the payment cannot happen any more"
        due_at = now + guard_interval(dt.timedelta(0))
        job_move(job=job, event=event, now=now, payload=payload, code=code, message=message, due_at=due_at)
        failpoint("custody.final.before_commit")
    failpoint("custody.final.after_commit")


def job_guard(*, claim: Claim, now: dt.datetime) -> None:
    """Look at a final job once more, for as long as its chain's rule says; a contradiction is an alarm.

    Raises:
        ChainsError: If no node answers.
        LeaseLostError: If the job is no longer ours.
    """
    job = Job.objects.select_related("wallet__chain").get(pk=claim.job_id)
    sighting = _sighting(job)
    final_for = now - (sighting.final_at or timezone.now())
    if final_for > dt.timedelta(seconds=rule_of(chain=job.wallet.chain_id).guard_seconds):
        with job_locked(claim=claim) as job:
            job.due_at = job.lease_until = None
            job.save(update_fields=["due_at", "lease_until"])
        return
    votes = _rechecks(sighting, job)
    gone = recheck_judge(votes.answers, silent=len(votes.silent)) is Standing.GONE
    with job_locked(claim=claim) as job:
        if gone and sighting.status == ConfirmationStatus.FINAL:
            _contradict(job, sighting, votes)
        job.due_at, job.lease_until = now + guard_interval(final_for), None
        job.save(update_fields=["due_at", "lease_until", "error_code", "error"])


def _contradict(job: Job, sighting: Confirmation, votes: Poll[Recheck]) -> None:
    """Write down that a final block is gone. The state stays: a person has to look at chain, nodes and depth."""
    Confirmation.objects.filter(pk=sighting.pk).update(status=ConfirmationStatus.CONTRADICTED)
    kind = _WORDS[Kind(sighting.transmission.kind)]
    job.error_code = "contradicted"
    job.error = f"after it was final, block {sighting.block_number} with {kind} is no longer part of the chain"
    payload = _payload(
        sighting.transmission.transaction_hash, sighting.block_number, sighting.block_hash, sighting.depth
    )
    entry_append(
        actor=ACTOR,
        tag=AuditTag.ATTEMPT_CONTRADICTED,
        subject=job.intent_digest,
        payload=payload | {"message": job.error, "nodes": sorted(votes.answers)},
        severity=Severity.CRITICAL,
    )
