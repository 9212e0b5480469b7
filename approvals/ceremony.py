"""The one ceremony through which anything is consented.

The web tier obtains no consents: they come from the consent origin. Here they are verified against the active
policy's roster and kept. That is for showing and routing; a signer verifies them again and believes none of this.
"""

from __future__ import annotations

import base64
import dataclasses
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction

from approvals.errors import ConsentRefusedError
from approvals.models import ConsentRecord
from audit.models import Severity
from audit.services import entry_append
from audit.tags import AuditTag
from core.canonical import canonical, parse
from core.consents import Subject, check_consent
from core.documents.consent import Decision, SignedConsent
from core.errors import CoreError, RefusedError
from core.schema import read_struct, write_struct

if TYPE_CHECKING:
    import datetime as dt

    from approvals.models import User
    from core.consents import Voice
    from core.documents.policy import Policy

MAX_CONSENT_BYTES = 32 * 1024


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecordedConsent:
    """A consent that was verified and stored just now."""

    record: ConsentRecord
    voice: Voice
    decision: Decision


def consent_parse(*, raw: bytes) -> SignedConsent:
    """Read a signed consent as it came from the consent origin.

    Raises:
        ConsentRefusedError: `malformed`.
    """
    try:
        return read_struct(SignedConsent, parse(raw, max_bytes=MAX_CONSENT_BYTES), "consent")
    except CoreError as error:
        raise ConsentRefusedError("malformed", f"This is not a signed consent: {error}") from error


def _check_person(signed: SignedConsent, user: User | None) -> None:
    # Nobody hands in another person's consent: whoever is signed in is whoever signed.
    if user is not None and user.person_id != signed.statement.actor:
        message = f"You are signed in as {user.person_id}, and {signed.statement.actor} signed."
        raise ConsentRefusedError("consent_mismatch", message)


def consent_verify(
    *, signed: SignedConsent, subject: Subject, policy: Policy, user: User | None, now: dt.datetime
) -> Voice:
    """Verify a consent, and write an alarm where it does not hold.

    Args:
        signed: Statement and proof.
        subject: The document that it has to be about.
        policy: The active policy: its roster, consent origin and relying party count.
        user: Who is signed in; None for an API client's request, which carries its own signature.
        now: The current time.

    Raises:
        ConsentRefusedError: With the signer's own words for what does not hold.
    """
    try:
        _check_person(signed, user)
        return check_consent(signed, subject, policy, now=int(now.timestamp()))
    except (RefusedError, ConsentRefusedError) as error:
        with transaction.atomic():
            entry_append(
                actor=user.person_id if user is not None else "system:api",
                tag=AuditTag.CONSENT_REFUSED,
                subject=subject.digest,
                payload={"claimed_actor": signed.statement.actor, "code": str(error.code), "why": error.message},
                severity=Severity.ALARM,
            )
        if isinstance(error, ConsentRefusedError):
            raise
        raise ConsentRefusedError(str(error.code), error.message) from error


def consent_record(*, signed: SignedConsent, voice: Voice, user: User | None, now: dt.datetime) -> RecordedConsent:
    """Store a verified consent in the caller's transaction.

    Args:
        signed: What `consent_verify` accepted.
        voice: What it returned.
        user: Who handed it in.
        now: The current time.

    Raises:
        ConsentRefusedError: `repeated`, if this nonce or this person's decision is there already.
    """
    statement, used = signed.statement, voice.used
    record = ConsentRecord(
        nonce=statement.header.id,
        subject_type=statement.subject_type.value,
        subject=statement.subject,
        policy=statement.policy,
        decision=statement.decision.value,
        actor=statement.actor,
        reason=statement.reason,
        credential_id=""
        if used.credential is None
        else base64.urlsafe_b64encode(used.credential).decode().rstrip("="),
        counter=used.counter,
        text=canonical(write_struct(signed, "consent")).decode(),
        recorded_by=user,
        recorded_at=now,
    )
    try:
        with transaction.atomic():
            record.save(force_insert=True)
    except IntegrityError as error:
        message = "This was said already: a consent, and a security key's counter, count once."
        raise ConsentRefusedError("repeated", message) from error
    entry_append(
        actor=statement.actor,
        tag=AuditTag.CONSENT_RECORDED,
        subject=statement.subject,
        payload={
            "consent": statement.digest,
            "decision": statement.decision.value,
            "nonce": statement.header.id,
            "policy": statement.policy,
            "reason": statement.reason,
            "subject_type": statement.subject_type.value,
        },
    )
    return RecordedConsent(record=record, voice=voice, decision=statement.decision)
