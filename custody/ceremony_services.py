"""What people do with ceremonies: draft, consent, reject, abandon; and what time does to them.

What is verified here routes and shows. Signers verify the document and its consents again and believe none of this.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction

from approvals.ceremony import consent_parse, consent_record, consent_verify
from approvals.selectors import consent_documents
from audit.services import entry_append
from audit.tags import AuditTag
from core.canonical import canonical, parse
from core.ceremonies import LEAST_PEOPLE
from core.ceremony_lifecycle import (
    CEREMONY_GOING,
    CEREMONY_OPEN,
    STEPS,
    TAKE,
    VETO,
    CeremonyEvent,
    CeremonyState,
)
from core.consents import Subject, approvers
from core.documents.base import check_deployment, check_lifetime
from core.documents.consent import SIGNED_CONSENTS, Decision, SubjectType
from core.documents.control import Ceremony, CeremonyKind, SignedCeremony, VetoOrder
from core.quorum import is_filled
from core.records import CeremonyStep
from core.schema import write_struct
from custody.ceremony_selectors import ceremony_document, ceremony_voices
from custody.ceremony_transitions import ACTOR, ceremony_lock, ceremony_move, line_append
from custody.errors import CeremonyRefusedError
from custody.models_ceremonies import CeremonyPlan, CeremonyProgress, KeyCeremony, ProgressState

if TYPE_CHECKING:
    from approvals.models import User
    from core.documents.consent import SignedConsent
    from core.documents.policy import Policy
    from core.founding import FoundingPlan

_STOPPABLE = CEREMONY_OPEN | CEREMONY_GOING
_TAKE_PLACE = 0
_STEP_PLACE = 1
_VETO_PLACE = 9


def ceremony_subject(*, document: Ceremony) -> Subject:
    """Return what a consent to a ceremony has to be about."""
    return Subject(
        type=SubjectType.CEREMONY,
        digest=document.digest,
        policy=document.policy,
        deployment=document.header.deployment,
    )


def ceremony_draft(
    *, document: Ceremony, person: str, now: dt.datetime, plan: FoundingPlan | None = None
) -> KeyCeremony:
    """Keep a ceremony that people can consent to from now on; its document is frozen.

    Args:
        document: The document. Whether it fits the policy is for whoever drafts it, and for every signer.
        person: Who drafts it, by roster id.
        now: The current time.
        plan: For a new key: what the document names by its digest.

    Raises:
        CeremonyRefusedError: `repeated`, if another one of this kind waits for the wallet's people already.
    """
    try:
        with transaction.atomic():
            made = KeyCeremony.objects.create(
                digest=document.digest,
                document=document.to_bytes().decode(),
                policy_digest=document.policy,
                kind=document.kind.value,
                wallet=document.wallet or "",
                epoch=document.epoch,
                drafted_by=person,
                drafted_at=now,
                expires_at=dt.datetime.fromtimestamp(document.header.expires, tz=dt.UTC),
            )
            if plan is not None and plan.digest == document.plan:
                text = canonical(write_struct(plan, "plan")).decode()
                CeremonyPlan.objects.create(ceremony=made, plan=text)
            line = line_append(ceremony=made, who=person, what="draft", good=True, now=now, words=document.reason)
            entry_append(
                actor=person,
                tag=AuditTag.CEREMONY_DRAFTED,
                subject=made.digest,
                payload={
                    "kind": made.kind,
                    "reason": document.reason,
                    "signers": list(document.signers),
                    "transcript": line.digest,
                    "wallet": made.wallet,
                },
            )
    except IntegrityError as error:
        message = "A ceremony of this kind waits for consents of this wallet's people already: see the list."
        raise CeremonyRefusedError("repeated", message) from error
    return made


def _check_welcome(ceremony: KeyCeremony, signed: SignedConsent, now: dt.datetime) -> None:
    """Say kindly why a word is of no use here; whether it counts is decided by verification, not by this."""
    decision, state = signed.statement.decision, CeremonyState(ceremony.state)
    if decision not in (Decision.APPROVE, Decision.REJECT):
        raise CeremonyRefusedError("consent_mismatch", "A ceremony is approved or rejected.")
    if state not in (CEREMONY_OPEN if decision is Decision.APPROVE else _STOPPABLE):
        raise CeremonyRefusedError("moved_on", f"This ceremony is {state} by now; nothing was changed.")
    if now >= ceremony.expires_at:
        raise CeremonyRefusedError("expired", "This ceremony has expired: draft it anew.")
    if decision is Decision.REJECT and not signed.statement.reason.strip():
        raise CeremonyRefusedError("no_reason", "Say why you reject: everybody will read it.")


def ceremony_consent(*, user: User, digest: str, consent_raw: bytes, policy: Policy, now: dt.datetime) -> KeyCeremony:
    """Take an approval or a rejection that was signed at the consent origin. One rejection ends a ceremony.

    Args:
        user: Who is signed in; must be who signed.
        digest: The ceremony's document.
        consent_raw: The signed consent, JSON.
        policy: The policy in force.
        now: The current time.

    Raises:
        CeremonyMissingError: If there is no such ceremony.
        CeremonyRefusedError: If it has moved on, or this word is not asked for.
        ConsentRefusedError: If the consent does not hold.
    """
    return _take(consent_parse(raw=consent_raw), digest, user, policy, now)


def _take(signed: SignedConsent, digest: str, user: User | None, policy: Policy, now: dt.datetime) -> KeyCeremony:
    """Verify a word and count it. `user`: None where it was carried here by a file, not by its signer."""
    with transaction.atomic():
        ceremony = ceremony_lock(digest=digest)
    _check_welcome(ceremony, signed, now)
    document = ceremony_document(ceremony=ceremony)
    if document.policy != policy.digest:
        message = "Another policy came into force since it was drafted, so no signer takes it: draft it anew."
        raise CeremonyRefusedError("wrong_policy", message)
    subject = ceremony_subject(document=document)
    voice = consent_verify(signed=signed, subject=subject, policy=policy, user=user, now=now)
    with transaction.atomic():
        ceremony = ceremony_lock(digest=digest)
        _check_welcome(ceremony, signed, now)
        consent_record(signed=signed, voice=voice, user=user, now=now)
        if signed.statement.decision is Decision.REJECT:
            _reject(ceremony, signed.statement.actor, signed.statement.reason, now)
        else:
            _hear(ceremony, document, policy, signed.statement.actor, now)
    return ceremony


@dataclasses.dataclass(frozen=True, kw_only=True)
class Imported:
    """What came of a file: the ceremony as it stands now, and how many of its consents were new."""

    ceremony: KeyCeremony
    new: int


def ceremony_import(*, signed: SignedCeremony, policy: Policy, actor: str, now: dt.datetime) -> Imported:
    """Take a ceremony with consents that were given elsewhere. Each consent is verified as if it came by a page.

    Args:
        signed: The document with its consents; both may be known here already.
        policy: The policy in force.
        actor: Who brings it, for the log.
        now: The current time.

    Raises:
        RefusedError: If the document is of another deployment, or its time is over.
        CeremonyRefusedError: If it was made under another policy, or has moved on.
        ConsentRefusedError: If a consent does not hold; those before it are taken all the same.
    """
    document = signed.document
    check_deployment(document, policy.deployment)
    check_lifetime(document, now=int(now.timestamp()))
    if document.kind not in STEPS:
        raise CeremonyRefusedError("unsupported", "A journal is started anew at its signer's console.")
    if document.policy != policy.digest:
        raise CeremonyRefusedError("wrong_policy", "It was made under another policy than the one in force.")
    ceremony = KeyCeremony.objects.filter(digest=document.digest).first()
    if ceremony is None:
        ceremony = ceremony_draft(document=document, person=actor, now=now)
    known, new = {one.statement.header.id for one in consent_documents(subject=document.digest)}, 0
    for one in signed.consents:
        if one.statement.header.id in known:
            continue
        ceremony = KeyCeremony.objects.get(pk=ceremony.pk)
        if CeremonyState(ceremony.state) not in CEREMONY_OPEN and one.statement.decision is Decision.APPROVE:
            # Its quorum was there already: one more is of no use, and no mistake.
            continue
        ceremony = _take(one, document.digest, None, policy, now)
        new += 1
    return Imported(ceremony=ceremony, new=new)


def _reject(ceremony: KeyCeremony, person: str, reason: str, now: dt.datetime) -> None:
    going = CeremonyState(ceremony.state) in CEREMONY_GOING
    why = f"rejected by {person}: {reason}"
    ceremony_move(ceremony=ceremony, event=CeremonyEvent.REJECT, actor=person, now=now, why=why)
    if not going:
        return
    # Signers may have taken it: they have to hear the no themselves, and then do no step of it any more.
    signers = CeremonyProgress.objects.filter(ceremony=ceremony, step=TAKE).values_list("signer", flat=True)
    rows = [
        CeremonyProgress(ceremony=ceremony, signer=signer, step=VETO, place=_VETO_PLACE, due_at=now)
        for signer in signers
    ]
    CeremonyProgress.objects.bulk_create(rows)


def _hear(ceremony: KeyCeremony, document: Ceremony, policy: Policy, person: str, now: dt.datetime) -> None:
    """Count a locked ceremony's approvals, and order it once its quorum is there."""
    if ceremony.state == CeremonyState.DRAFTED:
        ceremony_move(ceremony=ceremony, event=CeremonyEvent.HEAR, actor=person, now=now)
    else:
        line_append(ceremony=ceremony, who=person, what=CeremonyEvent.HEAR.value, good=True, now=now)
    voices = ceremony_voices(document=document, policy=policy, now=int(now.timestamp()))
    people = approvers(voices, barred=frozenset())
    enough = len({one.person.id for one in people}) >= LEAST_PEOPLE and is_filled(policy.controls.ceremony, people)
    if not enough:
        return
    approvals = tuple(
        one for one in consent_documents(subject=ceremony.digest) if one.statement.decision is Decision.APPROVE
    )
    ceremony.consents = canonical(SIGNED_CONSENTS.write(approvals, "consents")).decode()
    ceremony_move(ceremony=ceremony, event=CeremonyEvent.FILL, actor=ACTOR, now=now)
    CeremonyProgress.objects.bulk_create(_rows(ceremony, document, policy, now))


