"""A log's signer in a folder of its own, made at the console as an operator makes it, served as a process."""

from __future__ import annotations

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
from core.documents.roster import SignerEntry, SignerRole
from core.merkle import Tree, leaf_hash
from core.schema import write_struct
from courier.client import exchange
from tests.factories.world import World
from tests.signer.rig import ROOT, START_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

TREE = Tree(leaf_hash(b"%d" % number) for number in range(40))
FORK = Tree(leaf_hash(b"%d" % (number if number < 5 else -number)) for number in range(40))


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "signer", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


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
            process.wait(60)
            socket.unlink(missing_ok=True)

    def ask(self, request: dict[str, object]) -> dict[str, Any]:
        return exchange(str(self.state / "signer.sock"), {"v": 1, **request}, 10)

    def checkpoint(self, old: int, size: int, *, tree: Tree = TREE, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
        proof = ["0x" + hashed.hex() for hashed in tree.consistency(min(old, size), size)]
        asked: dict[str, object] = {"size": size, "root": tree.root(size).hex(), "old": old, "proof": proof}
        return self.ask({"op": "checkpoint", "checkpoint": asked | changes})


@pytest.fixture(scope="session")
def made_log() -> Iterator[LogRig]:
    folder = Path(tempfile.mkdtemp(prefix="cs-log-"))
    yield LogRig(folder)
    shutil.rmtree(folder)


@pytest.fixture
def log(made_log: LogRig) -> Iterator[LogRig]:
    folder = Path(tempfile.mkdtemp(prefix="cs-log-"))
    shutil.copytree(made_log.state, folder / "log-1")
    (folder / "log-1").chmod(0o700)
    conf = folder / "log-1" / "softhsm2.conf"
    conf.write_text(conf.read_text().replace(str(made_log.state), str(folder / "log-1")))
    copy = object.__new__(LogRig)
    copy.__dict__ |= made_log.__dict__ | {"state": folder / "log-1"}
    assert copy.pin().returncode == 0
    yield copy
    shutil.rmtree(folder)
