"""A private EVM node on a free loopback port."""

from __future__ import annotations

import json
import os
import platform
import shutil
import tempfile
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demo.services.processes import ServiceError, free_port, running

if TYPE_CHECKING:
    from collections.abc import Iterator

DEV_CHAIN_ID = 31337
_ROOT = Path(__file__).resolve().parents[2]
_PACKAGE_BY_MACHINE = {"x86_64": "anvil-linux-amd64", "aarch64": "anvil-linux-arm64"}


@dataclass(frozen=True)
class Node:
    """A node that runs."""

    url: str
    chain_id: int
    pid: int

    def call(self, method: str, *params: object) -> Any:  # noqa: ANN401 - JSON-RPC answers anything
        """Call a method and return its result.

        Raises:
            ServiceError: The node answered with an error.
        """
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(  # noqa: S310 - our own loopback address
            self.url, data=body, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310 - as above
            answer = json.load(response)
        if "error" in answer:
            raise ServiceError(f"{method}: {answer['error']}")
        return answer["result"]


@contextmanager
def anvil(
    *,
    chain_id: int = DEV_CHAIN_ID,
    port: int | None = None,
    block_time_s: int | None = None,
    directory: Path | None = None,
) -> Iterator[Node]:
    """Run a node for as long as the block lasts.

    Args:
        chain_id: The chain that it plays.
        port: Where it listens on loopback; a free port by default.
        block_time_s: Seconds between blocks; by default each transaction is mined at once.
        directory: Where its log goes. By default a temporary folder.
    """
    base = directory or Path(tempfile.mkdtemp(prefix="countersign-anvil-"))
    base.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    command: list[str | Path] = [binary(), "--host", "127.0.0.1", "--port", str(port), "--chain-id", str(chain_id)]
    if block_time_s is not None:
        command += ["--block-time", str(block_time_s)]
    try:
        with running(
            command,
            ready=lambda: _answers(port, chain_id),
            log=base / f"anvil-{port}.log",
            # It keeps caches at home; the home is this folder.
            env={**os.environ, "HOME": str(base)},
        ) as process:
            yield Node(url=f"http://127.0.0.1:{port}", chain_id=chain_id, pid=process.pid)
    finally:
        if directory is None:
            shutil.rmtree(base, ignore_errors=True)


def binary() -> Path:
    """Find the node's program, in the package that npm installed for this machine."""
    package = _PACKAGE_BY_MACHINE.get(platform.machine())
    if package is None:
        raise ServiceError(f"anvil has no build for {platform.machine()}")
    file = _ROOT / "node_modules" / "@foundry-rs" / package / "bin" / "anvil"
    if not file.exists():
        raise ServiceError("anvil is not installed: run bin/setup demo")
    return file


def _answers(port: int, chain_id: int) -> bool:
    try:
        return bool(Node(url=f"http://127.0.0.1:{port}", chain_id=chain_id, pid=0).call("eth_chainId"))
    except (OSError, ServiceError, ValueError):
        return False
