"""The same line with Redis, a Celery worker, beat and a courier of its own; killed, emptied and started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from redis import Redis

from core.custody_lifecycle import JobState
from custody.models import NonceAssignment, Transmission
from demo.services.redis import redis
from tests.custody.conftest import ROOT
from tests.custody.party_line import party_desk
from tests.environment import WHICH
from tests.factories.world import ETHER, LISTED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from demo.services.redis import Broker
    from tests.custody.conftest import Desk, Line
    from tests.party.rig import Group

pytestmark = [
    pytest.mark.anvil,
    pytest.mark.skipif(os.environ.get(WHICH) != "postgres", reason="Celery's mode runs on PostgreSQL"),
]
CELERY = (sys.executable, "-m", "celery", "--app", "config.celery")


@contextmanager
def _process(
    line: Desk, broker: Broker, log: Path, *command: str, failpoint: str = ""
) -> Iterator[subprocess.Popen[bytes]]:
    given = {"database": str(connection.settings_dict["NAME"]), "sockets": {}}
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.fakes.worker_settings",
        "COUNTERSIGN_MODE": "full",
        "COUNTERSIGN_SECRET_KEY_FILE": str(log.parent / "secret"),
        "COUNTERSIGN_AUDIT_KEY_FILE": str(log.parent / "secret"),
        "COUNTERSIGN_BROKER_URL": broker.url,
        "COUNTERSIGN_SIGNER_SOCKETS": ",".join(f"{name}={path}" for name, path in line.sockets.items()),
        "COUNTERSIGN_TEST_WORKER": json.dumps(given),
        "COUNTERSIGN_FAILPOINT": failpoint,
    }
    with log.open("ab") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def _worker(line: Desk, broker: Broker, folder: Path, *, failpoint: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker of one process, so that a failpoint kills all of it."""
    options = ("worker", "--pool", "solo", "--without-gossip", "--without-mingle")
    with _process(line, broker, folder / "worker.log", *CELERY, *options, failpoint=failpoint) as process:
        yield process


@contextmanager
def _rest(line: Desk, broker: Broker, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run beat and a courier for each signer; the last courier's process is returned."""
    beat = (*CELERY, "beat", "--schedule", str(folder / "beat"), "--pidfile", "")
    with ExitStack() as stack:
        stack.enter_context(_process(line, broker, folder / "beat.log", *beat))
        couriers = [
            stack.enter_context(
                _process(line, broker, folder / f"{name}.log", sys.executable, "-m", "courier", "--signer", name)
            )
            for name in line.sockets
        ]
        yield couriers[-1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where logs go, with the secret that the settings want."""
    (tmp_path / "secret").write_text("x" * 64, encoding="ascii")
    return tmp_path


def _mined_once_each(line: Desk, jobs: int, before: int) -> None:
    assert sorted(NonceAssignment.objects.values_list("nonce", flat=True)) == list(range(jobs))
    assert Transmission.objects.count() == line.mined_count() == jobs
    assert line.balance(LISTED) - before == jobs * ETHER


@pytest.mark.parametrize(
    "point", ["custody.sign.after_answer", "custody.store.after_commit", "custody.send.after_send"]
)
def test_a_killed_worker_loses_nothing(line: Line, folder: Path, point: str) -> None:
    before = line.balance(LISTED)
    with redis() as broker, _rest(line, broker, folder):
        jobs = [line.hand_over(), line.hand_over()]
        with _worker(line, broker, folder, failpoint=point) as process:
            assert process.wait(60) == -signal.SIGKILL
        with _worker(line, broker, folder):
            line.wait_until(jobs, JobState.CONFIRMED, seconds=60)
    _mined_once_each(line, len(jobs), before)


def test_a_broker_that_forgets_and_a_courier_that_dies_lose_nothing(line: Line, folder: Path) -> None:
    before = line.balance(LISTED)
    jobs = [line.hand_over() for _ in range(6)]
    with redis() as broker:
        with _rest(line, broker, folder) as courier, _worker(line, broker, folder):
            line.wait_until(jobs[:1], JobState.CONFIRMED, seconds=60)
            courier.kill()
            client = Redis(unix_socket_path=str(broker.socket))
            client.flushall()
            client.close()
            time.sleep(1)
        with _rest(line, broker, folder), _worker(line, broker, folder):
            line.wait_until(jobs, JobState.CONFIRMED, seconds=90)
    _mined_once_each(line, len(jobs), before)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("point", ["custody.parties.keep", "custody.parties.round"])
def test_parties_sign_over_a_queue_of_each_though_the_worker_is_killed(
    transactional_db: None,  # noqa: ARG001 - asks for the database
    settings: Any,  # noqa: ANN401 - pytest-django's wrapper
    small_pinned: Group,
    folder: Path,
    point: str,
) -> None:
    with party_desk(small_pinned, settings) as desk:
        before = desk.balance(LISTED)
        with redis() as broker, _rest(desk, broker, folder):
            jobs = [desk.hand_over(), desk.hand_over()]
            with _worker(desk, broker, folder, failpoint=point) as process:
                assert process.wait(90) == -signal.SIGKILL
            with _worker(desk, broker, folder):
                desk.wait_until(jobs, JobState.CONFIRMED, seconds=120)
        _mined_once_each(desk, len(jobs), before)
