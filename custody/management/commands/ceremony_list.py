"""`manage.py ceremony_list`: ceremonies, the newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.management.base import BaseCommand

from core.ceremony_lifecycle import CEREMONY_FINAL
from custody.ceremony_selectors import ceremony_list

if TYPE_CHECKING:
    from argparse import ArgumentParser

_SHOWN = 50


class Command(BaseCommand):
    """List them."""

    help = "List ceremonies, the newest first."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--all", action="store_true", help="also those that are over")

    def handle(self, *_args: object, **options: object) -> None:
        """Write a line for each."""
        rows = ceremony_list()
        if not options["all"]:
            rows = rows.exclude(state__in=[state.value for state in CEREMONY_FINAL])
        for row in rows[:_SHOWN]:
            wallet = row.wallet or "-"
            until = f"{row.expires_at:%Y-%m-%d %H:%M} UTC"
            self.stdout.write(f"{row.digest[:16]} {row.kind} {wallet} {row.state} until {until} {row.why}".rstrip())
        if not rows.exists():
            self.stdout.write("no ceremony")
