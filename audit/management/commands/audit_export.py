"""`manage.py audit_export`: write the log as JSON lines, for `countersign-fsck` on another machine."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import TYPE_CHECKING

from django.core.management.base import BaseCommand
from django.db import transaction

from audit.selectors import entry_iterate
from audit.services import entry_append
from audit.tags import AuditTag

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    """Export the audit log."""

    help = "Write every audit entry as one JSON line, oldest first."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare where to write."""
        parser.add_argument("--out", default="-", help="a file, or - for standard output")

    def handle(self, *_args: object, **options: str) -> None:
        """Write the file, then the entry that says so."""
        count, last = 0, ""
        stream = sys.stdout if options["out"] == "-" else open(options["out"], "x", encoding="utf-8")  # noqa: PTH123, SIM115 - closed below; "x" never overwrites an earlier export
        try:
            for entry in entry_iterate():
                stream.write(json.dumps(dataclasses.asdict(entry), ensure_ascii=False, separators=(",", ":")) + "\n")
                count, last = entry.seq, entry.hash
        finally:
            if stream is not sys.stdout:
                stream.close()
        with transaction.atomic():
            entry_append(actor="system:manage", tag=AuditTag.LOG_EXPORTED, subject=last, payload={"entries": count})
        self.stderr.write(f"{count} entries, head {last}")
