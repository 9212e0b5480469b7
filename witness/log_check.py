"""Checking one stretch of a log: each leaf from its entry, each link from its leaf, and what the tree needs of it."""

from __future__ import annotations

import dataclasses
import hmac
from typing import TYPE_CHECKING, Any

from core.auditlog import Break, Finding, chain_link, entry_bytes, entry_leaf, entry_mac
from core.merkle import Frontier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from witness.log_source import LogSource, Row

STRETCH = 1 << 14
"""Leaves in one stretch; a power of two, so that its root is a node of the tree."""
_TOLD = 2048
_HASH = 64
_TYPES = (int, str, str, int, int, str, str, str, str, str, str, str)
"""Of a row: index, leaf, link; then seq, time, actor, session, tag, subject, severity, payload, mac."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stretch:
    """What a stretch came to.

    `count` leaves hold from `first` on, and the last link is `chain`. `edges` are the tree's right edges within the
    stretch at the sizes that were asked for; `complete` is its own edge at its end. `broken` is its first bad leaf.
    """

    first: int
    count: int
    chain: bytes
    complete: tuple[bytes, ...]
    edges: dict[int, tuple[bytes, ...]]
    links: dict[int, bytes]
    latest: int
    broken: Break | None


def _bad(index: int, finding: Finding, detail: str) -> Break:
    return Break(index=index, finding=finding, detail=detail)


def _odd(row: Row, expected: int) -> Break | None:
    """Say what is wrong with a row before anything is computed from it."""
    index = row[0]
    if type(index) is not int or index != expected:
        detail = f"leaf {expected} is not there"
        return _bad(expected, Finding.MISSING, detail + (f", {index} follows" if type(index) is int else ""))
    if row[3] is None:
        return _bad(index, Finding.MISSING, "its entry is gone")
    if tuple(map(type, row)) != _TYPES:
        return _bad(index, Finding.MODIFIED, "it holds a value of another type than was written")
    return None


def _check(row: Row, expected: int, chain: bytes, key: bytes | None) -> tuple[bytes, bytes] | Break:
    """Return leaf and link of a row that holds, or what is wrong with it."""
    odd = _odd(row, expected)
    if odd is not None:
        return odd
    index, shown_leaf, shown_link, _, at_us, actor, session, tag, subject, severity, payload, mac = row
    try:
        raw = entry_bytes(
            at_us=at_us, actor=actor, session=session, tag=tag, subject=subject, severity=severity, payload=payload
        )
    except UnicodeEncodeError:
        return _bad(index, Finding.MODIFIED, "it holds half of a character")
    leaf = entry_leaf(raw)
    if leaf.hex() != shown_leaf:
        return _bad(index, Finding.MODIFIED, "its entry does not give its leaf")
    link = chain_link(chain, leaf)
    if link.hex() != shown_link:
        return _bad(index, Finding.REHASHED, "its link does not continue the one before it over this leaf")
    if key is not None and not hmac.compare_digest(entry_mac(key, raw), mac):
        return _bad(index, Finding.FORGED, "its code is not the application's")
    return leaf, link


def check_stretch(
    rows: Iterator[Row],
    *,
    first: int,
    chain: bytes,
    sizes: Sequence[int],
    key: bytes | None,
    tell: Callable[[int], None],
) -> Stretch:
    """Check leaves in order.

    Args:
        rows: The stored rows, from index `first` on.
        first: The stretch's first index; a multiple of its length.
        chain: The link before it, 32 bytes. Of a later stretch it is what is stored there: the stretch before it
            shows whether that is right.
        sizes: Sizes of the log for which the edge is wanted, ascending, all within the stretch.
        key: The application's key; None: its codes are not checked.
        tell: Called with how many more leaves are done.

    Returns:
        How far it holds.
    """
    frontier = Frontier()
    edges: dict[int, tuple[bytes, ...]] = {}
    links: dict[int, bytes] = {}
    wanted = iter(sizes)
    following = next(wanted, None)
    expected, latest, broken = first, 0, None
    for row in rows:
        found = _check(row, expected, chain, key)
        if isinstance(found, Break):
            broken = found
            break
        leaf, chain = found
        frontier.append(leaf)
        expected += 1
        latest = max(latest, row[4])
        if expected == following:
            edges[expected], links[expected] = frontier.complete, chain
            following = next(wanted, None)
        if not expected % _TOLD:
            tell(_TOLD)
    tell((expected - first) % _TOLD)
    return Stretch(
        first=first,
        count=expected - first,
        chain=chain,
        complete=frontier.complete,
        edges=edges,
        links=links,
        latest=latest,
        broken=broken,
    )


def stored_link(source: LogSource, index: int) -> bytes:
    """Return the link that is stored with a leaf; zeros where it cannot be one."""
    row: Any = next(iter(source.rows(index, 1)), None)
    link = row[2] if row is not None else None
    if not isinstance(link, str) or len(link) != _HASH:
        return bytes(_HASH // 2)
    try:
        return bytes.fromhex(link)
    except ValueError:
        return bytes(_HASH // 2)
