"""Rows that somebody edited into what no program of ours writes: found when a page stumbles, told, and left aside.

A database superuser can put anything anywhere. A page that meets such a row says so and shows the rest; whoever looks
at the row itself is told which part of it cannot be read. Each such row is an alarm. Nothing here repairs anything:
the log's entries and a backup do.
"""

from __future__ import annotations

import datetime as dt
from functools import partial
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Q

from audit.alarms import alarm_raise
from audit.models import Severity
from audit.tags import AuditTag
from core.documents.mandate import Mandate
from core.lifecycle import State
from oms.damage_custody import LOOKED_AT, STUMBLES, Damaged, custody_damaged, stumbling
from oms.models import TransactionRequest
from oms.workflow import intent_of
from policies.models import PolicyVersion, VersionStatus
from policies.selectors import policy_find, version_policy, version_signed

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["STUMBLES", "Damaged", "damage_alarm", "damage_find", "policies_damaged", "request_damage"]
_TEXTS = (
    "reference", "state", "sub_status", "asker", "desk", "wallet", "chain", "asset", "destination", "purpose",
    "policy_digest", "mandate_text", "mandate_digest", "intent_digest",
)  # fmt: skip
_TIMES = ("created_at", "expires_at", "moved_at")


def _check_row(pk: int) -> None:
    row = TransactionRequest.objects.get(pk=pk)
    for name in _TEXTS:
        if type(getattr(row, name)) is not str:
            msg = f"{name} is no text"
            raise TypeError(msg)
    for name in _TIMES:
        if not isinstance(getattr(row, name), dt.datetime):
            msg = f"{name} is no time"
            raise TypeError(msg)
    if type(row.amount) is not int or row.amount < 0:
        msg = "amount is no amount"
        raise ValueError(msg)
    State(row.state)
    mandate = Mandate.from_bytes(row.mandate_text.encode())
    intent = intent_of(mandate)
    header, asker = mandate.header, mandate.asker
    said = [mandate.digest, intent.digest, header.id, asker.id, mandate.policy, intent.wallet, intent.chain]
    shown = [
        row.mandate_digest,
        row.intent_digest,
        row.reference,
        row.asker,
        row.policy_digest,
        row.wallet,
        row.chain,
    ]
    if said != shown:
        msg = "its columns and its mandate contradict each other"
        raise ValueError(msg)
    policy_find(digest=row.policy_digest)


def request_damage(*, pk: int, read: Callable[[TransactionRequest], object] | None = None) -> Damaged | None:
    """Look at one request's row and at what it is made of; None if it can be read.

    Args:
        pk: Which.
        read: What else has to be readable, for instance all that its page shows.
    """
    why = stumbling(lambda: _check_row(pk))
    if not why and read is not None:
        why = stumbling(lambda: read(TransactionRequest.objects.get(pk=pk)))
    if not why:
        return None
    reference = TransactionRequest.objects.filter(pk=pk).values_list("reference", flat=True).first()
    name = reference if isinstance(reference, str) and reference.isalnum() else f"row {pk}"
    return Damaged(what="request", key=name[:32], why=why, request_id=pk)


def policies_damaged(*, digest: str = "") -> list[Damaged]:
    """Look at the policy in force, without which a page shows nothing, and at the one that a page is about."""
    wanted = Q(status=VersionStatus.ACTIVE.value) | Q(digest=digest)
    found = []
    for pk, number in PolicyVersion.objects.filter(wanted).values_list("pk", "number"):
        why = stumbling(partial(_policy_read, pk))
        if why:
            found.append(Damaged(what="policy", key=f"version {number}"[:32], why=why))
    return found


def _policy_read(pk: int) -> None:
    version = PolicyVersion.objects.get(pk=pk)
    version_policy(version=version)
    version_signed(version=version)


def damage_find(
    *, read: Callable[[TransactionRequest], object], reference: str = "", digest: str = ""
) -> list[Damaged]:
    """Look for the rows that a page stumbled over.

    Args:
        read: What a page about one request reads of it, and a list of each that waits.
        reference: The request that the page is about, if it is about one.
        digest: The policy that the page is about, if it is about one.

    Returns:
        What is damaged: policies in force first. Empty: the page failed over something else.
    """
    policies = policies_damaged(digest=digest)
    if policies:
        return policies
    rows = list(TransactionRequest.objects.order_by("-pk").values_list("pk", "reference", "state")[:LOOKED_AT])
    wanted = {pk for pk, name, state in rows if name == reference or state == State.PENDING.value}
    found = [request_damage(pk=pk, read=read if pk in wanted else None) for pk, _, _ in rows]
    return [one for one in found if one is not None] or custody_damaged()


def damage_alarm(*, found: list[Damaged]) -> None:
    """Raise an alarm for each damaged row, once."""
    for one in found:
        with transaction.atomic():
            alarm_raise(
                tag=AuditTag.ROW_DAMAGED,
                severity=Severity.CRITICAL,
                subject=f"{one.what} {one.key}",
                message=f"the stored {one.what} {one.key} cannot be read: {one.why}",
                actor="system:pages",
            )
