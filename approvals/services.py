"""Sign-in keys: handing out tickets, enrolling, signing in."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from typing import TYPE_CHECKING, Any

from django.db import transaction

from approvals.errors import EnrolmentRefusedError, SignInRefusedError
from approvals.models import EnrolmentTicket, SecurityKey
from approvals.selectors import key_get_for_sign_in
from approvals.software_keys import (
    demo_keys_read,
    demo_keys_write,
    software_key_generate,
    software_keys_allowed,
)
from approvals.webauthn import NewKey, registration_complete, sign_in_complete, sign_in_credential
from audit.models import Severity
from audit.services import entry_append
from audit.tags import AuditTag

if TYPE_CHECKING:
    from collections.abc import Mapping

    from approvals.models import User

TICKET_LIFETIME = dt.timedelta(minutes=30)
_NOT_KNOWN = "This security key is not enrolled here, or may not be used any more. Ask an administrator."


def _ticket_digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def ticket_create(*, user: User, actor: str, now: dt.datetime) -> str:
    """Hand out a one-time permission to enrol a key, and return its token, which is stored nowhere."""
    token = secrets.token_urlsafe(32)
    with transaction.atomic():
        EnrolmentTicket.objects.create(
            user=user, token_digest=_ticket_digest(token), expires_at=now + TICKET_LIFETIME
        )
        entry_append(
            actor=actor, tag=AuditTag.TICKET_CREATED, subject=user.person_id, payload={}, severity=Severity.WARNING
        )
    return token


def ticket_get(*, token: str, now: dt.datetime) -> EnrolmentTicket:
    """Return a ticket that can still be used, locked if a transaction is open.

    Raises:
        EnrolmentRefusedError: If it is unknown, used or too old.
    """
    tickets = EnrolmentTicket.objects.filter(token_digest=_ticket_digest(token)).select_related("user")
    ticket = tickets.first()
    if ticket is None or ticket.used_at is not None or ticket.expires_at <= now or not ticket.user.is_active:
        raise EnrolmentRefusedError("This enrolment link was used or is too old. Ask for a new one.")
    return ticket


def key_store(*, user: User, key: NewKey, name: str, actor: str, software: bool = False) -> SecurityKey:
    """Store a verified key in the caller's transaction, with its audit entry."""
    stored: SecurityKey = SecurityKey.objects.create(
        user=user,
        name=name,
        confirmed=True,
        credential_id=key.credential_id,
        public_key=key.credential_data,
        aaguid=key.aaguid,
        sign_count=key.sign_count,
        software=software,
    )
    entry_append(
        actor=actor,
        tag=AuditTag.KEY_ENROLLED,
        subject=user.person_id,
        payload={"aaguid": key.aaguid, "credential": key.credential_id, "software": software},
        severity=Severity.WARNING,
    )
    return stored


def key_enrol(*, token: str, state: Mapping[str, Any], response: Mapping[str, Any], now: dt.datetime) -> SecurityKey:
    """Enrol the key that answered, and use the ticket up.

    Raises:
        EnrolmentRefusedError: If ticket or key does not hold.
    """
    key = registration_complete(state=state, response=response)
    with transaction.atomic():
        ticket = ticket_get(token=token, now=now)
        # Compare and swap: of two browsers with one link, one enrols.
        if not EnrolmentTicket.objects.filter(pk=ticket.pk, used_at__isnull=True).update(used_at=now):
            raise EnrolmentRefusedError("This enrolment link was used. Ask for a new one.")
        if SecurityKey.objects.filter(credential_id=key.credential_id).exists():
            raise EnrolmentRefusedError("This key is enrolled already.")
        return key_store(user=ticket.user, key=key, name="Security key", actor=ticket.user.person_id)


def _refuse(*, subject: str, why: str, credential: str, severity: Severity) -> None:
    entry_append(
        actor="system:sign-in",
        tag=AuditTag.SESSION_REFUSED,
        subject=subject,
        payload={"credential": credential[:64], "why": why},
        severity=severity,
    )


