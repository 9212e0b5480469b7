"""Receipts: the proof that one entry is in the log, ready to be kept elsewhere."""

from __future__ import annotations

import dataclasses

from audit.errors import ProofMissingError, TreeBrokenError
from audit.models import AuditEntry, AuditLeaf
from audit.notes import best_note
from audit.selectors import proof_inclusion
from core.errors import MerkleError, ReceiptError
from core.receipt import Receipt, Recorded

_FIELDS = tuple(field.name for field in dataclasses.fields(Recorded))


def recorded_of(*, row: AuditEntry) -> Recorded:
    """Return what the leaf of a stored entry is made of.

    Raises:
        TreeBrokenError: The row holds what no entry can.
    """
    try:
        return Recorded(**{name: getattr(row, name) for name in _FIELDS})
    except ReceiptError as error:
        raise TreeBrokenError(f"entry {row.pk}: {error}") from error


def receipt_get(*, seq: int) -> Receipt:
    """Return the receipt of an entry. It was tried before it is given: one that does not hold helps nobody.

    Args:
        seq: The entry's number.

    Raises:
        ProofMissingError: There is no such entry, or it is in no signed checkpoint yet.
        TreeBrokenError: What is stored does not prove it: the log was tampered with.
    """
    row = AuditEntry.objects.filter(pk=seq).first()
    index = AuditLeaf.objects.filter(entry_id=seq).values_list("index", flat=True).first()
    if row is None or index is None:
        raise ProofMissingError("this entry has no place in the log yet: try again in a moment")
    signed = best_note(index=index)
    try:
        proof = proof_inclusion(seq=seq, size=signed.checkpoint.size)
    except (MerkleError, ValueError) as error:
        raise TreeBrokenError(f"entry {seq}: {error}") from error
    receipt = Receipt(recorded=recorded_of(row=row), index=index, path=proof.path, signed=signed)
    if not receipt.included():
        raise TreeBrokenError(f"entry {seq} is not what its leaf says")
    return receipt
