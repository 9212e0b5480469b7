"""`python -m witness anchors`: reads the log's anchors from nodes that you trust, for `countersign-fsck --anchors`.

The institution says which transactions are its anchors (`manage.py anchors_export`); that list is not believed. Each
transaction is read from every node that is named; all have to say the same. The anchor wallet sends nothing else, so
its number of transactions tells when one was left out of the list. Exit codes: 0 all read, 1 something does not fit,
2 it could not be read.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from core.anchor import Anchor, anchor_read
from core.errors import EncodingError
from witness.anchor_file import anchor_lines
from witness.log_source import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Sequence

FITS, WRONG, UNREADABLE = 0, 1, 2
_HASH = re.compile(r"0x[0-9a-f]{64}")
_ADDRESS = re.compile(r"0x[0-9a-f]{40}")
_QUANTITY = re.compile(r"0x(?:0|[1-9a-f][0-9a-f]{0,63})")
_ANSWER_BYTES = 1024 * 1024
_SECONDS = 20


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mined:
    """An anchor as the chain holds it, and its place there."""

    anchor: Anchor
    transaction: str
    nonce: int
    block: int


class WrongError(Exception):
    """What the chain holds is no anchor, or nodes contradict each other."""


class Node:
    """A node that whoever runs this has chosen."""

    def __init__(self, url: str) -> None:
        """Name it by its address."""
        self.url = url

    def ask(self, method: str, *params: object) -> object:
        """Return a node's answer.

        Raises:
            UnreadableError: If it does not answer, or with an error.
        """
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url, data=body, headers=headers)  # noqa: S310 - http(s) only, see `_node`
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 - as above
                value = json.loads(answer.read(_ANSWER_BYTES))
        except (OSError, ValueError, RecursionError) as error:
            raise UnreadableError(f"node {self._host}: {error}") from error
        if not isinstance(value, dict) or value.get("error") is not None or "result" not in value:
            raise UnreadableError(f"node {self._host}: {method} was answered with an error")
        return value["result"]

    @property
    def _host(self) -> str:
        # The rest of an address may hold a key.
        return urlsplit(self.url).hostname or ""


def _quantity(value: object, what: str) -> int:
    if not isinstance(value, str) or _QUANTITY.fullmatch(value) is None:
        raise WrongError(f"{what} is no number")
    return int(value, 16)


def mined_read(node: Node, transaction: str, *, wallet: str, chain: int) -> Mined:
    """Read one anchor from one node.

    Args:
        node: Whom to ask.
        transaction: Its hash, 0x hex.
        wallet: The anchor wallet's address, lower case.
        chain: EIP-155 chain id.

    Raises:
        WrongError: If it is not there, or is no anchor of this wallet.
        UnreadableError: If the node does not answer.
    """
    found = node.ask("eth_getTransactionByHash", transaction)
    if not isinstance(found, dict) or found.get("hash") != transaction or found.get("blockNumber") is None:
        raise WrongError(f"{transaction}: the chain does not hold it")
    ends = [str(found.get(name)).lower() for name in ("from", "to")]
    if ends != [wallet, wallet] or found.get("value") != "0x0" or _quantity(found.get("chainId"), "chainId") != chain:
        raise WrongError(f"{transaction}: it is not sent by the anchor wallet to itself with nothing")
    data = str(found.get("input"))
    try:
        anchor = anchor_read(bytes.fromhex(data.removeprefix("0x")))
    except (EncodingError, ValueError) as error:
        raise WrongError(f"{transaction}: {error}") from error
    return Mined(
        anchor=anchor,
        transaction=transaction,
        nonce=_quantity(found.get("nonce"), "nonce"),
        block=_quantity(found.get("blockNumber"), "blockNumber"),
    )


def _all(nodes: Sequence[Node], transactions: Sequence[str], *, wallet: str, chain: int) -> list[Mined]:
    for node in nodes:
        if _quantity(node.ask("eth_chainId"), "eth_chainId") != chain:
            raise WrongError("a node serves another chain")
    found = []
    for transaction in transactions:
        seen = [mined_read(node, transaction, wallet=wallet, chain=chain) for node in nodes]
        if len(set(seen)) != 1:
            raise WrongError(f"{transaction}: nodes contradict each other")
        found.append(seen[0])
    return sorted(found, key=lambda one: one.nonce)


def _missing(nodes: Sequence[Node], found: Sequence[Mined], wallet: str) -> int:
    """Return how many of the wallet's transactions the list leaves out."""
    sent = max(_quantity(node.ask("eth_getTransactionCount", wallet, "latest"), "the count") for node in nodes)
    return sent - len({one.nonce for one in found})


def _node(text: str) -> Node:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise argparse.ArgumentTypeError("https://… expected")
    return Node(text)


def _claimed(path: Path) -> list[str]:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UnreadableError(f"{path}: {error.strerror}") from error
    claimed = [str(value.get("transaction")) for value in anchor_lines(raw, str(path))]
    odd = next((one for one in claimed if _HASH.fullmatch(one) is None), None)
    if odd is not None:
        raise UnreadableError(f"{path}: {odd[:80]!r} is no transaction hash")
    return list(dict.fromkeys(claimed))


def _run(arguments: argparse.Namespace) -> int:
    wallet = str(arguments.wallet).lower()
    if _ADDRESS.fullmatch(wallet) is None:
        raise UnreadableError("--wallet: an address expected, 0x and 40 hex digits")
    found = _all(arguments.node, _claimed(arguments.claims), wallet=wallet, chain=arguments.chain)
    lines = [
        {
            "size": str(one.anchor.size),
            "root": one.anchor.root.hex(),
            "transaction": one.transaction,
            "block": str(one.block),
        }
        for one in found
    ]
    try:
        # "x" never overwrites an earlier file.
        with arguments.out.open("x", encoding="ascii") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)
    except OSError as error:
        raise UnreadableError(f"{arguments.out}: {error.strerror}") from error
    missing = _missing(arguments.node, found, wallet)
    sys.stdout.write(f"{len(found)} anchors read from {len(arguments.node)} nodes\n")
    if missing:
        sys.stdout.write(f"INCOMPLETE: {missing} transactions of the anchor wallet are not in the list\n")
    return WRONG if missing else FITS


def main(argv: Sequence[str] | None = None) -> int:
    """Read anchors from nodes and write them to a file."""
    parser = argparse.ArgumentParser(prog="countersign-anchors", description="Read the log's anchors from a chain.")
    parser.add_argument("--claims", metavar="FILE", type=Path, required=True, help="from `manage.py anchors_export`")
    parser.add_argument("--node", metavar="URL", type=_node, action="append", required=True, help="a node of yours")
    parser.add_argument(
        "--wallet", metavar="ADDRESS", required=True, help="the anchor wallet, from the signed policy"
    )
    parser.add_argument("--chain", metavar="ID", type=int, required=True, help="EIP-155 chain id")
    parser.add_argument("--out", metavar="FILE", type=Path, required=True, help="a file that does not exist yet")
    arguments = parser.parse_args(argv)
    try:
        return _run(arguments)
    except WrongError as error:
        sys.stdout.write(f"WRONG: {error}\n")
        return WRONG
    except UnreadableError as error:
        sys.stderr.write(f"cannot be read: {error}\n")
        return UNREADABLE
