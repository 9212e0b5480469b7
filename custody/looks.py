"""What one node shows of a nonce and of a sighting, read strictly and put into the words of `custody.machine`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chains.errors import NodeAnswerError, NodeError
from custody.machine import Look, Recheck, Sight, is_deep, versions_watched
from custody.models import Finality

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chains.nodes.client import NodeClient
    from custody.models import ChainRule, Confirmation, Job, Transmission


def tagged_number(node: NodeClient, rule: ChainRule) -> int | None:
    """Return the number of the block that the chain's rule asks for beside the depth; None where depth decides.

    Raises:
        NodeError: Also where the node knows no such block: then nothing is final there.
    """
    if rule.finality == Finality.DEPTH:
        return None
    block = node.block(str(rule.finality))
    if block is None:
        raise NodeAnswerError(node.label, f"the node has no {rule.finality} block")
    return block.number


def _sight(node: NodeClient, transaction_hash: str) -> Sight | None:
    receipt = node.receipt(bytes.fromhex(transaction_hash))
    if receipt is None:
        return None
    block = node.block(receipt.block_number)
    if block is None or block.hash != receipt.block_hash:
        return None
    return Sight(
        transaction_hash=transaction_hash,
        block_number=receipt.block_number,
        block_hash=receipt.block_hash.hex(),
        succeeded=receipt.succeeded,
        gas_used=receipt.gas_used,
        gas_price=receipt.gas_price,
        depth=max(1, node.head().number - receipt.block_number + 1),
    )


def _knows(node: NodeClient, transaction_hash: str) -> bool:
    return node.call("eth_getTransactionByHash", "0x" + transaction_hash) is not None


def look_at(node: NodeClient, job: Job, sent: Sequence[Transmission], rule: ChainRule) -> Look:
    """Look for any version of a job's nonce, else whether the nonce is consumed, and finally so.

    Raises:
        NodeError: If the node gives no usable answer.
    """
    # The nonce first, its versions afterwards: whatever consumed it by then is found below, however long that takes.
    nonce, head = sent[0].nonce, node.head()
    spent = node.nonce(job.wallet.address, at=head.number) > nonce
    final = _final_number(node, rule, head.number, job.wallet.chain.confirmation_depth) if spent else -1
    spent_finally = final >= 0 and node.nonce(job.wallet.address, at=final) > nonce
    hashes = versions_watched([one.transaction_hash for one in sent])
    sights = tuple(sight for sight in (_sight(node, one) for one in hashes) if sight is not None)
    known = frozenset(one for one in hashes if sights or _knows(node, one))
    return Look(sights=sights, spent=spent, spent_finally=spent_finally, known=known)


def _final_number(node: NodeClient, rule: ChainRule, head: int, depth: int) -> int:
    tagged = tagged_number(node, rule)
    by_depth = head - depth + 1
    return by_depth if tagged is None else min(by_depth, tagged)


def recheck_at(node: NodeClient, sighting: Confirmation, *, rule: ChainRule, depth: int) -> Recheck:
    """Say whether a sighting still stands on a node, and whether its block is final there.

    Raises:
        NodeError: If the node gives no usable answer, or is behind that block.
    """
    head = node.head()
    if head.number < sighting.block_number:
        # Behind, or rolled back: either way this node cannot say what is at that height.
        raise NodeError(node.label, f"is at block {head.number}, before {sighting.block_number}")
    block = node.block(sighting.block_number)
    receipt = node.receipt(bytes.fromhex(sighting.transmission.transaction_hash))
    stands = (
        block is not None
        and receipt is not None
        and block.hash.hex() == sighting.block_hash == receipt.block_hash.hex()
        and receipt.succeeded == sighting.succeeded
    )
    deep = stands and is_deep(
        head=head.number, block=sighting.block_number, depth=depth, tagged=tagged_number(node, rule)
    )
    return Recheck(stands=stands, final=deep, depth=max(1, head.number - sighting.block_number + 1))
