"""Changing chains, nodes and assets. Each change leaves its audit entry in the same transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from audit.models import Severity
from audit.services import entry_append
from audit.tags import AuditTag
from chains.models import Asset, Chain, Node

if TYPE_CHECKING:
    from django.db.models import Model

SYSTEM = "system:chains"
_REASON_MOST = 280


def _save(record: Model) -> None:
    record.full_clean()
    record.save()


@transaction.atomic
def chain_create(*, actor: str, caip2: str, name: str, native_symbol: str, confirmation_depth: int) -> Chain:
    """Configure a chain.

    Raises:
        ValidationError: For a field that is wrong.
    """
    chain = Chain(caip2=caip2, name=name, native_symbol=native_symbol, confirmation_depth=confirmation_depth)
    chain.full_clean()
    chain.save(force_insert=True)
    chain_record_change(actor=actor, chain=chain, change="created")
    return chain


def chain_record_change(*, actor: str, chain: Chain, change: str) -> None:
    """Write the audit entry of a chain's change; inside the change's transaction."""
    payload: dict[str, object] = {
        "change": change,
        "confirmation_depth": chain.confirmation_depth,
        "name": chain.name,
    }
    entry_append(actor=actor, tag=AuditTag.CHAIN_CHANGED, subject=chain.caip2, payload=payload)


@transaction.atomic
def node_create(*, actor: str, chain: str, label: str, url: str, priority: int = 10) -> Node:
    """Configure a node.

    Raises:
        ValidationError: For a field that is wrong.
    """
    node = Node(chain_id=chain, label=label, url=url, priority=priority)
    _save(node)
    node_record_change(actor=actor, node=node, change="created")
    return node


def node_record_change(*, actor: str, node: Node, change: str) -> None:
    """Write the audit entry of a node's change; inside the change's transaction. No URL: it may hold a key."""
    payload: dict[str, object] = {
        "chain": node.chain_id,
        "change": change,
        "enabled": node.enabled,
        "priority": node.priority,
    }
    entry_append(actor=actor, tag=AuditTag.NODE_CHANGED, subject=node.label, payload=payload)


@transaction.atomic
def node_stop(*, node_id: int, reason: str) -> None:
    """Stop a node that proved unusable, once, with an alarm. Only a person starts it again."""
    node = Node.objects.select_for_update().get(pk=node_id)
    if node.stopped_reason:
        return
    node.stopped_reason = reason[:_REASON_MOST]
    node.save(update_fields=["stopped_reason"])
    entry_append(
        actor=SYSTEM,
        tag=AuditTag.NODE_WRONG_CHAIN,
        subject=node.label,
        payload={"chain": node.chain_id, "reason": node.stopped_reason},
        severity=Severity.ALARM,
    )


@transaction.atomic
def node_restart(*, actor: str, node_id: int) -> Node:
    """Let a stopped node be used again."""
    node = Node.objects.select_for_update().get(pk=node_id)
    node.stopped_reason = ""
    node.save(update_fields=["stopped_reason"])
    node_record_change(actor=actor, node=node, change="restarted")
    return node


@transaction.atomic
def asset_create(*, actor: str, caip19: str, symbol: str, name: str, decimals: int) -> Asset:
    """Configure an asset.

    Raises:
        ValidationError: For a field that is wrong.
    """
    asset = Asset(caip19=caip19, chain_id=caip19.partition("/")[0], symbol=symbol, name=name, decimals=decimals)
    asset.full_clean()
    asset.save(force_insert=True)
    asset_record_change(actor=actor, asset=asset, change="created")
    return asset


def asset_record_change(*, actor: str, asset: Asset, change: str) -> None:
    """Write the audit entry of an asset's change; inside the change's transaction."""
    payload: dict[str, object] = {
        "change": change,
        "decimals": asset.decimals,
        "name": asset.name,
        "symbol": asset.symbol,
    }
    entry_append(actor=actor, tag=AuditTag.ASSET_CHANGED, subject=asset.caip19, payload=payload)
