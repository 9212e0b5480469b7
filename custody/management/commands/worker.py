"""The embedded worker process: `manage.py worker`. With Celery, beat and workers do the same."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

from django.core.management.base import BaseCommand

from custody.wake import event
from custody.worker import INTERVAL_SECONDS, worker_run

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from types import FrameType


class Command(BaseCommand):
    """Run the sweeps until SIGTERM or SIGINT."""

    help = "Advance signing jobs (and whatever else the settings name) until stopped."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the pause."""
        parser.add_argument(
            "--interval", type=float, default=INTERVAL_SECONDS, help="Seconds to wait when nothing is due."
        )

    def handle(self, *args: object, **options: float) -> None:
        """Run."""
        del args
        stop = threading.Event()

        def on_signal(number: int, frame: FrameType | None) -> None:
            del number, frame
            stop.set()
            event.set()

        signal.signal(signal.SIGTERM, on_signal)
        signal.signal(signal.SIGINT, on_signal)
        self.stdout.write("worker ready")
        self.stdout.flush()
        worker_run(stopped=stop.is_set, interval_seconds=options["interval"])
