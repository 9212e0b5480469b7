"""`manage.py audit_sequence`: give entries their places every 100 ms, until told to stop.

The workers' sweep does the same a few times a second; a process of its own shortens the wait. Several may run: one of
them works at a time.
"""

from __future__ import annotations

import logging
import signal
import threading
from typing import TYPE_CHECKING

from django.core.management.base import BaseCommand
from django.db import close_old_connections
from django.utils import timezone

from audit.sequencer import sweep_once

if TYPE_CHECKING:
    from argparse import ArgumentParser

_logger = logging.getLogger(__name__)
_PAUSE_SECONDS = 2.0


class Command(BaseCommand):
    """Run the sequencer."""

    help = "Give audit entries their places in the log, a batch every --interval milliseconds."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the pace."""
        parser.add_argument("--interval", type=int, default=100, help="milliseconds between batches (100)")

    def handle(self, *_args: object, **options: int) -> None:
        """Sequence until SIGTERM or SIGINT. A database that is away is waited for."""
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        seconds = max(1, options["interval"]) / 1000
        while not stop.wait(seconds):
            close_old_connections()
            try:
                sweep_once(now=timezone.now())
            except Exception:  # the loop outlives whatever one pass meets
                _logger.exception("the sequencer failed")
                stop.wait(_PAUSE_SECONDS)
