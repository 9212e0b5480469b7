"""What nodes say of a wallet at one block, in a form that they can agree on."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from chains.errors import NodeAnswerError, NodeRefusalError
from chains.nodes.wire import WireError, data, hexed, items, read_log
from core.names import NATIVE_SUFFIX
from custody.ledger import TokenMove

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chains.nodes.client import NodeClient
    from chains.nodes.wire import Block

_BALANCE_OF = bytes.fromhex("70a08231")
_TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
"""Keccak-256 of ``Transfer(address,address,uint256)``."""
_WORD = 32


@dataclasses.dataclass(frozen=True)
class Mined:
    """A receipt of one of our transactions, as far as the ledger needs it. `gas_price` in wei per gas."""

    transaction_hash: str
    block_number: int
    succeeded: bool
    gas_used: int
    gas_price: int


@dataclasses.dataclass(frozen=True)
class Reading:
    """What one node says; compared as a whole."""

    nonce: int
    timestamp: int
    amounts: tuple[tuple[str, int | None], ...]
    moves: tuple[TokenMove, ...]
    mined: tuple[Mined, ...]


def _word(address: str) -> bytes:
    return bytes(12) + bytes.fromhex(address[2:])


def _token_balance(node: NodeClient, contract: str, holder: str, at: int) -> int | None:
    """Return an ERC-20 balance; None where the contract does not answer as a token does."""
    call = {"to": contract, "data": hexed(_BALANCE_OF + _word(holder))}
    try:
        raw = data(node.call("eth_call", call, hex(at)), "eth_call")
    except NodeRefusalError:
        return None
    return int.from_bytes(raw, "big") if len(raw) == _WORD else None


def _moves(node: NodeClient, contracts: dict[str, str], holder: str, since: int, at: int) -> list[TokenMove]:
    if not contracts:
        return []
    wanted = {
        "address": sorted(contracts),
        "fromBlock": hex(since),
        "toBlock": hex(at),
        "topics": [_TRANSFER, hexed(_word(holder))],
    }
    found = []
    for raw in items(node.call("eth_getLogs", wanted), "logs"):
        log = read_log(raw)
        named = data(raw.get("transactionHash") if isinstance(raw, dict) else None, "log.transactionHash")
        if log.address not in contracts or len(log.data) != _WORD:
            continue
        found.append(
            TokenMove(
                transaction_hash=named.hex(), asset=contracts[log.address], amount=int.from_bytes(log.data, "big")
            )
        )
    return found


def _mined(node: NodeClient, hashes: Sequence[str], since: int, at: int) -> list[Mined]:
    receipts = [node.receipt(bytes.fromhex(one)) for one in hashes]
    return [
        Mined(one.transaction_hash.hex(), one.block_number, one.succeeded, one.gas_used, one.gas_price)
        for one in receipts
        if one is not None and since <= one.block_number <= at
    ]


def reading_of(
    node: NodeClient, block: Block, *, address: str, assets: Sequence[str], hashes: Sequence[str], since: int
) -> Reading:
    """Read a wallet at a block.

    Args:
        node: The node.
        block: The block.
        address: The wallet's.
        assets: CAIP-19 names of its chain.
        hashes: Transactions of ours that may have been mined since.
        since: The first block that counts.

    Raises:
        NodeError: If the node gives no usable answer.
    """
    contracts = {one.partition("/erc20:")[2]: one for one in assets if not one.endswith(NATIVE_SUFFIX)}
    try:
        amounts = {one: _token_balance(node, contract, address, block.number) for contract, one in contracts.items()}
        moves = _moves(node, contracts, address, since, block.number)
    except WireError as error:
        raise NodeAnswerError(node.label, str(error)) from error
    for one in assets:
        if one.endswith(NATIVE_SUFFIX):
            amounts[one] = node.balance(address, at=block.number)
    return Reading(
        nonce=node.nonce(address, at=block.number),
        timestamp=block.timestamp,
        amounts=tuple(sorted(amounts.items())),
        moves=tuple(moves),
        mined=tuple(_mined(node, hashes, since, block.number)),
    )
