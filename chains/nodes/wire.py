"""Strict reading of JSON-RPC values (Ethereum execution API): a node's answer is a claim, nothing to believe."""

from __future__ import annotations

import dataclasses
import re

from core.errors import DocumentError
from core.names import checksum_address

_QUANTITY = re.compile(r"0x[0-9a-fA-F]{1,64}")
_DATA = re.compile(r"0x(?:[0-9a-fA-F]{2})*")
HASH_BYTES = 32


class WireError(ValueError):
    """The value is not what the protocol allows."""


def quantity(value: object, at: str) -> int:
    """Read a hex quantity."""
    if not isinstance(value, str) or _QUANTITY.fullmatch(value) is None:
        msg = f"{at}: hex quantity expected"
        raise WireError(msg)
    return int(value, 16)


def data(value: object, at: str) -> bytes:
    """Read hex data of any length."""
    if not isinstance(value, str) or _DATA.fullmatch(value) is None:
        msg = f"{at}: hex data expected"
        raise WireError(msg)
    return bytes.fromhex(value[2:])


def hash32(value: object, at: str) -> bytes:
    """Read a 32-byte hash."""
    raw = data(value, at)
    if len(raw) != HASH_BYTES:
        msg = f"{at}: 32 bytes expected"
        raise WireError(msg)
    return raw


def address(value: object, at: str) -> str:
    """Read an address and spell it as EIP-55 does."""
    if not isinstance(value, str):
        msg = f"{at}: address expected"
        raise WireError(msg)
    try:
        return checksum_address(value)
    except DocumentError as error:
        msg = f"{at}: {error}"
        raise WireError(msg) from error


def fields(value: object, at: str) -> dict[str, object]:
    """Read an object."""
    if not isinstance(value, dict):
        msg = f"{at}: object expected"
        raise WireError(msg)
    return value


def items(value: object, at: str) -> list[object]:
    """Read a list."""
    if not isinstance(value, list):
        msg = f"{at}: list expected"
        raise WireError(msg)
    return value


def hexed(raw: bytes) -> str:
    """Write data."""
    return "0x" + raw.hex()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Block:
    """What is used of a block header. `timestamp` in Unix seconds, `base_fee` in wei per gas."""

    number: int
    hash: bytes
    parent_hash: bytes
    timestamp: int
    base_fee: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Log:
    """An event log."""

    address: str
    topics: tuple[bytes, ...]
    data: bytes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Receipt:
    """What is used of a receipt. `gas_price`: wei per gas that was paid."""

    transaction_hash: bytes
    block_number: int
    block_hash: bytes
    succeeded: bool
    gas_used: int
    gas_price: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class FeeSuggestion:
    """Fee caps for a new transaction, wei per gas."""

    base_fee: int
    max_fee_per_gas: int
    max_priority_fee_per_gas: int


def read_block(value: object) -> Block:
    """Read a block."""
    block = fields(value, "block")
    return Block(
        number=quantity(block.get("number"), "block.number"),
        hash=hash32(block.get("hash"), "block.hash"),
        parent_hash=hash32(block.get("parentHash"), "block.parentHash"),
        timestamp=quantity(block.get("timestamp"), "block.timestamp"),
        base_fee=quantity(block.get("baseFeePerGas", "0x0"), "block.baseFeePerGas"),
    )


def read_log(value: object) -> Log:
    """Read a log."""
    log = fields(value, "log")
    return Log(
        address=address(log.get("address"), "log.address"),
        topics=tuple(hash32(topic, "log.topics") for topic in items(log.get("topics"), "log.topics")),
        data=data(log.get("data"), "log.data"),
    )


def read_receipt(value: object) -> Receipt:
    """Read a receipt; its status must be 0 or 1."""
    receipt = fields(value, "receipt")
    status = quantity(receipt.get("status"), "receipt.status")
    if status not in (0, 1):
        msg = "receipt.status: 0 or 1 expected"
        raise WireError(msg)
    return Receipt(
        transaction_hash=hash32(receipt.get("transactionHash"), "receipt.transactionHash"),
        block_number=quantity(receipt.get("blockNumber"), "receipt.blockNumber"),
        block_hash=hash32(receipt.get("blockHash"), "receipt.blockHash"),
        succeeded=status == 1,
        gas_used=quantity(receipt.get("gasUsed"), "receipt.gasUsed"),
        gas_price=quantity(receipt.get("effectiveGasPrice", "0x0"), "receipt.effectiveGasPrice"),
    )
