"""`manage.py ceremony_export DIGEST --out FILE`: an ordered ceremony with its consents, as consoles take it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from django.core.management.base import BaseCommand, CommandError

from core.canonical import canonical
from core.errors import CoreError
from custody.ceremony_export import ceremony_export
from custody.ceremony_selectors import ceremony_find
from custody.errors import CeremonyError

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    """Export one ordered ceremony."""

    help = "Export an ordered ceremony with its consents, as signers' consoles and recovery sites take it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare which one, and where to."""
        parser.add_argument("digest", help="the ceremony's digest, or the first eight or more digits of it")
        parser.add_argument("--out", required=True, help="the file; an existing one is not overwritten")

    def handle(self, *_args: object, **options: str) -> None:
        """Write the file."""
        try:
            ceremony = ceremony_find(beginning=options["digest"])
            signed = ceremony_export(ceremony=ceremony, actor="system:manage")
            with Path(options["out"]).open("xb") as file:
                file.write(canonical(signed))
        except (CeremonyError, CoreError, OSError, ValueError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{ceremony.kind} {ceremony.digest} written to {options['out']}")
