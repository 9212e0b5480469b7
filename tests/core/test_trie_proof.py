"""The proof verifier against a trie library: what the library builds we believe, and nothing next to it."""

from __future__ import annotations

import pytest
import rlp
from hypothesis import given, settings
from hypothesis import strategies as st
from trie.hexary import HexaryTrie

from core.errors import ChainProofError
from core.keccak import keccak256
from core.trie_proof import EMPTY_ROOT, proven_value

KEYS = st.one_of(st.binary(min_size=1, max_size=4), st.binary(min_size=32, max_size=32))
VALUES = st.one_of(st.binary(min_size=1, max_size=8), st.binary(min_size=33, max_size=90))
ENTRIES = st.dictionaries(KEYS, VALUES, max_size=40)


def built(entries: dict[bytes, bytes]) -> HexaryTrie:
    trie = HexaryTrie({})
    for key, value in entries.items():
        trie[key] = value
    return trie


def proof_of(trie: HexaryTrie, key: bytes) -> tuple[bytes, ...]:
    """Return the proof as nodes hand it out: embedded nodes are inside their parents only."""
    encoded = [bytes(rlp.encode(node)) for node in trie.get_proof(key)]  # type: ignore[no-untyped-call]  # untyped there
    return tuple(raw for place, raw in enumerate(encoded) if place == 0 or len(raw) >= 32)


@settings(max_examples=150)
@given(entries=ENTRIES, others=st.lists(KEYS, max_size=8))
def test_present_and_absent_keys_are_proven(entries: dict[bytes, bytes], others: list[bytes]) -> None:
    trie = built(entries)
    for key in [*entries, *others]:
        assert proven_value(trie.root_hash, key, proof_of(trie, key)) == entries.get(key)


@settings(max_examples=150)
@given(entries=ENTRIES.filter(bool), data=st.data())
def test_no_changed_byte_and_no_other_set_of_nodes_proves_anything_else(
    entries: dict[bytes, bytes], data: st.DataObject
) -> None:
    trie = built(entries)
    key = data.draw(st.sampled_from(sorted(entries)))
    proof = list(proof_of(trie, key))
    place = data.draw(st.integers(0, len(proof) - 1))
    change = data.draw(st.sampled_from(["byte", "drop", "double", "append", "cut"]))
    if change == "byte":
        node = bytearray(proof[place])
        node[data.draw(st.integers(0, len(node) - 1))] ^= data.draw(st.integers(1, 255))
        proof[place] = bytes(node)
    elif change == "drop":
        del proof[place]
    elif change == "double":
        proof.insert(place, proof[place])
    elif change == "append":
        proof.append(proof[place])
    else:
        proof[place] = proof[place][:-1]
    with pytest.raises(ChainProofError):
        proven_value(trie.root_hash, key, tuple(proof))


@settings(max_examples=100)
@given(entries=ENTRIES.filter(lambda entries: len(entries) > 1), data=st.data())
def test_a_proof_of_one_key_proves_no_other(entries: dict[bytes, bytes], data: st.DataObject) -> None:
    trie = built(entries)
    key, other = data.draw(st.permutations(sorted(entries)).map(lambda keys: keys[:2]))
    try:
        found = proven_value(trie.root_hash, other, proof_of(trie, key))
    except ChainProofError:
        return
    assert found == entries[other]  # both in one node


def test_the_empty_trie_holds_nothing() -> None:
    assert HexaryTrie({}).root_hash == EMPTY_ROOT
    assert proven_value(EMPTY_ROOT, b"key", ()) is None
    assert proven_value(EMPTY_ROOT, b"key", (b"\x80",)) is None
    with pytest.raises(ChainProofError):
        proven_value(EMPTY_ROOT, b"key", (b"\x80", b"\x80"))


LEAF = bytes(rlp.encode([b"\x20" + b"k", b"value"]))


@pytest.mark.parametrize(
    "node",
    [
        b"",
        b"\xff" * 40,
        b"plain",
        bytes(rlp.encode([])),
        bytes(rlp.encode([b"1", b"2", b"3"])),
        bytes(rlp.encode([b"", b"value"])),
        bytes(rlp.encode([b"\x40k", b"value"])),
        bytes(rlp.encode([b"\x21", b""])),
        bytes(rlp.encode([b"\x2fk", b"value"])),
        bytes(rlp.encode([b"\x20k", [b"nested"]])),
        bytes(rlp.encode([b"\x00", b"\x11" * 32])),
        bytes(rlp.encode([b"\x00\x6b", b""])),
        bytes(rlp.encode([[b""] * 16] * 17)),
        bytes(rlp.encode([[b"\x11" * 32] + [b""] * 16] * 17)),
        LEAF + b"\x00",
        b"\xc0" * 5000,
    ],
)
def test_odd_nodes_are_refused_even_where_they_hash_right(node: bytes) -> None:
    with pytest.raises(ChainProofError):
        proven_value(keccak256(node), b"k", (node,))


def test_a_leaf_is_read() -> None:
    assert proven_value(keccak256(LEAF), b"k", (LEAF,)) == b"value"
    assert proven_value(keccak256(LEAF), b"j", (LEAF,)) is None


@pytest.mark.parametrize(("root", "nodes"), [(b"", ()), (b"\x11" * 32, ()), (keccak256(LEAF), (LEAF,) * 67)])
def test_no_proof_is_no_proof(root: bytes, nodes: tuple[bytes, ...]) -> None:
    with pytest.raises(ChainProofError):
        proven_value(root, b"k", nodes)
