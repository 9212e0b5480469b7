"""Sign-in keys: handing out tickets, enrolling, locking."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils import timezone

from approvals.access import access_sync_user, policy_in_force
from approvals.errors import EnrolmentRefusedError
from approvals.models import EnrolmentTicket, SecurityKey
from approvals.session_services import EndedWhy, sessions_end
from approvals.software_keys import (
    demo_keys_read,
    demo_keys_write,
    software_key_generate,
    software_keys_allowed,
)
from approvals.webauthn import NewKey, registration_complete
from audit.models import Severity
from audit.services import entry_append
from audit.tags import AuditTag

if TYPE_CHECKING:
    from collections.abc import Mapping

    from approvals.models import User

TICKET_LIFETIME = dt.timedelta(minutes=30)


def _ticket_digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def ticket_create(*, user: User, actor: str, now: dt.datetime, by: User | None = None) -> str:
    """Hand out a one-time permission to enrol a key, and return its token, which is stored nowhere.

    Args:
        user: Whose key it will be.
        actor: Who hands it out, for the log.
        now: The current time.
        by: Who hands it out on a page; None at the console, whose keys need no further confirmation.

    Raises:
        EnrolmentRefusedError: Somebody wants to add a key of their own, or the person is shut out.
    """
    if not user.is_active:
        raise EnrolmentRefusedError("This account is shut out: nobody enrols a key for it.")
    if by is not None and by.pk == user.pk:
        raise EnrolmentRefusedError("Nobody hands a link to themselves: ask another administrator.")
    token = secrets.token_urlsafe(32)
    with transaction.atomic():
        EnrolmentTicket.objects.create(
            user=user, by=by, token_digest=_ticket_digest(token), expires_at=now + TICKET_LIFETIME
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


def key_store(
    *, user: User, key: NewKey, name: str, actor: str, software: bool = False, confirmed: bool = True
) -> SecurityKey:
    """Store a verified key in the caller's transaction, with its audit entry."""
    stored: SecurityKey = SecurityKey.objects.create(
        user=user,
        name=name,
        confirmed=confirmed,
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
        payload={
            "aaguid": key.aaguid,
            "confirmed": confirmed,
            "credential": key.credential_id,
            "software": software,
        },
        severity=Severity.WARNING,
    )
    return stored


def key_enrol(*, token: str, state: Mapping[str, Any], response: Mapping[str, Any], now: dt.datetime) -> SecurityKey:
    """Enrol the key that answered, and use the ticket up.

    A key of a link that an administrator handed out opens nothing before two others confirmed it.

    Raises:
        EnrolmentRefusedError: If ticket or key does not hold.
    """
    key = registration_complete(state=state, response=response, now=now)
    with transaction.atomic():
        ticket = ticket_get(token=token, now=now)
        # Compare and swap: of two browsers with one link, one enrols.
        if not EnrolmentTicket.objects.filter(pk=ticket.pk, used_at__isnull=True).update(used_at=now):
            raise EnrolmentRefusedError("This enrolment link was used. Ask for a new one.")
        if SecurityKey.objects.filter(credential_id=key.credential_id).exists():
            raise EnrolmentRefusedError("This key is enrolled already.")
        number = SecurityKey.objects.filter(user=ticket.user).count() + 1
        return key_store(
            user=ticket.user,
            key=key,
            name=f"Security key {number}",
            actor=ticket.user.person_id,
            confirmed=ticket.by is None,
        )


def key_lock(*, key_id: int, actor: str, now: dt.datetime) -> None:
    """Lock a key for good: lost, stolen, or its owner has left. What it opened ends at once."""
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
        sessions_end(user=key.user, why=EndedWhy.KEY_LOCKED, actor=actor, now=now, key=key)


def account_record_change(
    *, user: User, actor: str, created: bool, fields: list[str], now: dt.datetime | None = None
) -> None:
    """Write the entry of an account's change, inside the change's transaction; who is shut out is out at once.

    Args:
        user: As it is now.
        actor: Who changed it.
        created: It is new.
        fields: What was changed.
        now: The current time; None for the clock.
    """
    payload: dict[str, object] = {
        "active": user.is_active,
        "created": created,
        "fields": sorted(fields),
        "staff": user.is_staff,
        "superuser": user.is_superuser,
    }
    severity = Severity.WARNING if user.is_staff or user.is_superuser else Severity.INFO
    entry_append(actor=actor, tag=AuditTag.USER_CHANGED, subject=user.person_id, payload=payload, severity=severity)
    access_sync_user(user=user, policy=policy_in_force())
    if not user.is_active:
        sessions_end(user=user, why=EndedWhy.PERSON_LOCKED, actor=actor, now=now or timezone.now())


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
