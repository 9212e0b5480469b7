"""A real signer in a folder of its own: SoftHSM token, wallet key, pinned world; in this process or in its own."""

from __future__ import annotations

import dataclasses
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

from core.canonical import canonical
from core.schema import write_struct
from courier.client import exchange
from signer.config import CONFIG_FILE, SOFTHSM_FILE, load_config
from signer.console import open_hsm, pin_genesis, start_service
from signer.files import exclusive
from signer.head import TokenHead, identity
from signer.provision import init_state, make_key
from tests.factories.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from core.documents.bundle import Bundle
    from signer.hsm import Hsm
    from signer.service import Service

ROOT = Path(__file__).resolve().parent.parent.parent
GWEI = 10**9
START_SECONDS = 90.0
"""Until a process listens, or has ended: only one that hangs takes them, and a machine that is full must not."""


@dataclasses.dataclass(frozen=True)
class Template:
    """A folder with a token and one key, copied for each test: making one takes ten times as long."""

    state: Path
    public_key: bytes


def make_template(state: Path) -> Template:
    """Make a token with one wallet key."""
    init_state(state, "hsm-1", socket_path=None, allowed_uids=(), group=None)
    hsm = open_hsm(load_config(state))
    try:
        return Template(state, make_key(hsm, "hot").public_key)
    finally:
        hsm.close()


def point_softhsm(state: Path) -> None:
    """Make a copied folder's SoftHSM configuration name its own tokens."""
    lines = [
        f"directories.tokendir = {state / 'tokens'}" if line.startswith("directories.") else line
        for line in (state / SOFTHSM_FILE).read_text().splitlines()
    ]
    (state / SOFTHSM_FILE).write_text("\n".join(lines) + "\n")


@dataclasses.dataclass
class Served:
    """A signer in a process of its own."""

    process: subprocess.Popen[bytes]
    path: str
    log: Path

    def ask(self, request: dict[str, object], timeout: float = 10) -> dict[str, Any]:
        """Send one request."""
        return exchange(self.path, request, timeout)

    def sign(self, bundle: Bundle) -> dict[str, Any]:
        """Ask for a signature."""
        return self.ask({"v": 1, "op": "sign", "bundle": bundle.to_json()})

    def status(self) -> dict[str, Any]:
        """Ask where it stands."""
        result: dict[str, Any] = self.ask({"v": 1, "op": "status"})["result"]
        return result


class Rig:
    """One signer's folder with its world."""

    def __init__(self, template: Template, state: Path, **world: Any) -> None:  # noqa: ANN401 - fields of World
        shutil.copytree(template.state, state)
        state.chmod(0o700)
        point_softhsm(state)
        self.state = state
        self.world = World(now=int(time.time()), wallet_public_key=template.public_key, **world)
        self.nonce = 0

    @property
    def genesis(self) -> bytes:
        """The signed genesis as JSON."""
        return canonical(write_struct(self.world.signed_policy, "signed_policy"))

    def pin(self) -> str:
        """Install the genesis."""
        with exclusive(self.state):
            done = pin_genesis(self.state, self.genesis, lambda digest: digest)
        # The journal began by the real clock, which may have ticked since the world was made.
        self.world.now = int(time.time())
        return done

    def bundle(self, **changes: Any) -> Bundle:  # noqa: ANN401 - as World.bundle
        """Make a fresh case at the next nonce, small enough for the day's limits."""
        intent = self.world.intent(value=10**12, max_fee_per_gas=10 * GWEI, max_priority_fee_per_gas=GWEI)
        made = self.world.bundle(self.world.mandate(intent), nonce=self.nonce, **changes)
        self.nonce += 1
        return made

    @contextmanager
    def hsm(self) -> Iterator[Hsm]:
        """Open the token in this process."""
        hsm = open_hsm(load_config(self.state))
        try:
            yield hsm
        finally:
            hsm.close()

    @contextmanager
    def head(self) -> Iterator[TokenHead]:
        """Open the journal's head in the token."""
        with self.hsm() as hsm:
            yield TokenHead(hsm, identity(self.world.deployment, self.world.signer))

    @contextmanager
    def service(self) -> Iterator[Service]:
        """Run the signer's service in this process."""
        with exclusive(self.state):
            service, hsm = start_service(load_config(self.state))
            try:
                yield service
            finally:
                service.close()
                hsm.close()

    def set(self, before: str, after: str) -> None:
        """Edit `signer.toml`."""
        path = self.state / CONFIG_FILE
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after))

    @contextmanager
    def served(
        self, *prefix: str, user: int | None = None, environment: Mapping[str, str] | None = None
    ) -> Iterator[Served]:
        """Run the signer in a process of its own until it listens; stop it politely at the end."""
        log = Path(tempfile.mkdtemp(prefix="cs-log-")) / "log"
        path = load_path(self.state)
        path.unlink(missing_ok=True)
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*prefix, sys.executable, "-m", "signer", "serve", "--state", str(self.state)],
                cwd=ROOT,
                env={"PATH": os.environ["PATH"], **(environment or {})},
                stderr=output,
                stdout=output,
                user=user,
                group=user,
                extra_groups=[] if user else None,
            )
        try:
            end = time.monotonic() + START_SECONDS
            while not path.exists():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < end, log.read_text()
                time.sleep(0.02)
            yield Served(process, str(path), log)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            shutil.rmtree(log.parent)


def load_path(state: Path) -> Path:
    """Return where a folder's signer listens, also if another user owns the folder."""
    for line in (state / CONFIG_FILE).read_text().splitlines():
        if line.startswith("path = "):
            return state / line.removeprefix("path = ").strip('"')
    raise AssertionError("no socket path")


def command(state: Path, name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run one of the signer's commands to its end."""
    return subprocess.run(
        [sys.executable, "-m", "signer", name, "--state", str(state), *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        check=False,
        text=True,
        timeout=START_SECONDS,
    )
