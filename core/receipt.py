"""Receipts: one entry of the audit log with the proof that it is there, for whoever wants to keep it.

A receipt holds what its leaf is made of and nothing else, so that every field in it is proven. It has one spelling
(RFC 8785 and a line feed). Proofs are RFC 9162's, the checkpoint is a C2SP signed note.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

from core.auditlog import entry_bytes, entry_leaf
from core.canonical import MAX_SAFE_INTEGER, canonical, parse
from core.checkpoint import parse_signed_checkpoint
from core.errors import CheckpointError, EncodingError, ReceiptError
from core.merkle import HASH_BYTES, verify_inclusion

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from core.canonical import Json
    from core.checkpoint import SignedCheckpoint

KIND = "countersign.receipt.v1"
MAX_BYTES = 4 * 1024 * 1024
_MOST = {"actor": 128, "session": 64, "tag": 96, "subject": 128, "severity": 16}
_FIELDS = {"v", "kind", "entry", "index", "size", "path", "checkpoint"}
_MOST_PATH = 64
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recorded:
    """What a leaf is made of. `at_us`: microseconds since 1970, UTC. `payload`: canonical JSON, as text."""

    at_us: int
    actor: str
    session: str
    tag: str
    subject: str
    severity: str
    payload: str

    def __post_init__(self) -> None:
        """Refuse what no entry can hold.

        Raises:
            ReceiptError: If a field has another type, is too long or holds control characters.
        """
        if not is_count(self.at_us):
            raise ReceiptError("the entry's time is no number of microseconds")
        for name, most in (*_MOST.items(), ("payload", MAX_BYTES)):
            value = getattr(self, name)
            if not isinstance(value, str) or len(value) > most or _CONTROL.search(value) is not None:
                raise ReceiptError(f"the entry's {name} is not what an entry holds")
        try:
            self.raw()
        except UnicodeEncodeError as error:
            raise ReceiptError("the entry holds half of a character") from error

    def raw(self) -> bytes:
        """Return the entry's bytes."""
        return entry_bytes(**dataclasses.asdict(self))

    def leaf(self) -> bytes:
        """Return the entry's leaf, 32 bytes."""
        return entry_leaf(self.raw())

    def to_json(self) -> Json:
        """Return the entry as a JSON object."""
        return dict(dataclasses.asdict(self))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Receipt:
    """An entry, its place (from 0), its path, and the checkpoint that it is proven under."""

    recorded: Recorded
    index: int
    path: tuple[bytes, ...]
    signed: SignedCheckpoint

    def included(self) -> bool:
        """Whether the entry stands at its place under the checkpoint's root. No signature is checked here."""
        checkpoint = self.signed.checkpoint
        return verify_inclusion(self.recorded.leaf(), self.index, checkpoint.size, self.path, checkpoint.root)

    def to_bytes(self) -> bytes:
        """Return the receipt as a file.

        Raises:
            EncodingError: If it has no canonical form.
        """
        value = {
            "v": 1,
            "kind": KIND,
            "entry": self.recorded.to_json(),
            "index": self.index,
            "size": self.signed.checkpoint.size,
            "path": [hashed.hex() for hashed in self.path],
            "checkpoint": self.signed.to_bytes().decode(),
        }
        return canonical(value) + b"\n"


def is_count(value: object) -> bool:
    """Whether a JSON value is an integer from 0 on."""
    return type(value) is int and 0 <= value <= MAX_SAFE_INTEGER


def recorded_from_json(value: object) -> Recorded:
    """Read an entry's fields.

    Raises:
        ReceiptError: If they are not exactly an entry's.
    """
    names = {field.name for field in dataclasses.fields(Recorded)}
    if not isinstance(value, dict) or set(value) != names:
        raise ReceiptError("the entry has not exactly an entry's fields")
    return Recorded(**value)


def hashes_from_json(value: object) -> tuple[bytes, ...]:
    """Read a list of hashes, each 64 lower-case hex digits.

    Raises:
        ReceiptError: If it is none, or longer than any proof.
    """
    if not isinstance(value, list) or len(value) > _MOST_PATH:
        raise ReceiptError("a proof is a list of hashes")
    if not all(isinstance(text, str) and _HASH.fullmatch(text) for text in value):
        raise ReceiptError(f"a proof's hash is {HASH_BYTES} bytes, lower-case hex")
    return tuple(bytes.fromhex(text) for text in value)


def one_spelling(raw: bytes, names: Iterable[str]) -> Mapping[str, object]:
    """Read an object that stands in its one spelling, with a line feed behind it, and has exactly these fields.

    Raises:
        ReceiptError: If it is not that.
    """
    try:
        value = parse(raw, max_bytes=MAX_BYTES)
        if not isinstance(value, dict) or canonical(value) + b"\n" != raw:
            raise ReceiptError("it is spelt in another way than we write it")
    except EncodingError as error:
        raise ReceiptError(str(error)) from error
    if set(value) != set(names):
        raise ReceiptError("it has other fields than we write")
    return value


def receipt_from_bytes(raw: bytes) -> Receipt:
    """Read a receipt, strictly. Nothing is proven here.

    Raises:
        ReceiptError: If it is not exactly what `Receipt.to_bytes` writes.
    """
    value = one_spelling(raw, _FIELDS)
    if value["v"] != 1 or type(value["v"]) is not int or value["kind"] != KIND:
        raise ReceiptError("it is no receipt of a version that is known here")
    index, note = value["index"], value["checkpoint"]
    if not is_count(index) or not isinstance(index, int) or not isinstance(note, str):
        raise ReceiptError("its place or its checkpoint has another type than we write")
    try:
        signed = parse_signed_checkpoint(note.encode())
    except CheckpointError as error:
        raise ReceiptError(str(error)) from error
    if type(value["size"]) is not int or value["size"] != signed.checkpoint.size:
        raise ReceiptError("its size is not its checkpoint's")
    return Receipt(
        recorded=recorded_from_json(value["entry"]),
        index=index,
        path=hashes_from_json(value["path"]),
        signed=signed,
    )
