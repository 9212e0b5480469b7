"""Processes of our own that do what takes long: neither a page nor the sweep waits for one."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress

from django.conf import settings

_NICENESS = 10


def child_start(*arguments: str) -> subprocess.Popen[bytes]:
    """Start `manage.py` with these arguments, on the settings and the database of this process.

    Raises:
        OSError: The system starts no more processes.
    """
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), *arguments]
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, cwd=settings.BASE_DIR)
    # Deciding and signing go first. One that has ended already needs no rank.
    with suppress(ProcessLookupError):
        os.setpriority(os.PRIO_PROCESS, child.pid, _NICENESS)
    return child


def child_end(code: int) -> str:
    """Say how a process ended."""
    return f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
