"""Rows that a database superuser edited into garbage: pages say so, others are unaffected, and there is an alarm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import connection

from approvals.models import ConsentRecord
from audit.alarms import alarms_open
from audit.models import AuditEntry
from audit.tags import AuditTag
from core.documents.consent import Decision
from oms.models import TransactionRequest
from policies.models import Decision as PolicyDecision
from policies.models import PolicyVersion
from tests.append_only import lifted
from tests.sign_in import signed_in

if TYPE_CHECKING:
    from django.test import Client

    from oms.models import TransactionRequest as Request
    from tests.oms.conftest import Desk

Value = str | int | bytes
TABLE = "oms_request"


def constraints_dropped() -> None:
    """Drop the table's own checks, as a superuser may; SQLite has a switch for it."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA ignore_check_constraints = ON")
            return
        for table in (TABLE, "policies_version", "policies_decision"):
            cursor.execute(
                "SELECT conname FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'c'", [table]
            )
            for (name,) in cursor.fetchall():
                cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')


def edit(table: str, pk: int, column: str, value: Value) -> None:
    with lifted():
        constraints_dropped()
        with connection.cursor() as cursor:
            cursor.execute(f'UPDATE {table} SET "{column}" = %s WHERE id = %s', [value, pk])  # noqa: S608 - our own names
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA ignore_check_constraints = OFF")


def pages(request: Request) -> list[str]:
    own = request.reference
    return [
        "/",
        "/requests/",
        "/requests/?show=all",
        "/queue/",
        "/queue/?show=pending",
        f"/requests/{own}/",
        f"/requests/{own}/log/",
        f"/queue/{own}/",
        "/receipts/",
        "/log/",
        "/alarms/",
    ]


def walked(client: Client, addresses: list[str]) -> dict[str, str]:
    """Open pages; none may answer with a server error. Return their text."""
    client.raise_request_exception = False
    found = {}
    for address in addresses:
        answer = client.get(address)
        assert answer.status_code < 500, f"{address}: {answer.status_code}"
        found[address] = answer.content.decode()
    return found


GARBAGE: list[tuple[str, Value]] = [
    ("mandate_text", "garbage"),
    ("mandate_text", "{}"),
    ("mandate_text", ""),
    ("mandate_text", "[" * 3000),
    ("state", "flying"),
    ("policy_digest", "zz"),
    ("mandate_digest", "00" * 32),
    ("intent_digest", "11" * 32),
    ("amount", 2**255),
    ("destination", "nowhere"),
    ("wallet", "\u202ewallet"),
    ("desk", "desk-a"),
    ("purpose", "<script>alert(1)</script>"),
    ("expires_at", "9999-12-31 23:59:59+00:00"),
]
SQLITE_GARBAGE: list[tuple[str, Value]] = [
    ("mandate_text", b"\xff\x00"),
    ("state", b"\xff"),
    ("state", 5),
    ("amount", "minus one"),
    ("amount", b"\xff"),
    ("created_at", "yesterday"),
    ("created_at", 12),
    ("moved_at", b"\xff"),
    ("asker", b"\xff"),
]


@pytest.mark.parametrize(("column", "value"), GARBAGE + SQLITE_GARBAGE)
def test_no_page_falls_over_a_request_that_was_edited(desk: Desk, auditor: Client, column: str, value: Value) -> None:
    if connection.vendor != "sqlite" and (column, value) in SQLITE_GARBAGE:
        # PostgreSQL's columns have types: what it can be made to hold instead is a time beyond all calendars.
        column, value = "created_at", "infinity"
    bad, good = desk.ask(), desk.ask()
    addresses = pages(bad)
    edit(TABLE, bad.pk, column, value if column != "amount" or connection.vendor != "sqlite" else _amount(value))
    for client in (signed_in(desk.users["rita"]), signed_in(desk.users["tessa"]), auditor):
        walked(client, addresses)
    officer = signed_in(desk.users["rita"])
    shown = walked(officer, ["/queue/?show=pending", f"/requests/{good.reference}/"])
    assert good.reference in shown["/queue/?show=pending"]
    assert "Damaged" not in shown[f"/requests/{good.reference}/"]


def _amount(value: Value) -> Value:
    return f"{value:078d}" if isinstance(value, int) else value


