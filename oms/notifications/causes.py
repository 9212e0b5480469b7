"""What there is to tell whom. Stored first, told later: a restart loses nothing, and nobody is told a thing twice."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from django.db.models import Q
from django.utils import timezone

from approvals.roles import Permission, may
from audit.tags import AuditTag
from core.lifecycle import Event
from oms.models import Notice, NoticeChoice, NoticeKind, TransactionEvent
from oms.notifications.cause import BACK, SOON, Cause
from oms.notifications.ceremonies import ceremony_causes
from oms.selectors import requests_waiting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from approvals.models import User
    from audit.alarm_ports import Notice as AlarmNotice

EVERY = dt.timedelta(seconds=20)
_TITLE, _TEXT = 160, 600
_TELLING = {
    Event.DENY: "was denied by policy",
    Event.REJECT: "was rejected",
    Event.EXPIRE: "expired",
    Event.BLOCK: "was blocked at the re-check",
    Event.SIGNER_REFUSES: "was refused by the signer",
    Event.FINALISE: "is confirmed",
    Event.REVERT: "failed on chain",
    Event.SUPERSEDE: "lost its nonce to another transaction",
    Event.CANCEL: "was cancelled on chain",
}


def kinds_of(choice: NoticeChoice) -> frozenset[str]:
    """Return what somebody wants to be told of."""
    return frozenset(kind for kind in choice.kinds.split(",") if kind)


def notices_keep(*, choice: NoticeChoice, cause: Cause, now: dt.datetime) -> int:
    """Store a notice for each way that somebody chose; one that is stored already stays as it is.

    Returns:
        How many are new.
    """
    ways = [way for way, chosen in (("email", choice.email), ("webhook", choice.webhook)) if chosen]
    made = 0
    for way in ways:
        values = {
            "kind": cause.kind.value,
            "title": cause.title[:_TITLE],
            "text": cause.text[:_TEXT],
            "made_at": now,
            "due_at": now,
        }
        found = Notice.objects.get_or_create(user=choice.user, way=way, cause=cause.cause[:128], defaults=values)
        made += found[1]
    return made


def _waiting(user: User, kinds: frozenset[str], now: dt.datetime) -> Iterator[Cause]:
    for request in requests_waiting(user=user):
        name, until = request.reference[:8], f"{request.expires_at:%Y-%m-%d %H:%M} UTC"
        if NoticeKind.CASE_WAITS in kinds:
            yield Cause(
                kind=NoticeKind.CASE_WAITS,
                cause=f"waits:{request.reference}",
                title=f"case {name} waits for you",
                text=f"Case {name}, asked by {request.asker} ({request.desk}), waits for your consent until {until}.",
            )
        if NoticeKind.CASE_EXPIRES in kinds and request.expires_at <= now + SOON:
            yield Cause(
                kind=NoticeKind.CASE_EXPIRES,
                cause=f"expires:{request.reference}",
                title=f"case {name} is about to expire",
                text=f"Case {name}, asked by {request.asker} ({request.desk}), waits for you until {until}.",
            )


def _moved(user: User, now: dt.datetime) -> Iterator[Cause]:
    telling = Q(event__in=[event.value for event in _TELLING])
    steps = TransactionEvent.objects.select_related("request").filter(
        telling, request__asker=user.person_id, at__gte=now - BACK
    )
    for step in steps:
        name, words = step.request.reference[:8], _TELLING[Event(step.event)]
        yield Cause(
            kind=NoticeKind.MINE_MOVED,
            cause=f"moved:{step.pk}",
            title=f"your request {name} {words}",
            text=f"Your request {name} {words} at {step.at:%Y-%m-%d %H:%M} UTC. Its page says why.",
        )


def causes_of(*, choice: NoticeChoice, now: dt.datetime) -> list[Cause]:
    """Return what there is to tell somebody now, as far as they want to know and may see it.

    Args:
        choice: Whom, and what they want to know.
        now: The current time.
    """
    user, kinds = choice.user, kinds_of(choice)
    if not user.is_active:
        return []
    found = list(_waiting(user, kinds, now)) if kinds & {NoticeKind.CASE_WAITS, NoticeKind.CASE_EXPIRES} else []
    found += list(_moved(user, now)) if NoticeKind.MINE_MOVED in kinds else []
    return found + ceremony_causes(user=user, kinds=kinds, now=now)


def alarm_port(*, notice: AlarmNotice) -> None:
    """Store an alarm for whoever wants to be told of alarms and may see them: a port of `audit.alarm_ports`."""
    over = "is over" if notice.cleared else f"{notice.severity.value} raised"
    for choice in NoticeChoice.objects.select_related("user"):
        # Whoever cannot be told is not told that they could not be told.
        own_trouble = notice.tag == AuditTag.NOTICE_FAILED and notice.subject.endswith(f":{choice.user.person_id}")
        wants = NoticeKind.ALARM in kinds_of(choice) and choice.user.is_active
        if not wants or own_trouble or not may(choice.user, Permission.SEE_ALARMS):
            continue
        cause = Cause(
            kind=NoticeKind.ALARM,
            cause=f"alarm:{notice.alarm_id}:{notice.what}",
            title=f"{over}: {notice.tag}",
            text=f"{notice.tag}, {notice.at:%Y-%m-%d %H:%M:%S} UTC. {notice.advice}",
        )
        notices_keep(choice=choice, cause=cause, now=timezone.now())
