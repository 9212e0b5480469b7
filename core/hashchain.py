"""The arithmetic of the audit log's hash chain: what an entry hashes to, and what a broken chain looks like.

Each entry's hash covers its predecessor's, so no entry can change, vanish or move without every later one changing.
A chain alone does not show a log that was cut at its end or rewritten whole: that takes a head kept elsewhere.
"""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import TYPE_CHECKING

from core.canonical import canonical, parse, tagged_digest
from core.errors import EncodingError

if TYPE_CHECKING:
    from collections.abc import Iterable

ORIGIN = "0" * 64
"""What the first entry names as its predecessor's hash."""
_HASH_CHARACTERS = frozenset("0123456789abcdef")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """One stored entry. `at_us`: microseconds since 1970, UTC. `payload`: canonical JSON text."""

    seq: int
    at_us: int
    actor: str
    tag: str
    subject: str
    severity: str
    payload: str
    prev_hash: str
    hash: str


class Finding(StrEnum):
    """What a bad entry looks like."""

    MODIFIED = "modified"
    REHASHED = "modified and hashed again"
    MISSING = "missing"
    MISPLACED = "out of place"
    NOT_CANONICAL = "payload is not canonical"
    CUT = "cut off at the end"
    REWRITTEN = "rewritten"
    NO_HEAD = "head record does not match"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Break:
    """The first bad entry, and what it looks like."""

    seq: int
    finding: Finding
    detail: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verified:
    """How far a chain holds: `entries` of them, ending at `head`; `broken` names the first bad one."""

    entries: int
    head: str
    broken: Break | None


def entry_hash(
    *, seq: int, at_us: int, actor: str, tag: str, subject: str, severity: str, payload: str, prev_hash: str
) -> str:
    """Return the hash of an entry: its predecessor's 32 bytes and its own canonical bytes under one domain tag.

    Raises:
        EncodingError: If a field has no canonical form.
        ValueError: If `prev_hash` is not hex.
    """
    body = canonical(
        {
            "actor": actor,
            "at_us": at_us,
            "payload": payload,
            "seq": seq,
            "severity": severity,
            "subject": subject,
            "tag": tag,
        }
    )
    return tagged_digest("audit-entry", bytes.fromhex(prev_hash) + body)


def _own_hash(entry: Entry) -> str | None:
    if len(entry.prev_hash) != len(ORIGIN) or not set(entry.prev_hash) <= _HASH_CHARACTERS:
        return None
    try:
        return entry_hash(
            seq=entry.seq,
            at_us=entry.at_us,
            actor=entry.actor,
            tag=entry.tag,
            subject=entry.subject,
            severity=entry.severity,
            payload=entry.payload,
            prev_hash=entry.prev_hash,
        )
    except EncodingError:
        return None


def _is_canonical(payload: str) -> bool:
    try:
        return canonical(parse(payload.encode())).decode() == payload
    except (EncodingError, UnicodeEncodeError):
        return False


def _check_place(entry: Entry, expected_seq: int) -> Break | None:
    if entry.seq == expected_seq:
        return None
    if entry.seq > expected_seq:
        detail = f"entry {expected_seq} is not there, {entry.seq} follows"
        return Break(seq=expected_seq, finding=Finding.MISSING, detail=detail)
    return Break(seq=entry.seq, finding=Finding.MISPLACED, detail=f"comes where {expected_seq} should be")


def _check(entry: Entry, expected_seq: int, head: str) -> Break | None:
    misplaced = _check_place(entry, expected_seq)
    if misplaced is not None:
        return misplaced
    if _own_hash(entry) != entry.hash:
        return Break(seq=entry.seq, finding=Finding.MODIFIED, detail="its contents do not give its own hash")
    if entry.prev_hash != head:
        # This entry is consistent in itself, so it was hashed over a predecessor that has changed since.
        detail = f"entry {entry.seq} was written over another entry {entry.seq - 1}"
        if expected_seq == 1:
            detail = "the first entry names a predecessor"
        return Break(seq=max(1, entry.seq - 1), finding=Finding.REHASHED, detail=detail)
    if not _is_canonical(entry.payload):
        return Break(seq=entry.seq, finding=Finding.NOT_CANONICAL, detail="its payload has a second spelling")
    return None


def verify_chain(entries: Iterable[Entry], *, known: tuple[int, str] | None = None) -> Verified:
    """Re-verify a log from its stored entries alone.

    Args:
        entries: All entries in the order of `seq`.
        known: Sequence number and hash of an entry that was noted elsewhere; finds a log that was cut or rewritten.

    Returns:
        How far it holds, and the first bad entry.
    """
    count, head = 0, ORIGIN
    for entry in entries:
        broken = _check(entry, count + 1, head)
        if broken is None and known is not None and entry.seq == known[0] and entry.hash != known[1]:
            broken = Break(seq=entry.seq, finding=Finding.REWRITTEN, detail="its hash is not the one noted elsewhere")
        if broken is not None:
            return Verified(entries=count, head=head, broken=broken)
        count, head = count + 1, entry.hash
    if known is not None and known[0] > count:
        cut = Break(
            seq=count + 1,
            finding=Finding.CUT,
            detail=f"entry {known[0]} was noted elsewhere, {count} are here",
        )
        return Verified(entries=count, head=head, broken=cut)
    return Verified(entries=count, head=head, broken=None)
