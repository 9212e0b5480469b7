"""Work in a process that kills itself at a failpoint, and what goes on after it."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING, NoReturn

from django.conf import settings
from django.db import connections
from django.utils import timezone

from core.custody_lifecycle import JobState
from custody.failpoints import ENVIRONMENT, FAILPOINTS
from custody.models import Job
from custody.sweep import sweep_once
from tests.custody.conftest import PATIENCE

if TYPE_CHECKING:
    from tests.custody.conftest import Desk


def _sweep_until_killed(point: str) -> NoReturn:
    """Be the process that dies: sweep on its own connections until the failpoint comes."""
    os.environ[ENVIRONMENT] = point
    settings.COUNTERSIGN_FAILPOINTS_ENABLED = True
    deadline = time.monotonic() + PATIENCE
    with contextlib.suppress(Exception):
        while time.monotonic() < deadline:
            sweep_once(now=timezone.now())
            time.sleep(0.01)
    os._exit(1)


def killed(line: Desk, point: str, *, mines: bool = True) -> None:
    """Fork a process that works until it kills itself at the point; let blocks pass meanwhile."""
    connections.close_all()
    child = os.fork()
    if child == 0:
        _sweep_until_killed(point)
    ended, status = os.waitpid(child, os.WNOHANG)
    while not ended:
        if mines:
            line.mine()
        time.sleep(0.02)
        ended, status = os.waitpid(child, os.WNOHANG)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL


def confirmed(line: Desk, *jobs: Job, state: JobState = JobState.CONFIRMED) -> None:
    """Go on in this process, after the other one's claims have ended, until all jobs are there."""
    Job.objects.update(lease_until=None)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        line.mine()
        sweep_once(now=timezone.now())
        if all(Job.objects.get(pk=job.pk).state == state for job in jobs):
            return
        time.sleep(0.02)
    raise AssertionError([(job.state, job.error) for job in Job.objects.all()])


def points(*parts: str) -> list[str]:
    return [point for point in FAILPOINTS if point.split(".")[1] in parts]
