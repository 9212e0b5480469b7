"""What people do with requests: preview, ask, approve, reject, withdraw."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction

from approvals.ceremony import consent_parse, consent_record, consent_verify
from audit.services import entry_append
from audit.tags import AuditTag
from core.books import books_of
from core.calldata import CallKind, movements_of
from core.calls import open_calls
from core.consents import Subject
from core.documents.base import SKEW, check_deployment, check_lifetime
from core.documents.consent import Decision, SubjectType
from core.documents.mandate import Mandate, SingleOrder
from core.errors import CoreError, RefusedError
from core.lifecycle import Event, State
from core.names import native_asset
from core.quorum import describe
from custody.wake import wake
from oms.calls import CallPreview, call_parse, call_preview_build
from oms.degraded import nonce_check
from oms.errors import FormError, RequestRefusedError
from oms.evidence import evidence_gather
from oms.holds import hold_place
from oms.intents import draft_parse, lifetime_of
from oms.models import TransactionRequest
from oms.preview import Preview, preview_build
from oms.selectors import can_approve, first_use, may_withdraw, person_of, request_get, seats_of
from oms.transitions import request_lock, request_move
from oms.workflow import request_route
from policies.errors import PolicyAppError
from policies.models import Outcome
from policies.selectors import decision_reasons, decision_required, policy_active, policy_find
from policies.services import decision_make

if TYPE_CHECKING:
    from collections.abc import Mapping

    from approvals.models import User
    from chains.simulation import Simulation
    from core.documents.consent import SignedConsent
    from core.documents.mandate import Intent
    from core.documents.policy import Policy
    from policies.models import Decision as PolicyDecision


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Case:
    """A mandate that was read and found fit to be asked."""

    mandate: Mandate
    intent: Intent
    policy: Policy


def _policy() -> Policy:
    policy = policy_active()
    if policy is None:
        raise RequestRefusedError("no_policy", "No policy is in force: nothing can be asked until people sign one.")
    return policy


def request_preview(
    *,
    user: User,
    wallet: str,
    asset: str,
    destination: str,
    amount_text: str,
    purpose: str,
    now: dt.datetime,
    held: bool = False,
) -> Preview:
    """Understand, simulate and decide what was typed. Nothing is stored; asks nodes, so no open transaction.

    Args:
        user: Who asks.
        wallet: CAIP-10 account of a wallet that the policy names.
        asset: CAIP-19 asset.
        destination: EIP-55 address.
        amount_text: In the asset's units.
        purpose: In words.
        now: The current time.
        held: Whether it waits for an operator once it is approved.

    Raises:
        FormError: With the messages of each wrong field.
        RequestRefusedError: If no policy is in force, or this person is not on its roster.
    """
    policy = _policy()
    if person_of(user=user, policy=policy) is None:
        raise RequestRefusedError("unknown_person", "The policy's roster does not name you, so you cannot ask.")
    draft = draft_parse(
        policy=policy, wallet=wallet, asset=asset, destination=destination, amount_text=amount_text, purpose=purpose
    )
    return preview_build(
        draft=dataclasses.replace(draft, held=held),
        policy=policy,
        person=user.person_id,
        first_use=first_use(chain=draft.wallet.chain, destination=draft.destination),
        now=int(now.timestamp()),
    )


def _case_read(mandate_raw: bytes, user: User, now: dt.datetime, *, held: bool) -> _Case:
    policy = _policy()
    try:
        mandate = Mandate.from_bytes(mandate_raw)
        if not isinstance(mandate.order, SingleOrder):
            raise RequestRefusedError("unsupported", "Only single transfers can be asked for today.")
        intent = mandate.order.intent
        for document in (mandate, intent):
            check_deployment(document, policy.deployment)
            check_lifetime(document, now=int(now.timestamp()))
    except RefusedError as error:
        raise RequestRefusedError(str(error.code), f"{error.message}: please preview again.") from error
    except CoreError as error:
        raise RequestRefusedError("malformed", f"This is not a mandate: {error}") from error
    if mandate.policy != policy.digest:
        raise RequestRefusedError("wrong_policy", "The policy changed meanwhile: please preview again.")
    if mandate.asker.id != user.person_id:
        raise RequestRefusedError(
            "unknown_person", f"This mandate is {mandate.asker.id}'s; you are {user.person_id}."
        )
    _check_moves(intent, policy)
    longest = int(now.timestamp()) + lifetime_of(held=held) + SKEW
    if max(mandate.header.expires, intent.header.expires) > longest:
        words = "30 days at most if it is held" if held else "a few hours at most"
        raise RequestRefusedError("lifetime", f"A request waits for people {words}: please preview again.")
    return _Case(mandate=mandate, intent=intent, policy=policy)


def _check_moves(intent: Intent, policy: Policy) -> None:
    """Take plain transfers, and calls of registered functions whose every byte is understood."""
    movements = movements_of(intent)
    if movements is None:
        outer = open_calls(intent.chain, intent.to, intent.value, intent.data, books_of(policy)).outer
        if outer.kind is CallKind.UNKNOWN or intent.movements:
            words = (
                "Only transfers, and calls that the policy registers and that can be read whole, can be asked for."
            )
            raise RequestRefusedError("movements", words)
    elif movements != intent.movements or len(movements) != 1:
        raise RequestRefusedError("movements", "The transaction moves something else than it says.")
    elif movements[0].most == 0:
        raise RequestRefusedError("movements", "An amount greater than 0 is needed.")


def call_preview(
    *, user: User, wallet: str, function: str, typed: Mapping[str, str], now: dt.datetime
) -> CallPreview:
    """Understand, simulate and decide a contract call. Nothing is stored; asks nodes, so no open transaction.

    Args:
        user: Who asks.
        wallet: CAIP-10 account of a wallet that the policy names.
        function: The function, as `oms.calls.Registered.key` names it.
        typed: The other fields as they were typed.
        now: The current time.

    Raises:
        FormError: With the messages of each wrong field.
        RequestRefusedError: If no policy is in force, or this person is not on its roster.
    """
    policy = _policy()
    if person_of(user=user, policy=policy) is None:
        raise RequestRefusedError("unknown_person", "The policy's roster does not name you, so you cannot ask.")
    at = int(now.timestamp())
    draft = call_parse(policy=policy, wallet=wallet, function=function, typed=typed, now=at)
    contract = draft.registered.contract
    unused = first_use(chain=contract.chain, destination=contract.address)
    return call_preview_build(draft=draft, policy=policy, person=user.person_id, first_use=unused, now=at)


def request_ask(
    *, user: User, mandate_raw: bytes, consent_raw: bytes, now: dt.datetime, held: bool = False
) -> TransactionRequest:
    """Take a mandate that its asker has signed at the consent origin, decide it, and route it.

    Asks nodes, so not inside a database transaction. The same signed mandate gives the same request.

    Args:
        user: Who is signed in; must be the asker.
        mandate_raw: The mandate, JSON.
        consent_raw: The signed consent, JSON.
        now: The current time.
        held: Whether it waits for an operator once it is approved.

    Raises:
        RequestRefusedError: If the mandate does not fit.
        ConsentRefusedError: If the consent does not hold.
    """
    case = _case_read(mandate_raw, user, now, held=held)
    known = TransactionRequest.objects.filter(mandate_digest=case.mandate.digest).first()
    if known is not None:
        return known
    nonce_check(mandate=case.mandate, wallet=case.intent.wallet, policy=case.policy, held=held, now=now)
    signed = consent_parse(raw=consent_raw)
    if signed.statement.decision is not Decision.ASK:
        raise RequestRefusedError("consent_mismatch", "This consent does not ask for anything.")
    voice = consent_verify(signed=signed, subject=_subject(case.mandate), policy=case.policy, user=user, now=now)
    evidence = evidence_gather(intent=case.intent, policy=case.policy, now=int(now.timestamp()))
    try:
        with transaction.atomic():
            request = _request_store(case, evidence.simulation, now)
            if held:
                hold_place(request=request, actor=user.person_id, now=now)
            unused = first_use(chain=request.chain, destination=request.destination)
            claims = evidence.claims(first_use=unused)
            # Before any audit entry: counters are locked before the log's head, everywhere in the same order.
            decision = decision_make(
                mandate=case.mandate, claims=claims, now=int(now.timestamp()), attested=evidence.attested.facts
            )
            consent_record(signed=signed, voice=voice, user=user, now=now)
            _asked_record(request)
            decision_follow(request, decision, now)
    except PolicyAppError as error:
        raise RequestRefusedError("not_decided", str(error)) from error
    except IntegrityError as error:
        raise RequestRefusedError("repeated", "This was asked already.") from error
    wake()
    return request


def _subject(mandate: Mandate) -> Subject:
    return Subject(
        type=SubjectType.MANDATE,
        digest=mandate.digest,
        policy=mandate.policy,
        deployment=mandate.header.deployment,
    )


def _request_store(case: _Case, simulation: Simulation | None, now: dt.datetime) -> TransactionRequest:
    # A call is kept under the contract that it calls, and the coins that it sends along.
    intent = case.intent
    moved = [(one.asset, one.most, one.destination) for one in intent.movements]
    asset, amount, destination = moved[0] if moved else (native_asset(intent.chain), intent.value, intent.to)
    desks = {person.id: person.desk for person in case.policy.people}
    return TransactionRequest.objects.create(
        reference=case.mandate.header.id,
        asker=case.mandate.asker.id,
        desk=desks[case.mandate.asker.id],
        wallet=case.intent.wallet,
        chain=case.intent.chain,
        asset=asset,
        amount=amount,
        destination=destination,
        purpose=case.mandate.purpose,
        policy_digest=case.policy.digest,
        mandate_text=case.mandate.to_bytes().decode(),
        mandate_digest=case.mandate.digest,
        intent_digest=case.intent.digest,
        simulated_block=None if simulation is None else simulation.block_number,
        created_at=now,
        expires_at=dt.datetime.fromtimestamp(min(case.mandate.header.expires, case.intent.header.expires), tz=dt.UTC),
        moved_at=now,
    )


def _asked_record(request: TransactionRequest) -> None:
    entry_append(
        actor=request.asker,
        tag=AuditTag.REQUEST_ASKED,
        subject=request.intent_digest,
        payload={"mandate": request.mandate_digest, "reference": request.reference, "desk": request.desk},
    )


def decision_follow(request: TransactionRequest, decision: PolicyDecision, now: dt.datetime) -> None:
    """Move a request that was just asked to where its decision leads, in the caller's transaction."""
    required = decision_required(decision=decision)
    if decision.outcome != Outcome.ALLOWED:
        event, note = Event.DENY, "; ".join(decision_reasons(decision=decision))
    elif required.seats:
        event, note = Event.REQUIRE, f"needs {describe(required)}"
    else:
        event, note = Event.ALLOW, "the policy asks for no further person"
    request_move(request=request, event=event, actor="system:policy", now=now, note=note)


