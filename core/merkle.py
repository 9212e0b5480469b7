"""The audit log's Merkle tree: roots, inclusion proofs and consistency proofs.

Source: RFC 9162, section 2.1 (Certificate Transparency 2.0), with SHA-256. A tree of `n` leaves is kept as the hashes
of its complete subtrees; whoever stores them hands in `node(level, index)`, the hash of the leaves
``index * 2**level … (index + 1) * 2**level - 1``. What is incomplete on the right is derived from those.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from core.errors import MerkleError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    NodeAt = Callable[[int, int], bytes]

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()
"""The root of a log without leaves."""
_LEAF, _NODE = b"\x00", b"\x01"


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf; the prefix keeps leaves and nodes apart (RFC 9162, 2.1.1)."""
    return sha256(_LEAF + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node over its two children."""
    return sha256(_NODE + left + right).digest()


def _complete(size: int) -> list[tuple[int, int]]:
    """Return level and index of the complete subtrees that `size` leaves consist of, the right one first."""
    return [(level, (size >> level) - 1) for level in range(size.bit_length()) if size >> level & 1]


def root_of(size: int, node: NodeAt) -> bytes:
    """Return the root of the first `size` leaves."""
    if size == 0:
        return EMPTY_ROOT
    places = _complete(size)
    root = node(*places[0])
    for place in places[1:]:
        root = node_hash(node(*place), root)
    return root


def edge_of(size: int, node: NodeAt) -> tuple[bytes, ...]:
    """Return what `Frontier` goes on from: the complete subtrees of the first `size` leaves, the largest first."""
    return tuple(node(*place) for place in reversed(_complete(size)))


def _edges(size: int, node: NodeAt) -> list[bytes | None]:
    """Return for each level the hash of the incomplete subtree at the right edge, None where there is none."""
    edges: list[bytes | None] = [None]
    edge: bytes | None = None
    for level in range(size.bit_length()):
        if size >> level & 1:
            last = node(level, (size >> level) - 1)
            edge = last if edge is None else node_hash(last, edge)
        edges.append(edge)
    return edges


def _climb(level: int, index: int, size: int, node: NodeAt) -> list[bytes]:
    """Return the siblings on the way from a complete node to the root of the first `size` leaves."""
    edges = _edges(size, node)
    proof = []
    while size >> level:
        complete, sibling = size >> level, index ^ 1
        if sibling < complete:
            proof.append(node(level, sibling))
        elif sibling == complete:
            edge = edges[level]
            if edge is not None:
                proof.append(edge)
        index, level = index >> 1, level + 1
    return proof


def inclusion_proof(index: int, size: int, node: NodeAt) -> list[bytes]:
    """Prove that leaf `index` (from 0) is among the first `size` leaves (RFC 9162, 2.1.3.1).

    Raises:
        MerkleError: If it is not.
    """
    if not 0 <= index < size:
        raise MerkleError(f"leaf {index} is not among the first {size}")
    return _climb(0, index, size, node)


def consistency_proof(first: int, second: int, node: NodeAt) -> list[bytes]:
    """Prove that the first `first` leaves are a prefix of the first `second` (RFC 9162, 2.1.4.1).

    Nothing has to be proven from an empty log, or from a log to itself: the proof is empty.

    Raises:
        MerkleError: If `first` is negative or exceeds `second`.
    """
    if not 0 <= first <= second:
        raise MerkleError(f"a log of {second} leaves does not continue one of {first}")
    if first in (0, second):
        return []
    level, index = 0, first - 1
    while index & 1:
        level, index = level + 1, index >> 1
    # A first tree that is one complete subtree is known to whoever checks; any other needs its last one.
    start = [node(level, index)] if index else []
    return start + _climb(level, index, second, node)


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether a leaf's hash stands at `index` in a log of `size` leaves with this root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size or not _well_formed(leaf, root, proof):
        return False
    place, last, hashed = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if place & 1 or place == last:
            hashed = node_hash(sibling, hashed)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            hashed = node_hash(hashed, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and hashed == root


def verify_consistency(first: int, second: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> bool:
    """Whether a log of `second` leaves continues one of `first` leaves (RFC 9162, 2.1.4.2)."""
    if not 0 <= first <= second or not _well_formed(old_root, new_root, proof):
        return False
    if first == second:
        return not proof and old_root == new_root
    if first == 0:
        return not proof and old_root == EMPTY_ROOT
    path = [old_root, *proof] if first & (first - 1) == 0 else list(proof)
    if not path:
        return False
    place, last = first - 1, second - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and old == old_root and new == new_root


def _well_formed(one: bytes, other: bytes, proof: Sequence[bytes]) -> bool:
    return all(len(hashed) == HASH_BYTES for hashed in (one, other, *proof))


class Tree:
    """A whole tree in memory, for whoever reads a log from its first entry on."""

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        """Start with these leaf hashes."""
        self._levels: list[list[bytes]] = [[]]
        for leaf in leaves:
            self.append(leaf)

    @property
    def size(self) -> int:
        """How many leaves there are."""
        return len(self._levels[0])

    def append(self, leaf: bytes) -> None:
        """Add a leaf's hash at the right."""
        hashed, level = leaf, 0
        self._levels[0].append(hashed)
        while not len(self._levels[level]) & 1:
            hashed = node_hash(self._levels[level][-2], hashed)
            level += 1
            if level == len(self._levels):
                self._levels.append([])
            self._levels[level].append(hashed)

    def node(self, level: int, index: int) -> bytes:
        """Return the hash of a complete subtree.

        Raises:
            MerkleError: If the tree has no such subtree.
        """
        if not (0 <= level < len(self._levels) and 0 <= index < len(self._levels[level])):
            raise MerkleError(f"no complete subtree {index} at level {level}")
        return self._levels[level][index]

    def root(self, size: int | None = None) -> bytes:
        """Return the root of the first `size` leaves (None: of all)."""
        return root_of(self.size if size is None else size, self.node)

    def inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        """Prove that a leaf is among the first `size` (None: all)."""
        return inclusion_proof(index, self._within(size), self.node)

    def consistency(self, first: int, second: int | None = None) -> list[bytes]:
        """Prove that the first `first` leaves are a prefix of the first `second` (None: of all)."""
        return consistency_proof(first, self._within(second), self.node)

    def _within(self, size: int | None) -> int:
        if size is not None and not 0 <= size <= self.size:
            raise MerkleError(f"the tree has {self.size} leaves, not {size}")
        return self.size if size is None else size


class Frontier:
    """The right edge of a tree: enough to append and to know the root, O(log n) hashes."""

    def __init__(self, size: int = 0, complete: Sequence[bytes] = ()) -> None:
        """Go on from a stored edge.

        Args:
            size: How many leaves came before.
            complete: The hashes of the complete subtrees that they consist of, the left one (the largest) first.

        Raises:
            MerkleError: If they do not fit together.
        """
        if size < 0 or len(complete) != size.bit_count() or any(len(h) != HASH_BYTES for h in complete):
            raise MerkleError(f"{len(complete)} subtrees cannot make {size} leaves")
        self.size = size
        self._complete = list(complete)

    @property
    def complete(self) -> tuple[bytes, ...]:
        """What has to be stored to go on from here."""
        return tuple(self._complete)

    def append(self, leaf: bytes) -> list[tuple[int, int, bytes]]:
        """Add a leaf's hash.

        Returns:
            The subtrees that this leaf completed: level, index and hash, the leaf itself first.
        """
        made = [(0, self.size, leaf)]
        hashed, level, index = leaf, 0, self.size
        while index & 1:
            hashed = node_hash(self._complete.pop(), hashed)
            level, index = level + 1, index >> 1
            made.append((level, index, hashed))
        self._complete.append(hashed)
        self.size += 1
        return made

    def root(self) -> bytes:
        """Return the root of all leaves so far."""
        if not self._complete:
            return EMPTY_ROOT
        root = self._complete[-1]
        for left in reversed(self._complete[:-1]):
            root = node_hash(left, root)
        return root
