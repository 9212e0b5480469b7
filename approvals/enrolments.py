"""New consent keys on their way into a policy: proposed by one admin, compared and co-signed by two others.

Nothing here makes a key count. It gathers what the next policy carries; signers check all of it again.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import secrets
from typing import TYPE_CHECKING

from django.db import transaction

from approvals.access import person_in_force, policy_in_force
from approvals.ceremony import consent_parse, consent_record, consent_verify
from approvals.errors import ConsentRefusedError, EnrolmentRefusedError
from approvals.models import EnrolmentCase, EnrolmentStatus
from approvals.selectors import consent_documents
from audit.models import Severity
from audit.services import entry_append
from audit.tags import AuditTag
from core.attestation import attestation_problem, root_problem
from core.canonical import parse
from core.consents import Subject
from core.documents.base import VERSION, Header
from core.documents.consent import Decision, SubjectType
from core.documents.enrolment import Enrolment
from core.documents.roster import ENROLMENT, ConsentKey, KeyEnrolment, Profile
from core.enrolments import COSIGNERS, ENROLLERS
from core.errors import CoreError
from core.names import SLUG
from core.schema import read_struct, write_struct
from core.webauthn import parse_public_key

if TYPE_CHECKING:
    from approvals.models import User
    from core.documents.policy import Policy

LIFETIME = dt.timedelta(days=7)
FILE_MOST_BYTES = 64 * 1024


def _file_read(raw: bytes) -> tuple[str, ConsentKey]:
    """Read what the consent origin's enrol page made."""
    try:
        value = parse(raw, max_bytes=FILE_MOST_BYTES)
        if not isinstance(value, dict) or not isinstance(value.get("key"), dict):
            raise EnrolmentRefusedError("That is no enrolment: paste the whole file that the consent page made.")
        person = SLUG.read(value.get("person"), "person")
        key = read_struct(ConsentKey, {"attestation": None, "enrolment": None, **value["key"]}, "key")
        parse_public_key(key.public_key)
    except CoreError as error:
        raise EnrolmentRefusedError(f"That is no enrolment: {error}.") from error
    return person, key


def _check_key(person: str, key: ConsentKey, policy: Policy, now: int) -> None:
    if key.enrolment is not None:
        raise EnrolmentRefusedError("This key was co-signed already: paste the file that the consent page made.")
    if key.aaguid not in policy.consent.aaguids:
        raise EnrolmentRefusedError(f"Keys of this model ({key.aaguid.hex()}) are not on the policy's list.")
    known = [(one.id, k) for one in policy.people for k in one.keys]
    if any(key.credential_id == k.credential_id or key.public_key == k.public_key for _, k in known):
        raise EnrolmentRefusedError("The policy in force has this key already.")
    if policy.profile is Profile.PRODUCTION or key.attestation is not None:
        problem = attestation_problem(key)
        if problem is None and policy.profile is Profile.PRODUCTION:
            problem = root_problem(key, policy.consent.attestation_roots, at=now)
        if problem is not None:
            raise EnrolmentRefusedError(f"The key {problem}. {person} has to make another one at the consent page.")


def enrolment_propose(*, raw: bytes, by: User, now: dt.datetime) -> EnrolmentCase:
    """Take the file that a person made at the consent page, and let two other admins co-sign it.

    Args:
        raw: The file.
        by: Who hands it in: not its owner.
        now: The current time.

    Raises:
        EnrolmentRefusedError: With what is wrong with it.
    """
    policy = policy_in_force()
    if policy is None:
        raise EnrolmentRefusedError("There is no policy yet: the first one's keys are compared at the console.")
    person, key = _file_read(raw)
    if person == by.person_id:
        raise EnrolmentRefusedError("Nobody enrols a key of their own: hand the file to another administrator.")
    _check_key(person, key, policy, int(now.timestamp()))
    header = Header(
        type=ENROLMENT,
        version=VERSION,
        deployment=policy.deployment,
        id=secrets.token_hex(16),
        created=int(now.timestamp()),
        expires=int((now + LIFETIME).timestamp()),
    )
    document = Enrolment(header=header, policy=policy.digest, person=person, key=key)
    with transaction.atomic():
        waiting = EnrolmentCase.objects.exclude(status=EnrolmentStatus.ENDED)
        if waiting.filter(fingerprint=document.fingerprint).exists():
            raise EnrolmentRefusedError("This key waits for its co-signatures already.")
        case = EnrolmentCase.objects.create(
            digest=document.digest,
            person=person,
            policy=policy.digest,
            fingerprint=document.fingerprint,
            document=document.to_bytes().decode(),
            proposed_by=by,
            proposed_at=now,
            expires_at=now + LIFETIME,
        )
        entry_append(
            actor=by.person_id,
            tag=AuditTag.ENROLMENT_PROPOSED,
            subject=document.digest,
            payload={"aaguid": key.aaguid.hex(), "fingerprint": document.fingerprint, "person": person},
            severity=Severity.WARNING,
        )
    return case


def enrolment_document(*, case: EnrolmentCase) -> Enrolment:
    """Return what admins co-sign."""
    return Enrolment.from_bytes(case.document.encode())


def enrolment_cosigners(*, case: EnrolmentCase) -> tuple[str, ...]:
    """Return who co-signed so far, by the roster in force. For showing: signers count for themselves."""
    policy = policy_in_force()
    admins = {p.id for p in policy.people if not ENROLLERS.isdisjoint(p.roles)} if policy is not None else set()
    said: dict[str, Decision] = {}
    for signed in consent_documents(subject=case.digest):
        said[signed.statement.actor] = signed.statement.decision
    return tuple(
        sorted(n for n, what in said.items() if what is Decision.APPROVE and n in admins and n != case.person)
    )


