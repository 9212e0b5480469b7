"""Further versions at a nonce that is signed already: raised fees, and the cancel that people ordered.

Both go to the signer like the first attempt, are stored before they are sent, and are watched beside it.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from audit.models import Severity
from audit.services import entry_append
from audit.tags import AuditTag
from chains.errors import ChainsError
from core.canonical import parse
from core.custody_lifecycle import JobEvent
from core.documents.bundle import CancelCase, Signature
from core.documents.consent import SIGNED_CONSENTS
from core.documents.control import Cancel
from core.documents.mandate import Intent
from custody.backoff import backoff
from custody.errors import SignerWaitsError
from custody.failpoints import failpoint
from custody.fees import Fees, fees_raised
from custody.lanes import fees_ask, lane_advance
from custody.machine import Kind
from custody.models import CancelOrder, CancelState, Job, NonceAssignment, Transmission
from custody.selectors import rule_of, transmission_list
from custody.signing import attempt_fees, bundle_build, signature_store, signer_ask
from custody.transitions import ACTOR, Claim, job_locked, job_move, job_postpone

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.documents.bundle import Bundle
    from custody.answers import Refused

RETRY = dt.timedelta(seconds=60)
"""How long a cancel that was not signed waits; the payment is watched meanwhile."""


def caps_of(job: Job) -> Fees:
    """Return the fee caps that people consented to."""
    intent = Intent.from_bytes(job.intent.encode())
    return Fees(most=intent.max_fee_per_gas, tip=intent.max_priority_fee_per_gas)


def signed_fees(sent: Sequence[Transmission]) -> list[Fees]:
    """Return what the payments among a nonce's versions pay."""
    return [
        Fees(most=one.max_fee_per_gas, tip=one.max_priority_fee_per_gas) for one in sent if one.kind == Kind.PAYMENT
    ]


def can_raise(*, job: Job, sent: Sequence[Transmission]) -> bool:
    """Say whether the consented caps leave room for another attempt, and no cancel outbids it."""
    signed = signed_fees(sent)
    if not signed or len(signed) < len(sent):
        return False
    return fees_raised(signed, caps=caps_of(job), suggested=None) is not None


def _plan(claim: Claim, now: dt.datetime) -> tuple[Job, Fees] | None:
    """Write down what the next attempt pays, unless that was done before; None where the caps leave no room."""
    job = Job.objects.select_related("wallet").get(pk=claim.job_id)
    written = attempt_fees(job)
    if written is not None:
        return job, written
    suggested: Fees | None
    try:
        suggested = fees_ask(chain=job.wallet.chain_id)
    except ChainsError:
        suggested = None
    fees = fees_raised(signed_fees(transmission_list(job=job)), caps=caps_of(job), suggested=suggested)
    if fees is None:
        return None
    with job_locked(claim=claim) as locked:
        locked.attempt_most, locked.attempt_tip = fees.most, fees.tip
        locked.raise_at = rule_of(chain=job.wallet.chain_id).raise_at(now)
        locked.save(update_fields=["attempt_most", "attempt_tip", "raise_at"])
        failpoint("custody.raise.before_commit")
    failpoint("custody.raise.after_commit")
    job.attempt_most, job.attempt_tip = fees.most, fees.tip
    return job, fees


def _nonce(job: Job) -> int:
    return NonceAssignment.objects.get(job=job, released_at__isnull=True).nonce


def job_raise(*, claim: Claim, now: dt.datetime) -> None:
    """Have a version with higher fees signed, at the same nonce, and store it; the next step sends it.

    Raises:
        LeaseLostError: If the job is no longer ours.
    """
    planned = _plan(claim, now)
    if planned is None:
        return
    job, fees = planned
    try:
        bundle = bundle_build(job=job, nonce=_nonce(job), fees=fees, now=now)
        answer = signer_ask(job=job, bundle=bundle, now=now)
    except SignerWaitsError as error:
        _not_raised(claim, error.code, error.message, now)
        return
    if not isinstance(answer, Signature):
        _not_raised(claim, str(answer.code), answer.message, now)
        return
    with job_locked(claim=claim) as job:
        payload = signature_store(job=job, bundle=bundle, signature=answer, now=now)
        said = {"max_fee_per_gas": str(fees.most), "max_priority_fee_per_gas": str(fees.tip)}
        job_move(job=job, event=JobEvent.RAISE, now=now, payload=payload | said, message=_raised_words(fees))
        # What was sent before says nothing about the new version: it goes out with the next step.
        Transmission.objects.filter(job=job).update(sent_at=None)
        failpoint("custody.raise_store.before_commit")
    failpoint("custody.raise_store.after_commit")


