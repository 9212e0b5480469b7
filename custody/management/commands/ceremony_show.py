"""`manage.py ceremony_show DIGEST`: one ceremony, what each signer has done, and its transcript."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.management.base import BaseCommand, CommandError

from core.errors import CoreError
from custody.ceremony_selectors import (
    ceremony_document,
    ceremony_find,
    progress_list,
    transcript,
    transcript_holds,
)
from custody.errors import CeremonyError

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    """Show it."""

    help = "Show a ceremony, what each signer has done, and its transcript."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare which one."""
        parser.add_argument("digest", help="the ceremony's digest, or the first eight or more digits of it")

    def handle(self, *_args: object, **options: str) -> None:
        """Write it."""
        try:
            ceremony = ceremony_find(beginning=options["digest"])
        except CeremonyError as error:
            raise CommandError(str(error)) from error
        try:
            document = ceremony_document(ceremony=ceremony)
        except (CoreError, ValueError) as error:
            raise CommandError(f"ceremony {ceremony.digest[:16]} was edited past us: {error}") from error
        self.stdout.write(f"{ceremony.kind} {ceremony.digest}")
        self.stdout.write(f"  state: {ceremony.state}{': ' + ceremony.why if ceremony.why else ''}")
        self.stdout.write(
            f"  wallet: {ceremony.wallet or '-'}, epoch {document.epoch}, signers: {self._names(document.signers)}"
        )
        self.stdout.write(f"  reason: {document.reason}")
        self.stdout.write(f"  drafted by {ceremony.drafted_by}, until {ceremony.expires_at:%Y-%m-%d %H:%M:%S} UTC")
        for row in progress_list(ceremony=ceremony):
            trouble = f", {row.code}: {row.message}" if row.code else ""
            self.stdout.write(f"  {row.signer} {row.step}: {row.state}, asked {row.attempts} times{trouble}")
        lines = transcript(ceremony=ceremony)
        self.stdout.write(f"  transcript: {'holds' if transcript_holds(lines=lines) else 'WAS CHANGED PAST US'}")
        for line in lines:
            self.stdout.write(
                f"    {line.at:%Y-%m-%d %H:%M:%S} {line.who} {line.what}"
                f"{'' if line.good else ' NOT'} {line.words} {line.digest[:16]}"
            )

    @staticmethod
    def _names(signers: tuple[str, ...]) -> str:
        return ", ".join(signers)
