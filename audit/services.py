"""Writing the log. One function, in the caller's database transaction."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from django.db import DEFAULT_DB_ALIAS, connections

from audit.errors import EntryRefusedError, HeadMissingError, NotInTransactionError
from audit.models import Severity
from core.canonical import canonical
from core.errors import EncodingError
from core.hashchain import ORIGIN, entry_hash

if TYPE_CHECKING:
    from django.db.backends.utils import CursorWrapper

    from audit.tags import AuditTag

_TAG = re.compile(r"[a-z_]+:[a-z_]+:[a-z_]+")
_HEAD = 1
_MOST = {"actor": 128, "tag": 96, "subject": 128}
_SELECT_HEAD = "SELECT seq, hash FROM audit_head WHERE id = %s"
_SELECT_HEAD_LOCKED = f"{_SELECT_HEAD} FOR UPDATE"
_INSERT = (
    "INSERT INTO audit_entry (seq, at_us, actor, tag, subject, severity, payload, prev_hash, hash)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
)


def _head_make(cursor: CursorWrapper) -> None:
    """Make the head record of a log that has no entry; a log with entries and no head is left as it is.

    Whether there are entries is asked in the same statement as the record is made, and the caller reads the record
    again afterwards: another writer's first entry may commit between any two statements, and then its head is there.
    """
    cursor.execute(
        "INSERT INTO audit_head (id, seq, hash) SELECT %s, 0, %s WHERE NOT EXISTS (SELECT 1 FROM audit_entry)"
        " ON CONFLICT (id) DO NOTHING",
        [_HEAD, ORIGIN],
    )


def _head_lock(cursor: CursorWrapper, *, postgresql: bool) -> tuple[int, str]:
    """Return where the chain ends, and keep every other writer out until this transaction commits."""
    # SQLite has one writer at a time (transaction_mode IMMEDIATE), so it needs no row lock.
    select = _SELECT_HEAD_LOCKED if postgresql else _SELECT_HEAD
    cursor.execute(select, [_HEAD])
    row = cursor.fetchone()
    if row is None:
        _head_make(cursor)
        cursor.execute(select, [_HEAD])
        row = cursor.fetchone()
    if row is None:
        msg = "the log's head record is gone: nothing is written to a log that was tampered with"
        raise HeadMissingError(msg)
    return int(row[0]), str(row[1])


def entry_append(
    *,
    actor: str,
    tag: AuditTag | str,
    subject: str,
    payload: dict[str, object],
    severity: Severity | str = Severity.INFO,
) -> int:
    """Append one entry in the caller's transaction, and return its number.

    Args:
        actor: Who: a roster id, ``user:<name>``, or ``system:<part>``.
        tag: What happened, `source:subject:action`.
        subject: What it happened to: a digest or an id.
        payload: What else there is to know; canonical JSON, no floats, no secrets.
        severity: Above `info` it is an alarm.

    Raises:
        NotInTransactionError: Outside `transaction.atomic`.
        EntryRefusedError: If a field cannot be stored exactly.
        HeadMissingError: If the log was tampered with.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    if not connection.in_atomic_block:
        msg = f"{tag}: an audit entry belongs into the transaction of what it records"
        raise NotInTransactionError(msg)
    fields = {"actor": actor, "tag": str(tag), "subject": subject}
    too_long = [name for name, value in fields.items() if len(value) > _MOST[name]]
    if too_long or _TAG.fullmatch(fields["tag"]) is None or not actor:
        msg = f"{tag}: {', '.join(too_long) or 'tag or actor'} cannot be stored"
        raise EntryRefusedError(msg)
    level = Severity(severity)
    try:
        text = canonical(payload).decode()
    except EncodingError as error:
        msg = f"{tag}: the payload has no canonical form: {error}"
        raise EntryRefusedError(msg) from error
    with connection.cursor() as cursor:
        last, prev_hash = _head_lock(cursor, postgresql=connection.vendor == "postgresql")
        seq, at_us = last + 1, time.time_ns() // 1000
        own = entry_hash(seq=seq, at_us=at_us, severity=level.value, payload=text, prev_hash=prev_hash, **fields)
        row: list[int | str] = [seq, at_us, actor, fields["tag"], subject, level.value, text, prev_hash, own]
        cursor.execute(_INSERT, row)
        cursor.execute("UPDATE audit_head SET seq = %s, hash = %s WHERE id = %s", [seq, own, _HEAD])
    return seq
