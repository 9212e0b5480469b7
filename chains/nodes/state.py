"""Accounts and storage, proven: one node hands over ``eth_getProof``, enough nodes agree on the block."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from chains.errors import NodeAnswerError, ProofError
from chains.nodes.encoding import header_bytes
from chains.nodes.wire import WireError, data, fields, hash32, hexed, items, quantity
from core.chain_proof import Account, check_account, check_storage, read_header
from core.errors import ChainProofError

if TYPE_CHECKING:
    from chains.nodes.agreement import Agreed
    from chains.nodes.client import NodeClient
    from chains.nodes.pool import Pool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Proven:
    """An account at a block that enough nodes agreed on, and some of its slots."""

    number: int
    block_hash: bytes
    account: Account
    storage: dict[int, int]


def _proof(value: object, at: str) -> tuple[bytes, ...]:
    return tuple(data(node, at) for node in items(value, at))


def _slot(value: object, at: str) -> int:
    """Read the key that a slot's proof is for: nodes spell it as a quantity or as 32 bytes."""
    if isinstance(value, str) and len(value) <= 66:  # noqa: PLR2004 - 0x and 32 bytes
        return quantity(value, at)
    raise WireError(f"{at}: a slot is expected")


def _state_root(client: NodeClient, block_hash: bytes) -> bytes:
    block = fields(client.call("eth_getBlockByHash", hexed(block_hash), False), "block")  # noqa: FBT003 - JSON-RPC
    return read_header(header_bytes(block), block_hash).state_root


def _said(answer: dict[str, object], account: Account) -> None:
    """Hold what the node says beside its proof to the proof: a node that contradicts itself is broken."""
    told = (
        quantity(answer.get("nonce"), "proof.nonce"),
        quantity(answer.get("balance"), "proof.balance"),
        hash32(answer.get("storageHash"), "proof.storageHash"),
        hash32(answer.get("codeHash"), "proof.codeHash"),
    )
    if (account.nonce, account.balance, account.storage_root, account.code_hash) != told and any(told[:2]):
        raise ChainProofError("the account is not the one that the proof shows")


def read_account(
    client: NodeClient, *, block_hash: bytes, number: int, address: str, slots: tuple[int, ...]
) -> Proven:
    """Read an account and slots from one node, each proven against the block's hash.

    Raises:
        ChainProofError: If something does not follow from it.
        NodeError: If the node does not answer as the protocol allows.
    """
    try:
        root = _state_root(client, block_hash)
        asked = [hexed(slot.to_bytes(32, "big")) for slot in slots]
        answer = fields(client.call("eth_getProof", address, asked, hex(number)), "proof")
        account = check_account(root, address, _proof(answer.get("accountProof"), "proof.accountProof"))
        _said(answer, account)
        storage: dict[int, int] = {}
        for each in items(answer.get("storageProof"), "proof.storageProof"):
            entry = fields(each, "proof.storageProof")
            slot = _slot(entry.get("key"), "proof.storageProof.key")
            proof = _proof(entry.get("proof"), "proof.storageProof.proof")
            storage[slot] = check_storage(account.storage_root, slot, proof)
            if storage[slot] != quantity(entry.get("value"), "proof.storageProof.value"):
                raise ChainProofError("a slot is not what its proof shows")
    except WireError as error:
        raise NodeAnswerError(client.label, str(error)) from error
    if set(storage) != set(slots):
        raise ChainProofError("not the slots that were asked for")
    return Proven(number=number, block_hash=block_hash, account=account, storage=storage)


def prove_account(
    pool: Pool, *, what: str, address: str, slots: tuple[int, ...], at: Agreed[object] | None = None, now: int = 0
) -> Proven:
    """Prove an account and slots at a block that enough nodes agree on.

    A node whose answer does not follow from the agreed block is quarantined once another one's does.

    Args:
        pool: The chain's nodes.
        what: What is asked, in words.
        address: EIP-55 address.
        slots: Storage slots, 0 to 2^256 - 1.
        at: A block that was agreed already; None for the newest that enough nodes have.
        now: Unix seconds, for the age of the newest block; 0 leaves age unchecked.

    Raises:
        NoQuorumError: If nodes do not agree on the block.
        ProofError: If no node proves it.
    """
    block: Agreed[object] = at or pool.read_agreed(lambda _, block: block.parent_hash, what=what, now=now)

    def prove(client: NodeClient) -> Proven:
        try:
            return read_account(
                client, block_hash=block.block_hash, number=block.number, address=address, slots=slots
            )
        except ChainProofError as error:
            # It was asked by number: only where it still holds the agreed block is this its own doing.
            held = client.block(block.number)
            if held is None or held.hash != block.block_hash:
                raise NodeAnswerError(client.label, f"no longer holds block {block.number}") from error
            raise ProofError(str(error)) from error

    return pool.read_proven(prove, what=what, number=block.number)
