"""A console that stays open: runs steps of ours one after another in one process, which loads everything once.

`python -m demo.console [--django]`, under the user whose steps they are. A step comes as a line of JSON: its command
as Python takes it (`-m module …` or `manage.py …`) and what is on its standard input. One line goes back.
"""

from __future__ import annotations

import io
import json
import runpy
import sys
import traceback
from contextlib import redirect_stderr, redirect_stdout


def _run(command: list[str]) -> int:
    """Run a command as the interpreter would; return its exit code."""
    try:
        if command[0] == "-m":
            sys.argv = command[1:]
            runpy.run_module(command[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = command
            runpy.run_path(command[0], run_name="__main__")
    except SystemExit as ended:
        if isinstance(ended.code, str):
            sys.stderr.write(ended.code)
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except Exception:  # noqa: BLE001 - whatever a step raises is told as the interpreter would
        sys.stderr.write(traceback.format_exc())
        return 1
    return 0


def _step(command: list[str], given: str) -> dict[str, object]:
    out, err, kept = io.StringIO(), io.StringIO(), (sys.stdin, sys.argv)
    sys.stdin = io.StringIO(given)
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = _run(command)
    finally:
        sys.stdin, sys.argv = kept
    return {"code": code, "out": out.getvalue(), "err": err.getvalue()}


def main() -> None:
    """Serve until the line ends."""
    django = "--django" in sys.argv[1:]
    if django:
        from django import setup  # noqa: PLC0415 - only the web tier's console has it

        setup()
    lines, answers = sys.stdin, sys.stdout
    for line in lines:
        step = json.loads(line)
        answers.write(json.dumps(_step(step["command"], step["given"])) + "\n")
        answers.flush()
        if django:
            from django.db import connections  # noqa: PLC0415 - as above

            connections.close_all()


if __name__ == "__main__":
    main()