def request_consent(*, user: User, reference: str, consent_raw: bytes, now: dt.datetime) -> TransactionRequest:
    """Take an approval, a rejection or the asker's withdrawal that was signed at the consent origin.

    Args:
        user: Who is signed in; must be who signed.
        reference: Which request.
        consent_raw: The signed consent, JSON.
        now: The current time.

    Raises:
        RequestMissingError: If there is no such request for this person.
        RequestRefusedError: If it has moved on, or this person's word is not asked.
        ConsentRefusedError: If the consent does not hold.
    """
    request = request_get(user=user, reference=reference)
    signed = consent_parse(raw=consent_raw)
    _check_welcome(user, request, signed)
    policy = policy_find(digest=request.policy_digest)
    if policy is None:
        raise RequestRefusedError("wrong_policy", "The policy of this request is not known here.")
    mandate = Mandate.from_bytes(request.mandate_text.encode())
    voice = consent_verify(signed=signed, subject=_subject(mandate), policy=policy, user=user, now=now)
    with transaction.atomic():
        request = request_lock(reference=reference)
        _check_welcome(user, request, signed)
        if now >= request.expires_at:
            raise RequestRefusedError("expired", "This request has expired.")
        consent_record(signed=signed, voice=voice, user=user, now=now)
        decision = signed.statement.decision
        if decision is Decision.REJECT:
            note = signed.statement.reason
            request_move(request=request, event=Event.REJECT, actor=user.person_id, now=now, note=note)
        elif decision is Decision.WITHDRAW and request.asker == user.person_id:
            request_move(request=request, event=Event.WITHDRAW, actor=user.person_id, now=now)
        elif decision is Decision.WITHDRAW:
            _withdrawn_follow(request, now)
        else:
            request_route(request=request, now=now)
    wake()
    return request


