"""Asking the nodes that the rows name: the plain pool of `chains.nodes`, with rows for what has to last.

`node_ask` is for what is shown. What money depends on goes through `node_read_agreed`.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from django.conf import settings
from django.utils import timezone

from chains.guards import outside_transaction
from chains.identity import identity_read
from chains.node_services import disagreement_record
from chains.nodes.client import NodeClient, SendOutcome
from chains.nodes.endpoint import Endpoint
from chains.nodes.health import HealthBook
from chains.nodes.inclusion import prove_inclusion
from chains.nodes.pool import Poll, Pool, Rules
from chains.nodes.state import prove_account
from chains.selectors import chain_get, chain_quorum, node_list_usable
from chains.services import node_stop

if TYPE_CHECKING:
    from collections.abc import Callable

    from chains.identity import Identity
    from chains.models import Chain, Node
    from chains.nodes.agreement import Agreed, Disagreement
    from chains.nodes.state import Proven
    from chains.nodes.wire import Block
    from core.chain_proof import InclusionEvidence

__all__ = [
    "Poll",
    "account_prove",
    "contract_identity",
    "node_ask",
    "node_ask_all",
    "node_open",
    "node_read_agreed",
    "node_send",
    "pool_open",
    "transaction_prove",
]

T = TypeVar("T")
BOOK = HealthBook()
"""How nodes do, as far as this process has seen."""


def secret_file(name: str) -> Path | None:
    """Return a file of the folder that the machine's administrator fills, by its bare name; None for none."""
    return Path(settings.COUNTERSIGN_NODE_SECRETS_DIR) / name if name else None


def endpoint_of(*, node: Node) -> Endpoint:
    """Return a node's endpoint as its row describes it."""
    return Endpoint(
        label=node.label,
        url=node.url,
        chain_id=node.chain.chain_id,
        priority=node.priority,
        timeout_seconds=getattr(settings, "COUNTERSIGN_NODE_TIMEOUT_SECONDS", None) or node.timeout_ms / 1000,
        headers_file=secret_file(node.headers_file),
        certificate_file=secret_file(node.certificate_file),
        key_file=secret_file(node.key_file),
        authority_file=secret_file(node.authority_file),
        fingerprint=node.fingerprint,
    )


class _Rows:
    """Keeps in rows what has to outlive the question."""

    def __init__(self, chain: Chain, nodes: list[Node]) -> None:
        self._chain = chain
        self._ids = {node.label: node.pk for node in nodes}

    def wrong_chain(self, *, label: str, reason: str) -> None:
        """Stop a node that serves another chain."""
        node_stop(node_id=self._ids[label], reason=reason)

    def disagreed(self, *, disagreement: Disagreement) -> None:
        """Keep a contradiction, and quarantine whom it convicts."""
        disagreement_record(chain=self._chain, disagreement=disagreement, now=timezone.now())


def pool_open(*, chain: str) -> Pool:
    """Return the chain's usable nodes as one, for one piece of work outside any database transaction.

    Raises:
        UnknownChainError: If the chain is not configured.
        InsideTransactionError: Inside a database transaction.
    """
    outside_transaction(f"nodes of {chain} asked")
    row = chain_get(caip2=chain)
    nodes = node_list_usable(chain=chain)
    rules = Rules(
        least=chain_quorum(chain=row), settled_depth=row.confirmation_depth, head_age_most=row.head_age_most
    )
    endpoints = [endpoint_of(node=node) for node in nodes]
    return Pool(chain=chain, endpoints=endpoints, rules=rules, book=BOOK, reporter=_Rows(row, nodes))


def node_open(*, node: Node) -> NodeClient:
    """Open a client for one node, to be closed by whoever opens it; nothing is sent yet.

    Raises:
        InsideTransactionError: Inside a database transaction.
        EndpointError: If the node's settings are wrong.
    """
    outside_transaction(f"node {node.label} asked")
    return NodeClient(endpoint=endpoint_of(node=node), book=BOOK)


def node_ask(*, chain: str, question: Callable[[NodeClient], T]) -> T:
    """Ask the chain's nodes in order until one answers: for what is shown. Not inside a database transaction.

    A node that serves another chain is stopped on the way.

    Args:
        chain: CAIP-2 name.
        question: What to ask one node.

    Raises:
        UnknownChainError: If the chain is not configured.
        NoNodeError: If no node answers, with each node's reason.
    """
    return pool_open(chain=chain).read(question)


