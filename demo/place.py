"""Whether a demonstration can start here now: free ports, room on the disk, and nothing left of an earlier one."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from demo.services.processes import ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_ROOM_BYTES = 300 * 1024 * 1024
_SERVERS = frozenset({"anvil", "postgres", "redis-server"})
_MODULES = frozenset({"attester", "celery", "consent", "courier", "gunicorn", "signer", "witness"})
_PROCESSES = Path("/proc")


class UnfitError(ServiceError):
    """Nothing was started; the message says what to do first."""


def check_place(base: Path, ports: Iterable[int]) -> None:
    """Make sure that a demonstration can start.

    Args:
        base: The folder that it will empty and use.
        ports: Where its servers will listen on loopback.

    Raises:
        UnfitError: If another one uses the folder or left servers behind, a port is taken or the disk is full.
    """
    _check_left(base)
    for port in ports:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                raise UnfitError(f"port {port} is in use; the demonstration needs it: stop what listens there")
    free = shutil.disk_usage(next(folder for folder in (base, *base.parents) if folder.exists())).free
    if free < _ROOM_BYTES:
        raise UnfitError(f"{free // 2**20} MB are free where {base} lies; the demonstration needs 300 MB")


def servers_left(base: Path) -> dict[int, str]:
    """Return the servers that work in a folder and lead a session of their own, as ours do: id and name."""
    return {pid: name for pid in _own_sessions() if (name := _server(pid)) and _names(pid, base)}


def _check_left(base: Path) -> None:
    left = servers_left(base)
    if not left:
        return
    parents = {_parent(pid) for pid in left}
    running = [pid for pid in parents if b"demo" in _read(pid, "cmdline").split(b"\0")]
    if running:
        raise UnfitError(f"another demonstration uses {base} (process {running[0]}): stop it first")
    named = ", ".join(f"{name} ({pid})" for pid, name in sorted(left.items()))
    command = " ".join(("kill", *map(str, sorted(left))))
    raise UnfitError(f"an earlier demonstration was killed and left {named}. End them first:\n\n  {command}")


def _own_sessions() -> Iterator[int]:
    for folder in _PROCESSES.glob("[0-9]*"):
        pid = int(folder.name)
        try:
            if os.getsid(pid) == pid:
                yield pid
        except OSError:
            continue


def _read(pid: int, name: str) -> bytes:
    try:
        return (_PROCESSES / str(pid) / name).read_bytes()
    except OSError:
        # It has ended, or belongs to somebody else.
        return b""


def _server(pid: int) -> str:
    """Return which of our servers a process is; empty if it is none."""
    words = [word.decode(errors="replace") for word in _read(pid, "cmdline").split(b"\0")]
    program = Path(words[0].split(" ")[0]).name
    if program in _SERVERS:
        return program
    if "manage.py" in words[1:2]:
        return "sequencer"
    return words[2] if words[1:2] == ["-m"] and words[2:3] and words[2] in _MODULES else ""


def _names(pid: int, base: Path) -> bool:
    """Whether a folder is what a process was started with, or in."""
    word = os.fsencode(base) + b"/"
    try:
        at = os.fsencode((_PROCESSES / str(pid) / "cwd").readlink()) + b"/"
    except OSError:
        at = b""
    return at.startswith(word) or word in _read(pid, "cmdline") or word in _read(pid, "environ")


def _parent(pid: int) -> int:
    # The name in parentheses may hold anything, and nothing after it does.
    fields = _read(pid, "stat").rpartition(b")")[2].split()
    return int(fields[1]) if len(fields) > 1 else 0
