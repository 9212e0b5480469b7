"""Calls that matter, for vectors: payments, allowances, swaps, batches, and what only looks like them."""

from __future__ import annotations

from typing import Any

from eth_abi.abi import encode

from core.abi import argument_types, selector_of
from core.documents.roster import AbiFunction, ContractEntry
from core.names import address_bytes, address_from_bytes
from tests.factories.world import CHAIN, LISTED, STRANGER, TOKEN_CONTRACT, World

ROUTER = address_from_bytes(bytes.fromhex("e592427a0aece92de3edee1f18e0157c05861564"))
SAFE = address_from_bytes(bytes.fromhex("38869bf66a61cf6bdb996a6ae40d5853fd43b526"))
TWICE = address_from_bytes(bytes.fromhex("11" * 20))
_SWAP = "exactInputSingle((address,address,uint24,address,uint256,uint256,uint256,uint160))"
_TOKEN = (
    "transfer(address,uint256)",
    "approve(address,uint256)",
    "increaseAllowance(address,uint256)",
    "transferFrom(address,address,uint256)",
    "permit(address,address,uint256,uint256,uint8,bytes32,bytes32)",
    "permit(address,address,uint256,uint256,bool,uint8,bytes32,bytes32)",
    "setApprovalForAll(address,bool)",
    "approve(address,address,uint160,uint48)",
    "authorizeOperator(address)",
    "decreaseAllowance(address,uint256)",
    "burn(uint256)",
)
_ROUTER = (
    _SWAP,
    "multicall(bytes[])",
    "multicall(uint256,bytes[])",
    "note(string,bytes)",
    "setApprovalForAll(address,bool)",
)
NOBODY = "0x" + "0" * 40


def _contract(address: str, label: str, signatures: tuple[str, ...]) -> ContractEntry:
    functions = tuple(AbiFunction(selector=selector_of(name), signature=name) for name in signatures)
    return ContractEntry(
        chain=CHAIN, address=address, label=label, code_hash=None, functions=functions, protocol="uniswap"
    )


def call_world(**changes: Any) -> World:  # noqa: ANN401 - fields of World
    """Return an institution that knows a token's, a router's and a batch sender's functions."""
    contracts = (
        _contract(TOKEN_CONTRACT, "USD Coin token", _TOKEN),
        _contract(ROUTER, "Uniswap V3 Router", _ROUTER),
        _contract(SAFE, "MultiSend", ("multiSend(bytes)",)),
        _contract(TWICE, "Listed once", ("burn(uint256)",)),
        _contract(TWICE, "Listed twice", ("burn(uint256)",)),
    )
    overrides = {"contracts": contracts, **changes.pop("overrides", {})}
    return World(overrides=overrides, **changes)


def called(signature: str, *values: object) -> bytes:
    """Return a call's data."""
    return selector_of(signature) + encode(argument_types(signature) or (), values)


def packed(*calls: tuple[int, str, int, bytes]) -> bytes:
    """Return a MultiSend's transactions: operation, to, value, data."""
    return b"".join(
        bytes([operation]) + address_bytes(to) + value.to_bytes(32, "big") + len(data).to_bytes(32, "big") + data
        for operation, to, value, data in calls
    )


Sent = tuple[str, int, bytes]
_YES, _NO = {"flag": True}, {"flag": False}


def _token_calls() -> dict[str, Sent]:
    """Return calls of a token: whom it goes to, wei, data."""
    permit = (b"\1" * 32, b"\2" * 32)

    def token(place: int, *values: object, value: int = 0) -> Sent:
        return TOKEN_CONTRACT, value, called(_TOKEN[place], *values)

    return {
        "transfer": token(0, LISTED, 250_000 * 10**6),
        "transfer of an unknown token": (STRANGER, 0, called(_TOKEN[0], LISTED, 5)),
        "transfer with value": token(0, LISTED, 5, value=1),
        "approve": token(1, ROUTER, 5 * 10**6),
        "approve nothing": token(1, ROUTER, 0),
        "approve without limit": token(1, STRANGER, 2**256 - 1),
        "one less than half": token(1, LISTED, 2**255 - 1),
        "increase": token(2, LISTED, 7),
        "transferFrom": token(3, STRANGER, LISTED, 12),
        "permit": token(4, STRANGER, ROUTER, 9, 10, 27, *permit),
        "permit of Dai": token(5, STRANGER, ROUTER, 9, 10, _YES["flag"], 27, *permit),
        "permit of Dai, taken back": token(5, STRANGER, ROUTER, 9, 10, _NO["flag"], 27, *permit),
        "approval for all": (ROUTER, 0, called(_TOKEN[6], STRANGER, _YES["flag"])),
        "permit2": token(7, TOKEN_CONTRACT, ROUTER, 2**159, 5),
        "permit2 of another token": token(7, STRANGER, ROUTER, 2**159 - 1, 5),
        "may allow": token(8, STRANGER),
        "decrease": token(9, ROUTER, 1),
    }


