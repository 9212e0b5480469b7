"""Proving a transaction in its block: the node hands over the block, and we rebuild both of its tries.

One node suffices, because nothing of what it says survives unless it hashes to the block's hash, and that one was
agreed by several nodes before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import rlp
from trie.hexary import HexaryTrie

from chains.errors import NodeAnswerError, NodeRefusalError, NotIncludedError, ProofError
from chains.nodes.encoding import header_bytes, receipt_bytes, transaction_bytes
from chains.nodes.wire import WireError, data, fields, hash32, hexed, items
from core.chain_proof import InclusionEvidence, TrieEntry, check_inclusion, read_header
from core.errors import ChainProofError
from core.keccak import keccak256

if TYPE_CHECKING:
    from chains.nodes.client import NodeClient
    from chains.nodes.pool import Pool


def build_trie(values: list[bytes]) -> HexaryTrie:
    """Build the trie of a block's transactions or receipts (yellow paper §4.3)."""
    built = HexaryTrie({})
    for index, value in enumerate(values):
        built[rlp.encode(index)] = value
    return built


def _entry(trie: HexaryTrie, index: int, value: bytes) -> TrieEntry:
    nodes: tuple[object, ...] = trie.get_proof(rlp.encode(index))  # type: ignore[no-untyped-call]  # trie leaves it out
    return TrieEntry(value=value, proof=_listed(nodes))


def _listed(nodes: tuple[object, ...]) -> tuple[bytes, ...]:
    """Encode a proof's nodes, without those that their parents embed (shorter than a hash)."""
    encoded = [bytes(rlp.encode(node)) for node in nodes]
    return tuple(raw for place, raw in enumerate(encoded) if place == 0 or len(raw) >= 32)  # noqa: PLR2004 - a hash


def _raw_transactions(client: NodeClient, block: dict[str, object]) -> list[bytes]:
    found: list[bytes] = []
    for entry in items(block.get("transactions"), "block.transactions"):
        transaction = fields(entry, "transaction")
        named = hash32(transaction.get("hash"), "transaction.hash")
        raw = transaction_bytes(transaction)
        if raw is None or keccak256(raw) != named:
            # A type that we do not know, or fields that the node spells differently: its own bytes, then.
            raw = data(client.call("eth_getRawTransactionByHash", hexed(named)), "transaction.raw")
        if keccak256(raw) != named:
            raise ProofError("a transaction of the block is not the one that its hash names")
        found.append(raw)
    return found


def _receipts(client: NodeClient, block: dict[str, object], block_hash: bytes) -> list[bytes]:
    try:
        listed = items(client.call("eth_getBlockReceipts", hexed(block_hash)), "receipts")
    except NodeRefusalError:
        # Not every node has that method, and not every one takes a hash there.
        transactions = [fields(entry, "transaction") for entry in items(block.get("transactions"), "transactions")]
        listed = [client.call("eth_getTransactionReceipt", entry.get("hash")) for entry in transactions]
    return [receipt_bytes(fields(entry, "receipt")) for entry in listed]


def _tries(
    header: bytes, block_hash: bytes, raws: list[bytes], receipts: list[bytes]
) -> tuple[HexaryTrie, HexaryTrie]:
    """Rebuild both tries and hold them to the header, and the header to the block's hash."""
    try:
        read = read_header(header, block_hash)
    except ChainProofError as error:
        raise ProofError(str(error)) from error
    transactions, outcomes = build_trie(raws), build_trie(receipts)
    if transactions.root_hash != read.transactions_root:
        raise ProofError("the block's transactions are not those that its header names")
    if len(receipts) != len(raws) or outcomes.root_hash != read.receipts_root:
        raise ProofError("the block's receipts are not those that its header names")
    return transactions, outcomes


def gather(client: NodeClient, *, chain: str, block_hash: bytes, transaction_hash: bytes) -> InclusionEvidence:
    """Gather the evidence from one node and check it.

    Args:
        client: The node.
        chain: CAIP-2 name.
        block_hash: The block, as agreed.
        transaction_hash: 32 bytes.

    Raises:
        NotIncludedError: If the block, which is proven, does not hold the transaction.
        ProofError: If what the node says does not follow from the block's hash.
        NodeError: If it does not answer as the protocol allows.
    """
    try:
        answer = client.call("eth_getBlockByHash", hexed(block_hash), True)  # noqa: FBT003 - JSON-RPC's positional flag
        if answer is None:
            raise NodeAnswerError(client.label, "does not have the block that other nodes have")
        block = fields(answer, "block")
        raws = _raw_transactions(client, block)
        receipts = _receipts(client, block, block_hash)
        header = header_bytes(block)
    except WireError as error:
        raise NodeAnswerError(client.label, str(error)) from error
    transactions, outcomes = _tries(header, block_hash, raws, receipts)
    places = [place for place, raw in enumerate(raws) if keccak256(raw) == transaction_hash]
    if not places:
        raise NotIncludedError("the transaction is not in the block")
    index = places[0]
    evidence = InclusionEvidence(
        kind="countersign.inclusion.v1",
        chain=chain,
        block_hash=block_hash,
        header=header,
        index=index,
        transaction=_entry(transactions, index, raws[index]),
        receipt=_entry(outcomes, index, receipts[index]),
        previous=_entry(outcomes, index - 1, receipts[index - 1]) if index else None,
    )
    try:
        check_inclusion(evidence)
    except ChainProofError as error:
        raise ProofError(str(error)) from error
    return evidence


def prove_inclusion(pool: Pool, *, block_hash: bytes, number: int, transaction_hash: bytes) -> InclusionEvidence:
    """Prove a transaction in the agreed block, by the first node that can.

    Args:
        pool: The chain's nodes.
        block_hash: The block, as enough nodes agreed on it.
        number: Its height.
        transaction_hash: 32 bytes.

    Raises:
        NotIncludedError: If the block does not hold the transaction: proven, whoever said otherwise.
        ProofError: If no node proves it.
    """
    return pool.read_proven(
        lambda client: gather(client, chain=pool.chain, block_hash=block_hash, transaction_hash=transaction_hash),
        what=f"the proof of {hexed(transaction_hash)}",
        number=number,
    )
