"""A real node with a proxy that lies, and a token on it."""

from __future__ import annotations

import dataclasses
import json
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from eth_abi.abi import encode

from chains.nodes.client import NodeClient
from chains.nodes.endpoint import Endpoint
from chains.services import chain_create, node_create
from core.names import checksum_address
from demo.services.anvil import anvil
from tests.fakes.proxy import LyingNode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from demo.services.anvil import Node

CHAIN = "eip155:31337"
ARTIFACT = Path(__file__).resolve().parents[2] / "demo" / "contracts" / "DemoToken.json"
SUPPLY = 1_000_000 * 10**6


@dataclasses.dataclass(frozen=True)
class Bench:
    """A node, the proxy before it, and two of its rich accounts."""

    node: Node
    proxy: LyingNode
    rich: str
    other: str
    stack: ExitStack

    def client(self, *, chain_id: int = 31337, timeout_seconds: float = 1.0) -> NodeClient:
        """Open a client through the proxy."""
        endpoint = Endpoint(label="n", url=self.proxy.url, chain_id=chain_id, timeout_seconds=timeout_seconds)
        return self.stack.enter_context(NodeClient(endpoint=endpoint))

    def automine(self, *, on: bool) -> None:
        """Let the node mine each transaction at once, or only when told."""
        self.node.call("evm_setAutomine", on)

    def deploy_token(self) -> str:
        """Deploy the token; `rich` holds its supply. Returns its address."""
        code = json.loads(ARTIFACT.read_text(encoding="utf-8"))["bytecode"]
        arguments = encode(["string", "string", "uint8", "uint256"], ["USD Coin", "USDC", 6, SUPPLY])
        call = {"from": self.rich, "data": code + arguments.hex()}
        return checksum_address(self.mined(call)["contractAddress"])

    def mined(self, call: dict[str, str]) -> dict[str, str]:
        """Send from one of the node's own accounts; return the receipt, which comes a moment after the send."""
        transaction_hash = self.node.call("eth_sendTransaction", call)
        for _ in range(200):
            receipt: dict[str, str] | None = self.node.call("eth_getTransactionReceipt", transaction_hash)
            if receipt is not None:
                return receipt
            time.sleep(0.01)
        raise AssertionError("not mined")


@pytest.fixture
def bench() -> Iterator[Bench]:
    with anvil() as node, LyingNode(node.url) as proxy, ExitStack() as stack:
        rich, other = [checksum_address(a) for a in node.call("eth_accounts")[:2]]
        yield Bench(node=node, proxy=proxy, rich=rich, other=other, stack=stack)


@pytest.fixture
def configured(bench: Bench, db: None) -> Bench:  # noqa: ARG001 - asks for the database
    chain_create(actor="x", caip2=CHAIN, name="Dev", native_symbol="ETH", confirmation_depth=1)
    node_create(actor="x", chain=CHAIN, label="n", url=bench.proxy.url)
    return bench
