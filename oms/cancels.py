"""Cancelling what is signed and not mined: proposed here, consented to at the consent origin, ordered of custody."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction

from approvals.ceremony import consent_parse, consent_record, consent_verify
from approvals.selectors import consent_documents
from audit.services import entry_append
from audit.tags import AuditTag
from chains.errors import ChainsError
from core.consents import Subject, approvers, check_consent
from core.documents.consent import Decision, SubjectType
from core.documents.control import Cancel
from core.errors import CoreError, RefusedError
from core.quorum import describe, is_filled, open_seats
from custody.attempts import signed_fees
from custody.errors import CustodyError
from custody.fees import fees_of_cancel
from custody.lanes import fees_ask
from custody.models import CancelState
from custody.selectors import cancel_of, job_find, transmission_list
from custody.services import CANCELLABLE, cancel_order_create
from oms.errors import RequestRefusedError
from oms.intents import header_new
from oms.models import CancelProposal, ProposalState
from oms.selectors import person_of, request_get
from policies.selectors import policy_active

if TYPE_CHECKING:
    from approvals.models import User
    from core.consents import Voice
    from core.documents.policy import Policy
    from custody.fees import Fees
    from custody.models import Job
    from oms.models import TransactionRequest


@dataclasses.dataclass(frozen=True, kw_only=True)
class CancelSeats:
    """Who has to sign a cancel, who did, and what is open."""

    words: str
    signed_by: tuple[str, ...]
    open_roles: tuple[str, ...]


def proposal_open(*, request: TransactionRequest, now: dt.datetime) -> CancelProposal | None:
    """Return the proposal that people can still consent to, or None."""
    found = CancelProposal.objects.filter(request=request, state=ProposalState.OPEN).first()
    policy = policy_active()
    if found is None or policy is None:
        return None
    lasts = now < found.expires_at and found.policy_digest == policy.digest
    return found if lasts else None


def why_not(*, job: Job | None) -> str:
    """Say why a case cannot be cancelled; empty if it can."""
    if job is None:
        return "Nothing is signed: it was never handed to custody."
    if job.state not in {state.value for state in CANCELLABLE}:
        return f"There is nothing left to cancel: with custody, this case is {job.state}."
    order = cancel_of(job=job)
    if order is not None and order.state != CancelState.FAILED:
        return "Its quorum has spoken already; signers take one cancel for each nonce."
    return ""


def _fees(job: Job) -> Fees:
    suggested: Fees | None
    try:
        suggested = fees_ask(chain=job.wallet.chain_id)
    except ChainsError:
        suggested = None
    try:
        return fees_of_cancel(signed_fees(transmission_list(job=job)), suggested=suggested)
    except ValueError as error:
        raise RequestRefusedError("no_fees", f"{str(error).capitalize()}: try again.") from error


def cancel_propose(*, user: User, reference: str, reason: str, now: dt.datetime) -> CancelProposal:
    """Propose to cancel a request at its nonce. Asks nodes for fees, so not inside a database transaction.

    Args:
        user: Who proposes; on the roster.
        reference: Which request.
        reason: Why, in words; people sign it.
        now: The current time.

    Raises:
        RequestMissingError: If there is no such request for this person.
        RequestRefusedError: If it cannot be cancelled, or the reason cannot be signed.
    """
    request = request_get(user=user, reference=reference)
    policy, job = policy_active(), job_find(intent_digest=request.intent_digest)
    if policy is None or person_of(user=user, policy=policy) is None:
        raise RequestRefusedError("unknown_person", "The policy in force does not name you.")
    refused = why_not(job=job)
    if refused or job is None:
        raise RequestRefusedError("moved_on", refused)
    if not reason.strip():
        raise RequestRefusedError("no_reason", "Say why: those who consent will read it and sign it.")
    fees = _fees(job)
    try:
        document = Cancel(
            header=header_new(Cancel.TYPE, policy.deployment, now=int(now.timestamp())),
            policy=policy.digest,
            intent=request.intent_digest,
            wallet=request.wallet,
            max_fee_per_gas=fees.most,
            max_priority_fee_per_gas=fees.tip,
            reason=reason.strip(),
        )
        document.to_bytes()
    except CoreError as error:
        raise RequestRefusedError("malformed", "The reason takes 280 visible characters, in one line.") from error
    with transaction.atomic():
        if proposal_open(request=request, now=now) is not None:
            raise RequestRefusedError("repeated", "A cancel of this request is proposed already.")
        CancelProposal.objects.filter(request=request, state=ProposalState.OPEN).update(state=ProposalState.EXPIRED)
        return _proposal_store(request, document, user.person_id, now)


def _proposal_store(request: TransactionRequest, document: Cancel, person: str, now: dt.datetime) -> CancelProposal:
    try:
        with transaction.atomic():
            made = CancelProposal.objects.create(
                request=request,
                digest=document.digest,
                document=document.to_bytes().decode(),
                policy_digest=document.policy,
                proposed_by=person,
                proposed_at=now,
                expires_at=dt.datetime.fromtimestamp(document.header.expires, tz=dt.UTC),
            )
    except IntegrityError as error:
        raise RequestRefusedError("repeated", "A cancel of this request is proposed already.") from error
    entry_append(
        actor=person,
        tag=AuditTag.CANCEL_PROPOSED,
        subject=request.intent_digest,
        payload={"cancel": document.digest, "reason": document.reason, "reference": request.reference},
    )
    return made


def subject_of(*, document: Cancel) -> Subject:
    """Return what a consent to a cancel has to be about."""
    return Subject(
        type=SubjectType.CANCEL,
        digest=document.digest,
        policy=document.policy,
        deployment=document.header.deployment,
    )


def _voices(document: Cancel, policy: Policy, now: int) -> list[Voice]:
    voices = []
    for signed in consent_documents(subject=document.digest):
        try:
            voices.append(check_consent(signed, subject_of(document=document), policy, now=now))
        except RefusedError:
            continue
    return voices


def cancel_seats(*, document: Cancel, policy: Policy, now: int) -> CancelSeats:
    """Return how far a cancel's quorum is, for pages. `now` in Unix seconds."""
    seated = approvers(_voices(document, policy, now), barred=frozenset())
    missing = open_seats(policy.controls.cancel, seated)
    return CancelSeats(
        words=describe(policy.controls.cancel),
        signed_by=tuple(dict.fromkeys(one.person.id for one in seated)),
        open_roles=tuple(str(role).replace("_", " ") for role in missing.roles),
    )


