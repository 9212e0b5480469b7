"""A chain's nodes, in the order in which they are asked."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Generic, TypeVar

from django.conf import settings

from chains.errors import NodeError, NoNodeError, WrongChainError
from chains.guards import outside_transaction
from chains.nodes.client import TIMEOUT_SECONDS, NodeClient
from chains.selectors import chain_get, node_list_usable
from chains.services import node_stop

if TYPE_CHECKING:
    from collections.abc import Callable

    from chains.models import Node

T = TypeVar("T")


def node_open(*, node: Node) -> NodeClient:
    """Open a client for one node, to be closed by whoever opens it; nothing is sent yet.

    Raises:
        InsideTransactionError: Inside a database transaction.
    """
    outside_transaction(f"node {node.label} asked")
    timeout_seconds: float = getattr(settings, "COUNTERSIGN_NODE_TIMEOUT_SECONDS", TIMEOUT_SECONDS)
    return NodeClient(label=node.label, url=node.url, chain_id=node.chain.chain_id, timeout_seconds=timeout_seconds)


def node_ask(*, chain: str, question: Callable[[NodeClient], T]) -> T:
    """Ask the chain's nodes in order until one answers. Not for use inside a database transaction.

    A node that serves another chain is stopped on the way.

    Args:
        chain: CAIP-2 name.
        question: What to ask one node.

    Raises:
        UnknownChainError: If the chain is not configured.
        NoNodeError: If no node answers, with each node's reason.
    """
    chain_get(caip2=chain)
    reasons: list[str] = []
    for node in node_list_usable(chain=chain):
        try:
            with node_open(node=node) as client:
                return question(client)
        except WrongChainError as error:
            node_stop(node_id=node.pk, reason=error.message)
            reasons.append(str(error))
        except NodeError as error:
            reasons.append(str(error))
    raise NoNodeError("; ".join(reasons) or f"{chain} has no enabled node")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Poll(Generic[T]):
    """What the chain's nodes said, by label, and who of them gave no usable answer."""

    answers: dict[str, T]
    silent: tuple[str, ...]

    @property
    def is_majority(self) -> bool:
        """Whether more than half of the nodes answered: silence is no vote for what the others say."""
        return len(self.answers) > len(self.silent)


def node_ask_all(*, chain: str, question: Callable[[NodeClient], T]) -> Poll[T]:
    """Ask every usable node of the chain. Not inside a database transaction.

    Args:
        chain: CAIP-2 name.
        question: What to ask each node.

    Returns:
        The answers, and who gave none.

    Raises:
        UnknownChainError: If the chain is not configured.
        NoNodeError: If none answers.
    """
    chain_get(caip2=chain)
    answers: dict[str, T] = {}
    silent: dict[str, str] = {}
    for node in node_list_usable(chain=chain):
        try:
            with node_open(node=node) as client:
                answers[node.label] = question(client)
        except WrongChainError as error:
            node_stop(node_id=node.pk, reason=error.message)
            silent[node.label] = str(error)
        except NodeError as error:
            silent[node.label] = str(error)
    if not answers:
        raise NoNodeError("; ".join(silent.values()) or f"{chain} has no enabled node")
    return Poll(answers=answers, silent=tuple(sorted(silent)))