@pytest.mark.parametrize(
    ("column", "value"), [("mandate_text", "garbage"), ("state", "flying"), ("mandate_text", "{}")]
)
def test_it_says_what_is_damaged_and_raises_one_alarm(desk: Desk, column: str, value: str) -> None:
    bad, good = desk.ask(), desk.ask()
    edit(TABLE, bad.pk, column, value)
    officer = signed_in(desk.users["rita"])
    shown = walked(officer, [f"/requests/{bad.reference}/", "/queue/?show=pending", f"/queue/{bad.reference}/"])
    assert "What is stored here is damaged" in shown[f"/requests/{bad.reference}/"]
    assert bad.reference in shown[f"/requests/{bad.reference}/"]
    assert good.reference in shown["/queue/?show=pending"]
    (alarm,) = alarms_open().filter(tag=AuditTag.ROW_DAMAGED)
    assert (alarm.subject, alarm.severity) == (f"request {bad.reference}", "critical")
    walked(officer, [f"/requests/{bad.reference}/"])
    assert alarms_open().filter(tag=AuditTag.ROW_DAMAGED).count() == 1


def test_nothing_can_be_decided_on_a_damaged_request(desk: Desk) -> None:
    bad = desk.ask()
    consent = desk.signed(desk.preview().mandate, "rita", Decision.REJECT, "no").decode()
    edit(TABLE, bad.pk, "mandate_text", "garbage")
    officer = signed_in(desk.users["rita"])
    officer.raise_request_exception = False
    answer = officer.post(
        f"/api/requests/{bad.reference}/consents/", f'{{"consent":{consent}}}', content_type="application/json"
    )
    assert 400 <= answer.status_code < 500
    assert TransactionRequest.objects.get(pk=bad.pk).state == "pending"


@pytest.mark.parametrize("column", ["text", "decision", "actor"])
def test_a_consent_that_was_edited(desk: Desk, column: str) -> None:
    bad, good = desk.ask(), desk.ask()
    record = ConsentRecord.objects.filter(subject=bad.mandate_digest).get()
    edit("approvals_consent_record", record.pk, column, "garbage")
    walked(signed_in(desk.users["rita"]), [*pages(bad), f"/requests/{good.reference}/"])
    walked(signed_in(desk.users["tessa"]), pages(bad))


@pytest.mark.parametrize("column", ["facts", "results", "required", "asked", "reasons", "draw"])
def test_a_decision_that_was_edited(desk: Desk, column: str) -> None:
    bad, good = desk.ask(), desk.ask()
    decision = PolicyDecision.objects.get(intent_digest=bad.intent_digest)
    edit("policies_decision", decision.pk, column, "garbage")
    shown = walked(signed_in(desk.users["rita"]), [*pages(bad), f"/requests/{good.reference}/"])
    assert "Damaged" not in shown[f"/requests/{good.reference}/"]


@pytest.mark.parametrize(("column", "value"), [("document", "garbage"), ("document", "{}"), ("consents", "[")])
def test_a_policy_that_was_edited(desk: Desk, auditor: Client, column: str, value: str) -> None:
    bad = desk.ask()
    version = PolicyVersion.objects.get()
    clients = [signed_in(desk.users["rita"]), signed_in(desk.users["tessa"]), auditor]
    edit("policies_version", version.pk, column, value)
    shown = [walked(client, [*pages(bad), f"/policies/{version.digest}/"]) for client in clients]
    if column == "document":
        assert "What is stored here is damaged" in shown[0]["/requests/"]
        assert alarms_open().filter(tag=AuditTag.ROW_DAMAGED).count() == 1


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("payload", "garbage"),
        ("at_us", 2**62),
        ("at_us", -(2**62)),
        ("tag", "x"),
        ("severity", "\u202e"),
        ("actor", ""),
    ],
)
def test_an_entry_of_the_log_that_was_edited(desk: Desk, auditor: Client, column: str, value: Value) -> None:
    bad = desk.ask()
    with lifted():
        AuditEntry.objects.filter(tag="approvals:consent:recorded").update(**{column: value})
        AuditEntry.objects.filter(tag="oms:request:asked").update(**{column: value})
    for client in (auditor, signed_in(desk.users["tessa"])):
        walked(client, [*pages(bad), "/log/?severity=critical", "/log/?begin=2020-01-01"])
