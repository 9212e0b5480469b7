"""Writing the log. One function, one statement, in the caller's database transaction.

Writers do not wait for each other: an entry gets its place in the log afterwards, by `audit.sequencer`.
"""

from __future__ import annotations

import dataclasses
import re
import time
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections, transaction

from audit.alarm_rows import LOUD, AlarmRow, alarm_row_note, message_of
from audit.context import session_current
from audit.errors import EntryRefusedError, NotInTransactionError
from audit.models import AuditSignature, Severity
from core.auditlog import entry_bytes, entry_mac
from core.canonical import canonical
from core.checkpoint import parse_lines
from core.errors import CheckpointError, EncodingError

if TYPE_CHECKING:
    import datetime as dt

    from audit.tags import AuditTag

_TAG = re.compile(r"[a-z_]+:[a-z_]+:[a-z_]+")
# A line break would let one entry's bytes read like another's.
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_MOST = {"actor": 128, "session": 64, "tag": 96, "subject": 128}
INSERT_ENTRY = (
    "INSERT INTO audit_entry (at_us, actor, session, tag, subject, severity, payload, mac)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s) RETURNING seq"
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Written:
    """The number of an entry, and its time in microseconds."""

    seq: int
    at_us: int


def signature_store(*, size: int, line: str, now: dt.datetime) -> int:
    """Keep a signature under a checkpoint; idempotent for the same name.

    Args:
        size: The checkpoint's.
        line: What the log's signer or a witness answered.
        now: When it came.

    Returns:
        Whether it is new, as a count.

    Raises:
        EntryRefusedError: If it is no signature line. Whether it holds is for whoever reads it.
    """
    try:
        (signature,) = parse_lines(line)
    except (CheckpointError, ValueError) as error:
        msg = f"that is no signature under a checkpoint: {error}"
        raise EntryRefusedError(msg) from error
    values = {"line": signature.line(), "at_us": int(now.timestamp() * 1_000_000)}
    with transaction.atomic():
        made = AuditSignature.objects.get_or_create(checkpoint_id=size, name=signature.name, defaults=values)[1]
    return int(made)


def entry_append(
    *,
    actor: str,
    tag: AuditTag | str,
    subject: str,
    payload: dict[str, object],
    severity: Severity | str = Severity.INFO,
) -> int:
    """Append one entry in the caller's transaction, and return its number. From `alarm` on it opens an alarm.

    Args:
        actor: Who: a roster id, ``user:<name>``, or ``system:<part>``.
        tag: What happened, `source:subject:action`.
        subject: What it happened to: a digest or an id.
        payload: What else there is to know; canonical JSON, no floats, no secrets.
        severity: How loud it is.

    Raises:
        NotInTransactionError: Outside `transaction.atomic`.
        EntryRefusedError: If a field cannot be stored exactly.
    """
    written = entry_write(actor=actor, tag=tag, subject=subject, payload=payload, severity=severity)
    level = Severity(severity)
    if level in LOUD:
        alarm_row_note(
            row=AlarmRow(
                tag=str(tag),
                subject=subject,
                severity=level,
                message=message_of(payload),
                lasting=False,
                seq=written.seq,
                at_us=written.at_us,
            )
        )
    return written.seq


def entry_write(
    *,
    actor: str,
    tag: AuditTag | str,
    subject: str,
    payload: dict[str, object],
    severity: Severity | str,
) -> Written:
    """Append one entry and open no alarm: `audit.alarms` does that itself. Arguments and errors: `entry_append`."""
    connection = connections[DEFAULT_DB_ALIAS]
    if not connection.in_atomic_block:
        msg = f"{tag}: an audit entry belongs into the transaction of what it records"
        raise NotInTransactionError(msg)
    fields = {"actor": actor, "session": session_current(), "tag": str(tag), "subject": subject}
    odd = [name for name, value in fields.items() if len(value) > _MOST[name] or _CONTROL.search(value)]
    if odd or _TAG.fullmatch(fields["tag"]) is None or not actor:
        msg = f"{tag}: {', '.join(odd) or 'tag or actor'} cannot be stored"
        raise EntryRefusedError(msg)
    level = Severity(severity)
    try:
        text = canonical(payload).decode()
        at_us = time.time_ns() // 1000
        raw = entry_bytes(at_us=at_us, severity=level.value, payload=text, **fields)
    except (EncodingError, UnicodeEncodeError) as error:
        msg = f"{tag}: the entry has no canonical form: {error}"
        raise EntryRefusedError(msg) from error
    mac = entry_mac(settings.COUNTERSIGN_AUDIT_KEY, raw)
    row: list[int | str] = [at_us, actor, fields["session"], fields["tag"], subject, level.value, text, mac]
    with connection.cursor() as cursor:
        cursor.execute(INSERT_ENTRY, row)
        (seq,) = cursor.fetchone() or (0,)
    return Written(seq=int(seq), at_us=at_us)
