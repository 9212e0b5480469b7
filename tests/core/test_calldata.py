"""Calldata is understood completely, or not at all."""

from __future__ import annotations

import dataclasses

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from core.abi import decode_strict
from core.calldata import CallKind, decode_call, encode_transfer, movements_of
from core.names import address_from_bytes
from tests.factories.world import ETHER, LISTED, NATIVE, TOKEN, TOKEN_CONTRACT, World
from tests.soak import bounded

WORLD = World()


def test_a_native_transfer_says_who_gets_what() -> None:
    call = decode_call(WORLD.intent())
    assert (call.kind, call.destination, call.asset, call.amount) == (CallKind.NATIVE, LISTED, NATIVE, ETHER)
    assert (call.contract, call.selector) == (None, None)


@bounded(80)
@given(st.binary(min_size=20, max_size=20), st.integers(0, 2**256 - 1))
def test_a_token_transfer_says_who_gets_what(recipient: bytes, amount: int) -> None:
    address = address_from_bytes(recipient)
    intent = WORLD.token_intent(amount, destination=address)
    call = decode_call(intent)
    assert (call.kind, call.destination, call.asset, call.amount) == (CallKind.TOKEN, address, TOKEN, amount)
    (movement,) = movements_of(intent) or ()
    assert (movement.source, movement.destination, movement.least, movement.most) == (
        intent.sender, address, amount, amount,
    )  # fmt: skip


GOOD = encode_transfer(LISTED, 1000)
UNKNOWN = {
    "dirty first byte": GOOD[:4] + b"\1" + GOOD[5:],
    "dirty last padding byte": GOOD[:15] + b"\1" + GOOD[16:],
    "trailing byte": GOOD + b"\0",
    "trailing word": GOOD + bytes(32),
    "cut by one": GOOD[:-1],
    "cut to one word": GOOD[:36],
    "selector alone": GOOD[:4],
    "three bytes": GOOD[:3],
    "one zero byte": b"\0",
    "approve": bytes.fromhex("095ea7b3") + GOOD[4:],
    "transferFrom": bytes.fromhex("23b872dd") + GOOD[4:],
    "upper half of the selector": GOOD[:2] + bytes(2) + GOOD[4:],
}


@pytest.mark.parametrize("data", UNKNOWN.values(), ids=UNKNOWN)
def test_what_is_not_exactly_a_transfer_is_unknown(data: bytes) -> None:
    intent = dataclasses.replace(WORLD.token_intent(1), data=data)
    call = decode_call(intent)
    assert (call.kind, call.destination, call.asset, call.amount) == (CallKind.UNKNOWN, None, None, None)
    assert call.contract == TOKEN_CONTRACT
    assert movements_of(intent) is None


def test_value_beside_a_transfer_makes_it_unknown() -> None:
    assert decode_call(dataclasses.replace(WORLD.token_intent(1), value=1)).kind is CallKind.UNKNOWN


@bounded(200)
@given(st.binary(max_size=120))
def test_any_calldata_is_exactly_a_transfer_or_unknown(data: bytes) -> None:
    intent = dataclasses.replace(WORLD.token_intent(1), data=data)
    call = decode_call(intent)
    if call.kind is CallKind.TOKEN and call.destination is not None and call.amount is not None:
        assert encode_transfer(call.destination, call.amount) == data
    else:
        assert call.kind is (CallKind.UNKNOWN if data else CallKind.NATIVE)


@bounded(100)
@given(st.integers(0, 8 * 64 - 1))
def test_a_flipped_bit_of_a_transfer_is_seen_or_makes_it_unknown(bit: int) -> None:
    flipped = bytearray(GOOD)
    flipped[4 + bit // 8] ^= 1 << bit % 8
    call = decode_call(dataclasses.replace(WORLD.token_intent(1), data=bytes(flipped)))
    assert (call.destination, call.amount) != (LISTED, 1000)


def test_dynamic_types_with_two_encodings_decode_only_from_one() -> None:
    good = encode(("bytes",), (b"ab",))
    assert decode_strict(("bytes",), good) == (b"ab",)
    # The same value behind another offset: decoders accept it, we do not.
    moved = (64).to_bytes(32, "big") + bytes(32) + good[32:]
    assert decode_strict(("bytes",), moved) is None
