"""The log's signer as a process with a token of its own: it signs what continues what it signed, and nothing else."""

from __future__ import annotations

import base64
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from core.checkpoint import check_log, parse_signed_checkpoint
from courier.client import CourierError
from signer.failpoints import ENVIRONMENT
from tests.factories.world import World
from tests.signer.log_rig import FORK, TREE, LogRig, run

if TYPE_CHECKING:
    from core.merkle import Tree


def signed(log: LogRig, size: int, line: str) -> None:
    """Hold a line against the log's key and name, as a witness does."""
    note = f"{log.origin}\n{size}\n{base64.b64encode(TREE.root(size)).decode()}\n\n{line}"
    check_log(parse_signed_checkpoint(note.encode()), log.origin, log.public)


def test_it_signs_a_log_that_grows_across_restarts(log: LogRig) -> None:
    with log.served():
        for old, size in ((0, 3), (3, 3), (3, 9)):
            answer = log.checkpoint(old, size)
            assert answer["ok"], answer
            signed(log, size, answer["result"]["line"])
    with log.served():
        assert log.ask({"op": "status"})["result"]["size"] == 9
        assert log.checkpoint(9, 30)["ok"]


@pytest.mark.parametrize(
    ("sizes", "tree", "changes", "status"),
    [
        ((0, 9), TREE, {}, "409"),
        ((9, 9), FORK, {}, "409"),
        ((9, 12), FORK, {}, "422"),
        ((9, 5), TREE, {}, "400"),
        ((9, 12), TREE, {"proof": []}, "422"),
        ((9, 12), TREE, {"root": "00" * 32}, "422"),
    ],
)
def test_it_refuses_a_log_that_forgot_or_lies(
    log: LogRig, sizes: tuple[int, int], tree: Tree, changes: dict[str, Any], status: str
) -> None:
    with log.served():
        assert log.checkpoint(0, 9)["ok"]
        old, size = sizes
        answer = log.checkpoint(old, size, tree=tree, **changes)
        assert answer["error"]["code"] == "log"
        assert answer["error"]["message"].startswith(status)
        assert log.checkpoint(9, 12)["ok"]


@pytest.mark.parametrize(
    "value", [{}, [], "x", {"size": 0}, {"size": 2**60, "root": "00" * 32, "old": 0, "proof": []}, {"size": True}]
)
def test_what_is_malformed_is_refused(log: LogRig, value: object) -> None:
    with log.served():
        assert log.ask({"op": "checkpoint", "checkpoint": value})["ok"] is False
        assert log.checkpoint(0, 3)["ok"]


def test_it_signs_nothing_but_checkpoints(log: LogRig) -> None:
    bundle = log.world.bundle(log.world.mandate()).to_json()
    with log.served():
        requests: list[dict[str, object]] = [{"op": "sign", "bundle": bundle}, {"op": "control", "order": {}}]
        for request in requests:
            assert log.ask(request)["error"]["code"] == "unsupported"


def test_killed_after_its_memory_moved_it_still_signs_that_checkpoint_and_no_other(log: LogRig) -> None:
    with log.served(**{ENVIRONMENT: "signer.after_head:1"}) as process:
        with pytest.raises(CourierError):
            log.checkpoint(0, 9)
        assert process.wait(90) == -signal.SIGKILL
        (log.state / "signer.sock").unlink()
    with log.served():
        assert log.checkpoint(0, 9, tree=FORK)["error"]["message"].startswith("409")
        assert log.checkpoint(9, 9, tree=FORK)["error"]["message"].startswith("409")
        answer = log.checkpoint(9, 9)
        signed(log, 9, answer["result"]["line"])


def test_a_folder_that_is_rolled_back_changes_nothing(log: LogRig) -> None:
    kept = log.state.parent / "kept"
    names = ("signer.toml", "pins.json")
    kept.mkdir()
    for name in names:
        if (log.state / name).exists():
            shutil.copy2(log.state / name, kept / name)
    with log.served():
        assert log.checkpoint(0, 9)["ok"]
    for file in kept.iterdir():
        shutil.copy2(file, log.state / file.name)
    with log.served():
        assert log.checkpoint(0, 5, tree=FORK)["error"]["message"].startswith("409")


def test_pins_need_the_policys_own_key(made_log: LogRig) -> None:
    folder = Path(tempfile.mkdtemp(prefix="cs-log-"))
    try:
        other = LogRig(folder)
        wrong = other.pin(made_log.world)
        assert wrong.returncode == 78
        assert "another key for this log" in wrong.stderr
        nobody = other.pin(World(now=int(time.time())))
        assert "names no signer log-1 in role log" in nobody.stderr
        unpinned = run("serve", "--state", str(other.state))
        assert unpinned.returncode == 78
    finally:
        shutil.rmtree(folder)
