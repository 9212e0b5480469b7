"""Start a server, wait until it answers, stop it by its process id."""

from __future__ import annotations

import os
import pwd
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_POLL_S = 0.05
_STOP_S = 20
_LOG_TAIL = 2000


class ServiceError(Exception):
    """A server did not start, stopped too early or is not installed."""


@contextmanager
def running(
    command: Sequence[str | Path],
    *,
    ready: Callable[[], bool],
    log: Path,
    ready_s: float = 30,
    user: str | int | None = None,
    env: Mapping[str, str] | None = None,
    directory: Path | None = None,
    stop_signal: signal.Signals = signal.SIGTERM,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server for as long as the block lasts.

    Args:
        command: Program and arguments; no shell.
        ready: Whether it answers by now.
        log: Where its output goes; its end is shown when the start fails.
        ready_s: How long it may take to answer.
        user: The account that it runs under, by name or number; only root can choose one.
        env: Its whole environment; ours by default.
        directory: Where it starts; ours by default.
        stop_signal: What asks it politely to end.

    Raises:
        ServiceError: It ended, or did not answer in time.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            user=user,
            group=primary_group(user),
            extra_groups=None if user is None else [],
            env=env,
            cwd=directory,
            # Ctrl-C reaches whoever started it, who then stops it in order.
            start_new_session=True,
        )
    try:
        _wait(process, ready=ready, log=log, name=Path(command[0]).name, ready_s=ready_s)
        yield process
    finally:
        stop(process, stop_signal)


def stop(process: subprocess.Popen[bytes], stop_signal: signal.Signals = signal.SIGTERM) -> None:
    """End a process that we started: politely, then for certain."""
    if process.poll() is not None:
        return
    process.send_signal(stop_signal)
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def reachable(path: Path) -> bool:
    """Whether somebody listens on a unix socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


def unprivileged_user() -> str | None:
    """Name an account without rights for servers that refuse to run as root; None when we are not root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def primary_group(user: str | int | None) -> int | None:
    """Return the group id that belongs to an account; a number without an entry is its own group."""
    return pwd.getpwnam(user).pw_gid if isinstance(user, str) else user


def give(path: Path, user: str | None) -> None:
    """Hand a file or folder to an account."""
    if user is not None:
        entry = pwd.getpwnam(user)
        os.chown(path, entry.pw_uid, entry.pw_gid)


def free_port() -> int:
    """Find a loopback port that nobody listens on."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(
    process: subprocess.Popen[bytes], *, ready: Callable[[], bool], log: Path, name: str, ready_s: float
) -> None:
    deadline = time.monotonic() + ready_s
    while not ready():
        code = process.poll()
        if code is not None:
            raise ServiceError(f"{name} ended with {code}: {_tail(log)}")
        if time.monotonic() > deadline:
            raise ServiceError(f"{name} did not answer within {ready_s:g} s: {_tail(log)}")
        time.sleep(_POLL_S)


def _tail(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-_LOG_TAIL:].strip()
