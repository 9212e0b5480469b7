"""From a draft to a policy that its predecessor's quorum signed.

Proposing freezes the document; from then on nobody edits it. People sign it at the consent origin; what is verified
here routes and shows. Signers verify all of it again and decide for themselves when it comes into force.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import secrets
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction

from approvals.ceremony import consent_parse, consent_record, consent_verify
from approvals.selectors import consent_documents
from audit.models import Severity
from audit.services import entry_append
from audit.tags import AuditTag
from core.consents import Subject
from core.documents.consent import Decision, SubjectType
from core.documents.policy import SignedPolicy
from core.errors import RefusedError
from core.succession import check_successor
from policies.drafts import draft_read, draft_text
from policies.errors import ProposalMissingError, ProposalRefusedError
from policies.models import PolicyDraft, PolicyVersion, VersionStatus
from policies.proposal_checks import PROPOSAL_SECONDS, proposal_read
from policies.proposals import proposal_seats
from policies.selectors import policy_active, version_active, version_policy
from policies.services.drafts import draft_save
from policies.services.versions import version_end, version_lock, version_sign

if TYPE_CHECKING:
    from approvals.models import User
    from core.documents.consent import SignedConsent
    from core.documents.policy import Policy

_SYSTEM = "system:policies"


def _actor(user: User) -> str:
    return f"user:{user.person_id}"


def proposal_make(*, draft: PolicyDraft, by: User, now: dt.datetime) -> PolicyVersion:
    """Propose a draft as it stands: its document, with the digests of its reports in it, is frozen.

    Args:
        draft: The draft.
        by: Who proposes it.
        now: The current time.

    Raises:
        ProposalRefusedError: With every check that does not hold.
    """
    try:
        with transaction.atomic():
            # Whoever proposes at the same time waits here, and then finds this proposal open.
            active = PolicyVersion.objects.select_for_update().filter(status=VersionStatus.ACTIVE.value).first()
            draft = PolicyDraft.objects.select_for_update().get(pk=draft.pk)
            reading = proposal_read(draft=draft, now=int(now.timestamp()))
            if reading.policy is None or active is None:
                why = " ".join(f"{check.title}: {check.words}" for check in reading.failed)
                raise ProposalRefusedError("checks", f"This draft cannot be proposed yet. {why}")
            return _store(reading.policy, active, draft, by, now)
    except PolicyDraft.DoesNotExist as error:
        raise ProposalRefusedError("missing", "The draft was removed.") from error
    except IntegrityError as error:
        raise ProposalRefusedError("checks", "Another proposal was made at this moment: look again.") from error


def _store(policy: Policy, active: PolicyVersion, draft: PolicyDraft, by: User, now: dt.datetime) -> PolicyVersion:
    version = PolicyVersion.objects.create(
        number=policy.number,
        digest=policy.digest,
        document=policy.to_bytes().decode(),
        consents="[]",
        status=VersionStatus.PROPOSED.value,
        previous=active,
        draft=draft,
        proposed_by=by,
        stored_at=now,
        expires_at=now + dt.timedelta(seconds=PROPOSAL_SECONDS),
    )
    entry_append(
        actor=_actor(by),
        tag=AuditTag.POLICY_PROPOSED,
        subject=version.digest,
        payload={
            "draft": draft.pk,
            "number": version.number,
            "previous": active.digest,
            "content": policy.content_digest,
            "evidence": {row.kind.value: row.digest for row in policy.evidence},
        },
        severity=Severity.WARNING,
    )
    return version


def draft_renew(*, draft: PolicyDraft, by: User, now: dt.datetime) -> PolicyDraft:
    """Give a draft a new id and a lifetime from now: the same rules, and a document that nobody has signed yet.

    Raises:
        ProposalRefusedError: If the draft cannot be read as a policy.
    """
    policy = draft_read(text=draft.body, active=policy_active()).policy
    if policy is None:
        raise ProposalRefusedError("checks", "Mend the draft first: it cannot be read as a policy.")
    created = int(now.timestamp())
    header = dataclasses.replace(
        policy.header,
        id=secrets.token_hex(16),
        created=created,
        expires=created + policy.header.expires - policy.header.created,
    )
    body = draft_text(policy=dataclasses.replace(policy, header=header, evidence=()))
    return draft_save(draft=draft, title=draft.title, body=body, by=by)


def proposal_subject(*, version: PolicyVersion, current: Policy) -> Subject:
    """Return what people consent to when they sign a proposal: its digest, under the policy in force."""
    return Subject(
        type=SubjectType.POLICY, digest=version.digest, policy=current.digest, deployment=current.deployment
    )


def _current(version: PolicyVersion) -> Policy:
    active = version_active()
    if active is None or version.previous_id != active.pk:
        raise ProposalRefusedError("moved_on", "Another version came into force meanwhile: this one follows nothing.")
    return version_policy(version=active)


def _check_open(version: PolicyVersion, now: dt.datetime) -> None:
    if version.status != VersionStatus.PROPOSED:
        why = f": {version.ended_why}" if version.ended_why else ""
        raise ProposalRefusedError("moved_on", f"This proposal is {version.status} by now{why}. Nothing was changed.")
    if version.expires_at is None or now >= version.expires_at:
        raise ProposalRefusedError("expired", "This proposal has expired: propose the draft again.")


def _check_welcome(version: PolicyVersion, signed: SignedConsent, now: dt.datetime) -> None:
    """Say kindly why a word is of no use here; whether it counts is decided by verification, not by this."""
    _check_open(version, now)
    decision = signed.statement.decision
    if decision not in (Decision.APPROVE, Decision.REJECT):
        raise ProposalRefusedError("consent_mismatch", "A policy is approved or rejected.")
    if decision is Decision.REJECT and not signed.statement.reason.strip():
        raise ProposalRefusedError("no_reason", "Say why you reject: everybody will read it.")


def proposal_consent(*, user: User, digest: str, consent_raw: bytes, now: dt.datetime) -> PolicyVersion:
    """Take an approval or a rejection that a person of the active roster signed at the consent origin.

    One rejection ends the proposal. The quorum that the active policy names moves it on to the signers.

    Args:
        user: Who is signed in; must be who signed.
        digest: The proposed version.
        consent_raw: The signed consent, JSON.
        now: The current time.

    Raises:
        ProposalMissingError: If there is no such proposal.
        ProposalRefusedError: If it has moved on, or this word is not asked for.
        ConsentRefusedError: If the consent does not hold.
    """
    version = PolicyVersion.objects.filter(digest=digest, previous__isnull=False).first()
    if version is None:
        raise ProposalMissingError("There is no such proposal.")
    signed = consent_parse(raw=consent_raw)
    _check_welcome(version, signed, now)
    current = _current(version)
    subject = proposal_subject(version=version, current=current)
    voice = consent_verify(signed=signed, subject=subject, policy=current, user=user, now=now)
    with transaction.atomic():
        version = version_lock(digest=digest)
        _check_welcome(version, signed, now)
        consent_record(signed=signed, voice=voice, user=user, now=now)
        if signed.statement.decision is Decision.REJECT:
            why = f"rejected by {user.person_id}: {signed.statement.reason}"
            version_end(version=version, actor=user.person_id, why=why, now=now)
        else:
            _route(version, current, now)
    return version


def _route(version: PolicyVersion, current: Policy, now: dt.datetime) -> None:
    """Move a locked proposal on once its quorum is filled, if a signer would take it too."""
    seats = proposal_seats(version=version, current=current, now=int(now.timestamp()))
    if not seats.filled:
        return
    consents = tuple(
        one for one in consent_documents(subject=version.digest) if one.statement.decision is Decision.APPROVE
    )
    signed = SignedPolicy(policy=version_policy(version=version), consents=consents)
    try:
        check_successor(signed, current, now=int(now.timestamp()))
    except RefusedError as error:
        # Full, and still no signer would take it: that is no state to wait in.
        why = f"its quorum signed, and no signer would accept it ({error.code}: {error.message})"
        version_end(version=version, actor=_SYSTEM, why=why, now=now)
        return
    try:
        with transaction.atomic():
            version_sign(version=version, consents=consents, current=current, now=now)
    except ProposalRefusedError as error:
        version_end(version=version, actor=_SYSTEM, why=error.message, now=now)


def proposal_withdraw(*, digest: str, by: User, now: dt.datetime) -> PolicyVersion:
    """Take a proposal back that its quorum has not signed; only who made it can.

    Raises:
        ProposalMissingError: If there is no such proposal.
        ProposalRefusedError: If it is somebody else's, or has moved on.
    """
    with transaction.atomic():
        version = PolicyVersion.objects.select_for_update().filter(digest=digest, proposed_by__isnull=False).first()
        if version is None:
            raise ProposalMissingError("There is no such proposal.")
        if version.proposed_by_id != by.pk:
            raise ProposalRefusedError("not_yours", "Only who proposed it can withdraw it; you can reject it.")
        _check_open(version, now)
        version_end(version=version, actor=_actor(by), why=f"withdrawn by {by.person_id}", now=now)
        return version


def proposals_expire(*, now: dt.datetime) -> int:
    """End proposals whose time is over, and those whose predecessor is no longer in force; return how many.

    Args:
        now: The current time.
    """
    ended = 0
    proposed = PolicyVersion.objects.filter(status=VersionStatus.PROPOSED.value)
    for digest in list(proposed.order_by("pk").values_list("digest", flat=True)):
        with transaction.atomic():
            version = version_lock(digest=digest)
            if version.status != VersionStatus.PROPOSED or version.expires_at is None:
                continue
            followed = version.previous
            if followed is not None and followed.status != VersionStatus.ACTIVE:
                version_end(version=version, actor=_SYSTEM, why="another version came into force", now=now)
            elif now >= version.expires_at:
                version_end(
                    version=version, actor=_SYSTEM, why="expired: its quorum did not sign it in time", now=now
                )
            else:
                continue
            ended += 1
    return ended
