"""SIGKILL by process id, before and after every commit and send: nothing is lost and nothing is mined twice."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from core.custody_lifecycle import JobState
from custody.failpoints import FAILPOINTS, failpoint
from custody.models import BroadcastAttempt, Job, NonceAssignment, Transmission
from custody.sweep import sweep_once
from tests.custody.conftest import PATIENCE
from tests.custody.killing import confirmed, killed, points
from tests.factories.world import ETHER, LISTED

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.custody.conftest import Line


def _mined_once_each(line: Line, jobs: int, before: int) -> None:
    assert sorted(NonceAssignment.objects.values_list("nonce", flat=True)) == list(range(jobs))
    assert Transmission.objects.count() == jobs
    assert line.mined_count() == jobs
    assert line.balance(LISTED) - before == jobs * ETHER


LATER = points("raise", "raise_store", "cancel_store", "reorg", "parties", "ceremony")
"""Points that only some cases come to; each has its own test below."""


@pytest.mark.anvil
@pytest.mark.parametrize("point", [point for point in FAILPOINTS if point not in LATER])
def test_killed_at(line: Line, point: str) -> None:
    before = line.balance(LISTED)
    jobs = [line.hand_over(), line.hand_over()]
    killed(line, point)
    confirmed(line, *jobs)
    _mined_once_each(line, len(jobs), before)


@pytest.mark.anvil
@pytest.mark.parametrize(
    "point", [*points("raise", "raise_store"), "custody.sign.before_request:2", "custody.sign.after_answer:2"]
)
def test_killed_while_fees_are_raised(line: Line, point: str) -> None:
    before = line.balance(LISTED)
    line.rule(raise_seconds=1)
    line.automine(on=False)
    job = line.hand_over()
    killed(line, point, mines=False)
    _swept_until(lambda: Transmission.objects.filter(job=job).count() >= 2)
    line.rule(raise_seconds=0)
    Job.objects.update(raise_at=None)
    line.automine(on=True)
    confirmed(line, job)
    fees = list(Transmission.objects.values_list("max_fee_per_gas", flat=True))
    assert len(set(fees)) == len(fees) >= 2
    assert set(NonceAssignment.objects.values_list("nonce", flat=True)) == {0}
    assert (line.mined_count(), line.balance(LISTED) - before) == (1, ETHER)


def _swept_until(reached: Callable[[], bool]) -> None:
    Job.objects.update(lease_until=None)
    deadline = time.monotonic() + PATIENCE
    while not reached():
        assert time.monotonic() < deadline, [(job.state, job.error) for job in Job.objects.all()]
        sweep_once(now=timezone.now(), most=1)
        time.sleep(0.01)


@pytest.mark.anvil
@pytest.mark.parametrize(
    "point", [*points("cancel_store"), "custody.sign.before_request", "custody.sign.after_answer"]
)
def test_killed_while_a_cancel_is_signed(line: Line, point: str) -> None:
    before = line.balance(LISTED)
    line.automine(on=False)
    job = line.sweep_until(line.hand_over(), JobState.LIVE)
    line.cancel(job)
    killed(line, point, mines=False)
    sent = BroadcastAttempt.objects.filter(transmission__kind="cancel", outcome__in=("accepted", "known"))
    _swept_until(sent.exists)
    line.automine(on=True)
    confirmed(line, job, state=JobState.CANCELLED)
    assert Transmission.objects.filter(kind="cancel").count() == 1
    assert (line.mined_count(), line.balance(LISTED) - before) == (1, 0)


@pytest.mark.anvil
@pytest.mark.parametrize("point", points("reorg"))
def test_killed_while_a_reorganisation_is_taken_back(line: Line, point: str) -> None:
    before = line.balance(LISTED)
    line.mine(5)
    job = line.sweep_until(line.hand_over(), JobState.INCLUDED)
    line.automine(on=False)
    line.node.call("anvil_reorg", 1, [])
    line.node.call("anvil_dropAllTransactions")
    killed(line, point, mines=False)
    line.automine(on=True)
    confirmed(line, job)
    assert Transmission.objects.count() == line.mined_count() == 1
    assert line.balance(LISTED) - before == ETHER


@pytest.mark.anvil
def test_killed_again_and_again(line: Line) -> None:
    before = line.balance(LISTED)
    jobs = [line.hand_over() for _ in range(4)]
    for point in ("custody.send.after_send", "custody.store.before_commit:2", "custody.sign.after_answer"):
        killed(line, point)
        Job.objects.update(lease_until=None)
    confirmed(line, *jobs)
    _mined_once_each(line, len(jobs), before)


@pytest.mark.anvil
def test_a_worker_process_that_is_killed_is_replaced_by_another(line: Line) -> None:
    before = line.balance(LISTED)
    jobs = [line.hand_over(), line.hand_over()]
    with line.worker(failpoint="custody.send.after_send") as process:
        deadline = time.monotonic() + PATIENCE
        while process.poll() is None and time.monotonic() < deadline:
            line.mine()
            time.sleep(0.02)
        assert process.poll() == -signal.SIGKILL
    with line.worker():
        line.wait_until(jobs, JobState.CONFIRMED)
    _mined_once_each(line, len(jobs), before)


@pytest.mark.anvil
def test_two_workers_share_one_lane(line: Line) -> None:
    before = line.balance(LISTED)
    jobs = [line.hand_over() for _ in range(12)]
    with line.worker(), line.worker():
        line.wait_until(jobs, JobState.CONFIRMED)
    _mined_once_each(line, len(jobs), before)


def test_a_failpoint_has_to_be_listed() -> None:
    with pytest.raises(ValueError, match="unknown failpoint"):
        failpoint("custody.nowhere")
