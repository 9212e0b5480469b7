"""Reading what a transaction left behind: revert reason, transfers and allowances by its events.

Sources: Ethereum execution API (``eth_simulateV1``), EIP-20 (``Transfer``, ``Approval``), EIP-721
(``ApprovalForAll``), Permit2 (``Approval`` and ``Permit`` of its own shape), Solidity ABI (``Error``, ``Panic``).
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from chains.simulation.result import AllowanceChange, AssetDelta
from core.keccak import keccak256
from core.names import address_from_bytes, native_asset, token_asset

if TYPE_CHECKING:
    from chains.nodes.wire import Log

NATIVE_LOG_ADDRESS = "0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE"
"""Where ``traceTransfers`` reports native transfers; no contract can live there."""
TRANSFER_TOPIC = bytes.fromhex("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef")
APPROVAL_TOPIC = keccak256(b"Approval(address,address,uint256)")
_FOR_ALL_TOPIC = keccak256(b"ApprovalForAll(address,address,bool)")
_PERMIT2_TOPIC = keccak256(b"Approval(address,address,address,uint160,uint48)")
_PERMIT2_SIGNED_TOPIC = keccak256(b"Permit(address,address,address,uint160,uint48,uint48)")
_ERROR_SELECTOR = bytes.fromhex("08c379a0")
_PANIC_SELECTOR = bytes.fromhex("4e487b71")
_TRANSFER_TOPICS, _PERMIT2_TOPICS = 3, 4
_WORD = 32
_ADDRESS_PADDING = b"\0" * 12
_REASON_MOST = 200
_PANICS = {
    0x01: "assertion failed",
    0x11: "arithmetic overflow",
    0x12: "division by zero",
    0x21: "bad enum value",
    0x32: "index out of bounds",
    0x41: "out of memory",
}


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)[:_REASON_MOST]


def revert_reason(data: bytes, message: str) -> str:
    """Say why a call reverted, in words where the contract used words.

    Args:
        data: The revert data.
        message: What the node says.
    """
    selector, rest = data[:4], data[4:]
    try:
        if selector == _ERROR_SELECTOR:
            return _printable(str(decode(["string"], rest)[0])) or "reverted without a reason"
        if selector == _PANIC_SELECTOR:
            code = int(decode(["uint256"], rest)[0])
            return f"panic 0x{code:02x}: {_PANICS.get(code, 'unknown')}"
    except (DecodingError, ValueError, OverflowError):
        pass
    if selector:
        return f"custom error 0x{selector.hex()}"
    return _printable(message) or "reverted without a reason"


def _address_of(topic: bytes) -> str | None:
    return address_from_bytes(topic[12:]) if topic.startswith(_ADDRESS_PADDING) else None


def deltas_of(chain: str, logs: list[Log]) -> tuple[AssetDelta, ...]:
    """Add up native and ERC-20 transfers for each asset and account; zero sums are left out.

    A log of another shape (ERC-721 indexes the id, for instance) is no ERC-20 transfer and is left out too.
    """
    totals: defaultdict[tuple[str, str], int] = defaultdict(int)
    for log in logs:
        if len(log.topics) != _TRANSFER_TOPICS or log.topics[0] != TRANSFER_TOPIC or len(log.data) != _WORD:
            continue
        source, destination = _address_of(log.topics[1]), _address_of(log.topics[2])
        if source is None or destination is None:
            continue
        native = log.address == NATIVE_LOG_ADDRESS
        asset = native_asset(chain) if native else token_asset(chain, log.address)
        amount = int.from_bytes(log.data, "big")
        totals[(asset, source)] -= amount
        totals[(asset, destination)] += amount
    return tuple(
        AssetDelta(asset=asset, account=account, change=change)
        for (asset, account), change in sorted(totals.items())
        if change
    )


def allowances_of(chain: str, logs: list[Log]) -> tuple[AllowanceChange, ...]:
    """Return the allowances that events speak of, each with its last word; `before` is not known from events.

    All or nothing (``ApprovalForAll``) counts as 1 or 0.
    """
    found: dict[tuple[str, str, str], AllowanceChange] = {}
    for log in logs:
        change = _allowance(chain, log)
        if change is not None:
            found[change.asset, change.owner, change.spender] = change
    return tuple(found[key] for key in sorted(found))


def _allowance(chain: str, log: Log) -> AllowanceChange | None:
    named = [_address_of(topic) for topic in log.topics[1:]]
    if not log.topics or None in named or len(log.data) < _WORD:
        return None
    amount = int.from_bytes(log.data[:_WORD], "big")
    accounts = [name for name in named if name is not None]
    plain = len(log.topics) == _TRANSFER_TOPICS and len(log.data) == _WORD
    if plain and log.topics[0] in (APPROVAL_TOPIC, _FOR_ALL_TOPIC):
        return AllowanceChange(
            asset=token_asset(chain, log.address), owner=accounts[0], spender=accounts[1], before=None, after=amount
        )
    if len(log.topics) == _PERMIT2_TOPICS and log.topics[0] in (_PERMIT2_TOPIC, _PERMIT2_SIGNED_TOPIC):
        owner, token, spender = accounts
        return AllowanceChange(
            asset=token_asset(chain, token),
            owner=owner,
            spender=spender,
            before=None,
            after=amount,
            through=log.address,
        )
    return None