def _withdrawn_follow(request: TransactionRequest, now: dt.datetime) -> None:
    """Let an approval that was taken back count no more: what was complete by it is not, and is not signed."""
    seats = seats_of(request=request, now=int(now.timestamp()))
    if State(request.state) is State.APPROVED and not seats.filled:
        note = "An approval was withdrawn before anything was signed: please ask again."
        request_move(request=request, event=Event.BLOCK, actor="system:oms", now=now, note=note)


def _check_welcome(user: User, request: TransactionRequest, signed: SignedConsent) -> None:
    """Say kindly why a word is of no use here; whether it counts is decided by verification, not by this."""
    decision = signed.statement.decision
    state = State(request.state)
    open_states = {State.PENDING} if decision is Decision.APPROVE else {State.PENDING, State.APPROVED}
    if state not in open_states:
        raise RequestRefusedError("moved_on", f"This request is {state.value} by now; nothing was changed.")
    if decision is Decision.ASK:
        raise RequestRefusedError("consent_mismatch", "This request was asked already.")
    if decision is Decision.WITHDRAW and not may_withdraw(user=user, request=request):
        raise RequestRefusedError("not_yours", "You have nothing to withdraw here; you can reject.")
    if decision is Decision.REJECT and not signed.statement.reason.strip():
        raise RequestRefusedError("no_reason", "Say why you reject: the asker will read it.")
    if decision is Decision.APPROVE and not can_approve(user=user, request=request):
        message = "Your approval fills no seat here: who asks never approves, and each person counts once."
        raise RequestRefusedError("no_seat", message)


__all__ = ["FormError", "decision_follow", "request_ask", "request_consent", "request_preview"]
