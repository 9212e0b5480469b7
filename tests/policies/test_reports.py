"""Reports: asked for once, claimed once, failed in plain words, and made by a process of their own."""

from __future__ import annotations

import datetime as dt
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone

from audit.models import AuditEntry
from core.canonical import canonical, tagged_digest
from core.documents.policy import EvidenceKind
from policies import reports
from policies.errors import ReportLostError, ReportRefusedError
from policies.models import PolicyReport
from policies.reports import Progress, ReportResult, report_policy, report_run, reports_sweep
from policies.services import draft_save, draft_start
from policies.services.reports import report_beat, report_claim, report_fail, report_finish, report_request
from tests.factories.policies import world_in_force

if TYPE_CHECKING:
    from approvals.models import User
    from policies.models import PolicyDraft

AT = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)


def counting(report: PolicyReport, progress: Progress) -> ReportResult:
    policy = report_policy(report=report)
    for done in range(3):
        progress(done, 3)
    return ReportResult(passed=True, body=canonical({"content": policy.content_digest}))


def breaking(report: PolicyReport, progress: Progress) -> ReportResult:
    progress(1, 3)
    raise ZeroDivisionError(report.kind)


def refusing(report: PolicyReport, progress: Progress) -> ReportResult:
    progress(1, 3)
    raise ReportRefusedError(f"no {report.kind} today")


@pytest.fixture
def draft(admin_user: User) -> PolicyDraft:
    world_in_force()
    from policies.selectors import version_active  # noqa: PLC0415 - after the world is there

    version = version_active()
    assert version is not None
    return draft_start(version=version, by=admin_user)


def asked(draft: PolicyDraft, by: User, **options: object) -> PolicyReport:
    return report_request(draft=draft, kind=EvidenceKind.REPLAY, options=options, by=by, now=AT)


def ran(report: PolicyReport, runner: object, monkeypatch: pytest.MonkeyPatch) -> PolicyReport:
    name = getattr(runner, "__name__", "")
    monkeypatch.setitem(reports.RUNNERS, EvidenceKind.REPLAY, f"tests.policies.test_reports.{name}")
    assert report_claim(now=timezone.now()) == report.pk
    report.refresh_from_db()
    return report_run(report=report)


@pytest.mark.django_db
def test_asking_twice_is_asking_once(draft: PolicyDraft, admin_user: User) -> None:
    first = asked(draft, admin_user)
    assert asked(draft, admin_user) == first
    assert asked(draft, admin_user, since=5) != first
    assert AuditEntry.objects.filter(tag="policies:report:asked").count() == 2


@pytest.mark.django_db
def test_a_draft_with_problems_is_not_reported_on(draft: PolicyDraft, admin_user: User) -> None:
    draft = draft_save(draft=draft, title="odd", body=draft.body.replace('"number": 2', '"number": 7'), by=admin_user)
    with pytest.raises(ReportRefusedError, match="number: must be 2"):
        asked(draft, admin_user)
    draft = draft_save(draft=draft, title="odd", body="{", by=admin_user)
    with pytest.raises(ReportRefusedError, match="Mend the draft first"):
        asked(draft, admin_user)


