"""Deploying the committed contracts, and OpenZeppelin's from npm, on a node whose accounts are unlocked."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eth_abi.abi import encode

from core.abi import argument_types, selector_of
from core.names import checksum_address

if TYPE_CHECKING:
    from demo.services.anvil import Node

ROOT = Path(__file__).resolve().parents[2]
OURS = ROOT / "demo" / "contracts"
OPENZEPPELIN = ROOT / "node_modules" / "@openzeppelin" / "contracts" / "build" / "contracts"


def mined(node: Node, call: dict[str, str]) -> dict[str, Any]:
    """Send from one of the node's accounts and return the receipt, which comes a moment later."""
    transaction_hash = node.call("eth_sendTransaction", call)
    for _ in range(300):
        receipt: dict[str, Any] | None = node.call("eth_getTransactionReceipt", transaction_hash)
        if receipt is not None:
            assert receipt["status"] == "0x1", receipt
            return receipt
        time.sleep(0.01)
    raise AssertionError("not mined")


def deploy(node: Node, sender: str, name: str, arguments: list[object], folder: Path = OURS) -> str:
    """Deploy a contract by the ABI of its artifact; return its address."""
    artifact = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    inputs: list[dict[str, str]] = next(
        (entry["inputs"] for entry in artifact["abi"] if entry["type"] == "constructor"), []
    )
    types = [each["type"] for each in inputs]
    data = artifact["bytecode"] + encode(types, arguments).hex()
    return checksum_address(mined(node, {"from": sender, "data": data, "gas": hex(12_000_000)})["contractAddress"])


def calldata(signature: str, *values: object) -> bytes:
    """Encode a call."""
    return selector_of(signature) + encode(argument_types(signature) or (), values)


def transact(node: Node, sender: str, to: str, signature: str, *values: object) -> dict[str, Any]:
    """Call a function in a transaction; return the receipt."""
    data = "0x" + calldata(signature, *values).hex()
    return mined(node, {"from": sender, "to": to, "data": data, "gas": hex(3_000_000)})
