"""Runs the tests of each mutant in a process of its own, over a copy: the work tree is never touched."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import queue
import shutil
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.mutation.child import PRELOADED, run_tests
from tests.mutation.mutators import Mutant, mutants

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROOT = Path(__file__).parents[2]
WORKERS = 1 if "PYTEST_XDIST_WORKER" in os.environ else 2
"""Two in all: under xdist each of its two workers hunts in a module of its own."""
_PASSED = 0
_SLACK = 20
_TIMES_SLOWER = 6


class BaselineError(Exception):
    """The tests fail without any mutant."""


@dataclasses.dataclass
class Tally:
    """What came of a module's mutants."""

    module: str
    total: int = 0
    killed: int = 0
    timed_out: int = 0
    survivors: list[Mutant] = dataclasses.field(default_factory=list)


class _Bench:
    """A copy of `core` in which one mutant at a time is tried."""

    def __init__(self, folder: Path) -> None:
        shutil.copytree(ROOT / "core", folder / "core", ignore=shutil.ignore_patterns("__pycache__"))
        self._folder = folder
        self._context = multiprocessing.get_context("forkserver")

    def run(self, files: Sequence[str], timeout: float) -> int | None:
        """Return pytest's exit code, or None when time was up."""
        process = self._context.Process(target=run_tests, args=(str(self._folder), list(files)), daemon=True)
        process.start()
        process.join(timeout)
        if process.is_alive():
            process.kill()
            process.join()
            return None
        return process.exitcode

    def attempt(self, mutant: Mutant, files: Sequence[str], timeout: float) -> int | None:
        """Try a mutant and put the module back."""
        path = self._folder / mutant.module
        before = path.read_text()
        path.write_text(mutant.source)
        try:
            return self.run(files, timeout)
        finally:
            path.write_text(before)


def hunt(
    module: str,
    files: Sequence[str],
    folder: Path,
    *,
    tell: Callable[[Mutant, int | None], None] = lambda _mutant, _code: None,
) -> Tally:
    """Try every mutant of a module.

    Args:
        module: Path of the module from the root.
        files: The tests that have to notice.
        folder: An empty folder for the copies.
        tell: Told of each mutant and its exit code (None: time was up).

    Returns:
        How many there were, and those that no test noticed.

    Raises:
        BaselineError: If the tests fail as it is.
    """
    multiprocessing.get_context("forkserver").set_forkserver_preload(PRELOADED)
    benches = [_Bench(folder / f"bench-{place}") for place in range(WORKERS)]
    began = time.monotonic()
    if benches[0].run(files, 600) != _PASSED:
        raise BaselineError(module)
    timeout = (time.monotonic() - began) * _TIMES_SLOWER + _SLACK
    waiting: queue.SimpleQueue[Mutant | None] = queue.SimpleQueue()
    tally = Tally(module)
    for mutant in mutants(module, (ROOT / module).read_text()):
        waiting.put(mutant)
        tally.total += 1
    lock = threading.Lock()

    def work(bench: _Bench) -> None:
        while (mutant := waiting.get()) is not None:
            code = bench.attempt(mutant, files, timeout)
            with lock:
                tally.timed_out += code is None
                tally.killed += code != _PASSED
                if code == _PASSED:
                    tally.survivors.append(mutant)
                tell(mutant, code)

    threads = [threading.Thread(target=work, args=(bench,)) for bench in benches]
    for thread in threads:
        waiting.put(None)
        thread.start()
    for thread in threads:
        thread.join()
    return tally