def cancel_consent(*, user: User, reference: str, consent_raw: bytes, now: dt.datetime) -> CancelProposal:
    """Take a consent to a proposed cancel, or a rejection; with its quorum filled, order it from custody.

    Args:
        user: Who is signed in; must be who signed.
        reference: Which request.
        consent_raw: The signed consent, JSON.
        now: The current time.

    Raises:
        RequestMissingError: If there is no such request for this person.
        RequestRefusedError: If no cancel is proposed, or it has moved on.
        ConsentRefusedError: If the consent does not hold.
    """
    request = request_get(user=user, reference=reference)
    signed = consent_parse(raw=consent_raw)
    proposal, policy = proposal_open(request=request, now=now), policy_active()
    if proposal is None or policy is None:
        raise RequestRefusedError("moved_on", "No cancel of this request waits for consent; nothing was changed.")
    if signed.statement.decision not in (Decision.APPROVE, Decision.REJECT):
        raise RequestRefusedError("consent_mismatch", "A cancel is approved or rejected.")
    document = Cancel.from_bytes(proposal.document.encode())
    voice = consent_verify(signed=signed, subject=subject_of(document=document), policy=policy, user=user, now=now)
    with transaction.atomic():
        locked = CancelProposal.objects.select_for_update().get(pk=proposal.pk)
        if locked.state != ProposalState.OPEN:
            raise RequestRefusedError("moved_on", f"This cancel is {locked.state} by now; nothing was changed.")
        consent_record(signed=signed, voice=voice, user=user, now=now)
        if signed.statement.decision is Decision.REJECT:
            locked.state = ProposalState.REJECTED
            locked.save(update_fields=["state"])
        else:
            _order(locked, document, policy, now)
    return locked


def _order(proposal: CancelProposal, document: Cancel, policy: Policy, now: dt.datetime) -> None:
    voices = _voices(document, policy, int(now.timestamp()))
    if not is_filled(policy.controls.cancel, approvers(voices, barred=frozenset())):
        return
    try:
        cancel_order_create(
            actor="system:oms",
            document=document,
            consents=tuple(consent_documents(subject=document.digest)),
            now=now,
        )
    except CustodyError as error:
        raise RequestRefusedError("moved_on", f"{str(error).capitalize()}; nothing was changed.") from error
    proposal.state = ProposalState.ORDERED
    proposal.save(update_fields=["state"])
