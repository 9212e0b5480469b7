"""What follows from a block hash: the header, a transaction and its outcome, an account, a storage slot.

Everything here is proven *against a block hash*; that this block is the chain's is somebody else's word (several
nodes that agree, the reader's own node). Pure and offline: what was kept with a confirmation is checked by the same
lines, by anybody, for ever.

Sources: yellow paper (header, tries, account), EIP-658 (status), EIP-1186 (`eth_getProof`), EIP-1559 (base fee, price
paid), EIP-2718 (typed transactions and receipts), EIP-4895, 4844, 4788, 7685 (optional header fields).
"""

from __future__ import annotations

import dataclasses

import rlp

from core.errors import ChainProofError, EncodingError
from core.evm import decode_signed
from core.keccak import keccak256
from core.names import CHAIN, HASH32, address_bytes
from core.schema import Constant, HexData, Integer, Items, Maybe, Struct, of
from core.trie_proof import EMPTY_ROOT, NODE_MOST_BYTES, NODES_MOST, proven_value

EMPTY_CODE_HASH = keccak256(b"")
HEADER_MOST_BYTES = 8 * 1024
_HEADER_LEAST, _HEADER_MOST = 15, 30
_STATE_ROOT, _TRANSACTIONS_ROOT, _RECEIPTS_ROOT, _NUMBER, _TIMESTAMP, _BASE_FEE = 3, 4, 5, 8, 11, 15
_HASH_BYTES = 32
_TYPED_MOST = 0x7F
_RECEIPT_FIELDS, _ACCOUNT_FIELDS = 4, 4
_PROOF_NODES = Items(HexData(most=NODE_MOST_BYTES), most=NODES_MOST)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrieEntry:
    """An entry of a block's trie and the nodes that prove it."""

    value: bytes = of(HexData(most=NODE_MOST_BYTES))
    proof: tuple[bytes, ...] = of(_PROOF_NODES)


@dataclasses.dataclass(frozen=True, kw_only=True)
class InclusionEvidence:
    """All that it takes to check, offline, that a transaction is in a block and how it ended.

    Attributes:
        kind: What this is.
        chain: CAIP-2 name; the transaction names its chain itself.
        block_hash: The block that several nodes agreed on.
        header: The block header, RLP.
        index: The transaction's place in the block.
        transaction: The raw transaction in the block's transaction trie.
        receipt: Its receipt in the block's receipt trie.
        previous: The receipt before it, which the gas that it used is counted from; None for the first.
    """

    kind: str = of(Constant("countersign.inclusion.v1"))
    chain: str = of(CHAIN)
    block_hash: bytes = of(HASH32)
    header: bytes = of(HexData(most=HEADER_MOST_BYTES))
    index: int = of(Integer(most=2**31))
    transaction: TrieEntry = of(Struct(lambda: TrieEntry))
    receipt: TrieEntry = of(Struct(lambda: TrieEntry))
    previous: TrieEntry | None = of(Maybe(Struct(lambda: TrieEntry)))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Header:
    """What is used of a block header. `timestamp` in Unix seconds, `base_fee` in wei per gas."""

    hash: bytes
    number: int
    timestamp: int
    base_fee: int
    state_root: bytes
    transactions_root: bytes
    receipts_root: bytes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inclusion:
    """What was proven about a transaction. `gas_price`: wei per gas that was paid."""

    header: Header
    transaction_hash: bytes
    raw: bytes
    succeeded: bool
    gas_used: int
    gas_price: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Account:
    """An account of the state. `balance` in wei."""

    nonce: int
    balance: int
    storage_root: bytes
    code_hash: bytes


NO_ACCOUNT = Account(nonce=0, balance=0, storage_root=EMPTY_ROOT, code_hash=EMPTY_CODE_HASH)
"""What an address that the state does not hold amounts to."""


def _list(raw: bytes, what: str) -> list[object]:
    try:
        items = rlp.decode(raw, strict=True)
    except (rlp.exceptions.RLPException, ValueError, TypeError, RecursionError) as error:
        raise ChainProofError(f"{what} is not RLP") from error
    if not isinstance(items, list):
        raise ChainProofError(f"{what} is not an RLP list")
    return items


def _integer(item: object, what: str) -> int:
    if not isinstance(item, bytes) or len(item) > _HASH_BYTES or item[:1] == b"\0":
        raise ChainProofError(f"{what} is not a canonical RLP integer")
    return int.from_bytes(item, "big")


def _hash(item: object, what: str) -> bytes:
    if not isinstance(item, bytes) or len(item) != _HASH_BYTES:
        raise ChainProofError(f"{what} is not a hash")
    return item


