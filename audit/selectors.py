"""Reading the log."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from audit.errors import ProofMissingError, TreeBrokenError
from audit.models import AuditCheckpoint, AuditEntry, AuditLeaf, AuditPending, AuditTree, Severity
from audit.tiles import StoredTree
from core.auditlog import ORIGIN, Entry
from core.merkle import EMPTY_ROOT, consistency_proof, inclusion_proof, root_of

if TYPE_CHECKING:
    from django.db.models import QuerySet

_FIELDS = tuple(field.name for field in dataclasses.fields(Entry))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Head:
    """Where the log ends: how many entries have a place, the last link (hex), and how many still wait."""

    size: int
    chain: str
    waiting: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class InclusionProof:
    """Proof that an entry stands at `index` in the log of `size` leaves with this root (RFC 9162)."""

    entry: Entry
    index: int
    size: int
    root: bytes
    path: tuple[bytes, ...]


def entry_list_for_subject(*, subject: str) -> QuerySet[AuditEntry]:
    """Return what happened to one subject, oldest first."""
    return AuditEntry.objects.filter(subject=subject).order_by("seq")


def alarm_list(*, most: int = 20) -> list[AuditEntry]:
    """Return the newest alarms."""
    loud = [Severity.ALARM.value, Severity.CRITICAL.value]
    return list(AuditEntry.objects.filter(severity__in=loud).order_by("-seq")[:most])


def head_get() -> Head:
    """Return where the log ends."""
    tree = AuditTree.objects.first()
    waiting = AuditPending.objects.count()
    if tree is None:
        return Head(size=0, chain=ORIGIN.hex(), waiting=waiting)
    return Head(size=tree.size, chain=tree.chain, waiting=waiting)


def entry_of(*, row: AuditEntry) -> Entry:
    """Return a stored entry as `core` knows it."""
    return Entry(**{name: getattr(row, name) for name in _FIELDS})


def proof_inclusion(*, seq: int, size: int | None = None) -> InclusionProof:
    """Prove that an entry is in the log.

    Args:
        seq: The entry's number.
        size: In the log of so many leaves, for which there is a checkpoint; None: the newest one.

    Raises:
        ProofMissingError: It has no place there yet, or there is no such checkpoint.
        TreeBrokenError: A stored hash is missing.
    """
    leaf = AuditLeaf.objects.select_related("entry").filter(entry_id=seq).first()
    checkpoints = AuditCheckpoint.objects.filter(**({} if size is None else {"size": size}))
    checkpoint = checkpoints.order_by("-size").first()
    if leaf is None or checkpoint is None or leaf.index >= checkpoint.size:
        raise ProofMissingError(f"entry {seq} has no place in a checkpoint yet")
    return InclusionProof(
        entry=entry_of(row=leaf.entry),
        index=leaf.index,
        size=checkpoint.size,
        root=bytes.fromhex(checkpoint.root),
        path=tuple(inclusion_proof(leaf.index, checkpoint.size, StoredTree().node)),
    )


def proof_consistency(*, first: int, second: int) -> tuple[bytes, ...]:
    """Prove that the log of `first` leaves is the beginning of the log of `second`.

    Raises:
        MerkleError: `first` is larger.
        TreeBrokenError: A stored hash is missing, or there are not so many leaves.
    """
    return tuple(consistency_proof(first, second, StoredTree().node))


def root_at(*, size: int) -> bytes:
    """Return the root of the first `size` leaves, computed from the stored tree and not from a checkpoint's row.

    Raises:
        TreeBrokenError: A stored hash is missing, or there are not so many leaves.
    """
    if size == 0:
        return EMPTY_ROOT
    tree = AuditTree.objects.first()
    if tree is None or not 0 < size <= tree.size:
        raise TreeBrokenError(f"the log has no {size} leaves")
    return root_of(size, StoredTree().node)
