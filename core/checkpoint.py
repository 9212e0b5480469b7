"""Checkpoints of the audit log as signed notes, and the cosignatures of witnesses under them.

Source: C2SP `tlog-checkpoint`, `signed-note` and `tlog-cosignature` (cosignature/v1), Ed25519 by RFC 8032. Only the
one spelling that we write is read: no extension lines, no unknown order of lines, nothing after the last signature.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import re
from hashlib import sha256
from typing import TYPE_CHECKING

from core.ed25519 import is_signed
from core.errors import CheckpointError
from core.merkle import HASH_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_LOG_TYPE, _WITNESS_TYPE = b"\x01", b"\x04"
_KEY_ID_BYTES, _TIME_BYTES, _SIGNATURE_BYTES = 4, 8, 64
_MOST_BYTES = 64 * 1024
_MOST_LINES = 128
_NAME = re.compile(r"[a-z0-9][a-z0-9./:_-]{0,200}")
_SIGNATURE_LINE = re.compile(r"— ([^ ]+) ([A-Za-z0-9+/]+={0,2})")
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A log at one size. `origin` names the log, `root` is its Merkle root (32 bytes)."""

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        """Refuse what has no note.

        Raises:
            CheckpointError: If a field cannot be written.
        """
        if _NAME.fullmatch(self.origin) is None:
            raise CheckpointError("a log's name is lower-case letters, digits and ./:_-")
        if _SIZE.fullmatch(str(self.size)) is None or len(self.root) != HASH_BYTES:
            raise CheckpointError("a checkpoint has a size and a root of 32 bytes")

    def note(self) -> bytes:
        """Return the text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n".encode()


@dataclasses.dataclass(frozen=True, kw_only=True)
class NoteSignature:
    """One line under a note: whose key, and its bytes (for a witness: time and signature)."""

    name: str
    key_id: bytes
    signature: bytes

    def line(self) -> str:
        """Return the line."""
        return f"— {self.name} {base64.b64encode(self.key_id + self.signature).decode()}\n"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cosignature:
    """What a witness says: it saw this checkpoint continue all that it saw before, at `time` (Unix seconds)."""

    witness: str
    time: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class SignedCheckpoint:
    """A checkpoint with the lines under it, in the order written."""

    checkpoint: Checkpoint
    signatures: tuple[NoteSignature, ...]

    def to_bytes(self) -> bytes:
        """Return the signed note."""
        return self.checkpoint.note() + b"\n" + "".join(line.line() for line in self.signatures).encode()

    def with_signatures(self, more: Iterable[NoteSignature]) -> SignedCheckpoint:
        """Return the same note with further lines; one that is there is not repeated."""
        known = {(line.name, line.key_id) for line in self.signatures}
        added = tuple(line for line in more if (line.name, line.key_id) not in known)
        return dataclasses.replace(self, signatures=self.signatures + added)


def log_origin(deployment: str) -> str:
    """Return the name of a deployment's log, as it stands in every checkpoint."""
    return f"countersign/{deployment}/log"


def _key_id(name: str, kind: bytes, public_key: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + kind + public_key).digest()[:_KEY_ID_BYTES]


