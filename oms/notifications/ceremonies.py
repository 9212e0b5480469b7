"""What people are told of ceremonies: one waits for their consent or their hands, is about to end, or is over."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from approvals.models import ConsentRecord
from approvals.roles import Permission, may
from core.ceremony_lifecycle import CEREMONY_FINAL, CeremonyState
from core.documents.control import CeremonyKind
from custody.models import KeyCeremony
from oms.ceremony_due import ceremonies_due, consents_due
from oms.models import NoticeKind
from oms.notifications.cause import BACK, Cause

if TYPE_CHECKING:
    from collections.abc import Iterator

    from approvals.models import User

SOON_MOST = dt.timedelta(days=1)
"""A ceremony is about to end in the last quarter of its time, but no earlier than this before its end."""
_PART = 4
_OVER = {
    CeremonyState.DONE: "is done",
    CeremonyState.REJECTED: "was rejected",
    CeremonyState.FAILED: "has failed",
    CeremonyState.ABANDONED: "was abandoned",
    CeremonyState.EXPIRED: "has expired",
}


def _name(ceremony: KeyCeremony) -> str:
    return f"{ceremony.kind.replace('_', ' ')} {ceremony.digest[:8]}"


def _until(ceremony: KeyCeremony) -> str:
    return f"until {ceremony.expires_at:%Y-%m-%d %H:%M} UTC"


def _is_soon(ceremony: KeyCeremony, now: dt.datetime) -> bool:
    lasts = ceremony.expires_at - ceremony.drafted_at
    return now >= ceremony.expires_at - min(SOON_MOST, lasts / _PART)


def _cause(kind: NoticeKind, about: str, ceremony: KeyCeremony, title: str, text: str) -> Cause:
    return Cause(kind=kind, cause=f"ceremony-{about}:{ceremony.digest[:32]}", title=title, text=text)


def _waiting(user: User, now: dt.datetime) -> Iterator[Cause]:
    for one in consents_due(user=user, now=now):
        name, until = _name(one), _until(one)
        text = f"The ceremony {name}, drafted by {one.drafted_by}, waits for your consent {until}."
        yield _cause(NoticeKind.CASE_WAITS, "waits", one, f"ceremony {name} waits for you", text)
        if _is_soon(one, now):
            text = f"The ceremony {name} waits for you only {until}; then it has to be drafted anew."
            yield _cause(NoticeKind.CASE_EXPIRES, "expires", one, f"ceremony {name} is about to expire", text)


def _at_consoles(now: dt.datetime) -> Iterator[Cause]:
    for due in ceremonies_due(now=now):
        name, until = _name(due.row), _until(due.row)
        text = f"The ceremony {name} was ordered and waits for steps at consoles {until}. Its page says which."
        yield _cause(NoticeKind.CASE_WAITS, "console", due.row, f"ceremony {name} waits at consoles", text)
        if _is_soon(due.row, now):
            text = f"The ceremony {name} is not done, and lasts only {until}. {len(due.left)} steps are left."
            yield _cause(NoticeKind.CASE_EXPIRES, "late", due.row, f"ceremony {name} is about to expire", text)


def _modes(now: dt.datetime) -> Iterator[Cause]:
    running = KeyCeremony.objects.filter(
        kind=CeremonyKind.DEGRADED.value, state=CeremonyState.RUNNING.value, expires_at__gt=now
    )
    for one in running:
        if _is_soon(one, now):
            text = f"The degraded mode {one.digest[:8]} is in force only {_until(one)}; cases wait then."
            title = f"degraded mode {one.digest[:8]} is about to end"
            yield _cause(NoticeKind.CASE_EXPIRES, "late", one, title, text)


def _over(user: User, now: dt.datetime, *, runs: bool) -> Iterator[Cause]:
    ended = KeyCeremony.objects.filter(
        state__in=[state.value for state in CEREMONY_FINAL], ended_at__gte=now - BACK, ended_at__lte=now
    )
    rows = list(ended)
    spoke = set(
        ConsentRecord.objects.filter(actor=user.person_id, subject__in=[one.digest for one in rows]).values_list(
            "subject", flat=True
        )
    )
    for one in rows:
        if not (runs or one.drafted_by == user.person_id or one.digest in spoke):
            continue
        name, words = _name(one), _OVER[CeremonyState(one.state)]
        text = f"The ceremony {name} {words}, at {one.ended_at:%Y-%m-%d %H:%M} UTC. Its page says more."
        yield _cause(NoticeKind.MINE_MOVED, "over", one, f"ceremony {name} {words}", text)


def ceremony_causes(*, user: User, kinds: frozenset[str], now: dt.datetime) -> list[Cause]:
    """Return what there is to tell somebody of ceremonies, as far as they want to know.

    Whoever can fill a seat is told that one waits; whoever runs operations, that steps at consoles are due; and those
    two, who drafted it and who spoke about it, how it ended.

    Args:
        user: Whom.
        kinds: What they want to be told of; values of `NoticeKind`.
        now: The current time.
    """
    runs = may(user, Permission.RUN)
    found: list[Cause] = []
    if kinds & {NoticeKind.CASE_WAITS, NoticeKind.CASE_EXPIRES}:
        found += _waiting(user, now)
        found += [*_at_consoles(now), *_modes(now)] if runs else []
    if NoticeKind.MINE_MOVED in kinds:
        found += _over(user, now, runs=runs)
    return [one for one in found if one.kind in kinds]
