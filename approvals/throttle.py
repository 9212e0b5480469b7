"""How often somebody may fail to sign in: counted for each address, key and person, in the database.

Every process counts in the same rows. Unknown keys are counted like known ones, so a lock-out tells nobody which keys
exist. A lock-out raises one alarm and writes nothing more until it ends.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
from enum import StrEnum
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import F, Q

from approvals.errors import SignInRefusedError
from approvals.models import SignInCounter
from audit.models import Severity
from audit.services import entry_append
from audit.tags import AuditTag

if TYPE_CHECKING:
    from collections.abc import Iterable

WINDOW = dt.timedelta(minutes=15)
LOCKED = dt.timedelta(minutes=15)
ROWS_MOST = 20_000
"""More subjects than this at once share one row: a flood of addresses fills no disk."""


class Scope(StrEnum):
    """What is counted."""

    ADDRESS = "address"
    KEY = "key"
    PERSON = "person"
    CHALLENGE = "challenge"


MOST = {Scope.ADDRESS: 30, Scope.KEY: 10, Scope.PERSON: 10, Scope.CHALLENGE: 300}
"""So often within a window. `challenge`: options that an address asked for, failures or not."""
_OVERFLOW = "overflow"


@dataclasses.dataclass(frozen=True)
class Subject:
    """One thing that is counted; `name` is stored as a digest only."""

    scope: Scope
    name: str

    @property
    def digest(self) -> str:
        """What stands in the row."""
        return hashlib.sha256(f"{self.scope}\n{self.name}".encode()).hexdigest()


def throttle_check(*, subjects: Iterable[Subject], now: dt.datetime) -> None:
    """Refuse whoever is locked out.

    Raises:
        SignInRefusedError: With how long to wait; the same words for every reason.
    """
    wanted = Q(pk=None)
    for subject in subjects:
        wanted |= Q(scope=subject.scope, subject__in=(subject.digest, _OVERFLOW))
    latest = (
        SignInCounter.objects.filter(wanted, locked_until__gt=now)
        .order_by("-locked_until")
        .values_list("locked_until", flat=True)
        .first()
    )
    if latest is not None:
        minutes = max(1, -int(-(latest - now).total_seconds() // 60))
        raise SignInRefusedError(f"Too many attempts failed. Wait {minutes} min, or ask an administrator.")


def throttle_count(*, subject: Subject, now: dt.datetime) -> bool:
    """Count one, in a transaction of its own; whether that locked somebody out just now."""
    with transaction.atomic():
        row = _row(subject, now)
        if row.began_at <= now - WINDOW:
            SignInCounter.objects.filter(pk=row.pk).update(began_at=now, count=0, locked_until=None)
        SignInCounter.objects.filter(pk=row.pk).update(count=F("count") + 1)
        due = SignInCounter.objects.filter(
            Q(locked_until__isnull=True) | Q(locked_until__lte=now), pk=row.pk, count__gte=MOST[subject.scope]
        )
        locked = bool(due.update(locked_until=now + LOCKED, count=0, began_at=now))
        if locked:
            entry_append(
                actor="system:sign-in",
                tag=AuditTag.SIGN_IN_LOCKED,
                subject=subject.name[:128] if subject.scope is not Scope.KEY else subject.digest,
                payload={
                    "message": f"Too many failed sign-ins by one {subject.scope}: locked out for a while.",
                    "scope": subject.scope.value,
                    "until": int((now + LOCKED).timestamp()),
                },
                severity=Severity.ALARM,
            )
        return locked


def _row(subject: Subject, now: dt.datetime) -> SignInCounter:
    rows = SignInCounter.objects.select_for_update()
    found = rows.filter(scope=subject.scope, subject=subject.digest).first()
    if found is not None:
        return found
    throttle_prune(now=now)
    digest = subject.digest if SignInCounter.objects.count() < ROWS_MOST else _OVERFLOW
    row, _ = rows.get_or_create(scope=subject.scope, subject=digest, defaults={"began_at": now})
    return row


def throttle_forget(*, subjects: Iterable[Subject]) -> None:
    """Forget failures of who proved who they are."""
    for subject in subjects:
        SignInCounter.objects.filter(scope=subject.scope, subject=subject.digest).delete()


def throttle_prune(*, now: dt.datetime) -> int:
    """Remove what no longer counts, and return how much that was."""
    over = Q(locked_until__isnull=True) | Q(locked_until__lte=now)
    return SignInCounter.objects.filter(over, began_at__lte=now - WINDOW).delete()[0]
