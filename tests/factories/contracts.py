"""Registered contracts of a small institution, and calldata for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eth_abi.abi import encode
from eth_abi.packed import encode_packed

from core.abi import argument_types, selector_of
from core.documents.roster import AbiFunction, ContractEntry
from tests.factories.documents import CHAIN, TOKEN_CONTRACT

if TYPE_CHECKING:
    from collections.abc import Iterable

ROUTER = "0x7a250d5630B4cF539739dF2C5dAcb4c659F2488D"
MULTI_SEND = "0x9641d764fc13c8B624c04430C7356C1C7C8102e2"

TRANSFER = "transfer(address,uint256)"
TRANSFER_FROM = "transferFrom(address,address,uint256)"
APPROVE = "approve(address,uint256)"
INCREASE = "increaseAllowance(address,uint256)"
PERMIT = "permit(address,address,uint256,uint256,uint8,bytes32,bytes32)"
DAI_PERMIT = "permit(address,address,uint256,uint256,bool,uint8,bytes32,bytes32)"
FOR_ALL = "setApprovalForAll(address,bool)"
SWAP = "swap(address,(uint256,address)[],uint256)"
MULTICALL = "multicall(bytes[])"
MULTICALL_UNTIL = "multicall(uint256,bytes[])"
MULTICALL_AFTER = "multicall(bytes32,bytes[])"
SEND_MANY = "multiSend(bytes)"
BATCHES = (MULTICALL, MULTICALL_UNTIL, MULTICALL_AFTER)


def contract(address: str, label: str, *signatures: str, protocol: str | None = None) -> ContractEntry:
    """Register a contract with its functions."""
    functions = tuple(AbiFunction(selector=selector_of(s), signature=s) for s in signatures)
    return ContractEntry(
        chain=CHAIN, address=address, label=label, code_hash=None, functions=functions, protocol=protocol
    )


CONTRACTS = (
    contract(ROUTER, "Router", SWAP, *BATCHES, protocol="uniswap"),
    contract(MULTI_SEND, "MultiSend", SEND_MANY, protocol="safe"),
    contract(
        TOKEN_CONTRACT, "Token", TRANSFER_FROM, APPROVE, INCREASE, PERMIT, DAI_PERMIT, FOR_ALL, *BATCHES
    ),
)  # fmt: skip


def call(signature: str, *values: Any) -> bytes:  # noqa: ANN401 - whatever the ABI says
    """Return the calldata of a function."""
    types = argument_types(signature)
    if types is None:
        raise ValueError(signature)
    return selector_of(signature) + encode(types, values)


def batch(signature: str, calls: Iterable[bytes]) -> bytes:
    """Return the calldata of one of the three multicalls."""
    first = {MULTICALL: (), MULTICALL_UNTIL: (2**40,), MULTICALL_AFTER: (bytes(32),)}[signature]
    return call(signature, *first, list(calls))


def packed(*calls: tuple[int, str, int, bytes]) -> bytes:
    """Return a MultiSend's calldata: operation, to, value and data of each call."""
    body = b"".join(
        encode_packed(("uint8", "address", "uint256", "uint256", "bytes"), (kind, to, value, len(data), data))
        for kind, to, value, data in calls
    )
    return call(SEND_MANY, body)
