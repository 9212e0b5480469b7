"""From a pinned nonce to stored signed bytes: build the bundle, ask the signer, check, store.

Killed anywhere, the same intent goes to the same signer at the same nonce again: the signer journals before it signs
and answers a repetition with the signature that it has. Fees are written down before the signer is asked for them.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import secrets
from typing import TYPE_CHECKING

from audit.services import entry_append
from audit.tags import AuditTag
from chains.attesters import AttestersError, attestations_for_signing
from chains.guards import outside_transaction
from core.canonical import parse
from core.custody_lifecycle import JobEvent, JobState
from core.documents.base import VERSION, Header
from core.documents.bundle import Attempt, Bundle, Signature
from core.documents.consent import SIGNED_CONSENTS
from core.documents.mandate import Intent, Mandate
from core.errors import Refusal
from custody.answers import Refused, read_signature, read_status, sign_frame, status_frame
from custody.backoff import backoff
from custody.errors import SignerWaitsError
from custody.failpoints import failpoint
from custody.fees import Fees
from custody.lanes import doubts_wake, lane_advance, nonce_release
from custody.leases import lease_forget
from custody.log_proofs import CODE as LOG_CODE
from custody.log_proofs import bundle_with_log
from custody.machine import Kind
from custody.models import Job, NonceAssignment, Transmission
from custody.nonces import LaneStatus, Reading, refusal_read
from custody.parties.carry import party_lane, party_sign
from custody.parties.group import PartiesWaitError
from custody.ports import signer_port
from custody.selectors import rule_of
from custody.transitions import ACTOR, Claim, job_locked, job_move, job_postpone

if TYPE_CHECKING:
    from core.documents.bundle import CancelCase, SignedAttestation

BUNDLE_SECONDS = 600
LOG_INTERVAL = dt.timedelta(milliseconds=500)
LEASE_INTERVAL = dt.timedelta(seconds=1)


def bundle_build(
    *, job: Job, nonce: int, now: dt.datetime, fees: Fees | None = None, cancel: CancelCase | None = None
) -> Bundle:
    """Put the case together from the stored documents.

    Args:
        job: The job.
        nonce: The pinned nonce.
        now: The current time.
        fees: Of this attempt; None for the job's own that are written down, or else the consented caps.
        cancel: Asks for the cancelling self-send at that nonce instead.

    Raises:
        SignerWaitsError: While the log does not prove yet what the case rests on, or too few attesters answer.
    """
    mandate = Mandate.from_bytes(job.mandate.encode())
    intent = Intent.from_bytes(job.intent.encode())
    paid = fees or attempt_fees(job) or Fees(most=intent.max_fee_per_gas, tip=intent.max_priority_fee_per_gas)
    created = int(now.timestamp())
    bundle = Bundle(
        header=Header(
            type=Bundle.TYPE,
            version=VERSION,
            deployment=mandate.header.deployment,
            id=secrets.token_hex(16),
            created=created,
            expires=created + BUNDLE_SECONDS,
        ),
        policy=job.policy_digest if cancel is None else cancel.document.policy,
        mandate=mandate,
        intent=intent,
        attempt=Attempt(nonce=nonce, max_fee_per_gas=paid.most, max_priority_fee_per_gas=paid.tip),
        consents=SIGNED_CONSENTS.read(parse(job.consents.encode()), "consents"),
        attestations=(),
        cancel=cancel,
    )
    bundle = bundle_with_log(bundle=bundle)
    # Attesters last, when nothing else is waited for.
    return bundle if cancel is not None else dataclasses.replace(bundle, attestations=_attested(intent))


def _attested(intent: Intent) -> tuple[SignedAttestation, ...]:
    """Ask attesters as late as can be: what they sign lasts minutes.

    Raises:
        SignerWaitsError: If too few answer: a signer that is asked without them refuses for good.
    """
    try:
        return attestations_for_signing(intent=intent)
    except AttestersError as error:
        raise SignerWaitsError("attesters", str(error)) from error


def attempt_fees(job: Job) -> Fees | None:
    """Return the fees of the attempt that is being asked for, or None where none is written down."""
    if job.attempt_most is None or job.attempt_tip is None:
        return None
    return Fees(most=job.attempt_most, tip=job.attempt_tip)


def _someone(job: Job) -> None:
    """Refuse to guess whom to ask.

    Raises:
        SignerWaitsError: If the wallet's row does not name its signers properly.
    """
    if not job.wallet.asked:
        code = "wallet"
        raise SignerWaitsError(code, f"the row of wallet {job.wallet.label} does not name its signers properly")


def signer_ask(*, job: Job, bundle: Bundle, now: dt.datetime) -> Signature | Refused:
    """Hand a case to the wallet's signer, or to its parties, and check what comes back.

    Raises:
        SignerWaitsError: If there is no decision.
        SignerAnswerError: If the bytes are anything else than what was asked for.
    """
    outside_transaction("a signer asked")
    _someone(job)
    failpoint("custody.sign.before_request")
    if job.wallet.is_shared:
        answer = party_sign(wallet=job.wallet, bundle=bundle, now=now)
    else:
        answer = read_signature(signer_port().request(job.wallet.asked[0], sign_frame(bundle)), bundle=bundle)
    failpoint("custody.sign.after_answer")
    return answer


def lane_status(*, job: Job) -> LaneStatus:
    """Ask the wallet's signer, or its parties, where its lane stands. By the same courier: it proves nothing.

    Raises:
        SignerWaitsError: If there is no usable answer.
    """
    outside_transaction("a signer asked")
    _someone(job)
    if job.wallet.is_shared:
        return party_lane(wallet=job.wallet, intent=job.intent_digest)
    return read_status(signer_port().request(job.wallet.asked[0], status_frame()), wallet=job.wallet_id)


def _ask(job: Job, bundle: Bundle, now: dt.datetime) -> Signature | Refused:
    """Ask the signer, and hold a refusal against its own lane.

    Raises:
        SignerWaitsError: If there is no decision, or our nonces are not the signer's.
    """
    answer = signer_ask(job=job, bundle=bundle, now=now)
    if isinstance(answer, Signature):
        return answer
    lane, nonce = lane_status(job=job), bundle.attempt.nonce
    reading = refusal_read(answer.code, lane=lane, nonce=nonce, intent=job.intent_digest)
    if reading is Reading.HELD:
        message = f"refused now ({answer.code}: {answer.message}), but nonce {nonce} holds this intent already"
        raise SignerWaitsError("held", message)
    if reading is Reading.MISMATCH:
        message = f"{answer.message}; the signer's next nonce is {lane.next_nonce}, ours is {nonce}"
        raise SignerWaitsError("lane_mismatch", message)
    return answer


def signature_store(*, job: Job, bundle: Bundle, signature: Signature, now: dt.datetime) -> dict[str, object]:
    """Store signed bytes of a locked job, before they are sent anywhere; the caller moves the job along.

    Returns:
        What the audit entries of this say.
    """
    kind = Kind.PAYMENT if bundle.cancel is None else Kind.CANCEL
    transaction_hash = signature.transaction_hash.hex()
    text = bundle.to_bytes().decode()
    Transmission.objects.get_or_create(
        transaction_hash=transaction_hash,
        defaults={
            "job": job,
            "kind": kind.value,
            "raw": signature.raw,
            "bundle": text,
            "nonce": bundle.attempt.nonce,
            "max_fee_per_gas": bundle.attempt.max_fee_per_gas,
            "max_priority_fee_per_gas": bundle.attempt.max_priority_fee_per_gas,
            "stored_at": now,
        },
    )
    if job.signed_at is None:
        job.bundle, job.signed_at = text, now
    if kind is Kind.PAYMENT:
        job.attempt_most = job.attempt_tip = None
    job.raise_at = rule_of(chain=job.wallet.chain_id).raise_at(now)
    payload: dict[str, object] = {
        "bundle": bundle.digest,
        "kind": kind.value,
        "nonce": bundle.attempt.nonce,
        "repeated": signature.repeated,
        "signer": signature.signer,
        "transaction": transaction_hash,
    }
    entry_append(actor=ACTOR, tag=AuditTag.ATTEMPT_STORED, subject=job.intent_digest, payload=payload)
    return payload


def _refused_words(answer: Refused, nonce: int) -> str:
    return (
        f"{answer.message}. The courier reports this refusal, and the signer's status fits it; a proof it is not. "
        f"The case ends once other bytes are signed at nonce {nonce}, or once it has expired."
    )


def job_sign(*, claim: Claim, now: dt.datetime) -> None:
    """Ask the signer for a pinned job's signature and store it; or note its refusal; or let it wait.

    Raises:
        LeaseLostError: If the job is no longer ours.
        LaneError: If a refused nonce cannot be given back.
    """
    job = Job.objects.select_related("wallet").get(pk=claim.job_id)
    nonce = NonceAssignment.objects.get(job=job, released_at__isnull=True).nonce
    try:
        bundle = bundle_build(job=job, nonce=nonce, now=now)
        answer = _ask(job, bundle, now)
    except SignerWaitsError as error:
        _wait(claim, error, now)
        return
    with job_locked(claim=claim) as job:
        if isinstance(answer, Signature):
            payload = signature_store(job=job, bundle=bundle, signature=answer, now=now)
            job_move(job=job, event=JobEvent.SIGN, now=now, payload=payload)
            failpoint("custody.store.before_commit")
        else:
            nonce_release(job=job, now=now)
            job_move(
                job=job,
                event=JobEvent.SIGNER_REFUSES,
                now=now,
                payload={"nonce": nonce},
                code=answer.code.value,
                message=_refused_words(answer, nonce),
            )
    failpoint("custody.store.after_commit")
    lane_advance(wallet_id=job.wallet_id, now=now)
    doubts_wake(wallet_id=job.wallet_id, now=now)


def _without_lease(job: Job, error: SignerWaitsError) -> list[str]:
    """Return who says that it has no lease: the others' need no asking."""
    if isinstance(error, PartiesWaitError):
        return [name for name, no in error.outcome.refusals.items() if no.code == Refusal.LEASE]
    return list(job.wallet.asked)


def _wait(claim: Claim, error: SignerWaitsError, now: dt.datetime) -> None:
    with job_locked(claim=claim) as job:
        if error.code == LOG_CODE:
            # Every case waits for the log for a moment: that is no trouble, and what keeps it long alarms by itself.
            soon, words = now + LOG_INTERVAL, error.message
            job_postpone(job=job, now=now, due_at=soon, code=error.code, message=words, loud=False)
            return
        due_at = now + backoff(job.trials)
        if error.code == Refusal.LEASE:
            for name in _without_lease(job, error):
                lease_forget(signer=name)
        if error.code in (Refusal.LEASE, Refusal.INCLUSION):
            due_at = now + LEASE_INTERVAL
        if job.state == JobState.PINNED:
            payload: dict[str, object] = {"signers": job.wallet.signers}
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
    if error.code == "lane_mismatch":
        doubts_wake(wallet_id=job.wallet_id, now=now)
