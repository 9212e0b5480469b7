"""Sessions of people: opened by a key, ended by the person, by somebody in charge, or by the next one."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction

from approvals.models import PersonSession, User
from audit.context import session_name
from audit.models import Severity
from audit.services import entry_append
from audit.tags import AuditTag

if TYPE_CHECKING:
    import datetime as dt

    from django.db.models import QuerySet

    from approvals.models import SecurityKey


class EndedWhy(StrEnum):
    """Why a session is over."""

    SIGNED_OUT = "signed_out"
    IDLE = "idle"
    OLD = "old"
    REPLACED = "replaced"
    REVOKED = "revoked"
    KEY_LOCKED = "key_locked"
    PERSON_LOCKED = "person_locked"
    NO_KEY = "no_key"


WORDS = {
    EndedWhy.SIGNED_OUT: "You signed out.",
    EndedWhy.IDLE: "You were signed out: nobody used this session for a while.",
    EndedWhy.OLD: "You were signed out: a session ends after a working day.",
    EndedWhy.REPLACED: "You were signed out here because you signed in elsewhere. If that was not you, tell an "
    "administrator at once.",
    EndedWhy.REVOKED: "This session was ended.",
    EndedWhy.KEY_LOCKED: "You were signed out: the security key of this session was locked.",
    EndedWhy.PERSON_LOCKED: "You were signed out: your account was closed. Ask an administrator.",
    EndedWhy.NO_KEY: "You were signed out: no security key opened this session.",
}
_BY_THEMSELVES = {EndedWhy.IDLE, EndedWhy.OLD, EndedWhy.NO_KEY}


def session_open(
    *, key: SecurityKey, session_key: str, address: str, browser: str, now: dt.datetime
) -> list[PersonSession]:
    """Record a session, and end those of the same person that are one too many.

    Args:
        key: The key that opened it.
        session_key: Django's key of it.
        address: From where.
        browser: What the browser calls itself.
        now: The current time.

    Returns:
        The sessions that it ended.
    """
    with transaction.atomic():
        # Of two browsers that sign in at the same moment, one sees the other's session.
        User.objects.select_for_update().get(pk=key.user.pk)
        most = settings.COUNTERSIGN_SESSIONS_EACH - 1
        ended = list(_open_of(user=key.user)[most:])
        for session in ended:
            session_end(session=session, why=EndedWhy.REPLACED, actor=key.user.person_id, now=now)
        PersonSession.objects.create(
            user=key.user,
            key=key,
            session_key=session_key,
            name=session_name(session_key),
            address=address,
            browser=browser,
            opened_at=now,
            seen_at=now,
        )
        entry_append(
            actor=key.user.person_id,
            tag=AuditTag.SESSION_OPENED,
            subject=key.user.person_id,
            payload={
                "address": address,
                "credential": key.credential_id,
                "ended": [session.name for session in ended],
                "opened": session_name(session_key),
            },
        )
        return ended


def _open_of(*, user: User) -> QuerySet[PersonSession]:
    return PersonSession.objects.filter(user=user, ended_at__isnull=True).select_related("user", "key")


def session_get(*, session_key: str | None) -> PersonSession | None:
    """Return the record of a session, ended or not."""
    if not session_key:
        return None
    return PersonSession.objects.select_related("key").filter(session_key=session_key).first()


def session_list(*, user: User, most: int) -> list[PersonSession]:
    """Return somebody's newest sessions, open ones first."""
    rows = PersonSession.objects.filter(user=user).select_related("key")
    return sorted(rows[:most], key=lambda row: (row.ended_at is not None, -row.pk))


def session_seen(*, session: PersonSession, now: dt.datetime) -> None:
    """Note that its person was there."""
    PersonSession.objects.filter(pk=session.pk).update(seen_at=now)


def session_end(*, session: PersonSession, why: EndedWhy, actor: str, now: dt.datetime) -> bool:
    """End a session, with its entry; whether it was open. Its next request finds it ended and is nobody's.

    Args:
        session: Which.
        why: Why.
        actor: Who ended it.
        now: The current time.
    """
    with transaction.atomic():
        found = PersonSession.objects.filter(pk=session.pk, ended_at__isnull=True)
        if not found.update(ended_at=now, ended_why=why.value, ended_by=actor):
            return False
        tag = AuditTag.SESSION_ENDED
        if why is EndedWhy.SIGNED_OUT:
            tag = AuditTag.SESSION_CLOSED
        elif why in _BY_THEMSELVES:
            tag = AuditTag.SESSION_EXPIRED
        others = why in (EndedWhy.REVOKED, EndedWhy.KEY_LOCKED, EndedWhy.PERSON_LOCKED)
        entry_append(
            actor=actor,
            tag=tag,
            subject=session.user.person_id,
            payload={"ended": session.name, "why": why.value},
            severity=Severity.WARNING if others else Severity.INFO,
        )
        return True


def sessions_end(*, user: User, why: EndedWhy, actor: str, now: dt.datetime, key: SecurityKey | None = None) -> int:
    """End all open sessions of somebody, or those that one key opened; return how many."""
    rows = _open_of(user=user) if key is None else _open_of(user=user).filter(key=key)
    return sum(session_end(session=row, why=why, actor=actor, now=now) for row in rows)


def session_refused(*, person: str, why: EndedWhy) -> None:
    """Record that a session without a record of ours was closed."""
    with transaction.atomic():
        entry_append(actor=person, tag=AuditTag.SESSION_EXPIRED, subject=person, payload={"why": why.value})
