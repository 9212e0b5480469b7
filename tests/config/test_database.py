"""Which database an address means."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.db import connection

from approvals.models import User
from config import database, env
from tests import append_only


def test_a_server() -> None:
    described = database.postgresql("postgresql://web@db.internal:5433/countersign", password="pw")
    assert described["HOST"] == "db.internal"
    assert described["PORT"] == "5433"
    assert (described["USER"], described["PASSWORD"], described["NAME"]) == ("web", "pw", "countersign")


def test_a_unix_socket() -> None:
    described = database.postgresql("postgresql://web@/countersign?host=%2Frun%2Fpg", password=None)
    assert (described["HOST"], described["PORT"], described["PASSWORD"]) == ("/run/pg", "", "")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "countersign",
        "mysql://web@db/countersign",
        "postgresql://db/countersign",
        "postgresql://web@db",
        "postgresql://web@db/",
        "postgresql://web@db/a/b",
        "postgresql://web@/countersign",
        "postgresql://web@db/countersign?host=/run/pg",
        "postgresql://web@db/countersign?sslmode=disable",
        "postgresql://web@db/countersign?host",
        "postgresql://web@db:port/countersign",
        "postgresql://web@db/countersign#x",
    ],
)
def test_anything_else_stops_the_start(url: str) -> None:
    with pytest.raises(env.SettingError, match=database.URL):
        database.postgresql(url, password=None)


def test_a_password_in_the_address_is_not_repeated() -> None:
    with pytest.raises(env.SettingError, match="COUNTERSIGN_DATABASE_PASSWORD_FILE") as refused:
        database.postgresql("postgresql://web:hunter2@db/countersign", password=None)
    assert "hunter2" not in str(refused.value)


@pytest.mark.django_db(transaction=True)
def test_the_suite_empties_tables_as_django_does() -> None:
    def rows() -> dict[str, int]:
        counted: dict[str, int] = {}
        with connection.cursor() as cursor:
            for table in connection.introspection.table_names(cursor):
                cursor.execute(f"SELECT COUNT(*) FROM {connection.ops.quote_name(table)}")  # noqa: S608 - our own names
                counted[table] = cursor.fetchone()[0]
        return {table: count for table, count in counted.items() if count}

    User.objects.create_user("ada", display_name="Ada Admin")
    append_only.empty()
    ours = rows()
    with append_only.lifted():
        call_command("flush", interactive=False, verbosity=0)
    assert ours == rows()
    assert set(ours) == append_only.STAYS
