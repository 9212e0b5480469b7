"""Once a day, at the hour that the settings name, limits are reconciled in a process of their own."""

from __future__ import annotations

import datetime as dt
import logging
from typing import TYPE_CHECKING

from django.conf import settings

from audit.selectors import entry_list_for_subject
from policies.children import child_end, child_start
from policies.models import Decision
from policies.services.reconcile import reconcile_failed, reconcile_subject

if TYPE_CHECKING:
    import subprocess

DIFFERENCES = 2
"""The exit code of a reconciliation that found differences; it has written them to the log itself."""
_logger = logging.getLogger(__name__)
_children: dict[dt.date, subprocess.Popen[bytes]] = {}
_done: set[dt.date] = set()


def _due(now: dt.datetime) -> dt.datetime:
    """Return when the latest reconciliation was due."""
    at = now.astimezone(dt.UTC).replace(hour=settings.COUNTERSIGN_RECONCILE_HOUR, minute=0, second=0, microsecond=0)
    return at if at <= now else at - dt.timedelta(days=1)


def _collect() -> int:
    ended = 0
    for day, child in list(_children.items()):
        code = child.poll()
        if code is None:
            continue
        del _children[day]
        ended += 1
        if code not in (0, DIFFERENCES):
            reconcile_failed(day=day, why=f"its process {child_end(code)}")
    return ended


def reconcile_sweep(*, now: dt.datetime) -> int:
    """Start the day's reconciliation when it is due and nobody has done it; return how many steps that was.

    Args:
        now: The current time.
    """
    steps = _collect()
    due = _due(now)
    day = due.date()
    if day in _done or day in _children:
        return steps
    if entry_list_for_subject(subject=reconcile_subject(day=day)).exists():
        _done.clear()
        _done.add(day)
        return steps
    if not Decision.objects.filter(decided_at__lt=due).exists():
        return steps
    try:
        _children[day] = child_start("limits_reconcile", "--day", day.isoformat())
    except OSError:
        # Tried again by the next sweep.
        _logger.exception("the reconciliation of limits could not be started")
        return steps
    return steps + 1