def node_ask_all(*, chain: str, question: Callable[[NodeClient], T]) -> Poll[T]:
    """Ask every usable node of the chain. Not inside a database transaction.

    Args:
        chain: CAIP-2 name.
        question: What to ask each node; no database in it, nodes are asked in threads.

    Returns:
        The answers, and who gave none.

    Raises:
        UnknownChainError: If the chain is not configured.
        NoNodeError: If none answers.
    """
    return pool_open(chain=chain).read_all(question)


def node_read_agreed(
    *, chain: str, question: Callable[[NodeClient, Block], T], what: str, number: int | None = None
) -> Agreed[T]:
    """Ask for what money depends on: enough nodes have to say the same about the same block.

    A node that contradicts the others about one and the same block, or about a settled height, is quarantined with an
    alarm, and what everybody said is kept.

    Args:
        chain: CAIP-2 name.
        question: What to ask a node about a block (ask *at* ``block.number``); no database in it, nodes are asked
            in threads. The answers are compared with ``==``.
        what: The question in words, at most 200 characters.
        number: The block's height; None for the highest that enough nodes have reached.

    Raises:
        UnknownChainError: If the chain is not configured.
        NodesDisagreeError: If nodes contradict each other and no quorum says the same.
        NoQuorumError: If too few give a usable answer.
    """
    return pool_open(chain=chain).read_agreed(question, what=what, number=number, now=int(time.time()))


def node_send(*, chain: str, label: str, raw: bytes, transaction_hash: bytes) -> SendOutcome:
    """Send signed bytes to one chosen node, once; errors as `Pool.send_to`."""
    return pool_open(chain=chain).send_to(label=label, raw=raw, transaction_hash=transaction_hash)


def contract_identity(*, chain: str, address: str) -> Identity:
    """Read what stands at an address now, proven; compare it with `chains.identity.identity_compare`.

    Args:
        chain: CAIP-2 name.
        address: EIP-55 address.

    Raises:
        UnknownChainError: If the chain is not configured.
        NoQuorumError: If nodes do not agree on the block.
        ProofError: If no node proves account and slots.
        IdentityError: If the contract contradicts itself or forwards too often.
    """
    return identity_read(pool_open(chain=chain), address=address, now=int(time.time()))


def account_prove(*, chain: str, address: str, slots: tuple[int, ...] = (), number: int | None = None) -> Proven:
    """Prove an account's nonce, balance and slots at a block that enough nodes agree on.

    Args:
        chain: CAIP-2 name.
        address: EIP-55 address.
        slots: Storage slots, 0 to 2^256 - 1.
        number: The block's height; None for the newest that enough nodes have.

    Raises:
        UnknownChainError: If the chain is not configured.
        NoQuorumError: If nodes do not agree on the block.
        ProofError: If no node proves it.
    """
    pool, now = pool_open(chain=chain), int(time.time())
    what = f"the account {address}"
    at = pool.read_agreed(lambda _, block: block.parent_hash, what=what, number=number, now=now)
    return prove_account(pool, what=what, address=address, slots=slots, at=at)


def transaction_prove(*, chain: str, transaction_hash: bytes, block_number: int) -> InclusionEvidence:
    """Prove that a transaction is in the block that enough nodes hold at a height, and how it ended.

    The block's hash is agreed; transaction and receipt are then proven against it, so one node's word suffices for
    everything else. What comes back has been checked by `core.chain_proof` already, and can be again, offline.

    Args:
        chain: CAIP-2 name.
        transaction_hash: 32 bytes.
        block_number: Where a receipt says that it is.

    Raises:
        UnknownChainError: If the chain is not configured.
        NoQuorumError: If nodes do not agree on the block.
        ProofError: If no node can prove it.
    """
    pool = pool_open(chain=chain)
    agreed = pool.read_agreed(
        lambda _, block: block.parent_hash, what="the block", number=block_number, now=int(time.time())
    )
    return prove_inclusion(
        pool, block_hash=agreed.block_hash, number=agreed.number, transaction_hash=transaction_hash
    )
