"""What tests may do and nobody else: lift the databases' triggers, to tamper with what is kept or to empty it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from django.db import connection, transaction
from django.test import TransactionTestCase

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.backends.utils import CursorWrapper

_SQLITE_TRIGGERS = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
_POSTGRESQL_TABLES = """
SELECT DISTINCT c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE NOT t.tgisinternal AND c.relnamespace = current_schema()::regnamespace
"""


def _statements() -> tuple[list[str], list[str]]:
    """Return what lifts every trigger of ours, and what lowers it again."""
    quote = connection.ops.quote_name
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_POSTGRESQL_TABLES)
            tables = [quote(name) for (name,) in cursor.fetchall()]
            # A foreign key that is still to be checked would block the ALTER.
            settle = "SET CONSTRAINTS ALL IMMEDIATE"
            return (
                [settle, *(f"ALTER TABLE {table} DISABLE TRIGGER USER" for table in tables)],
                [settle, *(f"ALTER TABLE {table} ENABLE TRIGGER USER" for table in tables)],
            )
        cursor.execute(_SQLITE_TRIGGERS)
        triggers = cursor.fetchall()
    return [f"DROP TRIGGER {quote(name)}" for name, _ in triggers], [sql for _, sql in triggers]


@contextlib.contextmanager
def lifted() -> Iterator[None]:
    """Lift all triggers, as an owner of the database can."""
    lift, lower = _statements()
    with connection.cursor() as cursor:
        for statement in lift:
            cursor.execute(statement)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            for statement in lower:
                cursor.execute(statement)


# Rows that every database has from its migrations on (the last two by `approvals.apps`); no test changes them.
STAYS = frozenset(
    {"django_migrations", "django_content_type", "auth_permission", "auth_group", "auth_group_permissions"}
)


def _filled(cursor: CursorWrapper) -> list[str]:
    """Return the tables that have rows which tests have put there."""
    quote = connection.ops.quote_name
    tables = sorted(set(connection.introspection.table_names(cursor)) - STAYS)
    asked = [f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {quote(name)})" for name in tables]  # noqa: S608 - our own names
    cursor.execute(" UNION ALL ".join(asked))
    return [name for (name,) in cursor.fetchall()]


def empty() -> None:
    """Delete every row that a test has put there.

    Django's own way empties every table, one by one and each on the disk, and writes anew what migrations had left:
    hundreds of milliseconds for each test that commits, seconds beside others.
    """
    quote = connection.ops.quote_name
    with connection.constraint_checks_disabled(), transaction.atomic(), connection.cursor() as cursor:
        filled = _filled(cursor)
        if not filled:
            return
        emptied = [f"DELETE FROM {quote(name)}" for name in filled]  # noqa: S608 - our own names
        if connection.vendor == "postgresql":
            # Neither triggers nor foreign keys fire on a replica.
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute("; ".join(emptied))
            return
        cursor.execute(f"{_SQLITE_TRIGGERS} AND tbl_name IN ({', '.join(['%s'] * len(filled))})", filled)
        triggers = cursor.fetchall()
        lifted_first = [f"DROP TRIGGER {quote(name)}" for name, _ in triggers]
        for statement in (*lifted_first, *emptied, *(sql for _, sql in triggers)):
            cursor.execute(statement)


def let_tests_flush() -> None:
    """Let Django empty the tables after a transactional test, which the triggers would refuse."""

    def teardown(_: TransactionTestCase) -> None:
        empty()

    TransactionTestCase._fixture_teardown = teardown  # type: ignore[attr-defined]  # noqa: SLF001 - the one place where Django empties tables
