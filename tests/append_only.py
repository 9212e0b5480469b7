"""What tests may do and nobody else: lift the databases' triggers, to tamper with what is kept or to empty it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from django.db import connection
from django.test import TransactionTestCase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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


def let_tests_flush() -> None:
    """Let Django empty the tables after a transactional test, which the triggers would refuse."""
    flush: Callable[[Any], None] = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]  # noqa: SLF001 - the one place where Django empties tables

    def teardown(self: TransactionTestCase) -> None:
        with lifted():
            flush(self)

    TransactionTestCase._fixture_teardown = teardown  # type: ignore[attr-defined]  # noqa: SLF001 - as above
