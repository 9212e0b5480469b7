"""Alarms: one for each cause, told once to each port, over when the cause is or when a person has seen it."""

from __future__ import annotations

import datetime as dt
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from audit.alarm_advice import GENERAL, advice_of
from audit.alarm_ports import AGAIN, GIVE_UP, alarms_sweep
from audit.alarms import alarm_acknowledge, alarm_clear, alarm_follow, alarm_raise, alarms_open, alarms_over
from audit.errors import AlarmMissingError, EntryRefusedError, NotInTransactionError
from audit.models import AuditAlarm, AuditEntry, Severity
from audit.services import entry_append
from audit.tags import AuditTag
from tests.log import log_state

if TYPE_CHECKING:
    from audit.alarm_ports import Notice

TAG = AuditTag.LOG_BEHIND
TOLD: list[Notice] = []
_PORT = f"{__name__}.told"
_BROKEN = f"{__name__}.broken"


def told(*, notice: Notice) -> None:
    TOLD.append(notice)


def broken(*, notice: Notice) -> None:
    raise ConnectionError(notice.tag)


@pytest.fixture
def ports(settings: Any) -> list[Notice]:  # noqa: ANN401 - pytest-django's
    settings.COUNTERSIGN_ALARM_PORTS = (_PORT,)
    TOLD.clear()
    return TOLD


def raised(severity: Severity = Severity.ALARM, *, subject: str = "s", message: str = "it waits") -> int | None:
    with transaction.atomic():
        return alarm_raise(tag=TAG, severity=severity, subject=subject, message=message)


def cleared(subject: str = "s") -> bool:
    with transaction.atomic():
        return alarm_clear(tag=TAG, subject=subject, message="it goes on")


def written(severity: Severity, *, message: str = "odd") -> None:
    with transaction.atomic():
        entry_append(
            actor="tess", tag=AuditTag.CONSENT_REFUSED, subject="c", payload={"message": message}, severity=severity
        )


@pytest.mark.django_db
def test_a_cause_has_one_alarm_while_it_lasts() -> None:
    seq = raised()
    assert seq is not None
    assert [raised(), raised()] == [None, None]
    assert raised(subject="other") is not None
    entry = AuditEntry.objects.get(pk=seq)
    assert (entry.severity, entry.tag, entry.subject) == ("alarm", TAG.value, "s")
    assert cleared()
    assert not cleared()
    assert [alarm.subject for alarm in alarms_open()] == ["other"]
    assert AuditEntry.objects.filter(tag=AuditTag.ALARM_CLEARED, subject="s").count() == 1
    assert raised() is not None
    assert log_state().broken is None


@pytest.mark.django_db
def test_what_gets_worse_is_raised_again_and_what_gets_better_is_not() -> None:
    raised(Severity.WARNING)
    assert raised(Severity.CRITICAL) is not None
    assert raised(Severity.ALARM) is None
    assert [alarm.severity for alarm in alarms_open()] == ["critical"]
    assert [alarm.severity for alarm in alarms_over()] == ["warning"]


@pytest.mark.django_db(transaction=True)
def test_an_alarm_belongs_to_its_transaction() -> None:
    with pytest.raises(NotInTransactionError):
        alarm_raise(tag=TAG, severity=Severity.ALARM, subject="s", message="m")
    with pytest.raises(NotInTransactionError):
        alarm_clear(tag=TAG, subject="s")

    def fails() -> None:
        with transaction.atomic():
            alarm_raise(tag=TAG, severity=Severity.ALARM, subject="s", message="m")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert not AuditAlarm.objects.exists()
    assert not AuditEntry.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("severity", "subject", "error"),
    [("info", "s", ValueError), ("loud", "s", ValueError), ("alarm", "s" * 129, EntryRefusedError)],
)
def test_what_is_no_alarm_is_refused(severity: str, subject: str, error: type[Exception]) -> None:
    with pytest.raises(error), transaction.atomic():
        alarm_raise(tag=TAG, severity=severity, subject=subject, message="m")
    assert not AuditAlarm.objects.exists()


@pytest.mark.django_db
def test_a_message_of_hostile_text_is_kept_in_one_line() -> None:
    raised(message="a\x00b\nc" + "x" * 1000)
    (alarm,) = alarms_open()
    assert alarm.message.startswith("a b c")
    assert len(alarm.message) == 400


@pytest.mark.django_db(transaction=True)
def test_of_many_who_notice_at_once_one_raises() -> None:
    gate = threading.Barrier(4)

    def notice() -> int | None:
        try:
            gate.wait(20)
            return raised()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        found = [work.result() for work in [pool.submit(notice) for _ in range(4)]]
    assert sum(seq is not None for seq in found) == 1
    assert AuditEntry.objects.filter(tag=TAG).count() == 1


