"""What happens to ceremonies without anybody doing anything: they expire, signers are asked, people are told."""

from __future__ import annotations

import datetime as dt
import logging
from typing import TYPE_CHECKING

from audit.alarms import alarm_follow, alarms_open
from audit.models import Severity
from audit.tags import AuditTag
from audit.watch import round_claim
from core.ceremony_lifecycle import CEREMONY_GOING
from custody.ceremony_orders import orders_advance, rows_close
from custody.ceremony_runs import runs_advance
from custody.ceremony_selectors import waiting_words
from custody.ceremony_services import ceremonies_expire
from custody.ceremony_transitions import ACTOR
from custody.damaged_rows import UNREADABLE, row_damaged
from custody.models_ceremonies import KeyCeremony

if TYPE_CHECKING:
    from collections.abc import Callable

WATCH_EVERY = dt.timedelta(seconds=5)
_WATCH = "custody.ceremonies"
_logger = logging.getLogger(__name__)


def ceremonies_watch(*, now: dt.datetime) -> int:
    """Raise, follow and end the alarms over ceremonies that wait too long; return how many were looked at."""
    if round_claim(name=_WATCH, every=WATCH_EVERY, now=now) is None:
        return 0
    going = list(KeyCeremony.objects.filter(state__in=[state.value for state in CEREMONY_GOING]))
    for ceremony in going:
        try:
            words = waiting_words(ceremony=ceremony, now=now)
        except UNREADABLE as error:  # one ceremony's trouble keeps no other from being watched
            row_damaged(what="ceremony", key=ceremony.digest[:16], error=error)
            continue
        _follow(ceremony.digest, words)
    known = {ceremony.digest for ceremony in going}
    told = alarms_open().filter(tag=AuditTag.CEREMONY_WAITS.value).values_list("subject", flat=True)
    for digest in set(told) - known:
        _follow(digest, "")
    return len(going)


def _follow(digest: str, words: str) -> None:
    alarm_follow(
        holds=bool(words),
        tag=AuditTag.CEREMONY_WAITS,
        severity=Severity.ALARM,
        subject=digest,
        message=words or "It waits no longer.",
        actor=ACTOR,
    )


def sweep_once(*, now: dt.datetime) -> int:
    """Look after ceremonies; return how many steps were made.

    Args:
        now: The current time.
    """
    steps: tuple[Callable[..., int], ...] = (
        ceremonies_expire,
        rows_close,
        orders_advance,
        runs_advance,
        ceremonies_watch,
    )
    made = 0
    for step in steps:
        try:
            made += step(now=now)
        except Exception:  # one part's trouble does not keep the others waiting
            _logger.exception("ceremonies: %s failed", step.__name__)
    return made