def key_sign_in(*, state: Mapping[str, Any], response: Mapping[str, Any], now: dt.datetime) -> SecurityKey:
    """Verify who signs in, and return their key.

    A counter that went back locks the key: two devices hold it. The lock commits, the sign-in does not.

    Raises:
        SignInRefusedError: If they did not prove it.
    """
    credential = sign_in_credential(response=response)
    refusal: SignInRefusedError | None = None
    with transaction.atomic():
        key = key_get_for_sign_in(credential_id=credential)
        if key is None or key.locked or (key.software and not software_keys_allowed()):
            _refuse(
                subject="" if key is None else key.user.person_id,
                why="not enrolled, locked, or a software key outside the demo",
                credential=credential,
                severity=Severity.WARNING,
            )
            refusal = SignInRefusedError(_NOT_KNOWN)
        else:
            refusal = _check(key, state=state, response=response, now=now)
    if refusal is not None or key is None:
        raise refusal or SignInRefusedError(_NOT_KNOWN)
    return key


def _check(
    key: SecurityKey, *, state: Mapping[str, Any], response: Mapping[str, Any], now: dt.datetime
) -> SignInRefusedError | None:
    person = key.user.person_id
    try:
        counter = sign_in_complete(state=state, response=response, credential_data=key.public_key)
    except SignInRefusedError as error:
        _refuse(subject=person, why=str(error), credential=key.credential_id, severity=Severity.WARNING)
        return error
    # 0 and 0 is a key that keeps no counter.
    if (counter or key.sign_count) and counter <= key.sign_count:
        key.locked = True
        key.save(update_fields=["locked"])
        entry_append(
            actor="system:sign-in",
            tag=AuditTag.KEY_LOCKED,
            subject=person,
            payload={"credential": key.credential_id, "seen": counter, "stored": key.sign_count},
            severity=Severity.CRITICAL,
        )
        return SignInRefusedError(_NOT_KNOWN)
    key.sign_count, key.last_used_at = counter, now
    key.save(update_fields=["sign_count", "last_used_at"])
    entry_append(actor=person, tag=AuditTag.SESSION_OPENED, subject=person, payload={"credential": key.credential_id})
    return None


def session_closed(*, person: str, expired: bool) -> None:
    """Record that a session ended, in a transaction of its own."""
    with transaction.atomic():
        tag = AuditTag.SESSION_EXPIRED if expired else AuditTag.SESSION_CLOSED
        entry_append(actor=person, tag=tag, subject=person, payload={})


def key_lock(*, key_id: int, actor: str, now: dt.datetime) -> None:
    """Lock a key for good: lost, stolen, or its owner has left."""
    with transaction.atomic():
        key = SecurityKey.objects.select_for_update(of=("self",)).select_related("user").get(pk=key_id)
        if key.locked:
            return
        key.locked = True
        key.save(update_fields=["locked"])
        entry_append(
            actor=actor,
            tag=AuditTag.KEY_LOCKED,
            subject=key.user.person_id,
            payload={"at": int(now.timestamp()), "credential": key.credential_id},
            severity=Severity.WARNING,
        )


def account_record_change(*, user: User, actor: str, created: bool, fields: list[str]) -> None:
    """Write the entry of an account's change; inside the change's transaction."""
    payload: dict[str, object] = {
        "active": user.is_active,
        "created": created,
        "fields": sorted(fields),
        "staff": user.is_staff,
        "superuser": user.is_superuser,
    }
    severity = Severity.WARNING if user.is_staff or user.is_superuser else Severity.INFO
    entry_append(actor=actor, tag=AuditTag.USER_CHANGED, subject=user.person_id, payload=payload, severity=severity)


def demo_key_enrol(*, user: User) -> SecurityKey:
    """Give a demo person a software sign-in key; the one there is, if its private half is still known.

    Raises:
        EnrolmentRefusedError: Outside the demo.
    """
    if not software_keys_allowed():
        raise EnrolmentRefusedError("Software keys exist in the demonstration only.")
    keys = demo_keys_read()
    known = keys.get(user.person_id, {}).get("credential_id")
    stored: SecurityKey | None = SecurityKey.objects.filter(user=user, credential_id=known, locked=False).first()
    if stored is not None:
        return stored
    new, private = software_key_generate()
    with transaction.atomic():
        key = key_store(user=user, key=new, name="Demo software key", actor="system:demo", software=True)
        demo_keys_write(keys | {user.person_id: private})
    return key