def _rows(ceremony: KeyCeremony, document: Ceremony, policy: Policy, now: dt.datetime) -> list[CeremonyProgress]:
    """Return a row for each signer and step: all that it concerns take it, those that it names do what it orders."""
    wallet = next((one for one in policy.wallets if one.id == document.wallet), None)
    concerned = dict.fromkeys((*document.signers, *(() if wallet is None else wallet.signers)))
    taking = [
        CeremonyProgress(ceremony=ceremony, signer=name, step=TAKE, place=_TAKE_PLACE, due_at=now)
        for name in concerned
    ]
    doing = [
        CeremonyProgress(ceremony=ceremony, signer=name, step=step.value, place=place)
        for place, step in enumerate(STEPS[document.kind], start=_STEP_PLACE)
        for name in document.signers
    ]
    return [*taking, *doing]


def ceremony_abandon(*, digest: str, person: str, why: str, now: dt.datetime) -> KeyCeremony:
    """Stop asking for a ceremony. A signer that took it keeps it until it expires: only a signed no ends it there.

    Args:
        digest: The ceremony's document.
        person: Who does it, by roster id.
        why: For the log.
        now: The current time.

    Raises:
        CeremonyMissingError: If there is no such ceremony.
        CeremonyRefusedError: If it is over, or no reason is given.
    """
    if not why.strip():
        raise CeremonyRefusedError("no_reason", "Say why: the log keeps it.")
    with transaction.atomic():
        ceremony = ceremony_lock(digest=digest)
        if CeremonyState(ceremony.state) not in _STOPPABLE:
            raise CeremonyRefusedError("moved_on", f"This ceremony is {ceremony.state} by now; nothing was changed.")
        if is_past_return(ceremony):
            message = "Some parties use their new shares already: it has to go on to its end."
            raise CeremonyRefusedError("too_late", message)
        why = f"abandoned by {person}: {why.strip()}"
        ceremony_move(ceremony=ceremony, event=CeremonyEvent.ABANDON, actor=person, now=now, why=why)
    return ceremony


