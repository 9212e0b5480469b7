"""The environment that the suite runs in, made before Django reads its settings.

`COUNTERSIGN_TEST_DATABASE=postgres` runs the same tests on a private PostgreSQL cluster.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

from demo.services.postgres import postgres

WHICH = "COUNTERSIGN_TEST_DATABASE"
_MINE = "COUNTERSIGN_TEST_PID"
_RUN = "COUNTERSIGN_TEST_RUN"
_WORKER = "COUNTERSIGN_TEST_WORKER"


def prepare() -> None:
    """Set the variables, and start the cluster once for the session.

    Worker processes of pytest-xdist inherit the environment and so the cluster of the process that started them.
    """
    if os.environ.get(_MINE):
        _own_folder()
        return
    for name in [name for name in os.environ if name.startswith("COUNTERSIGN_") and name not in _KEPT]:
        del os.environ[name]
    os.environ[_MINE] = str(os.getpid())
    state = Path(tempfile.mkdtemp(prefix="countersign-test-"))
    atexit.register(shutil.rmtree, state, ignore_errors=True)
    os.environ["COUNTERSIGN_STATE_DIR"] = os.environ[_RUN] = str(state)
    which = os.environ.get(WHICH, "sqlite")
    if which == "postgres":
        _start_postgres()
    elif which != "sqlite":
        raise RuntimeError(f"{WHICH} must be sqlite or postgres, not {which!r}")


def _own_folder() -> None:
    """Give each worker process a state folder of its own: two that enrol the same person would share a key file.

    Once only: what a worker starts (the demonstration, say) inherits its environment and has a folder of its own.
    """
    worker, state = os.environ.get("PYTEST_XDIST_WORKER", ""), Path(os.environ["COUNTERSIGN_STATE_DIR"])
    if worker and os.environ.get(_WORKER) != worker:
        (state / worker).mkdir(exist_ok=True)
        os.environ["COUNTERSIGN_STATE_DIR"] = str(state / worker)
        os.environ[_WORKER] = worker


def run_folder() -> Path:
    """Return the folder of the whole run, which all its worker processes share."""
    return Path(os.environ[_RUN])


# Whatever else a developer has set must not reach the tests.
_KEPT = frozenset({WHICH, "COUNTERSIGN_SOAK", "COUNTERSIGN_CHROMIUM"})


def _start_postgres() -> None:
    stack = ExitStack()
    cluster = stack.enter_context(postgres(durable=False))
    atexit.register(stack.close)
    os.environ["COUNTERSIGN_DATABASE_URL"] = cluster.url("postgres")
    os.environ["COUNTERSIGN_DATABASE_PASSWORD_FILE"] = str(cluster.password_file)