def enrolment_may_cosign(*, case: EnrolmentCase, user: User) -> bool:
    """Whether somebody's co-signature would count: an admin of the roster, not the owner, not yet heard."""
    person = person_in_force(person_id=user.person_id)
    if case.status != EnrolmentStatus.OPEN or person is None or not person.keys or person.id == case.person:
        return False
    heard = {signed.statement.actor for signed in consent_documents(subject=case.digest)}
    return not ENROLLERS.isdisjoint(person.roles) and person.id not in heard


def _locked(digest: str) -> EnrolmentCase:
    case = EnrolmentCase.objects.select_for_update().filter(digest=digest).first()
    if case is None or case.status == EnrolmentStatus.ENDED:
        raise ConsentRefusedError("missing", "This enrolment is not open any more.")
    return case


def enrolment_consent(*, user: User, digest: str, consent_raw: bytes, now: dt.datetime) -> EnrolmentCase:
    """Record an admin's word about a new key; one rejection ends it.

    Args:
        user: Who hands it in; it has to be theirs.
        digest: The enrolment.
        consent_raw: As the consent page made it.
        now: The current time.

    Raises:
        ConsentRefusedError: It does not hold, or the enrolment moved on.
    """
    policy = policy_in_force()
    signed = consent_parse(raw=consent_raw)
    case = EnrolmentCase.objects.filter(digest=digest).first()
    if case is None or policy is None:
        raise ConsentRefusedError("missing", "There is no such enrolment.")
    subject = Subject(
        type=SubjectType.ENROLMENT, digest=case.digest, policy=case.policy, deployment=policy.deployment
    )
    voice = consent_verify(signed=signed, subject=subject, policy=policy, user=user, now=now)
    decision = signed.statement.decision
    person = voice.person
    if person is None or person.id == case.person or ENROLLERS.isdisjoint(person.roles):
        raise ConsentRefusedError("quorum", "An enrolment is co-signed by admins other than its owner.")
    if decision not in (Decision.APPROVE, Decision.REJECT):
        raise ConsentRefusedError("consent_mismatch", "An enrolment is approved or rejected, and nothing else.")
    with transaction.atomic():
        case = _locked(digest)
        if case.policy != policy.digest or now >= case.expires_at:
            raise ConsentRefusedError("expired", "The policy changed, or it took too long: propose the key again.")
        consent_record(signed=signed, voice=voice, user=user, now=now)
        entry_append(
            actor=user.person_id,
            tag=AuditTag.ENROLMENT_COSIGNED,
            subject=case.digest,
            payload={"decision": decision.value, "person": case.person},
            severity=Severity.WARNING,
        )
        if decision is Decision.REJECT:
            _end(case, why=f"{person.id} rejected it", actor=user.person_id, now=now)
        elif case.status == EnrolmentStatus.OPEN and len(enrolment_cosigners(case=case)) >= COSIGNERS:
            case.status = EnrolmentStatus.READY
            case.save(update_fields=["status"])
    return case


def _end(case: EnrolmentCase, *, why: str, actor: str, now: dt.datetime) -> None:
    case.status, case.ended_at, case.ended_why = EnrolmentStatus.ENDED, now, why[:200]
    case.save(update_fields=["status", "ended_at", "ended_why"])
    entry_append(
        actor=actor,
        tag=AuditTag.ENROLMENT_ENDED,
        subject=case.digest,
        payload={"person": case.person, "why": case.ended_why},
        severity=Severity.WARNING,
    )


def enrolment_end(*, digest: str, by: User, now: dt.datetime) -> None:
    """End an enrolment that nobody wants any more. Idempotent."""
    with transaction.atomic():
        case = EnrolmentCase.objects.select_for_update().filter(digest=digest).first()
        if case is not None and case.status != EnrolmentStatus.ENDED:
            _end(case, why=f"ended by {by.person_id}", actor=by.person_id, now=now)


def enrolments_expire(*, now: dt.datetime) -> int:
    """End what a new policy or time has overtaken, and return how many that were."""
    policy = policy_in_force()
    with transaction.atomic():
        ended = 0
        for case in EnrolmentCase.objects.select_for_update().exclude(status=EnrolmentStatus.ENDED):
            kept = () if policy is None else [k.credential_id for p in policy.people for k in p.keys]
            if enrolment_document(case=case).key.credential_id in kept:
                why = "in the policy in force"
            elif policy is not None and case.policy != policy.digest:
                why = "the policy changed: propose the key again"
            elif now >= case.expires_at:
                why = "it took too long: propose the key again"
            else:
                continue
            _end(case, why=why, actor="system:enrolments", now=now)
            ended += 1
        return ended


def enrolment_file(*, case: EnrolmentCase) -> str:
    """Return the co-signed key as the policy editor takes it.

    Raises:
        EnrolmentRefusedError: It is not co-signed yet.
    """
    if case.status != EnrolmentStatus.READY:
        raise EnrolmentRefusedError("Two admins have to co-sign it first.")
    document = enrolment_document(case=case)
    names = set(enrolment_cosigners(case=case))
    consents = tuple(
        signed
        for signed in consent_documents(subject=case.digest)
        if signed.statement.actor in names and signed.statement.decision is Decision.APPROVE
    )
    enrolled = KeyEnrolment(header=document.header, policy=document.policy, consents=consents)
    key = write_struct(document.key, "key") | {"enrolment": write_struct(enrolled, "enrolment")}
    return json.dumps({"person": case.person, "key": key}, indent=2, sort_keys=True)


def credential_text(raw: bytes) -> str:
    """Return a credential id as pages show it: base64url."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
