"""Type 2 transactions, with eth-account as an independent oracle."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import rlp
from coincurve import PrivateKey
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from core.errors import CoreError, EncodingError
from core.evm import (
    CURVE_ORDER,
    EcdsaSignature,
    Type2,
    address_of,
    decode_signed,
    finish_signature,
    recover,
    sender_of,
)
from core.names import address_from_bytes
from tests.soak import bounded

KEY = PrivateKey(b"\x07" * 32)
PUBLIC = KEY.public_key.format(compressed=False)
WEI = st.integers(0, 2**96)
TRANSACTIONS = st.builds(
    Type2,
    chain_id=st.integers(1, 2**53 - 1),
    nonce=st.integers(0, 2**53 - 1),
    max_priority_fee_per_gas=WEI,
    max_fee_per_gas=WEI,
    gas=st.integers(21_000, 10**8),
    to=st.binary(min_size=20, max_size=20).map(address_from_bytes),
    value=st.integers(0, 2**256 - 1),
    data=st.binary(max_size=200),
)
SIMPLE = Type2(
    chain_id=1,
    nonce=0,
    max_priority_fee_per_gas=1,
    max_fee_per_gas=2,
    gas=21_000,
    to=address_from_bytes(b"\x09" * 20),
    value=3,
    data=b"",
)


def signed(transaction: Type2) -> bytes:
    raw = KEY.sign_recoverable(transaction.signing_hash, hasher=None)[:64]
    return transaction.signed(finish_signature(transaction.signing_hash, raw, PUBLIC))


@bounded(40)
@given(TRANSACTIONS)
def test_the_raw_bytes_are_what_eth_account_makes(transaction: Type2) -> None:
    oracle = Account.sign_transaction(
        {
            "type": 2,
            "chainId": transaction.chain_id,
            "nonce": transaction.nonce,
            "maxPriorityFeePerGas": transaction.max_priority_fee_per_gas,
            "maxFeePerGas": transaction.max_fee_per_gas,
            "gas": transaction.gas,
            "to": transaction.to,
            "value": transaction.value,
            "data": transaction.data,
            "accessList": [],
        },
        KEY.secret,
    )
    raw = signed(transaction)
    # RFC 6979 nonces make both signatures the same, so signing hash, low s and parity are all compared here.
    assert raw == bytes(oracle.raw_transaction)
    assert sender_of(raw) == Account.from_key(KEY.secret).address == address_of(PUBLIC)
    decoded, signature = decode_signed(raw)
    assert decoded == transaction
    assert signature.s <= CURVE_ORDER // 2
    assert Account.recover_transaction(raw) == address_of(PUBLIC)


def fields(**changes: object) -> list[Any]:
    """The RLP fields of a good signed transaction, with some replaced by position."""
    good: list[Any] = list(rlp.decode(signed(SIMPLE)[1:]))
    for position, value in changes.items():
        good[int(position[1:])] = value
    return good


REFUSED = {
    "empty": b"",
    "type byte alone": b"\x02",
    "legacy": rlp.encode([0, 1, 21_000, b"\x09" * 20, 3, b"", 37, 1, 1]),
    "type 1": b"\x01" + rlp.encode(fields()),
    "type 3": b"\x03" + rlp.encode(fields()),
    "type 4": b"\x04" + rlp.encode(fields()),
    "type 2 as a string": rlp.encode(signed(SIMPLE)),
    "access list": b"\x02" + rlp.encode(fields(_8=[[b"\x09" * 20, []]])),
    "access list that is no list": b"\x02" + rlp.encode(fields(_8=b"")),
    "contract creation": b"\x02" + rlp.encode(fields(_5=b"")),
    "short recipient": b"\x02" + rlp.encode(fields(_5=b"\x09" * 19)),
    "recipient list": b"\x02" + rlp.encode(fields(_5=[])),
    "data list": b"\x02" + rlp.encode(fields(_7=[])),
    "unsigned": b"\x02" + rlp.encode(fields()[:9]),
    "a field more": b"\x02" + rlp.encode([*fields(), b""]),
    "a field less": b"\x02" + rlp.encode(fields()[:-1]),
    "trailing byte": signed(SIMPLE) + b"\0",
    "cut short": signed(SIMPLE)[:-1],
    "integer with leading zero": b"\x02" + rlp.encode(fields(_1=b"\0\1")),
    "zero written as a byte": b"\x02" + rlp.encode(fields(_1=b"\0")),
    "integer beyond 32 bytes": b"\x02" + rlp.encode(fields(_6=b"\1" * 33)),
    "integer that is a list": b"\x02" + rlp.encode(fields(_6=[])),
    "r with leading zero": b"\x02" + rlp.encode(fields(_10=b"\0" + b"\1" * 31)),
    "long parity": b"\x02" + rlp.encode(fields(_9=b"\1\1")),
    "not a list": b"\x02" + rlp.encode(b"abc"),
    "non-canonical length": b"\x02\xf8\x01\x01",
    "single byte written long": b"\x02" + b"\xc2\x81\x01",
}


@pytest.mark.parametrize("raw", REFUSED.values(), ids=REFUSED)
def test_everything_but_canonical_type_2_is_refused(raw: bytes) -> None:
    with pytest.raises(EncodingError):
        decode_signed(raw)


def test_deep_nesting_is_refused_and_not_recursed_into() -> None:
    nested = b"\xc0"
    for _ in range(20_000):
        length = len(nested)
        size = length.to_bytes(3, "big").lstrip(b"\0")
        nested = (bytes([0xC0 + length]) if length < 56 else bytes([0xF7 + len(size)]) + size) + nested
    with pytest.raises(EncodingError):
        decode_signed(b"\x02" + nested)


@bounded(300)
@given(st.binary(max_size=150), st.booleans())
def test_any_bytes_end_as_a_transaction_or_an_error_of_ours(raw: bytes, typed: bool) -> None:  # noqa: FBT001 - drawn
    try:
        transaction, signature = decode_signed(b"\x02" * typed + raw)
    except CoreError:
        return
    assert transaction.signed(signature) == b"\x02" * typed + raw


@bounded(100)
@given(st.integers(0, 8 * len(signed(SIMPLE)) - 1))
def test_any_flipped_bit_is_another_transaction_or_another_sender(bit: int) -> None:
    raw = bytearray(signed(SIMPLE))
    raw[bit // 8] ^= 1 << bit % 8
    try:
        assert sender_of(bytes(raw)) != address_of(PUBLIC)
    except CoreError:
        return


def test_a_high_s_is_normalised_from_a_device_and_refused_from_anyone_else() -> None:
    digest = SIMPLE.signing_hash
    low = finish_signature(digest, KEY.sign_recoverable(digest, hasher=None)[:64], PUBLIC)
    high = low.r.to_bytes(32, "big") + (CURVE_ORDER - low.s).to_bytes(32, "big")
    assert finish_signature(digest, high, PUBLIC) == low
    flipped = dataclasses.replace(low, s=CURVE_ORDER - low.s, y_parity=1 - low.y_parity)
    with pytest.raises(EncodingError, match="low"):
        recover(digest, flipped)


def test_parity_decides_who_signed() -> None:
    digest = SIMPLE.signing_hash
    right = finish_signature(digest, KEY.sign_recoverable(digest, hasher=None)[:64], PUBLIC)
    assert recover(digest, right) == PUBLIC
    assert recover(digest, dataclasses.replace(right, y_parity=1 - right.y_parity)) != PUBLIC


@pytest.mark.parametrize(
    "signature",
    [
        EcdsaSignature(r=0, s=1, y_parity=0),
        EcdsaSignature(r=1, s=0, y_parity=0),
        EcdsaSignature(r=CURVE_ORDER, s=1, y_parity=0),
        EcdsaSignature(r=-1, s=1, y_parity=0),
        EcdsaSignature(r=1, s=1, y_parity=2),
        EcdsaSignature(r=5, s=1, y_parity=0),  # 5 is no x coordinate of the curve
    ],
)
def test_signatures_out_of_range_recover_nobody(signature: EcdsaSignature) -> None:
    with pytest.raises(EncodingError):
        recover(SIMPLE.signing_hash, signature)


@pytest.mark.parametrize("length", [0, 20, 31, 33, 64])
def test_only_32_byte_digests_are_known(length: int) -> None:
    good = finish_signature(SIMPLE.signing_hash, KEY.sign_recoverable(SIMPLE.signing_hash, hasher=None)[:64], PUBLIC)
    with pytest.raises(EncodingError, match="32"):
        recover(bytes(length), good)


@pytest.mark.parametrize("raw", [b"", bytes(63), bytes(65), bytes(64), b"\xff" * 64])
def test_a_device_that_answers_nonsense_is_not_believed(raw: bytes) -> None:
    with pytest.raises(EncodingError):
        finish_signature(SIMPLE.signing_hash, raw, PUBLIC)


def test_a_device_that_signs_with_another_key_is_not_believed() -> None:
    other = PrivateKey(b"\x08" * 32).sign_recoverable(SIMPLE.signing_hash, hasher=None)[:64]
    with pytest.raises(EncodingError, match="expected key"):
        finish_signature(SIMPLE.signing_hash, other, PUBLIC)


@pytest.mark.parametrize(
    "key", [b"", PUBLIC[1:], KEY.public_key.format(), b"\x06" + PUBLIC[1:], PUBLIC + b"\0", b"\x04" + bytes(64)]
)
def test_only_uncompressed_points_of_the_curve_have_an_address(key: bytes) -> None:
    with pytest.raises(EncodingError):
        address_of(key)