def is_past_return(ceremony: KeyCeremony) -> bool:
    """Whether stopping would leave shares of two epochs in use; parties finish also when its time is over."""
    activated = CeremonyProgress.objects.filter(
        ceremony=ceremony, step=CeremonyStep.ACTIVATED.value, state=ProgressState.DONE.value
    )
    return ceremony.kind == CeremonyKind.REFRESH and activated.exists()


def ceremonies_expire(*, now: dt.datetime, policy: Policy | None = None) -> int:
    """End ceremonies whose time is over; return how many.

    Args:
        now: The current time.
        policy: The policy in force: what was drafted under another one and waits for people ends too.
    """
    ended = 0
    waiting = KeyCeremony.objects.filter(state__in=[state.value for state in _STOPPABLE])
    for digest in list(waiting.order_by("pk").values_list("digest", flat=True)):
        with transaction.atomic():
            ended += _expire(ceremony_lock(digest=digest), now, policy)
    return ended


def _expire(ceremony: KeyCeremony, now: dt.datetime, policy: Policy | None) -> bool:
    state = CeremonyState(ceremony.state)
    if state not in _STOPPABLE or is_past_return(ceremony):
        return False
    why = ""
    if now >= ceremony.expires_at:
        why = _late_words(ceremony, state)
    elif policy is not None and state in CEREMONY_OPEN and ceremony.policy_digest != policy.digest:
        why = "another policy came into force, so no signer takes it any more"
    if not why:
        return False
    # What signers began and did not finish in time is a failure that somebody has to look at; a mode just ends.
    begun = CeremonyEvent.FINISH if ceremony.kind == CeremonyKind.DEGRADED else CeremonyEvent.FAIL
    event = begun if state is CeremonyState.RUNNING else CeremonyEvent.EXPIRE
    ceremony_move(ceremony=ceremony, event=event, actor=ACTOR, now=now, why=why)
    return True


