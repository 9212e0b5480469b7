"""What Python can reach of the extension: this list, typed as it says, and nothing that puts a key together."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import countersign_mpc
import pytest

import mpc
from tests.mpc.rig import generating, new_shares

if TYPE_CHECKING:
    from pathlib import Path

SESSION = {"start", "advance", "done", "result"}
SURFACE = {
    "DkgSession": SESSION,
    "RefreshSession": SESSION,
    "SignSession": SESSION,
    "Share": {
        "load", "serialise", "wipe", "index", "threshold", "parties", "epoch", "session", "public_key", "address",
    },
}  # fmt: skip
ERRORS = {"MpcError", "AbortError", "InternalError", "MessageError", "ParameterError", "SessionError", "ShareError"}
DANGEROUS = re.compile(
    r"re_?key|reconstruct|recover|combine|dealer|split|secret|private|poly|scalar|lagrange|repair|export|phase|keep|nonce",
    re.IGNORECASE,
)


def public(thing: object) -> set[str]:
    return {name for name in dir(thing) if not name.startswith("_")}


def test_this_and_nothing_else() -> None:
    wanted = {*SURFACE, *ERRORS, "MAX_MESSAGE", "MAX_PARTIES"}
    assert public(countersign_mpc) - {"countersign_mpc"} == wanted == set(mpc.__all__)
    for name, members in SURFACE.items():
        assert public(getattr(countersign_mpc, name)) == members


def test_no_name_promises_a_key() -> None:
    names = {*public(countersign_mpc), *(member for members in SURFACE.values() for member in members)}
    assert not [name for name in names if DANGEROUS.search(name)]


@pytest.mark.parametrize("name", SURFACE)
def test_nobody_can_inherit(name: str) -> None:
    with pytest.raises(TypeError):
        type("Own", (getattr(countersign_mpc, name),), {})


def test_the_stub_says_what_is_there(tmp_path: Path) -> None:
    # The wheel's own Python file imports all from the library beside it, of the same name and without a stub.
    allowed = tmp_path / "allowed"
    allowed.write_text("countersign_mpc.countersign_mpc\n")
    command = [sys.executable, "-m", "mypy.stubtest", "countersign_mpc", "--concise", "--allowlist", str(allowed)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False, timeout=110, cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_python_goes_on_while_the_library_computes() -> None:
    """Another thread counts; it would stand still if the lock were held."""
    ticks, stop = [0], threading.Event()

    def count() -> None:
        while not stop.is_set():
            ticks[0] += 1
            time.sleep(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    started = time.monotonic()
    new_shares(generating(2, 2))
    passed = time.monotonic() - started
    stop.set()
    thread.join()
    assert passed > 0.2
    # A small part of what could have been, on a busy machine too: with the lock held it would be a handful.
    assert ticks[0] > passed * 50
