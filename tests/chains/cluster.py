"""Several real nodes that hold one and the same chain, each behind a proxy of its own that lies on demand."""

from __future__ import annotations

import dataclasses
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from chains.nodes.endpoint import Endpoint
from chains.nodes.health import HealthBook
from chains.nodes.pool import Pool, Rules
from core.names import checksum_address
from demo.services.anvil import anvil
from tests.fakes.proxy import LyingNode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chains.nodes.agreement import Disagreement
    from demo.services.anvil import Node

CHAIN = "eip155:31337"
NAMES = ("one", "two", "three")


class Reports:
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.stopped: dict[str, str] = {}
        self.disagreements: list[Disagreement] = []

    def wrong_chain(self, *, label: str, reason: str) -> None:
        self.stopped[label] = reason

    def disagreed(self, *, disagreement: Disagreement) -> None:
        self.disagreements.append(disagreement)


@dataclasses.dataclass
class Cluster:
    """The nodes; the first one is where transactions go, the others follow it."""

    nodes: list[Node]
    proxies: dict[str, LyingNode]
    accounts: list[str]
    reports: Reports = dataclasses.field(default_factory=Reports)
    book: HealthBook = dataclasses.field(default_factory=HealthBook)

    @property
    def first(self) -> Node:
        return self.nodes[0]

    def head(self) -> dict[str, str]:
        """Return the first node's newest block, as it tells it."""
        block: dict[str, str] = self.first.call("eth_getBlockByNumber", "latest", False)  # noqa: FBT003 - JSON-RPC
        return block

    def sync(self) -> None:
        """Bring the others to where the first one is: block for block, hash for hash."""
        state = self.first.call("anvil_dumpState")
        for node in self.nodes[1:]:
            node.call("anvil_loadState", state)

    def mined(self, call: dict[str, str]) -> dict[str, str]:
        """Send from one of the accounts at the first node; return the receipt. The others do not know of it yet."""
        transaction_hash = self.first.call("eth_sendTransaction", call)
        for _ in range(200):
            receipt: dict[str, str] | None = self.first.call("eth_getTransactionReceipt", transaction_hash)
            if receipt is not None:
                return receipt
            time.sleep(0.01)
        raise AssertionError("not mined")

    def pay(self, value: int = 1) -> dict[str, str]:
        """Mine a payment and bring all nodes to it."""
        receipt = self.mined({"from": self.accounts[0], "to": self.accounts[1], "value": hex(value)})
        self.sync()
        return receipt

    def endpoints(self) -> list[Endpoint]:
        """Where the proxies are."""
        return [
            Endpoint(label=name, url=proxy.url, chain_id=31337, timeout_seconds=2.0)
            for name, proxy in self.proxies.items()
        ]

    def pool(self, *, least: int = 2, settled_depth: int = 3, head_age_most: int = 0) -> Pool:
        """Return the nodes as one."""
        rules = Rules(least=least, settled_depth=settled_depth, head_age_most=head_age_most)
        return Pool(chain=CHAIN, endpoints=self.endpoints(), rules=rules, book=self.book, reporter=self.reports)


@contextmanager
def cluster_of(count: int = 3) -> Iterator[Cluster]:
    """Run that many nodes and their proxies."""
    with ExitStack() as stack:
        nodes = [stack.enter_context(anvil()) for _ in range(count)]
        proxies = {name: stack.enter_context(LyingNode(node.url)) for name, node in zip(NAMES, nodes, strict=False)}
        accounts = [checksum_address(account) for account in nodes[0].call("eth_accounts")]
        cluster = Cluster(nodes=nodes, proxies=proxies, accounts=accounts)
        cluster.sync()
        yield cluster
