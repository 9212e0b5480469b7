"""What is committed of our contracts is what their sources give."""

from __future__ import annotations

import subprocess

from demo.layout import ROOT


def test_the_committed_contracts_are_their_sources() -> None:
    command = ["node", "demo/contracts/compile.cjs", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