def _late_words(ceremony: KeyCeremony, state: CeremonyState) -> str:
    if state in CEREMONY_OPEN:
        return "its quorum did not consent in time"
    if ceremony.kind == CeremonyKind.DEGRADED and state is CeremonyState.RUNNING:
        return "its time is over; parties that were away take it all the same, to learn what was signed"
    rows = CeremonyProgress.objects.filter(ceremony=ceremony).exclude(state=ProgressState.DONE.value)
    left = ", ".join(f"{row.signer} {row.step}" for row in rows[:16])
    return f"its time is over; not done: {left or 'nothing'}"


def signed_ceremony(*, ceremony: KeyCeremony) -> dict[str, object]:
    """Return an ordered ceremony as signers take it, JSON: the document with its quorum's consents.

    Raises:
        CeremonyRefusedError: If its quorum has not ordered it.
    """
    if not ceremony.consents:
        raise CeremonyRefusedError("not_ordered", "Its quorum has not ordered it yet.")
    consents = SIGNED_CONSENTS.read(parse(ceremony.consents.encode()), "consents")
    signed = SignedCeremony(document=ceremony_document(ceremony=ceremony), consents=consents)
    return write_struct(signed, "ceremony")


def veto_order(*, ceremony: KeyCeremony) -> dict[str, object]:
    """Return the rejections of a ceremony as signers and witnesses take them, JSON."""
    rejections = tuple(
        one for one in consent_documents(subject=ceremony.digest) if one.statement.decision is Decision.REJECT
    )
    return write_struct(VetoOrder(kind="veto", consents=rejections), "veto")
