"""How somebody wants to be told: kept by themselves, and every change is an entry of the log."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from django.db import transaction

from approvals.models import User
from audit.services import entry_append
from audit.tags import AuditTag
from oms.models import Notice, NoticeChoice, NoticeKind
from oms.notifications.webhook import url_check

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import QuerySet


def choice_of(*, user: User) -> NoticeChoice:
    """Return how somebody wants to be told; whoever never said is told nothing."""
    return NoticeChoice.objects.filter(pk=user.pk).first() or NoticeChoice(user=user)


def choice_set(*, user: User, kinds: Iterable[str], email: str, webhook: str, demo: bool) -> str:
    """Keep how somebody wants to be told.

    Args:
        user: Who.
        kinds: Of what; values of `NoticeKind`.
        email: Where to, or empty.
        webhook: Where to, or empty.
        demo: Whether a webhook on this very machine is allowed.

    Returns:
        The new key of a webhook that is new or was changed, hex; else empty. It is shown this once.

    Raises:
        WebhookRefusedError: If nothing may be sent there.
    """
    if webhook:
        url_check(webhook, demo=demo)
    wanted = [kind.value for kind in NoticeKind if kind.value in set(kinds)]
    with transaction.atomic():
        # The account's row: two tabs that save at once follow each other.
        User.objects.select_for_update().get(pk=user.pk)
        before = choice_of(user=user)
        fresh = bool(webhook) and webhook != before.webhook
        key = secrets.token_hex(32) if fresh else (before.webhook_key if webhook else "")
        values = {"kinds": ",".join(wanted), "email": email, "webhook": webhook, "webhook_key": key}
        NoticeChoice.objects.update_or_create(user=user, defaults=values)
        ways = [way for way, chosen in (("email", email), ("webhook", webhook)) if chosen]
        said: dict[str, object] = {
            "kinds": list(wanted),
            "ways": list(ways),
            "changed": email != before.email or fresh,
        }
        entry_append(actor=user.person_id, tag=AuditTag.NOTICE_CHOSEN, subject=user.person_id, payload=said)
    return key if fresh else ""


def notices_of(*, user: User) -> QuerySet[Notice]:
    """Return what somebody was told or is to be told, the newest first."""
    return Notice.objects.filter(user=user).order_by("-pk")
