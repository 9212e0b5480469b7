"""The log's signer as a process with a token of its own: it signs what continues what it signed, and nothing else."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from core.canonical import canonical
from core.checkpoint import check_log, parse_signed_checkpoint
from core.documents.roster import SignerEntry, SignerRole
from core.merkle import Tree, leaf_hash
from core.schema import write_struct
from courier.client import CourierError, exchange
from signer.failpoints import ENVIRONMENT
from tests.factories.world import World
from tests.signer.rig import ROOT, START_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

TREE = Tree(leaf_hash(b"%d" % number) for number in range(40))
FORK = Tree(leaf_hash(b"%d" % (number if number < 5 else -number)) for number in range(40))


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "signer", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


class LogRig:
    """A log's signer, made at the console as an operator makes it."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "log-1"
        assert run("init", "--state", str(self.state), "--signer-id", "log-1", "--role", "log").returncode == 0
        made = run("keygen", "--state", str(self.state))
        self.public = bytes.fromhex(json.loads(made.stdout)["public_key"][2:])
        self.world = self._world(self.public)
        self.origin = f"countersign/{self.world.deployment}/log"

    def _world(self, public: bytes) -> World:
        world = World(now=int(time.time()))
        entry = SignerEntry(
            id="log-1",
            role=SignerRole.LOG,
            public_key=public,
            host="host-2",
            site="london",
            administrator="otto",
            vendor="softhsm",
        )
        return World(now=world.now, overrides={"signers": (*world.policy.signers, entry)})

    def pin(self, world: World | None = None) -> subprocess.CompletedProcess[str]:
        policy = self.state.parent / "policy.json"
        used = world or self.world
        policy.write_bytes(canonical(write_struct(used.signed_policy, "signed_policy")))
        return run("pin", "--state", str(self.state), str(policy), "--expect", used.policy.digest)

    @contextmanager
    def served(self, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
        command = [sys.executable, "-m", "signer", "serve", "--state", str(self.state)]
        with (self.state.parent / "log").open("ab") as output:
            process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output, env=os.environ | environment)
        socket = self.state / "signer.sock"
        deadline = time.monotonic() + START_SECONDS
        try:
            while not socket.exists():
                assert process.poll() is None, (self.state.parent / "log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.02)
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)
            socket.unlink(missing_ok=True)

    def ask(self, request: dict[str, object]) -> dict[str, Any]:
        return exchange(str(self.state / "signer.sock"), {"v": 1, **request}, 10)

    def checkpoint(self, old: int, size: int, tree: Tree = TREE, **changes: object) -> dict[str, Any]:
        proof = ["0x" + hashed.hex() for hashed in tree.consistency(min(old, size), size)]
        asked: dict[str, object] = {"size": size, "root": tree.root(size).hex(), "old": old, "proof": proof}
        return self.ask({"op": "checkpoint", "checkpoint": asked | changes})


@pytest.fixture(scope="module")
def made() -> Iterator[LogRig]:
    folder = Path(tempfile.mkdtemp(prefix="cs-log-"))
    yield LogRig(folder)
    shutil.rmtree(folder)


@pytest.fixture
def log(made: LogRig) -> Iterator[LogRig]:
    folder = Path(tempfile.mkdtemp(prefix="cs-log-"))
    shutil.copytree(made.state, folder / "log-1")
    (folder / "log-1").chmod(0o700)
    conf = folder / "log-1" / "softhsm2.conf"
    conf.write_text(conf.read_text().replace(str(made.state), str(folder / "log-1")))
    copy = object.__new__(LogRig)
    copy.__dict__ |= made.__dict__ | {"state": folder / "log-1"}
    assert copy.pin().returncode == 0
    yield copy
    shutil.rmtree(folder)


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
    log: LogRig, sizes: tuple[int, int], tree: Tree, changes: dict[str, object], status: str
) -> None:
    with log.served():
        assert log.checkpoint(0, 9)["ok"]
        answer = log.checkpoint(*sizes, tree, **changes)
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
        assert process.wait(20) == -signal.SIGKILL
        (log.state / "signer.sock").unlink()
    with log.served():
        assert log.checkpoint(0, 9, FORK)["error"]["message"].startswith("409")
        assert log.checkpoint(9, 9, FORK)["error"]["message"].startswith("409")
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
        assert log.checkpoint(0, 5, FORK)["error"]["message"].startswith("409")


def test_pins_need_the_policys_own_key(made: LogRig) -> None:
    folder = Path(tempfile.mkdtemp(prefix="cs-log-"))
    try:
        other = LogRig(folder)
        wrong = other.pin(made.world)
        assert wrong.returncode == 78
        assert "another key for this log" in wrong.stderr
        nobody = other.pin(World(now=int(time.time())))
        assert "names no signer log-1 in role log" in nobody.stderr
        unpinned = run("serve", "--state", str(other.state))
        assert unpinned.returncode == 78
    finally:
        shutil.rmtree(folder)
