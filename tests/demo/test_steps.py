"""A console takes steps one after another, as the interpreter would take each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from demo.services.processes import ServiceError
from demo.steps import Console, Consoles, run_as

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ECHO = """
import sys
word, *rest = sys.argv[1:]
if word == "fail":
    sys.exit("it cannot be done")
print(word, *rest, sys.stdin.read())
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "echo.py"
    path.write_text(ECHO)
    return path


@pytest.fixture(params=["process", "console"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Steps in a process each, or all of them at one console."""
    if request.param == "process":
        yield lambda *command, **given: run_as(None, *command, **given)
        return
    with Console(None, tmp_path / "log") as opened:
        yield opened.run


def test_a_step_prints_what_it_prints(run: Callable[..., str], script: Path) -> None:
    assert run(script, "one", 2, given="three") == "one 2 three\n"
    assert run(script, "four") == "four \n"
    assert "Relay the making of a key" in run("-m", "courier.found", "--help")


def test_a_step_that_fails_says_why_and_the_next_one_goes_on(run: Callable[..., str], script: Path) -> None:
    with pytest.raises(ServiceError, match="it cannot be done"):
        run(script, "fail")
    with pytest.raises(ServiceError, match="not enough values"):
        run(script)
    with pytest.raises(ServiceError, match="required: --party"):
        run("-m", "courier.found", "plan.json")
    with pytest.raises(ServiceError, match=r"demo\.nothing"):
        run("-m", "demo.nothing")
    assert run(script, "on") == "on \n"


def test_a_console_that_is_closed_takes_nothing(tmp_path: Path, script: Path) -> None:
    with Console(None, tmp_path / "log") as console:
        assert console.run(script, "on") == "on \n"
    with pytest.raises(ServiceError, match="closed"):
        console.run(script, "on")


def test_each_place_has_a_console_of_its_own_that_stays(tmp_path: Path) -> None:
    script = tmp_path / "pid.py"
    script.write_text("import os\nprint(os.getpid())")
    with Consoles(tmp_path) as consoles:
        first, again, other = (consoles.run(place, None, script) for place in ("one", "one", "two"))
    assert first == again
    assert other != first
    assert {file.name for file in tmp_path.glob("*.log")} == {"console-one.log", "console-two.log"}