def _decoded(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise CheckpointError("a checkpoint holds text that is not base64") from error
    if base64.b64encode(raw).decode() != text:
        raise CheckpointError("a checkpoint holds base64 in another spelling")
    return raw


def parse_signed_checkpoint(raw: bytes) -> SignedCheckpoint:
    """Read a signed note, strictly. No signature is checked here.

    Raises:
        CheckpointError: If it is not exactly what `SignedCheckpoint.to_bytes` writes.
    """
    if len(raw) > _MOST_BYTES:
        raise CheckpointError("a checkpoint is larger than any that we write")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CheckpointError("a checkpoint is not UTF-8 text") from error
    note, found, lines = text.partition("\n\n")
    fields = note.split("\n")
    if not found or len(fields) != 3 or _SIZE.fullmatch(fields[1]) is None:  # noqa: PLR2004 - origin, size, root
        raise CheckpointError("a checkpoint has three lines: origin, size and root")
    checkpoint = Checkpoint(origin=fields[0], size=int(fields[1]), root=_decoded(fields[2]))
    signatures = parse_lines(lines)
    signed = SignedCheckpoint(checkpoint=checkpoint, signatures=signatures)
    if signed.to_bytes() != raw:
        raise CheckpointError("a checkpoint is spelt in another way than we write it")
    return signed


def parse_lines(lines: str) -> tuple[NoteSignature, ...]:
    """Read the lines under a note; at least one.

    Raises:
        CheckpointError: If one is no signature.
    """
    signatures = tuple(_signature_of(line) for line in lines.splitlines())
    if not 1 <= len(signatures) <= _MOST_LINES:
        raise CheckpointError("a signed checkpoint has at least one signature")
    return signatures


def _signature_of(line: str) -> NoteSignature:
    match = _SIGNATURE_LINE.fullmatch(line)
    if match is None or _NAME.fullmatch(match[1]) is None:
        raise CheckpointError("a line under the checkpoint is no signature")
    raw = _decoded(match[2])
    if len(raw) <= _KEY_ID_BYTES:
        raise CheckpointError("a line under the checkpoint is no signature")
    return NoteSignature(name=match[1], key_id=raw[:_KEY_ID_BYTES], signature=raw[_KEY_ID_BYTES:])


def log_signature(checkpoint: Checkpoint, public_key: bytes, signature: bytes) -> NoteSignature:
    """Return the log's own line under its checkpoint, for a signature over `Checkpoint.note`.

    Args:
        checkpoint: What was signed; the log's name is its origin.
        public_key: The log's Ed25519 key, 32 bytes.
        signature: 64 bytes.

    Raises:
        CheckpointError: If the signature is not that key's over this note.
    """
    if not is_signed(public_key, signature, checkpoint.note()):
        raise CheckpointError("the log's signature does not hold")
    key_id = _key_id(checkpoint.origin, _LOG_TYPE, public_key)
    return NoteSignature(name=checkpoint.origin, key_id=key_id, signature=signature)


def cosignature_message(checkpoint: Checkpoint, time: int) -> bytes:
    """Return what a witness signs: the checkpoint's note under the time at which it saw it (Unix seconds).

    Raises:
        CheckpointError: If the time is negative.
    """
    if time < 0:
        raise CheckpointError("a cosignature's time is not negative")
    return f"cosignature/v1\ntime {time}\n".encode() + checkpoint.note()


def witness_signature(
    checkpoint: Checkpoint, witness: str, public_key: bytes, time: int, signature: bytes
) -> NoteSignature:
    """Return a witness's line under a checkpoint, for a signature over `cosignature_message`.

    Raises:
        CheckpointError: If the signature is not that key's over this note and time.
    """
    if not is_signed(public_key, signature, cosignature_message(checkpoint, time)):
        raise CheckpointError("the witness's signature does not hold")
    stamped = time.to_bytes(_TIME_BYTES, "big") + signature
    return NoteSignature(name=witness, key_id=_key_id(witness, _WITNESS_TYPE, public_key), signature=stamped)


def check_log(signed: SignedCheckpoint, origin: str, public_key: bytes) -> None:
    """Refuse a checkpoint that is not this log's.

    Raises:
        CheckpointError: If it names another log, or the log's key did not sign it.
    """
    checkpoint = signed.checkpoint
    if checkpoint.origin != origin:
        raise CheckpointError("a checkpoint of another log")
    key_id = _key_id(origin, _LOG_TYPE, public_key)
    own = [line for line in signed.signatures if line.name == origin and line.key_id == key_id]
    if not own or not all(is_signed(public_key, line.signature, checkpoint.note()) for line in own):
        raise CheckpointError("the log's own key did not sign this checkpoint")


def cosignatures(signed: SignedCheckpoint, witnesses: Mapping[str, bytes]) -> tuple[Cosignature, ...]:
    """Return what the named witnesses say about a checkpoint; one for each, its latest.

    Lines of other names or keys count for nothing; a line that names one of these keys and does not hold is refused,
    since only tampering explains it.

    Args:
        signed: The checkpoint.
        witnesses: Name and Ed25519 key (32 bytes) of those who count.

    Raises:
        CheckpointError: If a line under a known key does not hold.
    """
    latest: dict[str, int] = {}
    for line in signed.signatures:
        public_key = witnesses.get(line.name)
        if public_key is None or line.key_id != _key_id(line.name, _WITNESS_TYPE, public_key):
            continue
        if len(line.signature) != _TIME_BYTES + _SIGNATURE_BYTES:
            raise CheckpointError(f"the cosignature of {line.name} has the wrong length")
        time = int.from_bytes(line.signature[:_TIME_BYTES], "big")
        if not is_signed(public_key, line.signature[_TIME_BYTES:], cosignature_message(signed.checkpoint, time)):
            raise CheckpointError(f"the cosignature of {line.name} does not hold")
        latest[line.name] = max(time, latest.get(line.name, 0))
    return tuple(Cosignature(witness=name, time=time) for name, time in sorted(latest.items()))


def claimed_times(signed: SignedCheckpoint) -> tuple[int, ...]:
    """Return the times (Unix seconds) that lines shaped like cosignatures name.

    Nothing is checked: for choosing among checkpoints, not for believing one.
    """
    lengths = _TIME_BYTES + _SIGNATURE_BYTES
    stamped = [line.signature for line in signed.signatures if len(line.signature) == lengths]
    return tuple(int.from_bytes(signature[:_TIME_BYTES], "big") for signature in stamped)
