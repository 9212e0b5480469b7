"""`manage.py audit_evidence --from T --to T --out DIR`: a period of the log for somebody who trusts none of us."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from audit.errors import AuditError
from audit.evidence import Evidence, evidence_files, evidence_find, microseconds
from audit.services import entry_append
from audit.tags import AuditTag

if TYPE_CHECKING:
    from argparse import ArgumentParser


def _time(text: str) -> dt.datetime:
    try:
        at = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandError(f"{text}: a time is written like 2026-11-21T14:30:00Z") from error
    return at if at.tzinfo is not None else at.replace(tzinfo=dt.UTC)


class Command(BaseCommand):
    """Write an evidence package."""

    help = "Write every entry of a period with the checkpoints around it, for `python -m witness evidence`."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the period, and where to write."""
        parser.add_argument("--from", dest="begin", required=True, help="UTC unless it says otherwise")
        parser.add_argument("--to", dest="end", required=True, help="the first moment that is left out")
        parser.add_argument("--out", required=True, help="a folder that does not exist yet")

    def handle(self, *_args: object, **options: str) -> None:
        """Write the files, then the entry that says so."""
        begin, end, now = _time(options["begin"]), _time(options["end"]), timezone.now()
        try:
            evidence = evidence_find(from_us=microseconds(begin), to_us=microseconds(end), now=now)
            self._write(Path(options["out"]), evidence)
        except AuditError as error:
            raise CommandError(str(error)) from error
        with transaction.atomic():
            entry_append(
                actor="system:manage",
                tag=AuditTag.LOG_EXPORTED,
                subject="",
                payload={
                    "as": "evidence",
                    "first": evidence.first,
                    "from_us": evidence.from_us,
                    "last": evidence.last,
                    "to_us": evidence.to_us,
                },
            )
        self.stdout.write(f"{evidence.last - evidence.first} entries, leaves {evidence.first} to {evidence.last - 1}")

    @staticmethod
    def _write(folder: Path, evidence: Evidence) -> None:
        try:
            folder.mkdir(parents=True)
            for name, parts in evidence_files(evidence=evidence):
                with (folder / name).open("xb") as file:
                    file.writelines(parts)
        except OSError as error:
            raise CommandError(f"{folder.name}: {error.strerror}") from error
