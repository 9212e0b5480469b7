"""Writing the log. One function, one statement, in the caller's database transaction.

Writers do not wait for each other: an entry gets its place in the log afterwards, by `audit.sequencer`.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections, transaction

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
    """
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
    return int(seq)
