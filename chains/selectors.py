"""Reading chains, nodes and assets."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from chains.errors import UnknownChainError
from chains.models import (
    Asset,
    Chain,
    ChangeStatus,
    Node,
    NodeChange,
    NodeDisagreement,
    NodeHealth,
    PriceFeed,
    PriceObservation,
)

if TYPE_CHECKING:
    import datetime as dt

    from django.db.models import QuerySet

PRICE_STALE_SECONDS = 300
"""After this long without an observation there is no price."""
HEALTH_STALE_SECONDS = 90
"""After this long without a look, what was last known of a node is no longer called its state."""


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
    """Return how many nodes have to agree: more than half of the chain's enabled nodes, or more where it says so.

    Stopped and quarantined nodes count among the enabled ones. Otherwise two liars would be a majority as soon as the
    third node is stopped. The chain's own figure only ever asks for more: it is one person's to set.
    """
    return max(chain.quorum, Node.objects.filter(chain=chain, enabled=True).count() // 2 + 1)


def asset_find(*, caip19: str) -> Asset | None:
    """Return an asset, or None."""
    return Asset.objects.select_related("chain").filter(pk=caip19).first()


def asset_list(*, chain: str | None = None) -> QuerySet[Asset]:
    """Return the assets, of one chain or of all."""
    assets = Asset.objects.select_related("chain")
    return assets if chain is None else assets.filter(chain_id=chain)


@dataclasses.dataclass(frozen=True, kw_only=True)
class NodeRow:
    """A node and how it does, in words. `tone` is good, warn or bad; `sign` says the same without colour."""

    node: Node
    health: NodeHealth | None
    words: str
    tone: str
    sign: str


def _fault(node: Node, health: NodeHealth | None, now: dt.datetime) -> str:
    """Say why a node that is to be asked gives no good answers; empty where it does."""
    if health is not None and health.breaker != "closed":
        return "left alone after failures"
    if health is None or health.failures or health.head_number is None:
        return "does not answer"
    age = None if health.head_at is None else int((now - health.head_at).total_seconds())
    if node.chain.head_age_most and (age is None or age > node.chain.head_age_most):
        return "its newest block is old"
    return ""


def _words(node: Node, health: NodeHealth | None, now: dt.datetime) -> tuple[str, str, str]:
    if not node.enabled:
        return "switched off", "", "-"
    if node.stopped_reason:
        return "stopped", "bad", "✗"
    if health is None or (now - health.checked_at).total_seconds() > HEALTH_STALE_SECONDS:
        return "not looked at lately", "warn", "⚠"
    fault = _fault(node, health, now)
    return (fault, "bad", "✗") if fault else ("well", "good", "✓")


def node_rows(*, now: dt.datetime) -> list[NodeRow]:
    """Return every node with how it does, in the order in which they are asked."""
    nodes = Node.objects.select_related("chain", "health").order_by("chain", "priority", "pk")
    rows = []
    for node in nodes:
        health = getattr(node, "health", None)
        words, tone, sign = _words(node, health, now)
        rows.append(NodeRow(node=node, health=health, words=words, tone=tone, sign=sign))
    return rows


def node_find(*, label: str) -> Node | None:
    """Return a node by its name, or None."""
    return Node.objects.select_related("chain").filter(label=label).first()


def node_change_list() -> QuerySet[NodeChange]:
    """Return the changes that wait for a second person, newest first."""
    return NodeChange.objects.select_related("node").filter(status=ChangeStatus.PROPOSED)


def disagreement_list() -> QuerySet[NodeDisagreement]:
    """Return what nodes contradicted each other about, newest first."""
    return NodeDisagreement.objects.all()


def price_now(*, asset: Asset, now: dt.datetime) -> PriceObservation | None:
    """Return the newest observation of an asset's price, or None where it is older than `PRICE_STALE_SECONDS`.

    An observation without a price is a halt: its `reason` says why.
    """
    newest = PriceObservation.objects.filter(asset=asset).first()
    fresh = newest is not None and (now - newest.at).total_seconds() <= PRICE_STALE_SECONDS
    return newest if fresh else None


def price_history(*, asset: Asset, since: dt.datetime) -> QuerySet[PriceObservation]:
    """Return what an asset's price was, oldest first."""
    return PriceObservation.objects.filter(asset=asset, at__gte=since).order_by("at", "pk")


def asset_list_priced() -> QuerySet[Asset]:
    """Return the assets that have feeds."""
    return Asset.objects.select_related("chain").filter(feeds__isnull=False).distinct()


def feed_list(*, asset: Asset) -> QuerySet[PriceFeed]:
    """Return an asset's feeds."""
    return PriceFeed.objects.filter(asset=asset)


def feed_find(*, feed_id: int) -> PriceFeed | None:
    """Return a feed by its number, or None."""
    return PriceFeed.objects.select_related("asset").filter(pk=feed_id).first()
