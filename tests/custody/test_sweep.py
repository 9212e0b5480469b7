"""Claims, leases and fences; the embedded thread; a broker that is away."""

from __future__ import annotations

import datetime as dt
import threading
from typing import TYPE_CHECKING

import pytest
from django.db import connections
from django.utils import timezone

from core.custody_lifecycle import JobState
from custody.backoff import backoff
from custody.errors import LeaseLostError
from custody.models import Job
from custody.ports import JobChange, _listeners, on_job_change
from custody.sweep import claim_next, job_advance, sweep_once
from custody.transitions import job_locked
from custody.wake import wake
from custody.worker import WorkerThread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.custody.conftest import Line

pytestmark = pytest.mark.anvil


def test_a_job_is_claimed_once_until_its_lease_ends(line: Line) -> None:
    line.hand_over()
    now = timezone.now()
    first = claim_next(now=now)
    assert first is not None
    assert claim_next(now=now) is None
    second = claim_next(now=now + dt.timedelta(seconds=61))
    assert second is not None
    assert (second.job_id, second.fence) == (first.job_id, first.fence + 1)


def test_whoever_lost_its_lease_writes_nothing(line: Line) -> None:
    job = line.hand_over()
    now = timezone.now()
    late = claim_next(now=now)
    assert late is not None
    assert claim_next(now=now + dt.timedelta(seconds=61)) is not None
    job_advance(claim=late, now=now)
    job.refresh_from_db()
    assert job.state == JobState.QUEUED
    with pytest.raises(LeaseLostError), job_locked(claim=late):
        pass


def test_many_threads_claim_each_job_once(line: Line) -> None:
    jobs = {line.hand_over().pk for _ in range(8)}
    claimed: list[int] = []
    start = threading.Barrier(6)

    def work() -> None:
        start.wait()
        while (claim := claim_next(now=timezone.now())) is not None:
            claimed.append(claim.job_id)
        connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == sorted(jobs)


@pytest.fixture
def heard() -> Iterator[list[JobChange]]:
    """What a listener hears while the test lasts."""
    changes: list[JobChange] = []
    listener = changes.append
    on_job_change(listener)
    yield changes
    _listeners.remove(listener)


@pytest.fixture
def alone() -> Iterator[None]:
    """No other app listens while the test lasts."""
    others = list(_listeners)
    _listeners.clear()
    yield
    _listeners[:] = others


def test_listeners_hear_every_change(line: Line, alone: None, heard: list[JobChange]) -> None:  # noqa: ARG001
    job = line.sweep_until(line.hand_over(), JobState.INCLUDED)
    assert [change.state for change in heard] == ["pinned", "signed", "live", "included"]
    assert {change.intent_digest for change in heard} == {job.intent_digest}


def test_a_listener_that_fails_takes_the_change_with_it(line: Line, alone: None) -> None:  # noqa: ARG001
    def refuse(change: JobChange) -> None:
        raise RuntimeError(change.state)

    on_job_change(refuse)
    job = line.sweep_until_trouble(line.hand_over(), "internal")
    assert job.state == JobState.QUEUED
    _listeners.remove(refuse)
    line.sweep_until(job, JobState.INCLUDED)
    assert line.mined_count() == 1


def test_the_embedded_thread_does_the_same(line: Line, settings: object) -> None:
    settings.COUNTERSIGN_SWEEPS = ("custody.sweep.sweep_once",)  # type: ignore[attr-defined]  # pytest-django's wrapper
    worker = WorkerThread(interval_seconds=0.05)
    worker.start()
    try:
        job = line.hand_over()
        line.wait_until([job], JobState.CONFIRMED)
    finally:
        worker.stop()
    assert not worker.is_alive()
    assert line.mined_count() == 1


def test_a_broker_that_is_away_costs_latency_only(line: Line, settings: object) -> None:
    settings.COUNTERSIGN_MODE = "full"  # type: ignore[attr-defined]  # pytest-django's wrapper
    wake()
    job = line.hand_over()
    assert Job.objects.filter(pk=job.pk).exists()
    line.sweep_until(job, JobState.INCLUDED)


def test_a_sweep_ends_by_itself(line: Line) -> None:
    for _ in range(3):
        line.hand_over()
    assert sweep_once(now=timezone.now(), most=2) == 2


def test_backoff_grows_to_a_minute() -> None:
    assert [backoff(n).total_seconds() for n in (0, 1, 2, 6, 1000)] == [1, 2, 4, 60, 60]
