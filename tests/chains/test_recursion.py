"""What a library does to the whole process is undone: nested input must raise, not overflow the stack."""

from __future__ import annotations

import subprocess
import sys

from demo.layout import ROOT

_PROBE = """
import sys
before = sys.getrecursionlimit()
import chains.nodes.client
assert 'web3' not in sys.modules
import chains.nodes.provider
assert 'web3' in sys.modules
print(before == sys.getrecursionlimit())
import json
try:
    json.loads("[" * 100_000)
except RecursionError:
    print("raised")
"""

_LOADED_BEFORE = """
import sys
import web3
assert sys.getrecursionlimit() > 10_000
import chains.nodes.provider
print(sys.getrecursionlimit())
"""


def test_whoever_loaded_the_library_before_is_no_worse_off() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LOADED_BEFORE], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout.split()) == (0, ["1000"]), done.stderr


def test_importing_the_node_client_leaves_the_recursion_limit_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROBE], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True", "raised"]
