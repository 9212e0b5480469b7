"""The watch over the log while it is written: a sequencer that stands still, and entries that no longer hold."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from django.db import connection, transaction
from django.utils import timezone

from audit.alarms import alarms_open
from audit.errors import TreeBrokenError
from audit.models import AuditEntry, AuditLeaf, AuditRound, AuditTree
from audit.sequencer import sweep_once, tree_advance
from audit.services import entry_append
from audit.tags import AuditTag
from audit.watch import BEHIND, PACE, STRETCH, round_claim, stretch_check, watch_sweep
from tests.append_only import lifted
from tests.audit.signed_log import say
from tests.audit.tampering import (
    change_a_type,
    cut_tail,
    delete_entry,
    delete_entry_and_leaf,
    entry_at,
    modify,
    modify_with_its_leaf,
    swap_entries,
    write,
)

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db


def watched(after: dt.timedelta = dt.timedelta()) -> list[str]:
    watch_sweep(now=timezone.now() + after)
    return [alarm.tag for alarm in alarms_open()]


def test_entries_that_wait_too_long_are_an_alarm_until_they_have_their_place() -> None:
    say(1)
    AuditRound.objects.all().delete()
    write_one()
    assert watched() == []
    assert watched(BEHIND * 2) == [AuditTag.LOG_BEHIND]
    assert watched(BEHIND * 3) == [AuditTag.LOG_BEHIND]
    while tree_advance():
        pass
    assert watched(BEHIND * 4) == []


def write_one() -> None:
    with transaction.atomic():
        entry_append(actor="tess", tag="oms:request:asked", subject="", payload={})


@pytest.mark.parametrize(
    ("tamper", "leaf"),
    [
        (modify, 4),
        (modify_with_its_leaf, 4),
        (delete_entry, 4),
        (delete_entry_and_leaf, 4),
        (swap_entries, 4),
        (change_a_type, 4),
        (cut_tail, 6),
    ],
)
def test_what_was_changed_lately_is_noticed(tamper: Callable[[], None], leaf: int) -> None:
    write(9)
    assert watched() == []
    with lifted():
        tamper()
    assert watched(PACE * 2) == [AuditTag.LOG_TAMPERED]
    (alarm,) = alarms_open()
    assert alarm.message.startswith(f"leaf {leaf}: ")
    assert alarm.severity == "critical"


def test_bytes_that_are_no_text_are_noticed() -> None:
    write(9)
    with lifted(), connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("UPDATE audit_entry SET payload = CAST(x'ff00' AS TEXT) WHERE seq = %s", [entry_at(4).pk])
            cursor.execute("UPDATE audit_tree SET at_us = 0")
        else:
            cursor.execute("UPDATE audit_entry SET payload = '' WHERE seq = %s", [entry_at(4).pk])
    assert watched() == [AuditTag.LOG_TAMPERED]


def test_a_code_that_is_not_ours_is_noticed() -> None:
    write(9)
    assert stretch_check(first=0, end=9) is None
    with lifted():
        AuditEntry.objects.filter(pk=entry_at(2).pk).update(mac="0" * 64)
    bad = stretch_check(first=0, end=9)
    assert bad is not None
    assert (bad.index, bad.why) == (2, "its code is not the application's")
    assert stretch_check(first=3, end=9) is None


def test_in_time_the_whole_log_is_looked_at() -> None:
    say(3 * STRETCH + 7)
    with lifted():
        AuditEntry.objects.filter(pk=entry_at(2 * STRETCH - 3).pk).update(actor="mallory")
    assert watched(PACE) == []
    assert watched(PACE * 2) == [AuditTag.LOG_TAMPERED]


def test_a_round_is_made_by_one_worker_and_after_a_while_again() -> None:
    now = timezone.now()
    assert round_claim(name="r", every=PACE, now=now) is not None
    assert round_claim(name="r", every=PACE, now=now) is None
    assert round_claim(name="r", every=PACE, now=now + PACE) is not None
    # A clock that went back delays nothing.
    assert round_claim(name="r", every=PACE, now=now) is not None


def test_a_tree_that_is_gone_is_an_alarm() -> None:
    write(3)
    with lifted():
        AuditTree.objects.all().delete()
    assert AuditLeaf.objects.exists()
    write_one()
    with pytest.raises(TreeBrokenError):
        sweep_once(now=timezone.now())
    assert [(alarm.tag, alarm.subject) for alarm in alarms_open()] == [(AuditTag.LOG_TAMPERED, "tree")]
