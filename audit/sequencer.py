"""Giving entries their places: leaf, link, tiles and checkpoint in one transaction, by one sequencer at a time.

Entries wait in a queue that is written with them, so none is skipped: the order of insertion is not the order of
commits, and a cursor over numbers loses rows (measured). Whoever holds the tree's row is the sequencer; another one
finds it taken and does nothing. Killed at any step, the transaction is gone and the queue is as it was.
"""

from __future__ import annotations

import hmac
import time
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import connection, transaction

from audit.alarms import alarm_follow
from audit.errors import TreeBrokenError
from audit.models import AuditCheckpoint, AuditTile, AuditTree, Severity
from audit.services import entry_append
from audit.tags import AuditTag
from audit.tiles import completed
from core.auditlog import ORIGIN, chain_link, entry_bytes, entry_leaf, entry_mac
from core.merkle import Frontier

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

BATCH_MOST = 5_000
_TREE = 1
_ACTOR = "system:sequencer"
_BACK_US = 60 * 1_000_000
"""An entry that was written so much before another one that got its place earlier: longer than any transaction."""
_WAITING = (
    "SELECT e.seq, e.at_us, e.actor, e.session, e.tag, e.subject, e.severity, e.payload, e.mac"
    " FROM audit_pending p JOIN audit_entry e ON e.seq = p.entry_id ORDER BY p.entry_id LIMIT %s"
)
_INSERT_MANY = (
    'INSERT INTO audit_leaf ("index", entry_id, leaf, chain)'
    " SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[])"
)
_INSERT_ONE = 'INSERT INTO audit_leaf ("index", entry_id, leaf, chain) VALUES (%s, %s, %s, %s)'

_Row = tuple[int, int, str, str, str, str, str, str, str]


def tree_advance(*, most: int = BATCH_MOST) -> int:
    """Give waiting entries their places, in one transaction.

    Args:
        most: At most so many.

    Returns:
        How many got one; 0 also where another sequencer is at work.

    Raises:
        TreeBrokenError: The stored tree does not fit together: nothing gets a place until somebody has looked.
    """
    with transaction.atomic():
        tree = _tree_lock()
        if tree is None:
            return 0
        with connection.cursor() as cursor:
            cursor.execute(_WAITING, [most])
            rows: list[_Row] = cursor.fetchall()
        if not rows:
            return 0
        _place(tree, rows)
        return len(rows)


def _tree_lock() -> AuditTree | None:
    """Return the tree's row, locked; None if somebody else holds it."""
    held = AuditTree.objects.select_for_update(skip_locked=True).filter(pk=_TREE).first()
    if held is not None or AuditTree.objects.filter(pk=_TREE).exists():
        return held
    with connection.cursor() as cursor:
        # Only a log without leaves may lack the row; asked in the same statement, as another one may just make it.
        cursor.execute(
            "INSERT INTO audit_tree (id, size, chain, edge, at_us) SELECT %s, 0, %s, '', 0"
            " WHERE NOT EXISTS (SELECT 1 FROM audit_leaf) ON CONFLICT (id) DO NOTHING",
            [_TREE, ORIGIN.hex()],
        )
    held = AuditTree.objects.select_for_update(skip_locked=True).filter(pk=_TREE).first()
    if held is None and not AuditTree.objects.filter(pk=_TREE).exists():
        raise TreeBrokenError("there are leaves, but no tree: the log was tampered with")
    return held


def _place(tree: AuditTree, rows: Sequence[_Row]) -> None:
    frontier = Frontier(tree.size, [bytes.fromhex(line) for line in tree.edge.split()])
    first, chain = tree.size, bytes.fromhex(tree.chain)
    leaves, links = [], []
    for row in rows:
        leaf = entry_leaf(_bytes(row))
        chain = chain_link(chain, leaf)
        frontier.append(leaf)
        leaves.append(leaf)
        links.append(chain.hex())
    _leaves_store(first, rows, leaves, links)
    AuditTile.objects.bulk_create(completed(first, leaves))
    before = tree.at_us
    # The latest of this batch, not of all: a clock that went back is told once.
    tree.size, tree.chain, tree.at_us = frontier.size, chain.hex(), max(row[1] for row in rows)
    tree.edge = "\n".join(hashed.hex() for hashed in frontier.complete)
    tree.save(force_update=True)
    AuditCheckpoint.objects.create(
        size=frontier.size, root=frontier.root().hex(), chain=chain.hex(), at_us=time.time_ns() // 1000
    )
    _alarms(rows, before)


def _bytes(row: _Row) -> bytes:
    _, at_us, actor, session, tag, subject, severity, payload, _ = row
    return entry_bytes(
        at_us=at_us, actor=actor, session=session, tag=tag, subject=subject, severity=severity, payload=payload
    )


def _leaves_store(first: int, rows: Sequence[_Row], leaves: Sequence[bytes], links: Sequence[str]) -> None:
    places = range(first, first + len(rows))
    numbers = [row[0] for row in rows]
    shown = [leaf.hex() for leaf in leaves]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_INSERT_MANY, [list(places), numbers, shown, list(links)])
            cursor.execute("DELETE FROM audit_pending WHERE entry_id = ANY(%s)", [numbers])
            return
        cursor.executemany(_INSERT_ONE, list(zip(places, numbers, shown, links, strict=True)))
        cursor.executemany("DELETE FROM audit_pending WHERE entry_id = %s", [(number,) for number in numbers])


def _alarms(rows: Sequence[_Row], latest: int) -> None:
    """Raise what only the sequencer sees: an entry that the application did not write, and a clock that went back."""
    key = settings.COUNTERSIGN_AUDIT_KEY
    forged = [row[0] for row in rows if not hmac.compare_digest(entry_mac(key, _bytes(row)), row[8])]
    if forged:
        entry_append(
            actor=_ACTOR,
            tag=AuditTag.LOG_FORGED,
            subject=str(forged[0]),
            payload={"entries": len(forged), "first": forged[0]},
            severity=Severity.CRITICAL,
        )
    earliest = min(row[1] for row in rows)
    if earliest < latest - _BACK_US:
        entry_append(
            actor=_ACTOR,
            tag=AuditTag.LOG_CLOCK,
            subject="",
            payload={"before_us": str(latest), "after_us": str(earliest)},
            severity=Severity.ALARM,
        )


def sweep_once(*, now: dt.datetime) -> int:
    """Give everything that waits its place; called by the workers' sweep.

    Raises:
        TreeBrokenError: The stored tree does not fit together; there is an alarm now.
    """
    del now
    placed = 0
    try:
        while batch := tree_advance():
            placed += batch
            if batch < BATCH_MOST:
                break
    except TreeBrokenError as error:
        alarm_follow(
            holds=True,
            tag=AuditTag.LOG_TAMPERED,
            severity=Severity.CRITICAL,
            subject="tree",
            message=str(error),
            actor=_ACTOR,
        )
        raise
    return placed
