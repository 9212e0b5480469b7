"""`manage.py audit_export`: write the log as JSON lines, for `countersign-fsck` on another machine."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction

from audit.export import export_lines
from audit.selectors import head_get
from audit.services import entry_append
from audit.tags import AuditTag

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from typing import TextIO


class Command(BaseCommand):
    """Export the audit log."""

    help = "Write every audit entry as one JSON line, in the order of the log, with its checkpoints."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare where to write."""
        parser.add_argument("--out", default="-", help="a file that does not exist yet, or - for standard output")

    def handle(self, *_args: object, **options: str) -> None:
        """Write the file, then the entry that says so."""
        if options["out"] == "-":
            size = self._write(sys.stdout)
        else:
            try:
                # "x" never overwrites an earlier export.
                with open(options["out"], "x", encoding="utf-8") as file:  # noqa: PTH123 - as above
                    size = self._write(file)
            except OSError as error:
                msg = f"{options['out']}: {error.strerror}"
                raise CommandError(msg) from error
        with transaction.atomic():
            entry_append(actor="system:manage", tag=AuditTag.LOG_EXPORTED, subject="", payload={"leaves": size})
        self.stderr.write(f"{size} entries")

    @staticmethod
    def _write(stream: TextIO) -> int:
        """Write one state of the log; return how many leaves it has."""
        outermost = not connection.in_atomic_block
        with transaction.atomic():
            if outermost and connection.vendor == "postgresql":
                with connection.cursor() as cursor:
                    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            size = head_get().size
            stream.writelines(export_lines())
            return size
