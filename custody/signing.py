"""From a pinned nonce to stored signed bytes: build the bundle, ask the signer, check, store.

Killed anywhere, the same intent goes to the same signer at the same nonce again: the signer journals before it signs
and answers a repetition with the signature that it has.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from audit.services import entry_append
from audit.tags import AuditTag
from chains.guards import outside_transaction
from core.canonical import parse
from core.custody_lifecycle import JobEvent, JobState
from core.documents.base import VERSION, Header
from core.documents.bundle import Attempt, Bundle, Signature
from core.documents.consent import SIGNED_CONSENTS
from core.documents.mandate import Intent, Mandate
from custody.answers import LANE_MISMATCH, Refused, read_signature, read_status, sign_frame, status_frame
from custody.backoff import backoff
from custody.errors import SignerWaitsError
from custody.failpoints import failpoint
from custody.lanes import lane_advance, nonce_release
from custody.models import Job, NonceAssignment, Transmission
from custody.ports import signer_port
from custody.transitions import ACTOR, Claim, job_locked, job_move, job_postpone

if TYPE_CHECKING:
    import datetime as dt

BUNDLE_SECONDS = 600


def bundle_build(*, job: Job, nonce: int, now: dt.datetime) -> Bundle:
    """Put the case together from the stored documents.

    Args:
        job: The job.
        nonce: The pinned nonce.
        now: The current time.
    """
    mandate = Mandate.from_bytes(job.mandate.encode())
    intent = Intent.from_bytes(job.intent.encode())
    created = int(now.timestamp())
    return Bundle(
        header=Header(
            type=Bundle.TYPE,
            version=VERSION,
            deployment=mandate.header.deployment,
            id=secrets.token_hex(16),
            created=created,
            expires=created + BUNDLE_SECONDS,
        ),
        policy=job.policy_digest,
        mandate=mandate,
        intent=intent,
        # The consented caps are the attempt's fees: nothing that a node says moves them.
        attempt=Attempt(
            nonce=nonce,
            max_fee_per_gas=intent.max_fee_per_gas,
            max_priority_fee_per_gas=intent.max_priority_fee_per_gas,
        ),
        consents=SIGNED_CONSENTS.read(parse(job.consents.encode()), "consents"),
        attestations=(),
        cancel=None,
    )


def _ask(job: Job, bundle: Bundle) -> Signature | Refused:
    """Ask the signer, and make sure that a refusal is one that used up nothing.

    Raises:
        SignerWaitsError: If there is no decision, or our nonces are not the signer's.
    """
    outside_transaction("a signer asked")
    port = signer_port()
    failpoint("custody.sign.before_request")
    answer = read_signature(
        port.request(job.wallet.signer, sign_frame(bundle)), intent=bundle.intent, attempt=bundle.attempt
    )
    failpoint("custody.sign.after_answer")
    if isinstance(answer, Signature):
        return answer
    lane = read_status(port.request(job.wallet.signer, status_frame()), wallet=job.wallet_id)
    nonce = bundle.attempt.nonce
    if lane.held.get(nonce) == job.intent_digest:
        # Journalled is signed, for ever: somebody may hold these bytes, so the case cannot end as refused.
        message = f"refused now ({answer.code}: {answer.message}), but nonce {nonce} holds this intent already"
        raise SignerWaitsError("held", message)
    if lane.next_nonce > nonce or answer.code in LANE_MISMATCH:
        message = f"{answer.message}; the signer's next nonce is {lane.next_nonce}, ours is {nonce}"
        raise SignerWaitsError("lane_mismatch", message)
    return answer


def _store(job: Job, bundle: Bundle, signature: Signature, now: dt.datetime) -> None:
    transaction_hash = signature.transaction_hash.hex()
    Transmission.objects.create(
        job=job,
        transaction_hash=transaction_hash,
        raw=signature.raw,
        nonce=bundle.attempt.nonce,
        max_fee_per_gas=bundle.attempt.max_fee_per_gas,
        max_priority_fee_per_gas=bundle.attempt.max_priority_fee_per_gas,
        stored_at=now,
    )
    job.bundle = bundle.to_bytes().decode()
    job.signed_at = now
    payload: dict[str, object] = {
        "bundle": bundle.digest,
        "nonce": bundle.attempt.nonce,
        "repeated": signature.repeated,
        "signer": signature.signer,
        "transaction": transaction_hash,
    }
    entry_append(actor=ACTOR, tag=AuditTag.ATTEMPT_STORED, subject=job.intent_digest, payload=payload)
    job_move(job=job, event=JobEvent.SIGN, now=now, payload=payload)
    failpoint("custody.store.before_commit")


def job_sign(*, claim: Claim, now: dt.datetime) -> None:
    """Ask the signer for a pinned job's signature and store it; or end the job as refused; or let it wait.

    Raises:
        LeaseLostError: If the job is no longer ours.
        LaneError: If a refused nonce cannot be given back.
    """
    job = Job.objects.select_related("wallet").get(pk=claim.job_id)
    nonce = NonceAssignment.objects.get(job=job, released_at__isnull=True).nonce
    bundle = bundle_build(job=job, nonce=nonce, now=now)
    try:
        answer = _ask(job, bundle)
    except SignerWaitsError as error:
        _wait(claim, error, now)
        return
    with job_locked(claim=claim) as job:
        if isinstance(answer, Signature):
            _store(job, bundle, answer, now)
        else:
            nonce_release(job=job, now=now)
            job_move(
                job=job,
                event=JobEvent.SIGNER_REFUSES,
                now=now,
                payload={"nonce": nonce},
                code=answer.code.value,
                message=answer.message,
            )
    failpoint("custody.store.after_commit")
    lane_advance(wallet_id=job.wallet_id, now=now)


def _wait(claim: Claim, error: SignerWaitsError, now: dt.datetime) -> None:
    with job_locked(claim=claim) as job:
        due_at = now + backoff(job.trials)
        if job.state == JobState.PINNED:
            payload: dict[str, object] = {"signer": job.wallet.signer}
            job_move(
                job=job,
                event=JobEvent.SIGNER_WAITS,
                now=now,
                payload=payload,
                code=error.code,
                message=error.message,
                due_at=due_at,
            )
        else:
            job_postpone(job=job, now=now, due_at=due_at, code=error.code, message=error.message)
