"""SIGKILL by process id, before and after every commit and send: nothing is lost and nothing is mined twice."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest

from core.custody_lifecycle import JobState
from custody.failpoints import FAILPOINTS, failpoint
from custody.models import NonceAssignment, Transmission
from tests.factories.world import ETHER, LISTED

if TYPE_CHECKING:
    import subprocess

    from tests.custody.conftest import Line


def _dies(process: subprocess.Popen[bytes], line: Line, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline:
        line.mine()
        time.sleep(0.02)
    assert process.poll() == -signal.SIGKILL


def _mined_once_each(line: Line, jobs: int, before: int) -> None:
    assert sorted(NonceAssignment.objects.values_list("nonce", flat=True)) == list(range(jobs))
    assert Transmission.objects.count() == jobs
    assert line.mined_count() == jobs
    assert line.balance(LISTED) - before == jobs * ETHER


@pytest.mark.anvil
@pytest.mark.parametrize("point", FAILPOINTS)
def test_killed_at(line: Line, point: str) -> None:
    before = line.balance(LISTED)
    jobs = [line.hand_over(), line.hand_over()]
    with line.worker(failpoint=point) as process:
        _dies(process, line)
    with line.worker():
        line.wait_until(jobs, JobState.CONFIRMED)
    _mined_once_each(line, len(jobs), before)


@pytest.mark.anvil
def test_killed_again_and_again(line: Line) -> None:
    before = line.balance(LISTED)
    jobs = [line.hand_over() for _ in range(4)]
    for point in ("custody.send.after_send", "custody.store.before_commit:2", "custody.sign.after_answer"):
        with line.worker(failpoint=point) as process:
            _dies(process, line)
    with line.worker():
        line.wait_until(jobs, JobState.CONFIRMED)
    _mined_once_each(line, len(jobs), before)


@pytest.mark.anvil
def test_two_workers_share_one_lane(line: Line) -> None:
    before = line.balance(LISTED)
    jobs = [line.hand_over() for _ in range(12)]
    with line.worker(), line.worker():
        line.wait_until(jobs, JobState.CONFIRMED, seconds=60)
    _mined_once_each(line, len(jobs), before)


def test_a_failpoint_has_to_be_listed() -> None:
    with pytest.raises(ValueError, match="unknown failpoint"):
        failpoint("custody.nowhere")
