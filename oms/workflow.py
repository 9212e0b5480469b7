"""Where a request goes next: after the decision, after each consent, after the re-check, and as custody reports."""

from __future__ import annotations

import dataclasses
from enum import Enum
from typing import TYPE_CHECKING

from django.db import transaction

from approvals.selectors import consent_documents
from audit.models import Severity
from audit.services import entry_append
from audit.tags import AuditTag
from core.certificate import certificate_size
from core.custody_lifecycle import JobEvent
from core.documents.mandate import Mandate, SingleOrder
from core.lifecycle import Event, State
from custody.errors import CustodyError
from custody.key_brake import suspension
from custody.selectors import key_find, wallet_find
from custody.services import job_create
from oms.evidence import evidence_gather
from oms.holds import is_held
from oms.models import TransactionRequest
from oms.selectors import first_use, is_filled, seats_of
from oms.transitions import NOTE_MOST, request_lock, request_move
from policies.inflight import newest_word
from policies.proposals import signer_behind
from policies.selectors import policy_active

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from core.documents.mandate import Intent
    from core.registry import Fact
    from custody.models import Wallet
    from custody.ports import JobChange
    from oms.evidence import Evidence
    from oms.selectors import NewestSeats, Seats

ACTOR = "system:oms"

_FOLLOWS: dict[JobEvent, Event] = {
    JobEvent.SIGNER_WAITS: Event.SIGNER_WAITS,
    JobEvent.SIGNER_REFUSES: Event.SIGNER_DOUBTED,
    JobEvent.SETTLE_REFUSAL: Event.SIGNER_REFUSES,
    JobEvent.REOPEN: Event.SIGNER_WAITS,
    JobEvent.YIELD: Event.SIGNER_WAITS,
    JobEvent.SIGN: Event.SIGN,
    JobEvent.SIGN_CANCEL: Event.SIGN_CANCEL,
    JobEvent.RAISE: Event.RAISE,
    JobEvent.SEND: Event.SEND,
    JobEvent.INCLUDE: Event.INCLUDE,
    JobEvent.REORG: Event.REORG,
    JobEvent.FINALISE: Event.FINALISE,
    JobEvent.REVERT: Event.REVERT,
    JobEvent.SUPERSEDE: Event.SUPERSEDE,
    JobEvent.CANCEL: Event.CANCEL,
}
"""What a job's step means for its request. Pinning a nonce is custody's own affair."""


def intent_of(mandate: Mandate) -> Intent:
    """Return the one intent of a mandate.

    Raises:
        TypeError: For a parent order, which `oms.services` has refused before.
    """
    if not isinstance(mandate.order, SingleOrder):
        msg = "a single intent was expected"
        raise TypeError(msg)
    return mandate.order.intent


def request_route(*, request: TransactionRequest, now: dt.datetime) -> None:
    """Approve a locked, pending request once every seat is filled."""
    seats = seats_of(request=request, now=int(now.timestamp()))
    if State(request.state) is not State.PENDING:
        return
    if seats.newest is not None and not seats.newest.allowed:
        request_move(request=request, event=Event.BLOCK, actor=ACTOR, now=now, note=_denied(seats.newest))
    elif seats.filled:
        names = ", ".join(sorted(seats.approved_by))
        request_move(request=request, event=Event.FILL, actor=ACTOR, now=now, note=f"approved by {names}")


def _denied(newest: NewestSeats) -> str:
    why = "; ".join(newest.reasons) or "no grant matches"
    return f"Policy {newest.number} came into force since this was asked, and does not allow it: {why}"[:NOTE_MOST]


def _under_newest(seats: Seats) -> str:
    """Say why an approved request cannot go on under the version in force; empty if it can."""
    if policy_active() is None:
        return "No policy is in force."
    newest = seats.newest
    if newest is not None and not newest.allowed:
        return _denied(newest)
    if newest is not None and not newest.filled:
        words = f"Policy {newest.number} came into force since this was approved, and takes {newest.words}"
        return f"{words}: please ask again under it."[:NOTE_MOST]
    if not seats.filled:
        return "Somebody who approved this no longer counts: please ask again."
    return ""


def _changed(case: _Rechecked, claims: Mapping[str, Fact]) -> str:
    """Say why what is known now sends the case back to people; empty if it does not.

    Prices and effects move while people think. Rules that would deny the case by now would make a signer refuse it
    for good; rules that ask for more people by now would leave it short of them.
    """
    now = int(case.now.timestamp())
    attested = case.evidence.attested.facts
    word = newest_word(
        mandate=case.mandate, intent=case.intent, claims=claims, now=now, attested=attested, always=True
    )
    if word is None:
        return ""
    if not word.allowed:
        return f"By what is known now it is not allowed any more: {'; '.join(word.reasons)}"[:NOTE_MOST]
    if not is_filled(request=case.request, mandate=case.mandate, word=word):
        return "By what is known now it takes more people than approved it: please ask again."
    return ""