@pytest.mark.django_db
def test_a_loud_entry_opens_an_alarm_that_counts_until_somebody_has_seen_it() -> None:
    written(Severity.WARNING)
    assert not alarms_open().exists()
    written(Severity.ALARM, message="first")
    written(Severity.ALARM)
    written(Severity.CRITICAL)
    (alarm,) = alarms_open()
    assert (alarm.times, alarm.severity, alarm.message, alarm.lasting) == (3, "critical", "first", False)
    with transaction.atomic():
        assert not alarm_clear(tag=AuditTag.CONSENT_REFUSED, subject="c")
    alarm_acknowledge(alarm_id=alarm.pk, actor="rita", note="asked her")
    assert not alarms_open().exists()
    entry = AuditEntry.objects.get(tag=AuditTag.ALARM_ACKNOWLEDGED)
    assert (entry.actor, entry.subject) == ("rita", "c")
    assert "asked her" in entry.payload
    with pytest.raises(AlarmMissingError):
        alarm_acknowledge(alarm_id=alarm.pk, actor="rob")
    written(Severity.ALARM)
    assert alarms_open().get().times == 1


@pytest.mark.django_db
def test_a_lasting_alarm_that_was_seen_stays_until_its_cause_is_over() -> None:
    raised()
    alarm_acknowledge(alarm_id=alarms_open().get().pk, actor="rita")
    assert alarms_open().get().acknowledged_by == "rita"
    assert raised() is None
    assert cleared()
    assert not alarms_open().exists()


@pytest.mark.django_db
def test_following_a_condition(django_assert_num_queries: Any) -> None:  # noqa: ANN401 - pytest-django's
    def follow(*, holds: bool) -> None:
        alarm_follow(holds=holds, tag=TAG, severity="warning", subject="f", message="m")

    with django_assert_num_queries(1):
        follow(holds=False)
    follow(holds=True)
    follow(holds=True)
    assert alarms_open().count() == 1
    follow(holds=False)
    assert not alarms_open().exists()


@pytest.mark.django_db
def test_each_port_is_told_once_of_beginning_and_end(ports: list[Notice]) -> None:
    now = timezone.now()
    raised()
    assert alarms_sweep(now=now + dt.timedelta(seconds=1)) == 1
    raised()
    assert alarms_sweep(now=now + AGAIN * 3) == 0
    cleared()
    assert alarms_sweep(now=now + AGAIN * 4) == 1
    assert alarms_sweep(now=now + AGAIN * 9) == 0
    assert [notice.what for notice in ports] == ["raised:alarm", "cleared"]
    assert (ports[0].message, ports[0].advice) == ("it waits", advice_of(tag=TAG))
    assert ports[1].cleared


@pytest.mark.django_db
def test_a_loud_entry_is_told_again_only_when_it_gets_louder(ports: list[Notice]) -> None:
    now = timezone.now() + dt.timedelta(seconds=1)
    for step, severity in enumerate((Severity.ALARM, Severity.ALARM, Severity.CRITICAL, Severity.ALARM)):
        written(severity)
        alarms_sweep(now=now + AGAIN * step)
    alarm_acknowledge(alarm_id=alarms_open().get().pk, actor="rita")
    alarms_sweep(now=now + AGAIN * 9)
    assert [notice.what for notice in ports] == ["raised:alarm", "raised:critical"]


@pytest.mark.django_db
def test_a_port_that_fails_is_tried_again_and_keeps_no_other_from_being_told(
    ports: list[Notice],
    settings: Any,  # noqa: ANN401 - pytest-django's
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings.COUNTERSIGN_ALARM_PORTS = (_BROKEN, "no.such.module", _PORT)
    now = timezone.now() + dt.timedelta(seconds=1)
    raised()
    assert alarms_sweep(now=now) == 1
    assert "the alarm port" in caplog.text
    assert alarms_sweep(now=now) == 0
    assert AuditAlarm.objects.get().due_us is not None
    settings.COUNTERSIGN_ALARM_PORTS = (_BROKEN.replace("broken", "told"),)
    assert alarms_sweep(now=now + AGAIN * 2) == 0
    assert AuditAlarm.objects.get().due_us is None
    assert len(ports) == 1


@pytest.mark.django_db
def test_a_port_that_fails_for_a_day_is_given_up(settings: Any) -> None:  # noqa: ANN401 - pytest-django's
    settings.COUNTERSIGN_ALARM_PORTS = (_BROKEN,)
    raised()
    alarms_sweep(now=timezone.now() + GIVE_UP * 2)
    assert AuditAlarm.objects.get().due_us is None


@pytest.mark.django_db
def test_the_log_line_says_what_and_how_loud(caplog: pytest.LogCaptureFixture) -> None:
    raised(Severity.CRITICAL, message="the log lies")
    alarms_sweep(now=timezone.now() + dt.timedelta(seconds=1))
    (record,) = [record for record in caplog.records if record.name == "audit.alarm_ports"]
    assert record.levelname == "CRITICAL"
    assert "the log lies" in record.getMessage()


def test_every_alarm_of_the_log_has_advice_of_its_own() -> None:
    own = [tag for tag in AuditTag if tag.value.split(":")[2] in {"behind", "tampered", "forged", "late", "wrong"}]
    assert len(own) >= 5
    assert all(advice_of(tag=tag) != GENERAL for tag in own)
    assert advice_of(tag="approvals:unheard:of") == GENERAL
