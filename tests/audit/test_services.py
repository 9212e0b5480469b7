from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import DatabaseError, connection, transaction

from audit.context import AuditSessionMiddleware, session_name
from audit.errors import EntryRefusedError, NotInTransactionError
from audit.models import AuditEntry, AuditPending
from audit.selectors import alarm_list
from audit.services import entry_append
from audit.tags import AuditTag
from tests.log import log_state


def append(number: int = 0, severity: str = "info") -> int:
    return entry_append(
        actor="tess", tag=AuditTag.REQUEST_ASKED, subject="ab" * 32, payload={"number": number}, severity=severity
    )


@pytest.mark.django_db
def test_it_writes_entries_that_wait_for_their_places() -> None:
    with transaction.atomic():
        numbers = [append(i) for i in range(5)]
    assert numbers == sorted(numbers)
    assert list(AuditPending.objects.order_by("entry_id").values_list("entry_id", flat=True)) == numbers
    assert (log_state().entries, log_state().broken) == (5, None)


@pytest.mark.django_db
def test_it_stores_the_canonical_payload() -> None:
    with transaction.atomic():
        entry_append(actor="a", tag="oms:request:asked", subject="", payload={"b": "é", "a": 1})
    assert AuditEntry.objects.order_by("-seq")[0].payload == '{"a":1,"b":"é"}'


@pytest.mark.django_db(transaction=True)
def test_it_refuses_to_write_outside_a_transaction() -> None:
    with pytest.raises(NotInTransactionError):
        append()


@pytest.mark.django_db(transaction=True)
def test_it_vanishes_with_its_transaction() -> None:
    def fail() -> None:
        with transaction.atomic():
            append()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not AuditEntry.objects.exists()
    assert not AuditPending.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "wrong",
    [
        {"payload": {"a": 0.5}},
        {"payload": {"a": 2**60}},
        {"payload": {"a": "\ud800"}},
        {"tag": "no tag"},
        {"actor": "x" * 200},
        {"actor": ""},
        {"actor": "tess\nsession"},
        {"subject": "a\x00b"},
        {"subject": "\ud800"},
    ],
)
def test_it_refuses_what_has_no_exact_form(wrong: dict[str, Any]) -> None:
    fields: dict[str, Any] = {"actor": "a", "tag": "a:b:c", "subject": "", "payload": {}}
    with transaction.atomic(), pytest.raises(EntryRefusedError):
        entry_append(**(fields | wrong))
    assert not AuditEntry.objects.exists()


@pytest.mark.django_db
def test_an_entry_names_its_session_and_not_the_key_of_it(rf: Any) -> None:  # noqa: ANN401 - pytest-django's
    request = rf.get("/")
    request.session = type("Session", (), {"session_key": "the-key-itself"})()

    def view(_request: object) -> Any:  # noqa: ANN401 - a response of no interest
        with transaction.atomic():
            append()
        return None

    AuditSessionMiddleware(view)(request)
    with transaction.atomic():
        append()
    inside, outside = AuditEntry.objects.order_by("seq")
    assert inside.session == session_name("the-key-itself")
    assert "key" not in inside.session
    assert outside.session == ""


def _statements() -> list[str]:
    kept = {"audit_entry": "actor", "audit_leaf": "leaf", "audit_checkpoint": "root", "audit_tree": "chain"}
    statements = [f"UPDATE {table} SET {column} = 'x'" for table, column in kept.items()]  # noqa: S608 - our own
    statements += [f"DELETE FROM {table}" for table in kept]  # noqa: S608 - our own
    statements += ["UPDATE audit_tree SET size = size - 1"]
    if connection.vendor == "sqlite":
        statements.append(
            "REPLACE INTO audit_entry SELECT seq, at_us, 'x', session, tag, subject, severity, payload, mac"
            " FROM audit_entry"
        )
        statements.append('REPLACE INTO audit_leaf SELECT "index", leaf, chain, entry_id FROM audit_leaf')
        statements.append("REPLACE INTO audit_tree SELECT id, size - 1, chain, edge, at_us FROM audit_tree")
    else:
        statements += [f"TRUNCATE {table} CASCADE" for table in [*kept, "audit_pending"]]
    return statements


@pytest.mark.django_db
def test_the_database_refuses_every_change() -> None:
    with transaction.atomic():
        append()
    before = log_state()
    for statement in _statements():
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    assert log_state() == before


@pytest.mark.django_db
def test_nothing_leaves_the_queue_without_a_place() -> None:
    with transaction.atomic():
        append()
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM audit_pending")
    assert AuditPending.objects.count() == 1


@pytest.mark.django_db
def test_alarms_are_loud_entries() -> None:
    with transaction.atomic():
        append(1)
        append(2, "alarm")
        append(3, "critical")
    assert [json.loads(e.payload)["number"] for e in alarm_list()] == [3, 2]


@pytest.mark.django_db(transaction=True)
def test_many_writers_make_one_log() -> None:
    def write(thread: int) -> None:
        try:
            for number in range(20):
                with transaction.atomic():
                    append(thread * 100 + number)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    result = log_state()
    assert (result.entries, result.broken, result.waiting) == (160, None, 0)


@pytest.mark.django_db
def test_the_applications_role_may_only_append() -> None:
    if connection.vendor != "postgresql":
        with pytest.raises(CommandError, match="only PostgreSQL"):
            call_command("audit_grants", role="app")
        return
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE audit_app")
        call_command("audit_grants", role="audit_app", stdout=StringIO())
        cursor.execute("SET ROLE audit_app")
    with transaction.atomic():
        append()
    assert AuditEntry.objects.count() == 1
    tables = ("audit_entry", "audit_leaf", "audit_tile", "audit_checkpoint", "audit_signature")
    for table in tables:
        for statement in (f"DELETE FROM {table}", f"TRUNCATE {table}"):  # noqa: S608 - our own
            with (
                pytest.raises(DatabaseError, match="permission denied"),
                transaction.atomic(),
                connection.cursor() as cursor,
            ):
                cursor.execute(statement)
    with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("INSERT INTO audit_pending VALUES (99)")
    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE")
