"""Runs one step of the demonstration to its end, under the user whose step it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from demo.layout import ROOT
from demo.services.processes import ServiceError, stop

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

_STEP_SECONDS = 120


def _environment(env: Mapping[str, str] | None) -> dict[str, str]:
    return {**os.environ, "HOME": "/nonexistent", **(env or {})}


def _failed(command: tuple[object, ...], said: str) -> ServiceError:
    return ServiceError(f"{' '.join(map(str, command[:4]))}: {said.strip()[-2000:]}")


def run_as(uid: int | None, *command: object, env: Mapping[str, str] | None = None, given: str = "") -> str:
    """Run one step of ours under a user, with `given` on its standard input, and return what it printed.

    Raises:
        ServiceError: With what it said, if it failed.
    """
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=ROOT,
        env=_environment(env),
        user=uid,
        group=uid,
        extra_groups=[] if uid is not None else None,
        input=given,
        capture_output=True,
        text=True,
        timeout=_STEP_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise _failed(command, done.stderr or done.stdout)
    return done.stdout


class Console:
    """A process under a user that takes steps one after another: what they all load is loaded once."""

    def __init__(
        self, uid: int | None, log: Path, *, env: Mapping[str, str] | None = None, django: bool = False
    ) -> None:
        """Open it.

        Args:
            uid: Its user; None: our own.
            log: Where goes what it prints besides what steps print.
            env: Settings.
            django: Load the web tier at once, which otherwise the first step does that needs it.
        """
        self._lock = threading.Lock()
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "demo.console", *(("--django",) if django else ())],
                cwd=ROOT,
                env=_environment(env),
                user=uid,
                group=uid,
                extra_groups=[] if uid is not None else None,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                # Ctrl-C reaches whoever started it, who then stops it in order.
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        """Use it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        stop(self._process)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def run(self, *command: object, given: str = "") -> str:
        """Run one step, as `run_as` does.

        Raises:
            ServiceError: With what it said, if it failed.
        """
        step = json.dumps({"command": [str(word) for word in command], "given": given})
        with self._lock:
            if self._process.stdin is None or self._process.stdout is None or self._process.poll() is not None:
                raise _failed(command, "its console is closed")
            self._process.stdin.write(step.encode() + b"\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        if not line:
            raise _failed(command, "its console ended")
        answer = json.loads(line)
        if answer["code"] != 0:
            raise _failed(command, answer["err"] or answer["out"])
        printed: str = answer["out"]
        return printed


class Consoles:
    """A console at each place where people take several steps, opened at the first one."""

    def __init__(self, logs: Path) -> None:
        """Remember where goes what they print besides what steps print."""
        self._logs, self._lock = logs, threading.Lock()
        self._open: dict[str, Console] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Use them."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all of them."""
        self._stack.close()

    def run(self, place: str, uid: int | None, *command: object) -> str:
        """Run one step at a place, under its user, as `run_as` does.

        Raises:
            ServiceError: With what it said, if it failed.
        """
        with self._lock:
            if place not in self._open:
                console = Console(uid, self._logs / f"console-{place}.log")
                self._open[place] = self._stack.enter_context(console)
        return self._open[place].run(*command)
