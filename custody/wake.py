"""Cuts latency, nothing else: whoever misses a wake-up finds the work at its next look at the database."""

from __future__ import annotations

import logging
import threading

from django.conf import settings

_logger = logging.getLogger(__name__)
event = threading.Event()
"""Set for a worker thread of this process."""


def wake() -> None:
    """Let the sweep run soon. Never fails: a lost broker loses no transaction."""
    event.set()
    if getattr(settings, "COUNTERSIGN_MODE", "embedded") != "full":
        return
    from custody.tasks import sweep  # noqa: PLC0415 - tasks import the sweep, which imports what wakes

    try:
        sweep.apply_async(retry=False)
    except Exception as error:  # noqa: BLE001 - a request must not fail because the broker does
        _logger.warning("the broker is away (%s); the next sweep finds the work", type(error).__name__)