def read_header(raw: bytes, block_hash: bytes) -> Header:
    """Decode a block header and hold it to the block's hash.

    Fields that later forks appended are under the hash like the others, and need not be known here.

    Args:
        raw: RLP.
        block_hash: 32 bytes.

    Raises:
        ChainProofError: If it is another block's header, or none.
    """
    if len(raw) > HEADER_MOST_BYTES or keccak256(raw) != block_hash:
        raise ChainProofError("the header does not hash to the block's hash")
    items = _list(raw, "the header")
    if not _HEADER_LEAST <= len(items) <= _HEADER_MOST:
        raise ChainProofError("the header has another number of fields than a header has")
    return Header(
        hash=block_hash,
        number=_integer(items[_NUMBER], "the block's number"),
        timestamp=_integer(items[_TIMESTAMP], "the block's time"),
        base_fee=_integer(items[_BASE_FEE], "the base fee") if len(items) > _BASE_FEE else 0,
        state_root=_hash(items[_STATE_ROOT], "the state root"),
        transactions_root=_hash(items[_TRANSACTIONS_ROOT], "the transactions root"),
        receipts_root=_hash(items[_RECEIPTS_ROOT], "the receipts root"),
    )


def _entry(root: bytes, index: int, entry: TrieEntry, what: str) -> None:
    if proven_value(root, bytes(rlp.encode(index)), entry.proof) != entry.value:
        raise ChainProofError(f"{what} is not in the block at this place")


def _receipt(raw: bytes) -> tuple[bool, int]:
    """Decode a receipt: whether it succeeded, and the gas of the block up to and with it."""
    body = raw[1:] if raw and raw[0] <= _TYPED_MOST else raw
    items = _list(body, "the receipt")
    if len(items) < _RECEIPT_FIELDS or items[0] not in (b"", b"\x01"):
        raise ChainProofError("the receipt has no status")
    return items[0] == b"\x01", _integer(items[1], "the gas used")


def _price(raw: bytes, header: Header) -> int:
    """Return what a type 2 transaction paid for each gas (EIP-1559); other types never leave this house."""
    try:
        transaction, _ = decode_signed(raw)
    except EncodingError as error:
        raise ChainProofError(f"the transaction is none of ours: {error}") from error
    spare = transaction.max_fee_per_gas - header.base_fee
    if spare < 0:
        raise ChainProofError("the transaction's fee cap is below the block's base fee")
    return header.base_fee + min(spare, transaction.max_priority_fee_per_gas)


def check_inclusion(evidence: InclusionEvidence) -> Inclusion:
    """Check that a transaction is in a block and how it ended, from the evidence alone.

    Args:
        evidence: What was kept.

    Returns:
        What follows from the block's hash. Whether that block is the chain's is not in it.

    Raises:
        ChainProofError: Naming the first thing that does not follow.
    """
    header = read_header(evidence.header, evidence.block_hash)
    _entry(header.transactions_root, evidence.index, evidence.transaction, "the transaction")
    _entry(header.receipts_root, evidence.index, evidence.receipt, "the receipt")
    succeeded, gas_total = _receipt(evidence.receipt.value)
    gas_before = 0
    if (evidence.previous is None) != (evidence.index == 0):
        raise ChainProofError("the receipt before this one is missing, or there is none")
    if evidence.previous is not None:
        _entry(header.receipts_root, evidence.index - 1, evidence.previous, "the receipt before it")
        gas_before = _receipt(evidence.previous.value)[1]
    if gas_total < gas_before:
        raise ChainProofError("the gas of the block falls from one receipt to the next")
    price = _price(evidence.transaction.value, header)
    transaction, _ = decode_signed(evidence.transaction.value)
    if evidence.chain != f"eip155:{transaction.chain_id}":
        raise ChainProofError("the transaction belongs to another chain")
    return Inclusion(
        header=header,
        transaction_hash=keccak256(evidence.transaction.value),
        raw=evidence.transaction.value,
        succeeded=succeeded,
        gas_used=gas_total - gas_before,
        gas_price=price,
    )


def check_account(state_root: bytes, address: str, proof: tuple[bytes, ...]) -> Account:
    """Return an account as a proof shows it.

    Args:
        state_root: Of a header that was checked.
        address: EIP-55 address.
        proof: The account proof of ``eth_getProof``.

    Returns:
        The account; `NO_ACCOUNT` where the proof shows that there is none.

    Raises:
        ChainProofError: If it proves neither.
    """
    value = proven_value(state_root, keccak256(address_bytes(address)), proof)
    if value is None:
        return NO_ACCOUNT
    items = _list(value, "the account")
    if len(items) != _ACCOUNT_FIELDS:
        raise ChainProofError("the account has another number of fields than an account has")
    return Account(
        nonce=_integer(items[0], "the account's nonce"),
        balance=_integer(items[1], "the account's balance"),
        storage_root=_hash(items[2], "the account's storage root"),
        code_hash=_hash(items[3], "the account's code hash"),
    )


def check_storage(storage_root: bytes, slot: int, proof: tuple[bytes, ...]) -> int:
    """Return what a storage slot holds, as a proof shows it; 0 where it holds nothing.

    Args:
        storage_root: Of an account that was checked.
        slot: 0 to 2^256 - 1.
        proof: The slot's proof of ``eth_getProof``.

    Raises:
        ChainProofError: If it proves nothing.
    """
    value = proven_value(storage_root, keccak256(slot.to_bytes(_HASH_BYTES, "big")), proof)
    if value is None:
        return 0
    try:
        return _integer(rlp.decode(value, strict=True), "the slot")
    except (rlp.exceptions.RLPException, TypeError) as error:
        raise ChainProofError("the slot is not RLP") from error
