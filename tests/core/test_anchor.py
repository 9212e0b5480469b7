"""What an anchor is, to the byte."""

from __future__ import annotations

import dataclasses

import pytest

from core.anchor import ANCHOR_BYTES, SIZE_MOST, Anchor, anchor_of, anchor_read
from core.errors import EncodingError
from core.evm import Type2

OWN = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
OTHER = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"
ROOT = bytes(range(32))


@pytest.mark.parametrize("size", [0, 1, 2**32, SIZE_MOST])
def test_it_reads_what_it_writes(size: int) -> None:
    raw = Anchor(size=size, root=ROOT).to_bytes()
    assert len(raw) == ANCHOR_BYTES == 40
    assert raw == ROOT + size.to_bytes(8, "big")
    assert anchor_read(raw) == Anchor(size=size, root=ROOT)


@pytest.mark.parametrize(
    ("size", "root"), [(-1, ROOT), (SIZE_MOST + 1, ROOT), (2**256, ROOT), (1, b""), (1, ROOT * 2)]
)
def test_what_cannot_be_written(size: int, root: bytes) -> None:
    with pytest.raises(EncodingError):
        Anchor(size=size, root=root).to_bytes()


@pytest.mark.parametrize("length", [0, 32, 39, 41, 64])
def test_what_is_none(length: int) -> None:
    with pytest.raises(EncodingError):
        anchor_read(bytes(length))


def test_a_transaction_is_one_only_to_oneself_and_with_nothing() -> None:
    note = Type2(
        chain_id=1,
        nonce=0,
        max_priority_fee_per_gas=1,
        max_fee_per_gas=1,
        gas=30_000,
        to=OWN,
        value=0,
        data=Anchor(size=7, root=ROOT).to_bytes(),
    )
    assert anchor_of(note, OWN).size == 7
    for odd in (dataclasses.replace(note, to=OTHER), dataclasses.replace(note, value=1)):
        with pytest.raises(EncodingError):
            anchor_of(odd, OWN)
