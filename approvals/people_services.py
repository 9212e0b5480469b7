"""What people in charge do about others: confirm a new sign-in key, shut somebody out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction

from approvals.errors import EnrolmentRefusedError
from approvals.models import EnrolmentTicket, KeyConfirmation, SecurityKey, User
from approvals.services import key_lock
from approvals.session_services import EndedWhy, sessions_end
from audit.models import Severity
from audit.services import entry_append
from audit.tags import AuditTag
from core.enrolments import COSIGNERS

if TYPE_CHECKING:
    import datetime as dt


def key_confirm(*, key_id: int, by: User, now: dt.datetime) -> SecurityKey:
    """Say that a new sign-in key's fingerprint was compared with its owner; the second one to say so opens it.

    Args:
        key_id: Which key.
        by: An administrator who is not its owner.
        now: The current time.

    Raises:
        EnrolmentRefusedError: They may not, or said so before.
    """
    with transaction.atomic():
        rows = SecurityKey.objects.select_for_update(of=("self",)).select_related("user")
        key = rows.filter(pk=key_id).first()
        if key is None or key.locked or key.confirmed:
            raise EnrolmentRefusedError("This key does not wait for a confirmation.")
        if key.user_id == by.pk:
            raise EnrolmentRefusedError("Two others compare your key with you; you do not confirm it yourself.")
        try:
            with transaction.atomic():
                KeyConfirmation.objects.create(key=key, by=by, at=now)
        except IntegrityError as error:
            raise EnrolmentRefusedError("You confirmed this key already: another administrator has to.") from error
        said = key.confirmations.count()
        if said >= COSIGNERS:
            key.confirmed = True
            key.save(update_fields=["confirmed"])
        entry_append(
            actor=by.person_id,
            tag=AuditTag.KEY_CONFIRMED,
            subject=key.user.person_id,
            payload={"confirmed": key.confirmed, "credential": key.credential_id, "said": said},
            severity=Severity.WARNING,
        )
        return key


def person_lock(*, user: User, by: User, why: str, now: dt.datetime) -> int:
    """Shut somebody out: no sign-in, every sign-in key locked, every session and link ended.

    What they may sign is in the policy, and takes a new one; signers stop counting them from then on.

    Args:
        user: Who.
        by: Who does it.
        why: In a few words, for the log.
        now: The current time.

    Returns:
        How many sessions ended.

    Raises:
        EnrolmentRefusedError: Somebody would shut themselves out.
    """
    if user.pk == by.pk:
        raise EnrolmentRefusedError("You cannot shut yourself out: ask another administrator.")
    with transaction.atomic():
        locked = User.objects.select_for_update().get(pk=user.pk)
        locked.is_active = False
        locked.save(update_fields=["is_active"])
        EnrolmentTicket.objects.filter(user=user, used_at__isnull=True, expires_at__gt=now).update(expires_at=now)
        ended = sessions_end(user=user, why=EndedWhy.PERSON_LOCKED, actor=by.person_id, now=now)
        for key in SecurityKey.objects.filter(user=user, locked=False):
            key_lock(key_id=key.pk, actor=by.person_id, now=now)
        entry_append(
            actor=by.person_id,
            tag=AuditTag.USER_LOCKED,
            subject=user.person_id,
            payload={"sessions": ended, "why": why[:200]},
            severity=Severity.WARNING,
        )
        return ended