def _batches(swap: bytes) -> dict[str, Sent]:
    """Return batches of a router and of a batch sender."""
    again, later = "multicall(bytes[])", "multicall(uint256,bytes[])"
    deep = swap
    for _ in range(5):
        deep = called(again, [deep])
    batch = called(again, [swap, called("note(string,bytes)", "h\u00e9", b"\1" * 40)])
    transfer, approve = called(_TOKEN[0], LISTED, 250_000 * 10**6), called(_TOKEN[1], ROUTER, 5 * 10**6)
    inner = packed((0, LISTED, 10**18, b""), (0, TOKEN_CONTRACT, 0, transfer), (0, TOKEN_CONTRACT, 0, approve))
    delegate = packed((0, LISTED, 1, b""), (1, STRANGER, 0, transfer))

    def send(data: bytes, value: int = 0) -> Sent:
        return SAFE, value, called("multiSend(bytes)", data)

    return {
        "batch": (ROUTER, 0, batch),
        "batch with value": (ROUTER, 5, batch),
        "batch with a deadline": (ROUTER, 0, called(later, 99, [swap])),
        "batch of nothing": (ROUTER, 0, called(again, [])),
        "batch with an empty call": (ROUTER, 0, called(again, [b""])),
        "batch with an unknown call": (ROUTER, 0, called(again, [swap, b"\1\2\3\4"])),
        "batch too deep": (ROUTER, 0, deep),
        "batch too long": (ROUTER, 0, called(again, [swap] * 33)),
        "multisend": send(inner, 2 * 10**18),
        "multisend that pays more than it is sent": send(inner),
        "multisend with a delegatecall": send(delegate),
        "multisend of nothing": send(b""),
        "multisend, truncated inside": send(inner[:-1]),
        "multisend of another operation": send(packed((2, LISTED, 1, b""))),
    }


def case_calls(world: World) -> dict[str, Sent]:
    """Return transactions by name: whom they go to, wei, data."""
    own = world.wallet.rpartition(":")[2]
    swap = called(_SWAP, (TOKEN_CONTRACT, STRANGER, 3000, own, 5 * 10**6, 1, 0, 0))
    return {
        "payment": (LISTED, 10**18, b""),
        "payment to a contract": (ROUTER, 1, b""),
        "payment to nobody": (NOBODY, 1, b""),
        **_token_calls(),
        "swap": (ROUTER, 0, swap),
        "swap with value": (ROUTER, 15 * 10**17, swap),
        "swap, one byte more": (ROUTER, 0, swap + b"\0"),
        "swap, truncated": (ROUTER, 0, swap[:-1]),
        "swap, dirty": (ROUTER, 0, swap[:4] + b"\1" + swap[5:]),
        **_batches(swap),
        "note": (own, 0, b"\7" * 64),
        "note that pays": (own, 1, b"\7"),
        "note too long": (own, 0, b"\7" * 65),
        "note to somebody else": (LISTED, 0, b"\7"),
        "unknown function": (ROUTER, 0, b"\1\2\3\4"),
        "selector alone": (ROUTER, 0, selector_of("multicall(bytes[])")),
        "three bytes": (ROUTER, 0, b"\1\2\3"),
        "unknown contract": (STRANGER, 0, called(_TOKEN[1], ROUTER, 5)),
        "contract listed twice": (TWICE, 0, called("burn(uint256)", 5)),
    }


_HOT, _TINY, _ROUTED = "from Treasury Hot", "0.000000000000000001 ETH", "Uniswap V3 Router"
SAID = {
    "payment": f"Transfer 1.00 ETH {_HOT} to Binance",
    "payment to a contract": f"Transfer {_TINY} {_HOT} to {_ROUTED}",
    "payment to nobody": f"Transfer {_TINY} {_HOT} to unlisted address {NOBODY}",
    "transfer": f"Transfer 250,000.00 USDC {_HOT} to Binance",
    "transfer of an unknown token": f"Unknown call of unlisted address {STRANGER} {_HOT}",
    "transfer with value": f"Call transfer of USD Coin token {_HOT}, sending {_TINY} along",
    "approve": f"Allow {_ROUTED} to take up to 5.00 USDC {_HOT}",
    "approve nothing": f"Take back what {_ROUTED} may take of USDC {_HOT}",
    "approve without limit": f"Allow unlisted address {STRANGER} to take ALL USDC, without limit, {_HOT}",
    "increase": f"Allow Binance to take up to 0.000007 USDC {_HOT}",
    "permit of Dai": f"Allow {_ROUTED} to take ALL USDC, without limit, {_HOT}",
    "approval for all": f"Allow unlisted address {STRANGER} to take EVERYTHING of {_ROUTED}, without limit, {_HOT}",
    "may allow": f"Call authorizeOperator of USD Coin token {_HOT}",
    "note": "Note of 64 bytes from Treasury Hot to itself, moving nothing",
    "note that pays": f"Unknown call of Treasury Hot {_HOT}",
    "swap": f"Call exactInputSingle of {_ROUTED} {_HOT}",
    "swap with value": f"Call exactInputSingle of {_ROUTED} {_HOT}, sending 1.50 ETH along",
    "swap, dirty": f"Unknown call of {_ROUTED} {_HOT}",
    "batch": f"Batch of 2 calls through multicall of {_ROUTED} {_HOT}",
    "batch with a deadline": f"Batch of 1 call through multicall of {_ROUTED} {_HOT}",
    "multisend": f"Batch of 3 calls through multiSend of MultiSend {_HOT}, sending 2.00 ETH along",
    "multisend with a delegatecall": f"Unknown call of MultiSend {_HOT}",
}
"""What the sentence has to say before the asker, written by hand."""
