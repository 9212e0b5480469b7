"""Looking at every node again and again: its head, now and then what it can do; written down, with alarms."""

from __future__ import annotations

import datetime as dt
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from django.db import transaction

from audit.alarms import alarm_clear, alarm_raise
from audit.models import Severity
from audit.tags import AuditTag
from chains.errors import ChainsError, NodeError, WrongChainError
from chains.models import Asset, Node, NodeHealth
from chains.node_services import node_health_write
from chains.nodes.client import NodeClient
from chains.nodes.health import Breaker
from chains.nodes.probe import Capabilities, probe
from chains.reads import BOOK, endpoint_of, pool_open
from chains.services import SYSTEM, node_stop
from chains.tokens import token_problem, token_read

if TYPE_CHECKING:
    from chains.nodes.endpoint import Endpoint

INTERVAL = dt.timedelta(seconds=15)
PROBE_INTERVAL = dt.timedelta(hours=1)
NODES_AT_ONCE = 8
ASSETS_INTERVAL = dt.timedelta(hours=1)
_logger = logging.getLogger(__name__)
_assets_looked_at: dict[str, dt.datetime] = {}
"""When this process compared an asset's entry with its contract."""


def _look(endpoint: Endpoint, *, probes: bool) -> Capabilities | NodeError | None:
    try:
        with NodeClient(endpoint=endpoint, book=BOOK) as client:
            if probes:
                return probe(client)
            client.head()
    except NodeError as error:
        return error
    return None


def _note(node: Node, found: Capabilities | NodeError | None, now: dt.datetime) -> None:
    if isinstance(found, WrongChainError):
        node_stop(node_id=node.pk, reason=found.message)
    health = BOOK.snapshot(endpoint_of(node=node).key, now=time.monotonic())
    with transaction.atomic():
        capabilities = found if isinstance(found, Capabilities) else None
        node_health_write(node=node, health=health, now=now, capabilities=capabilities)
        if health.breaker is Breaker.CLOSED and not isinstance(found, NodeError):
            alarm_clear(tag=AuditTag.NODE_UNWELL, subject=node.label, message="it answers again", actor=SYSTEM)
        elif health.breaker is not Breaker.CLOSED:
            alarm_raise(
                tag=AuditTag.NODE_UNWELL,
                severity=Severity.WARNING,
                subject=node.label,
                message=f"The node does not answer as it should: {health.last_error}",
                actor=SYSTEM,
            )


def nodes_sweep(*, now: dt.datetime) -> int:
    """Look at the nodes that nobody looked at for a while, all at once, and return how many those were.

    Args:
        now: The current time.
    """
    nodes = list(Node.objects.filter(enabled=True, stopped_reason="").select_related("chain").order_by("pk"))
    known = NodeHealth.objects.in_bulk([node.pk for node in nodes])
    due: list[tuple[Node, bool]] = []
    for node in nodes:
        health = known.get(node.pk)
        if health is not None and now - health.checked_at < INTERVAL:
            continue
        probed = health is not None and health.probed_at is not None and now - health.probed_at < PROBE_INTERVAL
        if BOOK.may_ask(endpoint_of(node=node).key, now=time.monotonic()):
            due.append((node, not probed))
    if not due:
        return 0
    asked = [(endpoint_of(node=node), probes) for node, probes in due]
    with ThreadPoolExecutor(max_workers=NODES_AT_ONCE) as threads:
        found = list(threads.map(lambda each: _look(each[0], probes=each[1]), asked))
    for (node, _), answer in zip(due, found, strict=True):
        _note(node, answer, now)
    # Not counted as steps: looking again makes nothing else due.
    return 0


def asset_watch(*, asset: Asset) -> str:
    """Compare an asset's entry with its contract, with an alarm while they differ; return what differs.

    Raises:
        ChainsError: If nodes do not say, or do not agree.
    """
    if asset.contract is None:
        return ""
    facts = token_read(pool_open(chain=asset.chain_id), address=asset.contract)
    problem = token_problem(facts, decimals=asset.decimals)
    with transaction.atomic():
        if problem:
            alarm_raise(
                tag=AuditTag.ASSET_MISMATCH,
                severity=Severity.ALARM,
                subject=asset.caip19,
                message=f"{asset.symbol}: {problem}",
                payload={"decimals": facts.decimals, "name": facts.name, "symbol": facts.symbol},
                actor=SYSTEM,
            )
        else:
            alarm_clear(tag=AuditTag.ASSET_MISMATCH, subject=asset.caip19, message="it fits again", actor=SYSTEM)
    return problem


def assets_sweep(*, now: dt.datetime) -> int:
    """Compare each token's entry with its contract once an hour; return 0: nothing gets due by it.

    Args:
        now: The current time.
    """
    for asset in Asset.objects.select_related("chain").filter(caip19__contains="/erc20:"):
        if now - _assets_looked_at.get(asset.caip19, dt.datetime.min.replace(tzinfo=dt.UTC)) < ASSETS_INTERVAL:
            continue
        _assets_looked_at[asset.caip19] = now
        try:
            asset_watch(asset=asset)
        except ChainsError as error:
            # Nodes that do not answer have alarms of their own.
            _logger.info("%s was not compared with its contract: %s", asset.caip19, error)
    return 0
