"""Transfers, understood completely or not at all; `core.calls` says what calls of registered contracts do.

Source: Solidity contract ABI specification; EIP-20 (``transfer``). A decoder that guesses is worse than none:
dirty padding, trailing bytes and truncation all make a call unknown.
"""

from __future__ import annotations

import dataclasses
from enum import StrEnum

from eth_abi.abi import encode

from core.abi import SELECTOR_BYTES, decode_strict
from core.documents.mandate import Intent, Movement
from core.names import checksum_address, native_asset, token_asset

TRANSFER_SELECTOR = bytes.fromhex("a9059cbb")
_TRANSFER_TYPES = ("address", "uint256")


class CallKind(StrEnum):
    """What a transaction does, as far as it is understood.

    `contract_call` is a call of a registered contract's registered function that decoded to the last byte, with all
    calls inside it; what it moves may still not be known. `note` is a wallet's transaction to itself that moves
    nothing and carries a few bytes that mean nothing to the chain, as an anchor of the log does.
    """

    NATIVE = "native_transfer"
    TOKEN = "token_transfer"  # noqa: S105 - an ERC-20 token, not a secret
    CONTRACT = "contract_call"
    NOTE = "note"
    UNKNOWN = "unknown"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Call:
    """A decoded call. For `UNKNOWN`, destination, asset and amount are None."""

    kind: CallKind
    destination: str | None
    asset: str | None
    amount: int | None
    contract: str | None
    selector: bytes | None


def decode_call(intent: Intent) -> Call:
    """Say what an intent's `to`, `value` and `data` do."""
    if not intent.data:
        return Call(
            kind=CallKind.NATIVE,
            destination=intent.to,
            asset=native_asset(intent.chain),
            amount=intent.value,
            contract=None,
            selector=None,
        )
    selector = intent.data[:SELECTOR_BYTES] if len(intent.data) >= SELECTOR_BYTES else None
    arguments = None
    if selector == TRANSFER_SELECTOR and intent.value == 0:
        arguments = decode_strict(_TRANSFER_TYPES, intent.data[SELECTOR_BYTES:])
    if arguments is None:
        return Call(
            kind=CallKind.UNKNOWN,
            destination=None,
            asset=None,
            amount=None,
            contract=intent.to,
            selector=selector,
        )
    recipient, amount = arguments
    return Call(
        kind=CallKind.TOKEN,
        destination=checksum_address(str(recipient)),
        asset=token_asset(intent.chain, intent.to),
        amount=int(str(amount)),
        contract=intent.to,
        selector=selector,
    )


def encode_transfer(destination: str, amount: int) -> bytes:
    """Return the calldata of ERC-20 ``transfer``; amount in base units."""
    return TRANSFER_SELECTOR + encode(_TRANSFER_TYPES, (destination, amount))


def movements_of(intent: Intent) -> tuple[Movement, ...] | None:
    """Return the asset movements that the calldata itself means, or None where it is not understood."""
    call = decode_call(intent)
    if call.asset is None or call.destination is None or call.amount is None:
        return None
    return (
        Movement(
            asset=call.asset,
            source=intent.sender,
            destination=call.destination,
            least=call.amount,
            most=call.amount,
        ),
    )
