"""The stored tree: complete stretches of 256 hashes, and the nodes that proofs and roots ask for.

Source: C2SP tlog-tiles, for the shape. What is not in a complete tile yet is read from the leaves themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from audit.errors import TreeBrokenError
from audit.models import AuditLeaf, AuditTile
from core.merkle import HASH_BYTES, Tree

if TYPE_CHECKING:
    from collections.abc import Sequence

TILE_BITS = 8
TILE_WIDTH = 1 << TILE_BITS


class StoredTree:
    """Reads nodes of the stored tree, each tile once."""

    def __init__(self) -> None:
        self._tiles: dict[tuple[int, int], list[bytes]] = {}
        self._roots: dict[tuple[int, int], bytes] = {}

    def node(self, level: int, index: int) -> bytes:
        """Return the hash of a complete subtree: ``2**level`` leaves.

        Raises:
            TreeBrokenError: If a hash that it needs is not stored.
        """
        tile_level, above = divmod(level, TILE_BITS)
        first = index << above
        return Tree(self._hashes(tile_level, first, 1 << above)).root()

    def _hashes(self, tile_level: int, first: int, count: int) -> Sequence[bytes]:
        """Return neighbouring hashes of one tile level; they lie in one tile."""
        number, place = divmod(first, TILE_WIDTH)
        tile = self._tile(tile_level, number)
        if tile is None and tile_level:
            return [self._root(tile_level - 1, first + offset) for offset in range(count)]
        if tile is None:
            return stored_leaves(first, count)
        return tile[place : place + count]

    def _root(self, tile_level: int, number: int) -> bytes:
        if (tile_level, number) not in self._roots:
            tile = self._tile(tile_level, number)
            if tile is None:
                raise TreeBrokenError(f"tile {number} of level {tile_level} is not stored")
            self._roots[(tile_level, number)] = Tree(tile).root()
        return self._roots[(tile_level, number)]

    def _tile(self, tile_level: int, number: int) -> list[bytes] | None:
        if (tile_level, number) not in self._tiles:
            stored = AuditTile.objects.filter(level=tile_level, index=number).values_list("hashes", flat=True).first()
            if stored is None:
                return None
            raw = bytes(stored)
            if len(raw) != TILE_WIDTH * HASH_BYTES:
                raise TreeBrokenError(f"tile {number} of level {tile_level} has the wrong length")
            self._tiles[(tile_level, number)] = split(raw)
        return self._tiles[(tile_level, number)]


def stored_leaves(first: int, count: int) -> list[bytes]:
    """Return neighbouring leaf hashes.

    Raises:
        TreeBrokenError: If one is not stored.
    """
    rows = AuditLeaf.objects.filter(index__gte=first, index__lt=first + count).order_by("index")
    leaves = [bytes.fromhex(leaf) for leaf in rows.values_list("leaf", flat=True)]
    if len(leaves) != count:
        raise TreeBrokenError(f"leaves {first} to {first + count - 1} are not all stored")
    return leaves


def split(raw: bytes) -> list[bytes]:
    """Return the hashes of a tile."""
    return [raw[start : start + HASH_BYTES] for start in range(0, len(raw), HASH_BYTES)]


def completed(size: int, leaves: Sequence[bytes]) -> list[AuditTile]:
    """Return the tiles that new leaves complete, the lower levels first.

    Args:
        size: How many leaves there were before.
        leaves: The new leaf hashes, stored already.
    """
    made: list[AuditTile] = []
    hashes, first, level = list(leaves), size, 0
    while hashes:
        roots = []
        for number in range(first // TILE_WIDTH, (first + len(hashes)) // TILE_WIDTH):
            tile = _whole(level, number, hashes, first)
            made.append(AuditTile(level=level, index=number, hashes=b"".join(tile)))
            roots.append(Tree(tile).root())
        hashes, first, level = roots, first // TILE_WIDTH, level + 1
    return made


def _whole(level: int, number: int, hashes: Sequence[bytes], first: int) -> list[bytes]:
    """Return all hashes of a tile: the new ones (from `first` on), and before them those that are stored."""
    start = number * TILE_WIDTH
    new = list(hashes[max(0, start - first) : start + TILE_WIDTH - first])
    missing = TILE_WIDTH - len(new)
    if not missing:
        return new
    if not level:
        return stored_leaves(start, missing) + new
    before = AuditTile.objects.filter(level=level - 1, index__gte=start, index__lt=start + missing).order_by("index")
    roots = [Tree(split(bytes(raw))).root() for raw in before.values_list("hashes", flat=True)]
    if len(roots) != missing:
        raise TreeBrokenError(f"tiles of level {level - 1} before {start + missing} are not all stored")
    return roots + new
