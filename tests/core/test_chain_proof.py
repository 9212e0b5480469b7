"""What follows from a block hash, and that nothing next to it does. The block is one that anvil 1.7.1 made."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import rlp

from core.chain_proof import (
    EMPTY_CODE_HASH,
    NO_ACCOUNT,
    InclusionEvidence,
    TrieEntry,
    check_account,
    check_inclusion,
    check_storage,
    read_header,
)
from core.errors import ChainProofError, DocumentError
from core.evm import decode_signed
from core.keccak import keccak256
from core.names import address_bytes
from core.schema import read_struct, write_struct
from core.trie_proof import EMPTY_ROOT
from tests.core.test_trie_proof import built, proof_of

if TYPE_CHECKING:
    from trie.hexary import HexaryTrie

KEPT = Path(__file__).parent / "inclusion.json"


@pytest.fixture
def kept() -> InclusionEvidence:
    return read_struct(InclusionEvidence, json.loads(KEPT.read_text(encoding="utf-8")), "evidence")


def test_kept_evidence_still_holds(kept: InclusionEvidence) -> None:
    shown = check_inclusion(kept)
    transaction, _ = decode_signed(shown.raw)
    assert shown.transaction_hash == keccak256(kept.transaction.value)
    assert (shown.succeeded, shown.gas_used) == (True, 21_000)
    assert kept.index == 1
    assert kept.previous is not None
    assert transaction.value == 12_345
    assert shown.gas_price == shown.header.base_fee + transaction.max_priority_fee_per_gas
    assert write_struct(kept, "evidence") == json.loads(KEPT.read_text(encoding="utf-8"))


def _flipped(raw: bytes, place: int = -1) -> bytes:
    changed = bytearray(raw)
    changed[place] ^= 1
    return bytes(changed)


@pytest.mark.parametrize("place", [0, 5, 40, 120, 200, -1])
def test_a_changed_header_is_noticed(kept: InclusionEvidence, place: int) -> None:
    with pytest.raises(ChainProofError, match="header"):
        check_inclusion(dataclasses.replace(kept, header=_flipped(kept.header, place)))


def test_another_block_is_noticed(kept: InclusionEvidence) -> None:
    with pytest.raises(ChainProofError, match="header"):
        check_inclusion(dataclasses.replace(kept, block_hash=bytes(32)))


@pytest.mark.parametrize("part", ["transaction", "receipt", "previous"])
@pytest.mark.parametrize("place", [1, 4, 20, -1])
def test_a_changed_transaction_or_receipt_is_noticed(kept: InclusionEvidence, part: str, place: int) -> None:
    entry: TrieEntry = getattr(kept, part)
    changes: dict[str, Any] = {part: dataclasses.replace(entry, value=_flipped(entry.value, place))}
    with pytest.raises(ChainProofError):
        check_inclusion(dataclasses.replace(kept, **changes))


def test_parts_cannot_trade_places(kept: InclusionEvidence) -> None:
    assert kept.previous is not None
    for changes in (
        {"receipt": kept.previous},
        {"transaction": kept.receipt},
        {"index": 0},
        {"index": 0, "previous": None},
        {"index": 2},
        {"previous": None},
        {"previous": kept.receipt},
        {"chain": "eip155:1"},
    ):
        with pytest.raises(ChainProofError):
            check_inclusion(dataclasses.replace(kept, **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"header": "0x"},
        {"header": "0x" + "c0" * 9000},
        {"block_hash": "0x00"},
        {"index": -1},
        {"index": 1.0},
        {"index": True},
        {"transaction": None},
        {"transaction": {"value": "0x", "proof": ["0x"] * 67}},
        {"kind": "countersign.inclusion.v2"},
        {"more": 1},
    ],
)
def test_odd_evidence_is_refused_in_words(kept: InclusionEvidence, changes: dict[str, object]) -> None:
    value = write_struct(kept, "evidence") | changes
    with pytest.raises((DocumentError, ChainProofError)):
        check_inclusion(read_struct(InclusionEvidence, value, "evidence"))


@pytest.mark.parametrize("items", [[], [b""] * 14, [b""] * 40, [b"\1" * 32] * 3 + [b"short"] * 15, b"text"])
def test_what_is_no_header_is_refused_even_where_it_hashes_right(items: object) -> None:
    raw = bytes(rlp.encode(items))
    with pytest.raises(ChainProofError):
        read_header(raw, keccak256(raw))


def _block(raw: bytes, receipt: bytes, *, base_fee: int = 7) -> InclusionEvidence:
    """Make a whole block of one transaction, by the trie library."""
    key = bytes(rlp.encode(0))
    transactions, receipts = built({key: raw}), built({key: receipt})
    fields = [b"\1" * 32] * 3 + [EMPTY_ROOT, transactions.root_hash, receipts.root_hash, b"\0" * 256]
    header = bytes(rlp.encode([*fields, 0, 5, 30_000_000, 21_000, 1_700_000_000, b"", bytes(32), bytes(8), base_fee]))
    return InclusionEvidence(
        kind="countersign.inclusion.v1",
        chain="eip155:31337",
        block_hash=keccak256(header),
        header=header,
        index=0,
        transaction=TrieEntry(value=raw, proof=proof_of(transactions, key)),
        receipt=TrieEntry(value=receipt, proof=proof_of(receipts, key)),
        previous=None,
    )


def _outcome(status: bytes, gas: object = 21_000) -> bytes:
    return b"\x02" + bytes(rlp.encode([status, gas, b"\0" * 256, []]))


def test_a_reverted_transaction_is_proven_as_such(kept: InclusionEvidence) -> None:
    shown = check_inclusion(_block(kept.transaction.value, _outcome(b"")))
    assert not shown.succeeded


def test_the_price_is_capped_as_the_chain_caps_it(kept: InclusionEvidence) -> None:
    transaction, _ = decode_signed(kept.transaction.value)
    top = transaction.max_fee_per_gas
    assert check_inclusion(_block(kept.transaction.value, _outcome(b"\1"), base_fee=top - 1)).gas_price == top
    with pytest.raises(ChainProofError, match="below the block's base fee"):
        check_inclusion(_block(kept.transaction.value, _outcome(b"\1"), base_fee=top + 1))


@pytest.mark.parametrize(
    "receipt",
    [
        _outcome(b"\2"),
        _outcome(b"\1" * 32),
        _outcome(b"\1", b"\0\1"),
        _outcome(b"\1", []),
        b"\x02",
        b"\x02" + bytes(rlp.encode(b"text")),
        b"\x90",
    ],
)
def test_what_is_no_receipt_is_refused_even_where_the_trie_holds_it(kept: InclusionEvidence, receipt: bytes) -> None:
    with pytest.raises(ChainProofError):
        check_inclusion(_block(kept.transaction.value, receipt))


@pytest.mark.parametrize("raw", [b"\x01" + b"\xc0", b"\xc0", b"\x02\xc0", b"x"])
def test_transactions_that_never_leave_this_house_are_refused(raw: bytes) -> None:
    with pytest.raises(ChainProofError, match="none of ours"):
        check_inclusion(_block(raw, _outcome(b"\1")))


OWNER, NOBODY = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8", "0x0000000000000000000000000000000000000001"


def _state(fields: list[object]) -> HexaryTrie:
    entries = {keccak256(bytes([n]) * 20): b"\xc0" + bytes(40) for n in range(9)}
    return built(entries | {keccak256(address_bytes(OWNER)): bytes(rlp.encode(fields))})


def test_accounts_and_their_absence() -> None:
    state = _state([3, 10**30, EMPTY_ROOT, EMPTY_CODE_HASH])
    account = check_account(state.root_hash, OWNER, proof_of(state, keccak256(address_bytes(OWNER))))
    assert (account.nonce, account.balance) == (3, 10**30)
    absent = proof_of(state, keccak256(address_bytes(NOBODY)))
    assert check_account(state.root_hash, NOBODY, absent) == NO_ACCOUNT
    with pytest.raises(ChainProofError):
        check_account(state.root_hash, OWNER, absent)
    with pytest.raises(ChainProofError):
        check_account(bytes(32), OWNER, proof_of(state, keccak256(address_bytes(OWNER))))


@pytest.mark.parametrize(
    "fields",
    [
        [3, 1, EMPTY_ROOT],
        [3, 1, EMPTY_ROOT, EMPTY_CODE_HASH, 1],
        [b"\0\1", 1, EMPTY_ROOT, EMPTY_CODE_HASH],
        [3, b"\1" * 33, EMPTY_ROOT, EMPTY_CODE_HASH],
        [3, [], EMPTY_ROOT, EMPTY_CODE_HASH],
        [3, 1, b"\1", EMPTY_CODE_HASH],
        [3, 1, EMPTY_ROOT, b""],
    ],
)
def test_odd_accounts_are_refused(fields: list[object]) -> None:
    state = _state(fields)
    with pytest.raises(ChainProofError):
        check_account(state.root_hash, OWNER, proof_of(state, keccak256(address_bytes(OWNER))))


def test_slots_and_their_absence() -> None:
    def key(slot: int) -> bytes:
        return keccak256(slot.to_bytes(32, "big"))

    storage = built({key(slot): bytes(rlp.encode(10**slot)) for slot in range(1, 12)})
    assert check_storage(storage.root_hash, 7, proof_of(storage, key(7))) == 10**7
    assert check_storage(storage.root_hash, 99, proof_of(storage, key(99))) == 0
    with pytest.raises(ChainProofError):
        check_storage(storage.root_hash, 8, proof_of(storage, key(7)))
    odd = built({key(1): bytes(rlp.encode([b"list"])), key(2): b"\0\0not rlp"})
    for slot in (1, 2):
        with pytest.raises(ChainProofError):
            check_storage(odd.root_hash, slot, proof_of(odd, key(slot)))
