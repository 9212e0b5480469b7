"""A PostgreSQL that is killed and started again while 8 writers write and the sequencer places what they wrote."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from audit.services import INSERT_ENTRY
from core.auditlog import entry_bytes, entry_mac
from demo.services.postgres import postgres
from witness.log_verify import Roots, log_verify

if TYPE_CHECKING:
    from collections.abc import Iterator

    from demo.services.postgres import Cluster

ROOT = Path(__file__).resolve().parents[2]
_FIELDS = {"actor": "tess", "session": "", "tag": "oms:request:asked", "subject": "s", "severity": "info"}
_WRITERS, _SECONDS = 8, 60


class Writers:
    """Write entries one a transaction, and count those whose commit was answered."""

    def __init__(self, url: str, password: str) -> None:
        self.url, self.password = url, password
        self.stop = threading.Event()
        self.answered: list[str] = []
        self._lock = threading.Lock()

    def write(self, own: int) -> None:
        number = 0
        while not self.stop.is_set():
            with contextlib.suppress(psycopg.Error), psycopg.connect(self.url, password=self.password) as connection:
                while not self.stop.is_set():
                    number += 1
                    payload = f'{{"n":"{own}-{number}"}}'
                    raw = entry_bytes(at_us=number, payload=payload, **_FIELDS)
                    values = [_FIELDS[name] for name in ("actor", "session", "tag", "subject", "severity")]
                    with connection.transaction():
                        connection.execute(
                            INSERT_ENTRY.encode(), [number, *values, payload, entry_mac(b"k" * 64, raw)]
                        )
                    with self._lock:
                        self.answered.append(payload)
            time.sleep(0.1)


@contextlib.contextmanager
def sequencing(environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "manage.py", "audit_sequence", "--interval", "5"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def _settings(cluster: Cluster, folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COUNTERSIGN_")}
    return kept | {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "COUNTERSIGN_DATABASE_URL": cluster.url("postgres"),
        "COUNTERSIGN_DATABASE_PASSWORD_FILE": str(cluster.password_file),
        "COUNTERSIGN_STATE_DIR": str(folder / "state"),
    }


def _until(cluster: Cluster, password: str, question: str) -> None:
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        with psycopg.connect(cluster.url("postgres"), password=password, autocommit=True) as connection:
            if connection.execute(question.encode()).fetchone() == (True,):
                return
        time.sleep(0.1)
    raise AssertionError(question)


@pytest.mark.timeout(300)
def test_a_database_that_is_restarted_mid_batch_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with contextlib.ExitStack() as running:
        # Not under the test's own folder, into which only its user may look.
        folder = Path(tempfile.mkdtemp(prefix="countersign-pg-"))
        running.callback(shutil.rmtree, folder, ignore_errors=True)
        with postgres(folder) as cluster:
            password = cluster.password_file.read_text(encoding="ascii").strip()
            environment = _settings(cluster, tmp_path)
            subprocess.run([sys.executable, "manage.py", "migrate", "-v", "0"], cwd=ROOT, env=environment, check=True)
            writers = Writers(cluster.url("postgres"), password)
            threads = [threading.Thread(target=writers.write, args=(own,)) for own in range(_WRITERS)]
            running.enter_context(sequencing(environment))
            for thread in threads:
                thread.start()
            running.callback(writers.stop.set)
            _until(cluster, password, "SELECT count(*) > 200 FROM audit_leaf")
            # Immediate shutdown: no session ends its work, and the next start recovers from what was flushed.
            os.kill(cluster.pid, signal.SIGQUIT)
            time.sleep(1)
        with postgres(folder) as cluster:
            more = len(writers.answered) + 100
            _until(cluster, password, f"SELECT count(*) > {more} FROM audit_leaf")  # noqa: S608 - a number
            writers.stop.set()
            for thread in threads:
                thread.join(30)
            _until(cluster, password, "SELECT NOT EXISTS (SELECT 1 FROM audit_pending)")
            with psycopg.connect(cluster.url("postgres"), password=password) as connection:
                rows = connection.execute("SELECT actor, payload FROM audit_entry").fetchall()
                placed = connection.execute('SELECT count(*), max("index") + 1 FROM audit_leaf').fetchone()
            monkeypatch.setenv("PGPASSWORD", password)
            found = log_verify(cluster.url("postgres"), Roots(), processes=1)
            running.close()
    # The sequencer's own alarms aside: these writers have another key than it.
    stored = [payload for actor, payload in rows if actor == _FIELDS["actor"]]
    # What was answered is there, once; at most one more for each writer, whose answer the restart swallowed.
    assert set(writers.answered) <= set(stored)
    assert len(stored) == len(set(stored)) <= len(writers.answered) + _WRITERS
    assert placed == (len(rows), len(rows))
    assert (found.entries, found.broken) == (len(rows), None)
