"""What changes about nodes: contradictions kept, liars quarantined, health written down, settings by two people."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError
from django.db import transaction

from audit.models import Severity
from audit.services import entry_append
from audit.tags import AuditTag
from chains.errors import ChangeDecidedError, SamePersonError
from chains.models import ChangeStatus, Node, NodeChange, NodeDisagreement, NodeHealth
from chains.services import SYSTEM, node_record_change
from core.canonical import canonical

if TYPE_CHECKING:
    from chains.models import Chain
    from chains.nodes.agreement import Disagreement
    from chains.nodes.health import Health
    from chains.nodes.probe import Capabilities

QUARANTINED = "contradicted other nodes"
SETTINGS = (
    "chain",
    "url",
    "priority",
    "enabled",
    "timeout_ms",
    "headers_file",
    "certificate_file",
    "key_file",
    "authority_file",
    "fingerprint",
)
"""A node's settings, in the order in which people read them; `label` names the node for ever."""


@transaction.atomic
def disagreement_record(*, chain: Chain, disagreement: Disagreement, now: dt.datetime) -> NodeDisagreement:
    """Keep a contradiction with an alarm, and stop using the nodes that it convicts.

    Args:
        chain: Where it was found.
        disagreement: What was asked and what each node said.
        now: When.
    """
    liars = list(
        Node.objects.select_for_update().filter(chain=chain, label__in=disagreement.liars, stopped_reason="")
    )
    for node in liars:
        node.stopped_reason = f"{QUARANTINED}: {disagreement.question} at block {disagreement.number}"[:280]
        node.save(update_fields=["stopped_reason"])
    kept = NodeDisagreement.objects.create(
        chain=chain,
        found_at=now,
        question=disagreement.question[:200],
        number=disagreement.number,
        answers=canonical(disagreement.answers).decode(),
        liars=" ".join(node.label for node in liars)[:400],
    )
    entry_append(
        actor=SYSTEM,
        tag=AuditTag.NODE_QUARANTINED if liars else AuditTag.NODES_DISAGREE,
        subject=liars[0].label if liars else chain.caip2,
        payload={
            "answers": disagreement.answers,
            "block": disagreement.number,
            "chain": chain.caip2,
            "quarantined": [node.label for node in liars],
            "question": disagreement.question,
        },
        severity=Severity.ALARM,
    )
    return kept


def node_health_write(
    *, node: Node, health: Health, now: dt.datetime, capabilities: Capabilities | None = None
) -> None:
    """Write down how a node does, for pages and for other processes.

    Args:
        node: The node.
        health: From this process's book.
        now: When it was looked at.
        capabilities: What it can do, where that was probed just now.
    """
    head = health.head
    values: dict[str, object] = {
        "checked_at": now,
        "latency_ms": health.latency_ms,
        "calls": health.calls,
        "errors": health.errors,
        "failures": health.failures,
        "disagreements": health.disagreements,
        "breaker": health.breaker.value,
        "pause_seconds": health.pause_seconds,
        "last_error": health.last_error,
    }
    if head is not None:
        values |= {
            "head_number": min(head.number, 2**63 - 1),
            "head_hash": head.hash.hex(),
            # A node may claim any time; what no calendar holds is kept as none.
            "head_at": dt.datetime.fromtimestamp(head.timestamp, dt.UTC) if head.timestamp < 2**33 else None,
        }
    if capabilities is not None:
        values |= {
            "version": capabilities.version,
            "missing": " ".join(capabilities.missing),
            "probed_at": now,
        }
    NodeHealth.objects.update_or_create(node=node, defaults=values)


def _settings_of(node: Node) -> dict[str, object]:
    return {name: getattr(node, "chain_id" if name == "chain" else name) for name in SETTINGS}


def _with(node: Node, settings: dict[str, object]) -> Node:
    for name in SETTINGS:
        setattr(node, "chain_id" if name == "chain" else name, settings[name])
    return node


@transaction.atomic
def node_change_propose(
    *, actor: str, label: str, settings: dict[str, object], restarts: bool = False, now: dt.datetime
) -> NodeChange:
    """Propose a node, or other settings for one. Nothing changes until another person confirms it.

    Args:
        actor: Who proposes, ``user:<name>``.
        label: The node's.
        settings: All of `SETTINGS`.
        restarts: Use a stopped node again.
        now: When.

    Raises:
        ValidationError: For a setting that is wrong.
    """
    node = Node.objects.filter(label=label).first()
    if node is not None and settings["chain"] != node.chain_id:
        raise ValidationError({"chain": "A node stays with its chain; add another one."})
    _with(Node.objects.get(pk=node.pk) if node is not None else Node(label=label), settings).full_clean()
    change = NodeChange.objects.create(
        node=node,
        label=label,
        fields=canonical(settings).decode(),
        restarts=restarts,
        proposed_by=actor,
        proposed_at=now,
    )
    entry_append(actor=actor, tag=AuditTag.NODE_CHANGE_PROPOSED, subject=label, payload=_told(change, settings))
    return change


def _told(change: NodeChange, settings: dict[str, object]) -> dict[str, object]:
    """Say what a change is, without the address: it may hold a key."""
    shown = {name: value for name, value in settings.items() if name != "url"}
    return {"change": change.pk, "restarts": change.restarts, "settings": shown}


def _waiting(change_id: int) -> NodeChange:
    change = NodeChange.objects.select_for_update().filter(pk=change_id).first()
    if change is None or change.status != ChangeStatus.PROPOSED:
        raise ChangeDecidedError("that change no longer waits for anybody")
    return change


@transaction.atomic
def node_change_confirm(*, actor: str, change_id: int, now: dt.datetime) -> Node:
    """Make a proposed change hold.

    Args:
        actor: Who confirms: another person than who proposed.
        change_id: The change.
        now: When.

    Raises:
        ChangeDecidedError: If it no longer waits.
        SamePersonError: If it is the proposer's own.
        ValidationError: If the settings are no longer right.
    """
    change = _waiting(change_id)
    if change.proposed_by == actor:
        raise SamePersonError("a change to a node takes another person than who proposed it")
    settings: dict[str, object] = json.loads(change.fields)
    node = Node.objects.select_for_update().filter(label=change.label).first() or Node(label=change.label)
    if node.pk is not None and settings["chain"] != node.chain_id:
        raise ValidationError({"chain": "A node stays with its chain; add another one."})
    _with(node, settings)
    if change.restarts:
        node.stopped_reason = ""
    node.full_clean()
    created = node.pk is None
    node.save()
    change.node, change.status, change.decided_by, change.decided_at = node, ChangeStatus.CONFIRMED, actor, now
    change.save(update_fields=["node", "status", "decided_by", "decided_at"])
    node_record_change(actor=actor, node=node, change="created" if created else "changed")
    entry_append(
        actor=actor, tag=AuditTag.NODE_CHANGE_CONFIRMED, subject=change.label, payload=_told(change, settings)
    )
    return node


@transaction.atomic
def node_change_withdraw(*, actor: str, change_id: int, now: dt.datetime) -> None:
    """Take a proposed change back; anybody who may propose may do so.

    Raises:
        ChangeDecidedError: If it no longer waits.
    """
    change = _waiting(change_id)
    change.status, change.decided_by, change.decided_at = ChangeStatus.WITHDRAWN, actor, now
    change.save(update_fields=["status", "decided_by", "decided_at"])
    entry_append(actor=actor, tag=AuditTag.NODE_CHANGE_WITHDRAWN, subject=change.label, payload={"change": change.pk})
