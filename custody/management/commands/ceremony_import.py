"""`manage.py ceremony_import FILE`: a ceremony, or consents to one, that were made elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.module_loading import import_string

from approvals.errors import ConsentRefusedError
from core.canonical import MAX_BYTES, parse
from core.documents.control import SignedCeremony
from core.errors import CoreError
from core.schema import read_struct
from custody.ceremony_services import ceremony_import
from custody.errors import CeremonyError

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    """Take what people signed while they could not reach this site."""

    help = "Take a ceremony with the consents that people signed elsewhere; each consent is verified as always."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the file."""
        parser.add_argument("file", help="a ceremony with its consents, JSON, as ceremony_export writes it")

    def handle(self, *_args: object, **options: str) -> None:
        """Take it and say where it stands then."""
        policy = import_string(settings.COUNTERSIGN_POLICY_SELECTOR)()
        if policy is None:
            raise CommandError("No policy is in force.")
        try:
            with Path(options["file"]).open("rb") as file:
                raw = file.read(MAX_BYTES + 1)
            signed = read_struct(SignedCeremony, parse(raw, max_bytes=MAX_BYTES), "ceremony")
            taken = ceremony_import(signed=signed, policy=policy, actor="system:manage", now=timezone.now())
        except (OSError, ValueError, CoreError, CeremonyError, ConsentRefusedError) as error:
            raise CommandError(f"{options['file']}: {error}") from error
        self.stdout.write(
            f"{taken.ceremony.kind} {taken.ceremony.digest} is {taken.ceremony.state}; {taken.new} new consents"
        )
