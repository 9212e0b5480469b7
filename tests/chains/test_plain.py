"""What attesters share with the web tier brings no Django along."""

from __future__ import annotations

import subprocess
import sys

from demo.layout import ROOT

_PROBE = """
import sys
import chains.identity, chains.nodes.inclusion, chains.nodes.pool, chains.nodes.probe, chains.nodes.state
import chains.prices, chains.simulation, chains.tokens
print(sorted(name for name in sys.modules if name == "django" or name.startswith("django.")))
"""


def test_nodes_identity_prices_and_simulation_are_plain_python() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROBE], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