def _wait(request: TransactionRequest, why: str) -> bool:
    """Let an approved request wait and say why, once."""
    if request.sub_status != why[:NOTE_MOST]:
        request.sub_status = why[:NOTE_MOST]
        request.save(update_fields=["sub_status"])
        entry_append(
            actor=ACTOR,
            tag=AuditTag.REQUEST_STUCK,
            subject=request.intent_digest,
            payload={"why": request.sub_status},
            severity=Severity.WARNING,
        )
    return False


def request_reconsider(*, reference: str, now: dt.datetime) -> bool:
    """Look at a pending request again, because another version came into force; whether it moved."""
    with transaction.atomic():
        request = request_lock(reference=reference)
        before = request.state
        request_route(request=request, now=now)
        return request.state != before


def request_recheck(*, reference: str, now: dt.datetime) -> bool:
    """Check an approved request once more on fresh state and hand it to custody; asks nodes, so no open transaction.

    Args:
        reference: Which request.
        now: The current time.

    Returns:
        Whether it moved. Without a simulation it waits and says why.
    """
    request = TransactionRequest.objects.get(reference=reference)
    mandate = Mandate.from_bytes(request.mandate_text.encode())
    intent = intent_of(mandate)
    # The attesters that count now are those of the version in force; signers hear those of the case's own as well.
    policy = policy_active()
    evidence = evidence_gather(intent=intent, policy=policy, now=int(now.timestamp()))
    wallet = wallet_find(caip10=intent.wallet)
    with transaction.atomic():
        request = request_lock(reference=reference)
        if State(request.state) is not State.APPROVED or is_held(request=request):
            return False
        case = _Rechecked(request=request, mandate=mandate, intent=intent, evidence=evidence, now=now)
        verdict, why = _verdict(case, wallet)
        if verdict is _Verdict.WAIT:
            return _wait(request, why)
        if verdict is _Verdict.BLOCK:
            request_move(request=request, event=Event.BLOCK, actor=ACTOR, now=now, note=why)
            return True
        return _hand_over(request, mandate, intent, now)


class _Verdict(Enum):
    """What comes of a case that was looked at once more."""

    GO = "go"
    WAIT = "wait"
    BLOCK = "block"


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Rechecked:
    """An approved case, and what is known about it now."""

    request: TransactionRequest
    mandate: Mandate
    intent: Intent
    evidence: Evidence
    now: dt.datetime


def _verdict(case: _Rechecked, wallet: Wallet | None) -> tuple[_Verdict, str]:
    """Say whether an approved case goes to its signer now, and why not."""
    request, evidence, simulation = case.request, case.evidence, case.evidence.simulation
    claims = evidence.claims(first_use=first_use(chain=request.chain, destination=request.destination))
    # What could not be simulated waits below: here only what the version in force says of it for sure.
    known = None if simulation is None or evidence.missing else claims
    attested = None if known is None else evidence.attested.facts
    seats = seats_of(request=request, claims=known, now=int(case.now.timestamp()), attested=attested)
    why = _under_newest(seats)
    if why:
        return _Verdict.BLOCK, why
    if simulation is None or evidence.missing:
        return _Verdict.WAIT, evidence.problem or evidence.missing
    if not simulation.succeeded:
        return _Verdict.BLOCK, f"Simulated again before signing, it would fail: {simulation.reason}"
    why = _changed(case, claims)
    if why:
        return _Verdict.BLOCK, why
    held_back = suspension(key=key_find(wallet=request.wallet))
    if held_back:
        return _Verdict.WAIT, f"Waits: {held_back}."
    behind = "" if wallet is None else _signers_behind(wallet, request.policy_digest, case.now)
    return (_Verdict.WAIT, f"Waits: {behind}.") if behind else (_Verdict.GO, "")


def _signers_behind(wallet: Wallet, digest: str, now: dt.datetime) -> str:
    """Say why too few signers of a wallet have taken the version yet, or nothing: they would refuse it for good."""
    behind = [why for name in wallet.asked if (why := signer_behind(signer=name, digest=digest, now=now))]
    spare = len(wallet.asked) - certificate_size(len(wallet.asked), wallet.threshold)
    return "; ".join(behind) if len(behind) > spare else ""


def _hand_over(request: TransactionRequest, mandate: Mandate, intent: Intent, now: dt.datetime) -> bool:
    try:
        with transaction.atomic():
            job_create(
                actor=ACTOR,
                mandate=mandate,
                intent=intent,
                consents=consent_documents(subject=mandate.digest),
                now=now,
            )
    except CustodyError as error:
        request_move(request=request, event=Event.BLOCK, actor=ACTOR, now=now, note=str(error))
        return True
    request_move(request=request, event=Event.HAND_OVER, actor=ACTOR, now=now, note="with the signer")
    return True


def job_followed(change: JobChange) -> None:
    """Follow a job's step, inside its own transaction. A job that is no request's is none of ours."""
    event = _FOLLOWS.get(change.event)
    request = TransactionRequest.objects.select_for_update().filter(intent_digest=change.intent_digest).first()
    if event is None or request is None:
        return
    note = f"{change.code}: {change.message}" if change.code else change.message
    request_move(request=request, event=event, actor="system:custody", now=change.now, note=note)