@pytest.mark.django_db
def test_a_report_is_kept_under_the_digest_of_its_bytes(
    draft: PolicyDraft, admin_user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = ran(asked(draft, admin_user), counting, monkeypatch)
    assert (made.state, made.passed, made.digest) == ("done", True, tagged_digest("report", made.body.encode()))
    assert made.content in made.body
    entry = AuditEntry.objects.get(tag="policies:report:finished")
    assert made.digest in entry.payload


@pytest.mark.django_db
def test_what_breaks_and_what_refuses_fails_in_words(
    draft: PolicyDraft, admin_user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ZeroDivisionError):
        ran(asked(draft, admin_user), breaking, monkeypatch)
    assert "ZeroDivisionError" in PolicyReport.objects.get().error
    made = ran(asked(draft, admin_user), refusing, monkeypatch)
    assert (made.state, made.error, made.passed, made.digest) == ("failed", "no replay today", None, "")


@pytest.mark.django_db
def test_a_draft_that_changed_meanwhile_fails(
    draft: PolicyDraft, admin_user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = asked(draft, admin_user)
    draft_save(draft=draft, title="b", body=draft.body.replace("Example Bank", "Another Bank"), by=admin_user)
    assert "was changed" in ran(report, counting, monkeypatch).error


@pytest.mark.django_db
def test_a_silent_claim_is_given_up_and_its_maker_is_told(draft: PolicyDraft, admin_user: User) -> None:
    report = asked(draft, admin_user)
    assert report_claim(now=AT) == report.pk
    report_beat(report_id=report.pk, done=1, total=9, now=AT + dt.timedelta(seconds=50))
    assert reports_sweep(now=AT + dt.timedelta(seconds=109)) == 0
    assert reports_sweep(now=AT + dt.timedelta(seconds=110)) == 1
    report.refresh_from_db()
    assert (report.state, report.done, report.total) == ("failed", 1, 9)
    assert "no progress for 60 seconds" in report.error
    with pytest.raises(ReportLostError):
        report_beat(report_id=report.pk, done=2, total=9, now=AT)
    with pytest.raises(ReportLostError):
        report_finish(report_id=report.pk, passed=True, body=b"{}", now=AT)
    assert not report_fail(report_id=report.pk, why="again", now=AT)


@pytest.mark.django_db(transaction=True)
def test_a_queued_report_is_claimed_by_one_and_only_so_many_run(draft: PolicyDraft, admin_user: User) -> None:
    wanted = {asked(draft, admin_user, since=n).pk for n in range(4)}

    def claim(_: int) -> int | None:
        try:
            return report_claim(now=AT)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        got = [pk for pk in pool.map(claim, range(8)) if pk is not None]
    assert len(got) == len(set(got))
    assert set(got) <= wanted
    # Two that ask at the same moment may each see one place left; never does one report get two makers.
    assert 2 <= len(got) <= 4
    assert report_claim(now=AT) is None


@pytest.mark.django_db
def test_the_command_makes_only_what_was_claimed(draft: PolicyDraft, admin_user: User) -> None:
    report = asked(draft, admin_user)
    for wrong in (report.pk, 10**9):
        with pytest.raises(CommandError, match="nobody has claimed"):
            call_command("policy_report", str(wrong))


def _sweep_until(report: PolicyReport, *states: str) -> PolicyReport:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        reports_sweep(now=timezone.now())
        report.refresh_from_db()
        if report.state in states:
            return report
        time.sleep(0.05)
    raise AssertionError(f"still {report.state}")


@pytest.fixture
def child_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "tests.fakes.report_settings")
    monkeypatch.setenv("COUNTERSIGN_TEST_REPORT_DATABASE", str(connection.settings_dict["NAME"]))


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("child_settings")
def test_a_child_makes_it_and_one_that_is_killed_failed(draft: PolicyDraft, admin_user: User) -> None:
    made = _sweep_until(asked(draft, admin_user), "done", "failed")
    assert (made.state, made.error, made.passed) == ("done", "", True)
    second = asked(draft, admin_user, since=1)
    assert reports_sweep(now=timezone.now()) == 1
    child = reports._children[second.pk]  # noqa: SLF001 - it is killed by its id
    with transaction.atomic():
        # The child waits for this row (SQLite: for the one writer), so it is alive when it is killed.
        PolicyReport.objects.select_for_update().get(pk=second.pk)
        os.kill(child.pid, signal.SIGKILL)
        child.wait(30)
    made = _sweep_until(second, "done", "failed")
    while reports._children:  # noqa: SLF001 - as above; each ends by itself
        reports_sweep(now=timezone.now())
        time.sleep(0.05)
    assert (made.state, made.error) == (
        "failed", "The process that made it was killed by signal 9. Please ask again."
    )  # fmt: skip
