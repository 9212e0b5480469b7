"""Signing in and proving oneself again with a security key.

What can be refused without looking for the key is refused first, in words that say what to do. From there on every
refusal has the same words and does the same work: an answer tells nobody which keys are enrolled.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction

from approvals.errors import SignInRefusedError
from approvals.models import UsedChallenge
from approvals.selectors import key_get_for_sign_in, keys_usable
from approvals.session_services import EndedWhy, sessions_end
from approvals.software_keys import software_keys_allowed
from approvals.throttle import Scope, Subject, throttle_check, throttle_count, throttle_forget
from approvals.webauthn import CHALLENGE_SECONDS, sign_in_begin, sign_in_read, sign_in_verify
from audit.models import Severity
from audit.services import entry_append
from audit.tags import AuditTag

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from approvals.models import SecurityKey, User
    from approvals.webauthn import Answer

ACTOR = "system:sign-in"
NOT_KNOWN = (
    "This security key did not open the site. Try the key that is enrolled here; if it is refused again, ask an "
    "administrator."
)
TOO_LATE = "That took longer than five minutes. Reload the page and try again."
_AT = "at"


def challenge_begin(
    *, address: str, now: dt.datetime, user: User | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the options for the browser, and the state to keep until it answers.

    Args:
        address: Who asks, for the throttle.
        now: The current time.
        user: Whose keys may answer; None lets the key say who it is.

    Raises:
        SignInRefusedError: Too many were asked for.
    """
    subject = Subject(Scope.CHALLENGE, address)
    throttle_check(subjects=[subject], now=now)
    throttle_count(subject=subject, now=now)
    known = () if user is None else [key.credential_id for key in keys_usable(user=user)]
    options, state = sign_in_begin(known=known)
    return options, {**state, _AT: int(now.timestamp())}


def key_prove(
    *,
    state: Mapping[str, Any] | None,
    response: Mapping[str, Any],
    address: str,
    now: dt.datetime,
    user: User | None = None,
) -> SecurityKey:
    """Verify who answers, and return their key.

    A counter that went back locks the key: two devices hold it. The lock commits, the sign-in does not.

    Args:
        state: What `challenge_begin` returned for this very visitor; it serves once.
        response: What the browser sent.
        address: From where.
        now: The current time.
        user: Whose key it has to be; None for signing in.

    Raises:
        SignInRefusedError: They did not prove it, with what to do.
    """
    throttle_check(subjects=[Subject(Scope.ADDRESS, address)], now=now)
    try:
        answer = _read(state, response, now)
    except SignInRefusedError as error:
        _count(why=str(error), subjects=[Subject(Scope.ADDRESS, address)], now=now)
        raise
    key_subject = Subject(Scope.KEY, answer.credential_id)
    throttle_check(subjects=[key_subject], now=now)
    owner = _owner_of(answer.credential_id)
    subjects = [Subject(Scope.ADDRESS, address), key_subject]
    if owner is not None:
        subjects.append(Subject(Scope.PERSON, owner))
        throttle_check(subjects=subjects[2:], now=now)
    key = _prove(answer, state or {}, now, user)
    if key is None:
        _count(why="not known, not usable, or not verified", subjects=subjects, now=now, person=owner or "")
        raise SignInRefusedError(NOT_KNOWN)
    throttle_forget(subjects=subjects[1:])
    return key


def _read(state: Mapping[str, Any] | None, response: Mapping[str, Any], now: dt.datetime) -> Answer:
    if state is None:
        raise SignInRefusedError("This attempt was used already. Reload the page and try again.")
    begun = state.get(_AT)
    if not isinstance(begun, int) or not 0 <= int(now.timestamp()) - begun < CHALLENGE_SECONDS:
        raise SignInRefusedError(TOO_LATE)
    return sign_in_read(state=state, response=response)


def _owner_of(credential_id: str) -> str | None:
    key = key_get_for_sign_in(credential_id=credential_id, lock=False)
    return None if key is None else key.user.person_id


def _prove(answer: Answer, state: Mapping[str, Any], now: dt.datetime, user: User | None) -> SecurityKey | None:
    with transaction.atomic():
        key = key_get_for_sign_in(credential_id=answer.credential_id)
        usable = key is not None and not key.locked and (not key.software or software_keys_allowed())
        usable = usable and (user is None or (key is not None and key.user_id == user.pk))
        verified = sign_in_verify(
            state=state, answer=answer, credential_data=key.public_key if key is not None and usable else None
        )
        if key is None or not verified:
            return None
        # 0 and 0 is a key that keeps no counter.
        if (answer.counter or key.sign_count) and answer.counter <= key.sign_count:
            _lock_clone(key, answer.counter, now)
            return None
        if not _take(answer, now):
            return None
        key.sign_count, key.last_used_at = answer.counter, now
        key.save(update_fields=["sign_count", "last_used_at"])
        return key


def _take(answer: Answer, now: dt.datetime) -> bool:
    """Use a challenge up: of two requests with one answer, the database takes one."""
    digest = hashlib.sha256(bytes(answer.raw.response.client_data.challenge)).hexdigest()
    try:
        with transaction.atomic():
            UsedChallenge.objects.create(digest=digest, at=now)
    except IntegrityError:
        return False
    return True


def _lock_clone(key: SecurityKey, seen: int, now: dt.datetime) -> None:
    key.locked = True
    key.save(update_fields=["locked"])
    entry_append(
        actor=ACTOR,
        tag=AuditTag.KEY_LOCKED,
        subject=key.user.person_id,
        payload={
            "credential": key.credential_id,
            "message": "A security key's counter went back: two devices hold it. It was locked.",
            "seen": seen,
            "stored": key.sign_count,
        },
        severity=Severity.CRITICAL,
    )
    sessions_end(user=key.user, why=EndedWhy.KEY_LOCKED, actor=ACTOR, now=now, key=key)


def _count(*, why: str, subjects: list[Subject], now: dt.datetime, person: str = "") -> None:
    """Write the refusal down, and count it for everything that it tells about."""
    credential = next((one.digest[:16] for one in subjects if one.scope is Scope.KEY), "")
    address = next(one.name for one in subjects if one.scope is Scope.ADDRESS)
    with transaction.atomic():
        entry_append(
            actor=ACTOR,
            tag=AuditTag.SESSION_REFUSED,
            subject=person,
            payload={"address": address, "credential": credential, "why": why},
            severity=Severity.WARNING,
        )
    for subject in subjects:
        throttle_count(subject=subject, now=now)
