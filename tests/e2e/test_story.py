"""The story that `make demo ONCE=1` plays, in both modes, as a user starts it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from demo.layout import ROOT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.usefixtures("ports")
@pytest.mark.timeout(400)
@pytest.mark.parametrize("mode", [(), ("--full",)], ids=["embedded", "full"])
def test_the_story_ends_well(state: Path, mode: tuple[str, ...]) -> None:
    played = subprocess.run(
        [sys.executable, "-m", "demo", "--once", "--state", str(state), *mode],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=380,
        check=False,
    )
    assert played.returncode == 0, played.stdout[-3000:] + played.stderr[-3000:]
    last = json.loads(played.stdout.strip().splitlines()[-1])
    assert last["story"] == "ok"
    assert last["confirmed"] >= 6
    assert last["refused"] >= 8
    parties = last["parties"]
    assert (parties["one_down"], parties["two_down"], parties["three_down"]) == ("signed", "waits", "waits")
    assert (parties["degraded"], parties["degraded_too_large"]) == ("signed", "denied")
    assert parties["all_back"] == "confirmed"
    assert parties["refused"] >= 5 * 8
    assert last["audit"] == "verified"
    assert re.fullmatch(r"0x[0-9a-f]{64}", last["anchor"])
