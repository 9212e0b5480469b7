"""`manage.py audit_grants --role NAME`: let the application's PostgreSQL role append to the log and nothing else.

Run by the owner of the tables (the role that migrates). The application then connects as NAME.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction

if TYPE_CHECKING:
    from argparse import ArgumentParser

_KEPT = "audit_entry, audit_leaf, audit_tile, audit_checkpoint, audit_signature"
_STATEMENTS = (
    f"REVOKE ALL ON {_KEPT}, audit_pending, audit_tree FROM {{role}}",
    f"GRANT SELECT, INSERT ON {_KEPT} TO {{role}}",
    # Giving entries their places: a trigger lets nothing leave the queue that has none.
    "GRANT SELECT, DELETE ON audit_pending TO {role}",
    "GRANT SELECT, INSERT, UPDATE ON audit_tree TO {role}",
    # Which alarms are open and who was told: of use, no evidence.
    "GRANT SELECT, INSERT, UPDATE ON audit_alarm, audit_alarm_delivery, audit_round TO {role}",
)


class Command(BaseCommand):
    """Restrict the application's role to appending."""

    help = "Grant the application's PostgreSQL role SELECT and INSERT on the audit log, and nothing else."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the role."""
        parser.add_argument("--role", required=True)

    def handle(self, *_args: object, **options: str) -> None:
        """Apply the grants."""
        if connection.vendor != "postgresql":
            msg = "only PostgreSQL has roles"
            raise CommandError(msg)
        role = connection.ops.quote_name(options["role"])
        with transaction.atomic(), connection.cursor() as cursor:
            for statement in _STATEMENTS:
                cursor.execute(statement.format(role=role))
        self.stdout.write(f"{role}: may append to the audit log")
