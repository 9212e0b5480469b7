"""What an anchor of the log is: the root and the size of a checkpoint as a transaction's data.

An anchor is a wallet's transaction to itself that moves nothing (`core.calls` calls it a note) and whose data are
the 32 bytes of the root and the size as 8 bytes, big-endian. Whoever holds the chain against the log needs no key of
ours.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.errors import EncodingError

if TYPE_CHECKING:
    from core.evm import Type2

_ROOT_BYTES, _SIZE_BYTES = 32, 8
ANCHOR_BYTES = _ROOT_BYTES + _SIZE_BYTES
SIZE_MOST = 2 ** (8 * _SIZE_BYTES) - 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Anchor:
    """A checkpoint as the chain holds it: how many leaves, and the Merkle root over them (RFC 9162)."""

    size: int
    root: bytes

    def to_bytes(self) -> bytes:
        """Return the transaction's data.

        Raises:
            EncodingError: If the size or the root is none.
        """
        if not 0 <= self.size <= SIZE_MOST or len(self.root) != _ROOT_BYTES:
            raise EncodingError("an anchor is a root of 32 bytes and a size of 8")
        return self.root + self.size.to_bytes(_SIZE_BYTES, "big")


def anchor_read(data: bytes) -> Anchor:
    """Read a transaction's data.

    Raises:
        EncodingError: If it is no anchor.
    """
    if len(data) != ANCHOR_BYTES:
        raise EncodingError(f"an anchor has {ANCHOR_BYTES} bytes of data, this has {len(data)}")
    return Anchor(size=int.from_bytes(data[_ROOT_BYTES:], "big"), root=data[:_ROOT_BYTES])


def anchor_of(transaction: Type2, sender: str) -> Anchor:
    """Return the anchor that a transaction is.

    Args:
        transaction: As it was mined.
        sender: Who signed it, EIP-55.

    Raises:
        EncodingError: If it pays somebody, moves something, or its data are no anchor.
    """
    if transaction.to != sender or transaction.value:
        raise EncodingError("an anchor is sent by a wallet to itself and moves nothing")
    return anchor_read(transaction.data)
