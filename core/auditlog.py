"""The arithmetic of the audit log: what an entry's leaf is, how leaves chain, and what a bad entry looks like.

An entry is written without a place. The log gives it one: a leaf index, a Merkle leaf (RFC 9162) and a link in a hash
chain. The chain finds what was changed or taken out in the middle; what was cut at the end or rewritten whole is
found by checkpoints that others keep.
"""

from __future__ import annotations

import dataclasses
import hmac
from enum import StrEnum
from hashlib import sha256

from core.errors import EncodingError
from core.merkle import leaf_hash

ORIGIN = b"\0" * 32
"""What the first link continues."""
_TAG = "countersign-audit-entry-v1"
_FIELDS = ("at_us", "actor", "session", "tag", "subject", "severity", "payload")
_CHAIN = b"countersign-audit-chain-v1\n"
_MAC = b"countersign-audit-mac-v1\n"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry as it is stored. `at_us`: microseconds since 1970, UTC. `payload`: canonical JSON (RFC 8785).

    `mac`: HMAC-SHA256 (RFC 2104) of its bytes with a key that is not in the database, lower-case hex.
    """

    seq: int
    at_us: int
    actor: str
    session: str
    tag: str
    subject: str
    severity: str
    payload: str
    mac: str


class Finding(StrEnum):
    """What a bad entry looks like."""

    MODIFIED = "modified"
    REHASHED = "modified and hashed again"
    MISSING = "missing"
    MISPLACED = "out of place"
    FORGED = "not written by the application"
    UNPLACED = "never given a place in the log"
    CUT = "cut off at the end"
    REWRITTEN = "rewritten"
    FORKED = "two logs under one name"
    NO_HEAD = "head record does not match"
    STATE = "a state that the log does not tell"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Break:
    """The first bad leaf (its index, from 0), and what it looks like."""

    index: int
    finding: Finding
    detail: str


def entry_bytes(
    *, at_us: int, actor: str, session: str, tag: str, subject: str, severity: str, payload: str
) -> bytes:
    """Return the bytes of an entry: one field a line.

    No field holds a line break (`audit.services` refuses them, and canonical JSON has none), so no two entries share
    their bytes.
    """
    return f"{_TAG}\n{at_us}\n{actor}\n{session}\n{tag}\n{subject}\n{severity}\n{payload}".encode()


def bytes_of(entry: Entry) -> bytes:
    """Return the bytes of a stored entry.

    Raises:
        UnicodeEncodeError: If a field holds half of a character.
    """
    return entry_bytes(
        at_us=entry.at_us,
        actor=entry.actor,
        session=entry.session,
        tag=entry.tag,
        subject=entry.subject,
        severity=entry.severity,
        payload=entry.payload,
    )


def fields_of(raw: bytes) -> dict[str, str]:
    """Read an entry's bytes back into their fields, as text.

    Raises:
        EncodingError: If they are not an entry's.
    """
    try:
        lines = raw.decode("utf-8", "strict").split("\n")
    except UnicodeDecodeError as error:
        raise EncodingError("an entry is not UTF-8 text") from error
    if len(lines) != len(_FIELDS) + 1 or lines[0] != _TAG:
        raise EncodingError("not the bytes of an entry")
    return dict(zip(_FIELDS, lines[1:], strict=True))


def entry_leaf(raw: bytes) -> bytes:
    """Return the Merkle leaf of an entry's bytes."""
    return leaf_hash(raw)


def entry_mac(key: bytes, raw: bytes) -> str:
    """Return the code that only the application can write: HMAC-SHA256 over an entry's bytes, hex."""
    return hmac.digest(key, _MAC + raw, "sha256").hex()


def chain_link(previous: bytes, leaf: bytes) -> bytes:
    """Return the link of a leaf: a hash over the link before it and the leaf."""
    return sha256(_CHAIN + previous + leaf).digest()