def _raised_words(fees: Fees) -> str:
    return f"not mined in time: signed again with {_gwei(fees.most)} gwei for each gas (tip {_gwei(fees.tip)})"


def _gwei(fee: int) -> str:
    whole, rest = divmod(fee, 10**9)
    return f"{whole}.{rest:09d}".rstrip("0").rstrip(".")


def _not_raised(claim: Claim, code: str, message: str, now: dt.datetime) -> None:
    """The versions that are there stay valid and are sent on; the raise is tried again after its time."""
    with job_locked(claim=claim) as job:
        job.raise_at = rule_of(chain=job.wallet.chain_id).raise_at(now)
        job.save(update_fields=["raise_at"])
        words = f"fees were not raised: {message}"
        job_postpone(job=job, now=now, due_at=now + backoff(job.trials), code=f"raise_{code}"[:64], message=words)


def cancel_due(*, job: Job, now: dt.datetime) -> CancelOrder | None:
    """Return the cancel that has to be signed now, or None."""
    ordered = CancelOrder.objects.filter(job=job, state=CancelState.ORDERED, retry_at__lte=now)
    return ordered.order_by("pk").first()


def _case_of(order: CancelOrder) -> CancelCase:
    return CancelCase(
        document=Cancel.from_bytes(order.document.encode()),
        consents=SIGNED_CONSENTS.read(parse(order.consents.encode()), "consents"),
    )


def job_cancel(*, claim: Claim, order: CancelOrder, now: dt.datetime) -> None:
    """Have the ordered cancel of a job signed and store it; the next step sends it.

    Raises:
        LeaseLostError: If the job is no longer ours.
    """
    job = Job.objects.select_related("wallet").get(pk=claim.job_id)
    case = _case_of(order)
    if int(now.timestamp()) >= case.document.header.expires:
        _not_cancelled(claim, order, "the cancel has expired before it was signed", now, over=True)
        return
    fees = Fees(most=case.document.max_fee_per_gas, tip=case.document.max_priority_fee_per_gas)
    try:
        bundle = bundle_build(job=job, nonce=_nonce(job), fees=fees, cancel=case, now=now)
        answer = signer_ask(job=job, bundle=bundle, now=now)
    except SignerWaitsError as error:
        _not_cancelled(claim, order, error.message, now)
        return
    if not isinstance(answer, Signature):
        _not_cancelled(claim, order, _refusal(answer), now)
        return
    _cancel_store(claim, order, bundle, answer, now)
    lane_advance(wallet_id=job.wallet_id, now=now)


def _refusal(answer: Refused) -> str:
    return f"{answer.code}: {answer.message}"


def _cancel_store(claim: Claim, order: CancelOrder, bundle: Bundle, answer: Signature, now: dt.datetime) -> None:
    with job_locked(claim=claim) as job:
        payload = signature_store(job=job, bundle=bundle, signature=answer, now=now)
        CancelOrder.objects.filter(pk=order.pk).update(state=CancelState.SIGNED, error="")
        message = f"a cancel of nonce {bundle.attempt.nonce} is signed: whichever is mined first counts"
        job_move(
            job=job, event=JobEvent.SIGN_CANCEL, now=now, payload=payload | {"cancel": order.digest}, message=message
        )
        Transmission.objects.filter(job=job).update(sent_at=None)
        failpoint("custody.cancel_store.before_commit")
    failpoint("custody.cancel_store.after_commit")


def _not_cancelled(claim: Claim, order: CancelOrder, why: str, now: dt.datetime, *, over: bool = False) -> None:
    """Keep the order for another try: a courier may report what it likes. Once expired, it has failed."""
    with job_locked(claim=claim) as job:
        news = order.error != why[:400]
        order.error, order.retry_at = why[:400], now + RETRY
        order.state = CancelState.FAILED if over else CancelState.ORDERED
        order.save(update_fields=["error", "retry_at", "state"])
        if news or over:
            entry_append(
                actor=ACTOR,
                tag=AuditTag.CANCEL_FAILED,
                subject=job.intent_digest,
                payload={"cancel": order.digest, "over": over, "why": order.error},
                severity=Severity.ALARM,
            )
        job_postpone(job=job, now=now, due_at=now)
