from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymerkle import InmemoryTree
from pymerkle import verify_consistency as oracle_consistency
from pymerkle import verify_inclusion as oracle_inclusion

from core.errors import MerkleError
from core.merkle import (
    EMPTY_ROOT,
    Frontier,
    Tree,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from tests.soak import SOAK, bounded

SIZES = 300 if SOAK else 72
LEAVES = [leaf_hash(b"entry %d" % number) for number in range(SIZES)]
TREE = Tree(LEAVES)


def corruptions(proof: list[bytes]) -> list[list[bytes]]:
    """Return proofs that differ in one thing: a bit, one hash less, one more, two swapped."""
    made = [[*proof, leaf_hash(b"extra")]]
    if proof:
        flipped = bytes([proof[0][0] ^ 1]) + proof[0][1:]
        made += [[flipped, *proof[1:]], proof[:-1], proof[1:], [*proof[:-1], proof[-1][:31]]]
    if len(set(proof)) > 1:
        made.append(list(reversed(proof)))
    return [wrong for wrong in made if wrong != proof]


def test_the_example_of_the_standard() -> None:
    # RFC 9162, 2.1.5: seven leaves.
    a, b, c, d, e, f, j = (leaf_hash(x) for x in (b"0", b"1", b"2", b"3", b"4", b"5", b"6"))
    tree = Tree((a, b, c, d, e, f, j))
    g, h, i = node_hash(a, b), node_hash(c, d), node_hash(e, f)
    k, l_ = node_hash(g, h), node_hash(i, j)
    assert tree.root() == node_hash(k, l_)
    assert tree.inclusion(0) == [b, h, l_]
    assert tree.inclusion(3) == [c, g, l_]
    assert tree.inclusion(4) == [f, j, k]
    assert tree.inclusion(6) == [i, k]
    assert tree.consistency(3) == [c, d, g, l_]
    assert tree.consistency(4) == [l_]
    assert tree.consistency(6) == [i, j, k]


def test_every_inclusion_is_proven_and_nothing_else() -> None:
    for size in range(1, SIZES + 1):
        root = TREE.root(size)
        for index in range(size):
            proof = TREE.inclusion(index, size)
            assert verify_inclusion(LEAVES[index], index, size, proof, root)
            assert not verify_inclusion(LEAVES[index], index + 1, size, proof, root)
            assert not verify_inclusion(LEAVES[index - 1], index, size, proof, root) or size == 1
            for wrong in corruptions(proof):
                assert not verify_inclusion(LEAVES[index], index, size, wrong, root)


def test_every_prefix_is_proven_and_nothing_else() -> None:
    for second in range(1, SIZES + 1):
        new = TREE.root(second)
        for first in range(second + 1):
            old, proof = TREE.root(first), TREE.consistency(first, second)
            assert verify_consistency(first, second, proof, old, new)
            if 0 < first < second:
                assert not verify_consistency(first, second, proof, leaf_hash(b"x"), new)
                assert not verify_consistency(first, second, proof, old, leaf_hash(b"x"))
            for wrong in corruptions(proof):
                assert not verify_consistency(first, second, wrong, old, new)


def test_roots_and_proofs_are_those_of_another_implementation() -> None:
    oracle = InmemoryTree(algorithm="sha256")
    for number in range(SIZES):
        oracle.append_entry(b"entry %d" % number)
        assert oracle.get_root() == TREE.root(number + 1)
    for size in range(1, SIZES + 1, 7):
        for index in range(1, size + 1, 3):
            proof = oracle.prove_inclusion(index, size)
            oracle_inclusion(LEAVES[index - 1], TREE.root(size), proof)
            own = [bytes(h) for h in proof.path[1:]]
            assert sorted(own) == sorted(TREE.inclusion(index - 1, size))
            oracle_consistency(TREE.root(index), TREE.root(size), oracle.prove_consistency(index, size))


@given(st.lists(st.binary(max_size=40), max_size=200))
@bounded(60)
def test_an_edge_is_enough_to_go_on(contents: list[bytes]) -> None:
    whole, edge = Tree(), Frontier()
    nodes: dict[tuple[int, int], bytes] = {}
    for data in contents:
        whole.append(leaf_hash(data))
        for level, index, hashed in edge.append(leaf_hash(data)):
            assert nodes.setdefault((level, index), hashed) == hashed
        edge = Frontier(edge.size, edge.complete)
        assert edge.root() == whole.root()
    assert all(hashed == whole.node(*place) for place, hashed in nodes.items())
    assert root_of(len(contents), lambda level, index: nodes[(level, index)]) == whole.root()


def test_an_empty_log_has_a_root_and_no_leaf() -> None:
    assert Tree().root() == Frontier().root() == EMPTY_ROOT
    assert not verify_inclusion(LEAVES[0], 0, 0, [], EMPTY_ROOT)
    assert verify_consistency(0, 3, [], EMPTY_ROOT, TREE.root(3))
    assert not verify_consistency(0, 3, [], LEAVES[0], TREE.root(3))


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0), (0, SIZES + 1)])
def test_what_is_not_there_is_not_proven(index: int, size: int) -> None:
    with pytest.raises(MerkleError):
        TREE.inclusion(index, size)


@pytest.mark.parametrize(("first", "second"), [(-1, 3), (4, 3), (1, SIZES + 1)])
def test_a_log_continues_only_a_shorter_one(first: int, second: int) -> None:
    with pytest.raises(MerkleError):
        TREE.consistency(first, second)
    assert not verify_consistency(first, second, [], LEAVES[0], LEAVES[0])


@pytest.mark.parametrize(("size", "complete"), [(1, ()), (3, LEAVES[:1]), (-1, ()), (1, (b"short",))])
def test_an_edge_that_does_not_fit_is_refused(size: int, complete: tuple[bytes, ...]) -> None:
    with pytest.raises(MerkleError):
        Frontier(size, complete)


def test_a_node_that_is_not_complete_is_not_there() -> None:
    with pytest.raises(MerkleError):
        TREE.node(0, SIZES)
    with pytest.raises(MerkleError):
        TREE.node(-1, 0)
