"""Reading chains, nodes and assets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chains.errors import UnknownChainError
from chains.models import Asset, Chain, Node

if TYPE_CHECKING:
    from django.db.models import QuerySet


def chain_get(*, caip2: str) -> Chain:
    """Return a configured chain.

    Raises:
        UnknownChainError: If there is none of that name.
    """
    chain = Chain.objects.filter(pk=caip2).first()
    if chain is None:
        msg = f"chain {caip2} is not configured"
        raise UnknownChainError(msg)
    return chain


def node_list_usable(*, chain: str) -> list[Node]:
    """Return the nodes that may be used, first choice first."""
    nodes = Node.objects.filter(chain_id=chain, enabled=True, stopped_reason="")
    return list(nodes.select_related("chain").order_by("priority", "pk"))


def chain_quorum(*, chain: Chain) -> int:
    """Return how many nodes have to agree: what the chain says, or more than half of its enabled nodes.

    Stopped and quarantined nodes count among the enabled ones. Otherwise two liars would be a majority as soon as the
    third node is stopped.
    """
    return chain.quorum or Node.objects.filter(chain=chain, enabled=True).count() // 2 + 1


def asset_find(*, caip19: str) -> Asset | None:
    """Return an asset, or None."""
    return Asset.objects.select_related("chain").filter(pk=caip19).first()


def asset_list(*, chain: str | None = None) -> QuerySet[Asset]:
    """Return the assets, of one chain or of all."""
    assets = Asset.objects.select_related("chain")
    return assets if chain is None else assets.filter(chain_id=chain)
