"""The page of alarms: who sees it, what it says, and noting that one has seen an alarm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import transaction
from django.test import Client

from audit.alarms import alarm_clear, alarm_raise
from audit.models import AuditAlarm, Severity
from audit.tags import AuditTag
from oms.alarm_pages import NOTE_MOST, PAGE_ROWS
from tests.append_only import lifted
from tests.oms.readers import said
from tests.sign_in import signed_in

if TYPE_CHECKING:
    from tests.oms.conftest import Desk

HOSTILE = "<script>alert(1)</script>\"'><img src=x>"
TAG = AuditTag.LOG_BEHIND


def raised(subject: str = "s", message: str = "it waits", severity: Severity = Severity.ALARM) -> AuditAlarm:
    with transaction.atomic():
        alarm_raise(tag=TAG, severity=severity, subject=subject, message=message)
    return AuditAlarm.objects.order_by("-pk")[0]


def seen(client: Client, alarm: AuditAlarm, note: str = "") -> int:
    return client.post(f"/alarms/{alarm.pk}/seen/", {"note": note}).status_code


def test_officers_and_readers_of_the_log_see_alarms_and_traders_do_not(
    desk: Desk, auditor: Client, trader: Client
) -> None:
    alarm = raised()
    for client, status in (
        (auditor, 200),
        (signed_in(desk.users["rita"]), 200),
        (signed_in(desk.users["tessa"]), 403),
        (trader, 403),
    ):
        assert client.get("/alarms/").status_code == status
        assert client.get("/alarms/?show=over").status_code == status
        if status == 403:
            assert seen(client, alarm) == 403
    assert Client().get("/alarms/").status_code == 302
    alarm.refresh_from_db()
    assert alarm.acknowledged_us is None


def test_it_says_what_is_wrong_and_what_to_do(auditor: Client) -> None:
    assert "No open alarm" in auditor.get("/alarms/").content.decode()
    raised(subject=HOSTILE, message=HOSTILE)
    page = auditor.get("/alarms/").content.decode()
    assert "audit_sequence" in page
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page


def test_noting_is_an_entry_in_ones_name_and_made_once(auditor: Client) -> None:
    alarm = raised()
    assert seen(auditor, alarm, note=" started it again ") == 302
    assert seen(auditor, alarm) == 302
    (entry,) = said(AuditTag.ALARM_ACKNOWLEDGED)
    assert (entry["alarm"], entry["note"]) == (TAG.value, "started it again")
    page = auditor.get("/alarms/").content.decode()
    assert "aldo" in page
    assert "Not noted" in page
    with transaction.atomic():
        alarm_clear(tag=TAG, subject="s")
    assert "No open alarm" in auditor.get("/alarms/").content.decode()
    assert "aldo" in auditor.get("/alarms/?show=over").content.decode()


@pytest.mark.parametrize("note", ["x" * 5000, "a\x00b", HOSTILE])
def test_odd_notes_are_cut_or_refused(auditor: Client, note: str) -> None:
    alarm = raised()
    assert seen(auditor, alarm, note=note) == 302
    assert auditor.get("/alarms/").status_code == 200
    assert all(len(str(entry["note"])) <= NOTE_MOST for entry in said(AuditTag.ALARM_ACKNOWLEDGED))


def test_a_number_that_is_no_alarm_is_told(auditor: Client) -> None:
    for number in (0, 77, 2**64, 2**256):
        assert auditor.post(f"/alarms/{number}/seen/").status_code == 302
    assert "Not noted" in auditor.get("/alarms/").content.decode()
    assert auditor.get("/alarms/77/seen/").status_code == 405


def test_long_lists_have_pages(auditor: Client) -> None:
    for number in range(PAGE_ROWS + 2):
        raised(subject=f"subject-{number:03}")
    first, second = (auditor.get(f"/alarms/?page={page}").content.decode() for page in (1, 2))
    assert "subject-026" in first
    assert "subject-000" in second
    assert "subject-000" not in first
    assert auditor.get("/alarms/?page=none").status_code == 200


def test_a_row_that_was_edited_is_still_shown(auditor: Client) -> None:
    alarm = raised()
    with lifted():
        AuditAlarm.objects.filter(pk=alarm.pk).update(raised_us=2**63 - 1, severity="\u202eodd", times=-1)
    page = auditor.get("/alarms/")
    assert page.status_code == 200
    assert "no time" in page.content.decode()
