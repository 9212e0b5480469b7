from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import DatabaseError, connection, transaction

from audit.errors import EntryRefusedError, HeadMissingError, NotInTransactionError
from audit.models import AuditEntry, AuditHead
from audit.selectors import alarm_list, entry_iterate
from audit.services import entry_append
from audit.tags import AuditTag
from core.hashchain import verify_chain


def append(number: int = 0, severity: str = "info") -> int:
    return entry_append(
        actor="tess", tag=AuditTag.REQUEST_ASKED, subject="ab" * 32, payload={"number": number}, severity=severity
    )


@pytest.mark.django_db
def test_it_chains_entries() -> None:
    with transaction.atomic():
        numbers = [append(i) for i in range(5)]
    assert numbers == list(range(numbers[0], numbers[0] + 5))
    result = verify_chain(entry_iterate())
    assert result.broken is None
    assert result.entries == numbers[-1]
    assert AuditHead.objects.get().hash == result.head


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
    with transaction.atomic():
        assert append() == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    "wrong",
    [{"payload": {"a": 0.5}}, {"payload": {"a": 2**60}}, {"tag": "no tag"}, {"actor": "x" * 200}, {"actor": ""}],
)
def test_it_refuses_what_has_no_exact_form(wrong: dict[str, Any]) -> None:
    fields: dict[str, Any] = {"actor": "a", "tag": "a:b:c", "subject": "", "payload": {}}
    with transaction.atomic(), pytest.raises(EntryRefusedError):
        entry_append(**(fields | wrong))


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entry SET actor = 'x'",
        "DELETE FROM audit_entry",
        (
            "INSERT INTO audit_entry SELECT seq + 7, at_us, actor, tag, subject, severity, payload, prev_hash, hash"
            " FROM audit_entry"
        ),
    ],
)
def test_the_database_refuses_changes(statement: str) -> None:
    with transaction.atomic():
        append()
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.django_db
def test_the_database_refuses_replacement_and_truncation() -> None:
    with transaction.atomic():
        append()
    statement = "TRUNCATE audit_entry"
    if connection.vendor == "sqlite":
        statement = (
            "REPLACE INTO audit_entry SELECT seq, at_us, 'x', tag, subject, severity, payload, prev_hash, hash"
            " FROM audit_entry"
        )
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.django_db
def test_it_does_not_write_to_a_log_whose_head_is_gone() -> None:
    with transaction.atomic():
        append()
    AuditHead.objects.all().delete()
    with pytest.raises(HeadMissingError), transaction.atomic():
        append()


@pytest.mark.django_db
def test_alarms_are_loud_entries() -> None:
    with transaction.atomic():
        append(1)
        append(2, "alarm")
        append(3, "critical")
    assert [json.loads(e.payload)["number"] for e in alarm_list()] == [3, 2]


@pytest.mark.django_db(transaction=True)
def test_many_writers_make_one_chain() -> None:
    def write(thread: int) -> None:
        try:
            for number in range(20):
                with transaction.atomic():
                    append(thread * 100 + number)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    result = verify_chain(entry_iterate())
    assert (result.entries, result.broken) == (160, None)


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
    for statement in ("UPDATE audit_entry SET actor = 'x'", "DELETE FROM audit_entry", "TRUNCATE audit_entry"):
        with (
            pytest.raises(DatabaseError, match="permission denied"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE")
