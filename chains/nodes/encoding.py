"""From a node's JSON back to the bytes that the chain hashes: headers, transactions, receipts.

Nothing here is believed: whoever encodes compares the hash, so a field that a node left out or made up shows at once.
Sources: yellow paper, EIP-2718, EIP-2930, EIP-1559, EIP-4844, EIP-7702; header fields also EIP-4895, 4788, 7685.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import rlp

from chains.nodes.wire import WireError, data, fields, items, quantity

if TYPE_CHECKING:
    from collections.abc import Callable

    Reader = Callable[[object, str], object]

_HEADER: tuple[tuple[str, Reader], ...] = (
    ("parentHash", data),
    ("sha3Uncles", data),
    ("miner", data),
    ("stateRoot", data),
    ("transactionsRoot", data),
    ("receiptsRoot", data),
    ("logsBloom", data),
    ("difficulty", quantity),
    ("number", quantity),
    ("gasLimit", quantity),
    ("gasUsed", quantity),
    ("timestamp", quantity),
    ("extraData", data),
    ("mixHash", data),
    ("nonce", data),
)
_HEADER_LATER: tuple[tuple[str, Reader], ...] = (
    ("baseFeePerGas", quantity),
    ("withdrawalsRoot", data),
    ("blobGasUsed", quantity),
    ("excessBlobGas", quantity),
    ("parentBeaconBlockRoot", data),
    ("requestsHash", data),
)
_LEGACY, _ACCESS_LIST, _DYNAMIC_FEE, _BLOB, _SET_CODE = range(5)


def header_bytes(block: dict[str, object]) -> bytes:
    """Encode a block's header with every field that the node names.

    Raises:
        WireError: If a field is missing or has another form.
    """
    values = [read(block.get(name), f"block.{name}") for name, read in _HEADER]
    values += [read(block[name], f"block.{name}") for name, read in _HEADER_LATER if block.get(name) is not None]
    return bytes(rlp.encode(values))


def _access_list(transaction: dict[str, object]) -> list[object]:
    entries = [fields(entry, "accessList") for entry in items(transaction.get("accessList", []), "accessList")]
    return [
        [
            data(entry.get("address"), "accessList.address"),
            [
                data(key, "accessList.storageKeys")
                for key in items(entry.get("storageKeys"), "accessList.storageKeys")
            ],
        ]
        for entry in entries
    ]


def _authorizations(transaction: dict[str, object]) -> list[object]:
    listed = items(transaction.get("authorizationList"), "authorizationList")
    return [
        [
            quantity(entry.get("chainId"), "authorizationList.chainId"),
            data(entry.get("address"), "authorizationList.address"),
            quantity(entry.get("nonce"), "authorizationList.nonce"),
            quantity(entry.get("yParity", entry.get("v")), "authorizationList.yParity"),
            quantity(entry.get("r"), "authorizationList.r"),
            quantity(entry.get("s"), "authorizationList.s"),
        ]
        for entry in (fields(each, "authorizationList") for each in listed)
    ]


def transaction_bytes(transaction: dict[str, object]) -> bytes | None:
    """Encode a signed transaction as the block's trie holds it; None for a type that is not known here.

    Raises:
        WireError: If a field is missing or has another form.
    """

    def number(name: str) -> int:
        return quantity(transaction.get(name), f"transaction.{name}")

    kind = quantity(transaction.get("type", "0x0"), "transaction.type")
    to = b"" if transaction.get("to") is None else data(transaction.get("to"), "transaction.to")
    body: list[object] = [number("gas"), to, number("value"), data(transaction.get("input"), "transaction.input")]
    if kind == _LEGACY:
        return bytes(rlp.encode([number("nonce"), number("gasPrice"), *body, number("v"), number("r"), number("s")]))
    parity = quantity(transaction.get("yParity", transaction.get("v")), "transaction.yParity")
    signature = [parity, number("r"), number("s")]
    head: list[object] = [number("chainId"), number("nonce")]
    caps: list[object] = []
    tail: list[object] = [_access_list(transaction)]
    if kind == _ACCESS_LIST:
        caps = [number("gasPrice")]
    elif kind in (_DYNAMIC_FEE, _BLOB, _SET_CODE):
        caps = [number("maxPriorityFeePerGas"), number("maxFeePerGas")]
    else:
        return None
    if kind == _BLOB:
        hashes = items(transaction.get("blobVersionedHashes"), "transaction.blobVersionedHashes")
        tail += [number("maxFeePerBlobGas"), [data(each, "transaction.blobVersionedHashes") for each in hashes]]
    elif kind == _SET_CODE:
        tail.append(_authorizations(transaction))
    return bytes([kind]) + bytes(rlp.encode([*head, *caps, *body, *tail, *signature]))


def receipt_bytes(receipt: dict[str, object]) -> bytes:
    """Encode a receipt as the block's trie holds it (from Byzantium on: with a status).

    Raises:
        WireError: If a field is missing or has another form.
    """
    logs: list[object] = []
    for entry in items(receipt.get("logs"), "receipt.logs"):
        log = fields(entry, "receipt.log")
        topics = [data(topic, "receipt.log.topics") for topic in items(log.get("topics"), "receipt.log.topics")]
        logs.append(
            [data(log.get("address"), "receipt.log.address"), topics, data(log.get("data"), "receipt.log.data")]
        )
    body = bytes(
        rlp.encode(
            [
                quantity(receipt.get("status"), "receipt.status"),
                quantity(receipt.get("cumulativeGasUsed"), "receipt.cumulativeGasUsed"),
                data(receipt.get("logsBloom"), "receipt.logsBloom"),
                logs,
            ]
        )
    )
    kind = quantity(receipt.get("type", "0x0"), "receipt.type")
    if kind > 0x7F:  # noqa: PLR2004 - EIP-2718's last type
        raise WireError("receipt.type: at most 0x7f expected")
    return body if kind == 0 else bytes([kind]) + body
