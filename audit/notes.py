"""Stored checkpoints as signed notes, and how far the log is signed and witnessed.

Nothing here is believed: lines under a checkpoint are checked by whoever reads them, with keys of their own.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from django.conf import settings

from audit.errors import ProofMissingError, TreeBrokenError
from audit.models import AuditCheckpoint, AuditSignature
from core.checkpoint import Checkpoint, parse_signed_checkpoint
from core.errors import CheckpointError

if TYPE_CHECKING:
    from core.checkpoint import SignedCheckpoint

_RECENT = 64


@dataclasses.dataclass(frozen=True, kw_only=True)
class Coverage:
    """How many leaves of the log somebody has put their name to.

    `signed`: by the log's own signer. `witnessed`: by each witness that is or was heard of.
    """

    signed: int
    witnessed: dict[str, int]

    def witnesses_of(self, index: int) -> int:
        """Return how many witnesses saw a checkpoint with this leaf in it."""
        return sum(size > index for size in self.witnessed.values())


def note_of(*, checkpoint: AuditCheckpoint) -> SignedCheckpoint:
    """Return a stored checkpoint with the lines under it.

    Raises:
        ProofMissingError: The log has not signed it.
        TreeBrokenError: What is stored is garbled.
    """
    lines = list(checkpoint.signatures.order_by("pk").values_list("name", "line"))
    if not lines:
        raise ProofMissingError("the log has not signed this checkpoint")
    try:
        # The log's own line is the first: witnesses sign what it signed.
        head = Checkpoint(origin=lines[0][0], size=checkpoint.size, root=bytes.fromhex(checkpoint.root))
        return parse_signed_checkpoint(head.note() + b"\n" + "".join(line for _, line in lines).encode())
    except (CheckpointError, ValueError) as error:
        raise TreeBrokenError(f"the stored checkpoint is garbled: {error}") from error


def _newest_by_name() -> dict[str, int]:
    """Return the newest size under which each name stands."""
    recent = AuditSignature.objects.order_by("-pk").values_list("name", "checkpoint_id")[:_RECENT]
    newest: dict[str, int] = {}
    for name, size in recent:
        newest[name] = max(size, newest.get(name, 0))
    for name in settings.COUNTERSIGN_WITNESSES:
        if name not in newest:
            # One that is away for long: its last word is further back.
            older = AuditSignature.objects.filter(name=name).order_by("-pk").values_list("checkpoint_id", flat=True)
            newest[name] = older.first() or 0
    return newest


def _origin() -> str:
    first = AuditSignature.objects.order_by("pk").values_list("name", flat=True).first()
    return first or ""


def coverage_get() -> Coverage:
    """Return how far the log is signed and witnessed, by what is stored."""
    newest = _newest_by_name()
    signed = newest.pop(_origin(), 0)
    return Coverage(signed=signed, witnessed=newest)


def best_note(*, index: int) -> SignedCheckpoint:
    """Return the checkpoint that most have put their name to among those with this leaf in them; of these the newest.

    Raises:
        ProofMissingError: None of them is signed yet.
        TreeBrokenError: What is stored is garbled.
    """
    sizes = {size for size in _newest_by_name().values() if size > index}
    checkpoints = AuditCheckpoint.objects.filter(size__in=sizes).prefetch_related("signatures")
    best = max(checkpoints, key=lambda one: (len(one.signatures.all()), one.size), default=None)
    if best is None:
        raise ProofMissingError("no signed checkpoint has this entry in it yet: try again in a moment")
    return note_of(checkpoint=best)
