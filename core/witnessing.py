"""What a witness (and the log's own signer) accepts next: only what continues all that it has seen.

Source: C2SP `tlog-witness` (add-checkpoint, its status codes) over RFC 9162 consistency proofs. Pure: whoever uses it
stores the new state durably before any signature leaves, in one step with having read the old one.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import re
from typing import TYPE_CHECKING

from core.checkpoint import parse_signed_checkpoint
from core.errors import CheckpointError, WitnessError
from core.merkle import EMPTY_ROOT, HASH_BYTES, verify_consistency

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.checkpoint import Checkpoint, SignedCheckpoint

_MOST_BYTES = 64 * 1024
_MOST_HASHES = 63
_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})")
BAD_REQUEST, FORBIDDEN, UNKNOWN_LOG, CONFLICT, UNPROVEN = 400, 403, 404, 409, 422


@dataclasses.dataclass(frozen=True, kw_only=True)
class Seen:
    """The largest log that was signed: how many leaves, and their root."""

    size: int
    root: bytes


NOTHING = Seen(size=0, root=EMPTY_ROOT)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Addition:
    """What a log asks a witness: its checkpoint, and the proof that it continues the log of `old` leaves."""

    old: int
    proof: tuple[bytes, ...]
    signed: SignedCheckpoint

    def to_bytes(self) -> bytes:
        """Return the body of an add-checkpoint request."""
        lines = [f"old {self.old}", *(base64.b64encode(hashed).decode() for hashed in self.proof)]
        return "\n".join(lines).encode() + b"\n\n" + self.signed.to_bytes()


def parse_addition(raw: bytes) -> Addition:
    """Read the body of an add-checkpoint request.

    Raises:
        WitnessError: 400, if it is malformed.
    """
    if len(raw) > _MOST_BYTES:
        raise WitnessError(BAD_REQUEST, "the request is too large")
    head, found, note = raw.partition(b"\n\n")
    lines = head.decode("ascii", "replace").split("\n")
    old = _OLD.fullmatch(lines[0])
    if not found or old is None or len(lines) > _MOST_HASHES + 1:
        raise WitnessError(BAD_REQUEST, "old size, proof, empty line and checkpoint expected")
    try:
        signed = parse_signed_checkpoint(note)
        proof = tuple(_hash(line) for line in lines[1:])
    except CheckpointError as error:
        raise WitnessError(BAD_REQUEST, str(error)) from error
    return Addition(old=int(old[1]), proof=proof, signed=signed)


def _hash(line: str) -> bytes:
    try:
        hashed = base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError) as error:
        raise CheckpointError("a line of the proof is not base64") from error
    if len(hashed) != HASH_BYTES or base64.b64encode(hashed).decode() != line:
        raise CheckpointError("a line of the proof is no hash")
    return hashed


def advance(seen: Seen, old: int, checkpoint: Checkpoint, proof: Sequence[bytes]) -> Seen:
    """Accept a checkpoint that continues what was seen.

    Args:
        seen: The largest log that was signed.
        old: The size that the asker believes was seen last.
        checkpoint: What is to be signed.
        proof: That the log of `old` leaves is its beginning.

    Returns:
        What was seen from now on. To be stored before anything is signed.

    Raises:
        WitnessError: 400 if the checkpoint is smaller than `old`; 409 if `old` is not what was seen, or this size was
            signed with another root; 422 if the proof does not hold.
    """
    if checkpoint.size < old:
        raise WitnessError(BAD_REQUEST, "the checkpoint is smaller than the old size")
    if old != seen.size:
        raise WitnessError(CONFLICT, str(seen.size))
    if checkpoint.size == seen.size and checkpoint.root != seen.root:
        raise WitnessError(CONFLICT, str(seen.size))
    if not verify_consistency(old, checkpoint.size, proof, seen.root, checkpoint.root):
        raise WitnessError(UNPROVEN, "the proof does not show that the log continues")
    return Seen(size=checkpoint.size, root=checkpoint.root)
