"""Runs one step of the demonstration to its end, under the user whose step it is."""

from __future__ import annotations

import os
import subprocess
import sys

from demo.layout import ROOT
from demo.services.processes import ServiceError

_STEP_SECONDS = 120


def run_as(uid: int | None, *command: object, env: dict[str, str] | None = None, given: str = "") -> str:
    """Run one step of ours under a user, with `given` on its standard input, and return what it printed.

    Raises:
        ServiceError: With what it said, if it failed.
    """
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=ROOT,
        env={**os.environ, "HOME": "/nonexistent", **(env or {})},
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
        raise ServiceError(f"{' '.join(map(str, command[:4]))}: {(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout
