"""`manage.py limits_reconcile`: do counters, reservations and holds agree? The sweep runs it once a day."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from policies.reconcile import DIFFERENCES
from policies.services.reconcile import limits_reconcile

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    """Compare, and exit with 2 where something differs."""

    help = "Compare all limits' counters, reservations and holds; nothing is repaired."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the day that it is noted under."""
        parser.add_argument("--day", help="the day in the log, 2026-01-31; today if not given")

    def handle(self, *_args: object, **options: str | None) -> None:
        """Compare."""
        given = options["day"]
        try:
            day = timezone.now().date() if given is None else dt.date.fromisoformat(given)
        except ValueError:
            raise CommandError(f"{given!r} is no day: write 2026-01-31.") from None
        found = limits_reconcile(day=day)
        self.stdout.write(f"{found.holds:,} holds and {found.counters:,} counters compared")
        for line in found.differences:
            self.stdout.write(line)
        if found.differences:
            raise CommandError(f"{len(found.differences):,} differences", returncode=DIFFERENCES)
