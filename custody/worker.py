"""The embedded worker: a thread, or a process of its own, that runs the sweeps until it is told to stop."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, cast

from django.conf import settings
from django.db import close_old_connections, connections
from django.utils import timezone
from django.utils.module_loading import import_string

from custody.wake import event

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable
    from typing import Protocol

    class Sweep(Protocol):
        """Advances whatever is due, and says how many steps it made."""

        def __call__(self, *, now: dt.datetime) -> int:
            """Sweep."""


DEFAULT_SWEEPS = ("custody.sweep.sweep_once",)
INTERVAL_SECONDS = 0.5
_logger = logging.getLogger(__name__)


def sweeps_load() -> list[Sweep]:
    """Import the sweeps that the settings name; a wrong name stops the start."""
    paths: tuple[str, ...] = getattr(settings, "COUNTERSIGN_SWEEPS", DEFAULT_SWEEPS)
    return [cast("Sweep", import_string(path)) for path in paths]


def worker_run(*, stopped: Callable[[], bool], interval_seconds: float = INTERVAL_SECONDS) -> None:
    """Sweep until stopped. A database that is away is waited for.

    Args:
        stopped: Asked between sweeps.
        interval_seconds: Pause when nothing is due; a wake-up cuts it short.
    """
    sweeps = sweeps_load()
    while not stopped():
        event.clear()
        close_old_connections()
        steps = 0
        for sweep in sweeps:
            try:
                steps += sweep(now=timezone.now())
            except Exception:  # the loop outlives whatever one pass meets
                _logger.exception("the sweep failed")
        if not steps:
            event.wait(interval_seconds)
    connections.close_all()


class WorkerThread(threading.Thread):
    """The worker as a thread of another process."""

    def __init__(self, *, interval_seconds: float = INTERVAL_SECONDS) -> None:
        """Prepare; `start` starts it, `stop` ends it after its current step."""
        super().__init__(name="countersign-worker", daemon=True)
        self._stop_asked = threading.Event()
        self._interval_seconds = interval_seconds

    def run(self) -> None:
        """Sweep until stopped."""
        worker_run(stopped=self._stop_asked.is_set, interval_seconds=self._interval_seconds)

    def stop(self, *, timeout_seconds: float = 30.0) -> None:
        """Ask the thread to end, and wait for it."""
        self._stop_asked.set()
        event.set()
        self.join(timeout_seconds)
