"""The log's signer (`role = "log"`): it signs a checkpoint of the audit log that continues the last one it signed.

Its memory is its token: the size and root that it signed last are moved there before the key is used, so a folder
that is rolled back changes nothing, and a token of one log never serves another. It reads no entries and no policy:
what it adds is that the log, once shown, can only grow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from core.checkpoint import Checkpoint, log_signature
from core.errors import CheckpointError, Refusal, RefusedError, WitnessError
from core.merkle import HASH_BYTES
from core.names import DIGEST
from core.schema import HexData, Integer, Items
from core.witnessing import NOTHING, Seen, advance
from signer.head import Head

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.canonical import Json
    from signer.head import TokenHead
    from signer.log_key import LogKey

_SIZE = Integer(least=1)
_PROOF = Items(HexData(most=HASH_BYTES, exact=True), most=64)
_FIELDS = {"size", "root", "old", "proof"}


class LogService:
    """One log's signer. One request at a time; each answer is after the token has the new size."""

    def __init__(self, origin: str, key: LogKey, head: TokenHead, failpoint: Callable[[str], None]) -> None:
        """Take over what start-up has checked.

        Args:
            origin: The log's name; it stands in every checkpoint.
            key: The log's key.
            head: What the token remembers of this log.
            failpoint: Where a test kills the process.

        Raises:
            JournalError: The token holds another log's memory, or none that can be read.
            HsmUnavailableError: The token is away.
        """
        self._origin = origin
        self._key = key
        self._head = head
        self.failpoint = failpoint
        known = head.read().head
        if known is None:
            head.create(_head(head.owner, NOTHING))
            known = head.known
        self._seen = NOTHING if known is None else Seen(size=known.sequence, root=bytes.fromhex(known.hash))

    def handle(self, request: Json, *, now: int) -> Json:
        """Carry out one request whose outer shape `signer.wire` accepted.

        Args:
            request: The request.
            now: Not used: a checkpoint says nothing of time, witnesses do.

        Raises:
            RefusedError: If the checkpoint does not continue what was signed.
            HsmUnavailableError: If the token is away.
        """
        del now
        if request["op"] == "status":
            return self.status()
        if request["op"] != "checkpoint":
            raise RefusedError(Refusal.UNSUPPORTED, "this signer signs checkpoints of a log, and nothing else")
        return self.checkpoint(request["checkpoint"])

    def checkpoint(self, value: object) -> Json:
        """Sign one checkpoint.

        Args:
            value: ``{"size", "root", "old", "proof"}``: root and proof as hex, `old` the size that was signed last.

        Returns:
            The signature's line (C2SP signed-note) and the public key.
        """
        if not isinstance(value, dict) or set(value) != _FIELDS:
            raise RefusedError(Refusal.MALFORMED, "size, root, old and proof are expected")
        size, old = _SIZE.read(value["size"], "size"), Integer().read(value["old"], "old")
        root = bytes.fromhex(DIGEST.read(value["root"], "root"))
        proof = cast("tuple[bytes, ...]", _PROOF.read(value["proof"], "proof"))
        checkpoint = Checkpoint(origin=self._origin, size=size, root=root)
        try:
            after = advance(self._seen, old, checkpoint, proof)
        except WitnessError as error:
            raise RefusedError(Refusal.LOG, f"{error.status}: {error}") from error
        if after != self._seen:
            self._head.write(_head(self._head.owner, after))
            self._seen = after
            self.failpoint("signer.after_head")
        try:
            line = log_signature(checkpoint, self._key.public, self._key.sign(checkpoint))
        except CheckpointError as error:
            raise RefusedError(Refusal.LOG, str(error)) from error
        return {"line": line.line(), "origin": self._origin, "public_key": "0x" + self._key.public.hex()}

    def status(self) -> Json:
        """Say which log this is, and how far it was signed."""
        return {
            "origin": self._origin,
            "public_key": "0x" + self._key.public.hex(),
            "size": self._seen.size,
            "root": self._seen.root.hex(),
        }

    def settle(self) -> None:
        """Do nothing: the token was written before the answer."""

    def close(self) -> None:
        """Do nothing: the token is closed by whoever opened it."""


def _head(owner: str, seen: Seen) -> Head:
    return Head(owner, seen.size, seen.root.hex(), None)
