"""Checking Merkle-Patricia proofs against a root: a verifier only, it builds no trie.

Source: Ethereum yellow paper, appendix D (hex-prefix encoding, nodes, references by hash from 32 bytes on).
"""

from __future__ import annotations

import rlp

from core.errors import ChainProofError
from core.keccak import keccak256

EMPTY_ROOT = keccak256(rlp.encode(b""))
"""The root of a trie without entries."""
NODES_MOST = 66
"""A key has at most 64 nibbles; each node takes at least one but the last."""
NODE_MOST_BYTES = 4 * 1024 * 1024
HASH_BYTES = 32
_BRANCH, _PATH = 17, 2
_LEAF_FLAG, _ODD_FLAG = 2, 1
_RLP_LIST = 0xC0


def _node(raw: bytes) -> list[object]:
    if len(raw) > NODE_MOST_BYTES:
        raise ChainProofError("a node of the proof is too large")
    try:
        node = rlp.decode(raw, strict=True)
    except (rlp.exceptions.RLPException, ValueError, TypeError, RecursionError) as error:
        raise ChainProofError("a node of the proof is not RLP") from error
    if not isinstance(node, list) or len(node) not in (_BRANCH, _PATH):
        raise ChainProofError("a node of the proof has another shape than branch, extension or leaf")
    return node


def _nibbles(raw: bytes) -> list[int]:
    return [nibble for byte in raw for nibble in (byte >> 4, byte & 15)]


def _path(item: object) -> tuple[bool, list[int]]:
    """Decode a hex-prefix path: whether it ends in a leaf, and its nibbles."""
    if not isinstance(item, bytes) or not item:
        raise ChainProofError("a path of the proof is empty")
    flag, *rest = _nibbles(item)
    odd = bool(flag & _ODD_FLAG)
    if flag > (_LEAF_FLAG | _ODD_FLAG) or (not odd and rest[0] != 0):
        raise ChainProofError("a path of the proof is not hex-prefix encoded")
    return bool(flag & _LEAF_FLAG), rest if odd else rest[1:]


class _Walk:
    """The nodes of a proof, taken in order; a node that is not used, or missing, refutes it."""

    def __init__(self, nodes: tuple[bytes, ...]) -> None:
        self._nodes = nodes
        self._next = 0

    def follow(self, reference: object) -> list[object] | None:
        """Return the node that a reference names: by hash from the proof, or embedded; None for no child."""
        if reference == b"":
            return None
        if isinstance(reference, list):
            if len(rlp.encode(reference)) >= HASH_BYTES or len(reference) not in (_BRANCH, _PATH):
                raise ChainProofError("an embedded node of the proof has another shape than it may")
            return reference
        if not isinstance(reference, bytes) or len(reference) != HASH_BYTES:
            raise ChainProofError("a reference of the proof is no hash")
        if self._next >= len(self._nodes):
            raise ChainProofError("the proof ends before its key does")
        raw = self._nodes[self._next]
        self._next += 1
        if keccak256(raw) != reference:
            raise ChainProofError("a node of the proof is not the one that its parent names")
        return _node(raw)

    def finish(self) -> None:
        if self._next != len(self._nodes):
            raise ChainProofError("the proof holds nodes that lead nowhere")


def _value(item: object) -> bytes:
    if not isinstance(item, bytes) or not item:
        raise ChainProofError("a value of the proof is empty")
    return item


def _extension(node: list[object], path: list[int], rest: list[int]) -> tuple[object, list[int]]:
    """Follow an extension; the empty reference where the key leaves it."""
    if not path or node[1] == b"":
        raise ChainProofError("an extension of the proof leads nowhere")
    if rest[: len(path)] != path:
        return b"", []
    return node[1], rest[len(path) :]


def _search(walk: _Walk, root: bytes, rest: list[int]) -> bytes | None:
    """Walk down from the root along the key's nibbles."""
    reference: object = root
    while (node := walk.follow(reference)) is not None:
        if len(node) == _BRANCH:
            if not rest:
                return None if node[16] == b"" else _value(node[16])
            reference, rest = node[rest[0]], rest[1:]
            continue
        is_leaf, path = _path(node[0])
        if is_leaf:
            return _value(node[1]) if path == rest else None
        reference, rest = _extension(node, path, rest)
    return None


def proven_value(root: bytes, key: bytes, nodes: tuple[bytes, ...]) -> bytes | None:
    """Return what a trie holds under a key, as a proof shows it.

    Args:
        root: The trie's root hash, 32 bytes, from a block header that is believed for other reasons.
        key: The key as the trie has it: RLP of an index, or Keccak-256 of an address or a slot.
        nodes: The nodes from the root on, each as its RLP bytes; embedded nodes are not listed apart.

    Returns:
        The value's bytes; None if the proof shows that the trie holds nothing there.

    Raises:
        ChainProofError: If the nodes prove neither.
    """
    if len(root) != HASH_BYTES or len(nodes) > NODES_MOST:
        raise ChainProofError("a root of 32 bytes and a proof of at most 66 nodes are expected")
    if root == EMPTY_ROOT:
        # Nodes hand out either no node at all or the empty one, for a trie without entries.
        if nodes not in ((), (rlp.encode(b""),)):
            raise ChainProofError("the proof holds nodes of an empty trie")
        return None
    walk = _Walk(nodes)
    found = _search(walk, root, _nibbles(key))
    walk.finish()
    return found
