"""Giving entries their places: in order of commits, once, by one sequencer at a time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction
from django.utils import timezone

from audit.errors import ProofMissingError, TreeBrokenError
from audit.models import AuditCheckpoint, AuditEntry, AuditLeaf, AuditPending, AuditTile, AuditTree
from audit.selectors import head_get, proof_consistency, proof_inclusion
from audit.sequencer import sweep_once, tree_advance
from audit.services import entry_append
from audit.tiles import StoredTree
from core.auditlog import bytes_of, entry_leaf
from core.merkle import Tree, verify_consistency, verify_inclusion
from tests.append_only import lifted
from tests.log import log_state


def write(count: int, *, subject: str = "") -> list[int]:
    with transaction.atomic():
        return [
            entry_append(actor="tess", tag="oms:request:asked", subject=subject, payload={"n": number})
            for number in range(count)
        ]


@pytest.mark.django_db
def test_places_are_dense_and_every_size_has_a_checkpoint() -> None:
    for count in (1, 2, 4):
        write(count)
        assert tree_advance() == count
    assert tree_advance() == 0
    assert list(AuditLeaf.objects.values_list("index", flat=True)) == list(range(7))
    assert list(AuditCheckpoint.objects.order_by("size").values_list("size", flat=True)) == [1, 3, 7]
    assert not AuditPending.objects.exists()
    assert (head_get().size, head_get().waiting) == (7, 0)


@pytest.mark.django_db
def test_a_batch_is_bounded_and_a_sweep_is_not() -> None:
    write(7)
    assert tree_advance(most=3) == 3
    assert head_get().waiting == 4
    assert sweep_once(now=timezone.now()) == 4


@pytest.mark.django_db
def test_tiles_and_proofs_over_many_leaves() -> None:
    # Odd batches across the borders of tiles of two levels.
    leaves: list[bytes] = []
    for count in (200, 300, 12, 1, 255, 700):
        write(count)
        while tree_advance(most=97):
            pass
    rows = AuditLeaf.objects.order_by("index")
    leaves = [bytes.fromhex(leaf) for leaf in rows.values_list("leaf", flat=True)]
    whole = Tree(leaves)
    assert AuditTile.objects.filter(level=0).count() == len(leaves) // 256
    stored = StoredTree()
    for level, index in ((0, 0), (0, 1467), (3, 100), (8, 4), (9, 1), (10, 0)):
        assert stored.node(level, index) == whole.node(level, index)
    head = AuditCheckpoint.objects.order_by("-size")[0]
    assert head.root == whole.root().hex()
    for row in rows.filter(index__in=(0, 255, 256, 511, 1023, 1467)):
        proof = proof_inclusion(seq=row.entry_id)
        leaf = entry_leaf(bytes_of(proof.entry))
        assert verify_inclusion(leaf, row.index, proof.size, proof.path, proof.root)
    for first in (1, 255, 256, 257, 1000):
        path = proof_consistency(first=first, second=head.size)
        assert verify_consistency(first, head.size, path, whole.root(first), whole.root())


@pytest.mark.django_db
def test_what_has_no_place_yet_has_no_proof() -> None:
    (seq,) = write(1)
    with pytest.raises(ProofMissingError):
        proof_inclusion(seq=seq)
    tree_advance()
    assert proof_inclusion(seq=seq).size == 1
    with pytest.raises(ProofMissingError):
        proof_inclusion(seq=seq, size=2)
    with pytest.raises(ProofMissingError):
        proof_inclusion(seq=seq + 1)


@pytest.mark.django_db(transaction=True)
def test_sequencers_beside_each_other_place_each_entry_once() -> None:
    stop = threading.Event()

    def sequence() -> int:
        placed = 0
        try:
            while not stop.is_set() or AuditPending.objects.exists():
                placed += tree_advance(most=5)
        finally:
            connection.close()
        return placed

    def writer() -> None:
        try:
            for _ in range(15):
                write(2)
        finally:
            connection.close()

    with ThreadPoolExecutor(7) as pool:
        sequencers = [pool.submit(sequence) for _ in range(3)]
        writers = [pool.submit(writer) for _ in range(4)]
        for done in writers:
            done.result()
        stop.set()
        assert sum(done.result() for done in sequencers) == 120
    assert (log_state().entries, log_state().broken) == (120, None)


@pytest.mark.django_db(transaction=True)
def test_an_entry_that_commits_late_is_not_skipped() -> None:
    if connection.vendor != "postgresql":
        # SQLite has one writer at a time: nothing commits out of order there.
        write(1)
        tree_advance()
        assert log_state().broken is None
        return
    early_written, may_commit = threading.Event(), threading.Event()

    def slow() -> None:
        try:
            with transaction.atomic():
                entry_append(actor="slow", tag="oms:request:asked", subject="", payload={})
                early_written.set()
                may_commit.wait(20)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(slow)
        early_written.wait(20)
        write(3)
        assert tree_advance() == 3
        may_commit.set()
        late.result()
    assert tree_advance() == 1
    places = list(AuditLeaf.objects.order_by("index").values_list("entry__actor", flat=True))
    assert places == ["tess", "tess", "tess", "slow"]
    assert log_state().broken is None


@pytest.mark.django_db
def test_a_forged_entry_raises_an_alarm_and_stays() -> None:
    write(1)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO audit_entry (at_us, actor, session, tag, subject, severity, payload, mac)"
            " VALUES (1, 'mallory', '', 'oms:request:asked', '', 'info', '{}', '00')"
        )
    log_state()
    alarm = AuditEntry.objects.get(tag="audit:log:forged")
    assert alarm.severity == "critical"
    assert AuditLeaf.objects.count() == 3


@pytest.mark.django_db
def test_a_clock_that_went_back_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    write(1)
    tree_advance()
    now = AuditEntry.objects.get().at_us * 1000
    monkeypatch.setattr("audit.services.time.time_ns", lambda: now - 3600 * 10**9)
    for _ in range(3):
        write(1)
        tree_advance()
    log_state()
    assert AuditEntry.objects.filter(tag="audit:log:clock", severity="alarm").count() == 1


@pytest.mark.django_db
def test_it_stops_over_a_tree_that_was_tampered_with() -> None:
    write(3)
    tree_advance()
    with lifted():
        AuditTree.objects.all().delete()
    write(1)
    with pytest.raises(TreeBrokenError, match="tampered"):
        tree_advance()
    assert AuditPending.objects.count() == 1
