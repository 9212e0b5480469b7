"""The log as lines of JSON, for `countersign-fsck` on another machine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Protocol, cast

from django.conf import settings
from django.db import connection
from django.utils.module_loading import import_string

from audit.models import AuditCheckpoint, AuditTree
from core.auditlog import ORIGIN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    class States(Protocol):
        """Knows the states that the log tells the story of."""

        def __call__(self) -> Iterable[tuple[str, str]]:
            """Return intent digest and state of each."""


_CHUNK = 2000
_FIELDS = ("seq", "at_us", "actor", "session", "tag", "subject", "severity", "payload", "mac")
_ENTRY = ", ".join(f"e.{name}" for name in _FIELDS)
# A leaf whose entry is gone is written too: whoever checks has to see that.
_LEAVES = (
    f'SELECT l."index", l.leaf, l.chain, {_ENTRY} FROM audit_leaf l'  # noqa: S608 - names of our own columns
    ' LEFT JOIN audit_entry e ON e.seq = l.entry_id WHERE l."index" > %s ORDER BY l."index" LIMIT %s'
)
_WAITING = (
    f"SELECT {_ENTRY} FROM audit_pending p JOIN audit_entry e ON e.seq = p.entry_id"  # noqa: S608 - as above
    " ORDER BY p.entry_id"
)


def _line(value: dict[str, object]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n"


def _leaves() -> Iterator[str]:
    after = -1
    while True:
        with connection.cursor() as cursor:
            cursor.execute(_LEAVES, [after, _CHUNK])
            rows = cursor.fetchall()
        for index, leaf, chain, *entry in rows:
            yield _line(
                {
                    "kind": "leaf",
                    "index": index,
                    "leaf": leaf,
                    "chain": chain,
                    **dict(zip(_FIELDS, entry, strict=True)),
                }
            )
            after = index
        if len(rows) < _CHUNK:
            return


def _checkpoints() -> Iterator[str]:
    checkpoints = AuditCheckpoint.objects.prefetch_related("signatures").order_by("size")
    for checkpoint in checkpoints.iterator(chunk_size=_CHUNK):
        value: dict[str, object] = {"kind": "checkpoint", "size": checkpoint.size, "root": checkpoint.root}
        value |= {"chain": checkpoint.chain, "lines": [signature.line for signature in checkpoint.signatures.all()]}
        yield _line(value)


def export_lines() -> Iterator[str]:
    """Yield the whole log: leaves with their entries, entries that wait, checkpoints, and an end that says so.

    With them the states of requests, so that whoever checks can replay the log against them.

    Call it in a transaction that sees one state of the database (REPEATABLE READ on PostgreSQL), or its parts may
    speak of different sizes.
    """
    yield from _leaves()
    with connection.cursor() as cursor:
        cursor.execute(_WAITING)
        waiting = cursor.fetchall()
    for row in waiting:
        yield _line({"kind": "waiting", **dict(zip(_FIELDS, row, strict=True))})
    yield from _checkpoints()
    told = False
    for path in settings.COUNTERSIGN_EXPORT_STATES:
        told = True
        for intent, state in cast("States", import_string(path))():
            yield _line({"kind": "request", "intent": intent, "state": state})
    tree = AuditTree.objects.first()
    size, chain = (0, ORIGIN.hex()) if tree is None else (tree.size, tree.chain)
    yield _line({"kind": "end", "size": size, "chain": chain, "requests": told})
