"""The log's own key inside the token. It signs checkpoints, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from signer.identity_key import IdentityKey, make_identity_key

if TYPE_CHECKING:
    from core.checkpoint import Checkpoint
    from signer.hsm import Hsm

LABEL = "countersign log"


class LogKey:
    """The one key with which a log signer signs checkpoints, and nothing else."""

    def __init__(self, hsm: Hsm) -> None:
        """Find the key.

        Raises:
            TokenKeyError: If there is not exactly one, or it could have left the token.
            HsmUnavailableError: If the token is away.
        """
        self._key = IdentityKey(hsm, LABEL)
        self.public = self._key.public

    def sign(self, checkpoint: Checkpoint) -> bytes:
        """Sign a checkpoint's note, the only thing that this key signs; checked before it is returned.

        Raises:
            TokenKeyError: If the token signed with another key.
            HsmUnavailableError: If the token is away.
        """
        return self._key.sign(checkpoint.note())


def make_log_key(hsm: Hsm) -> bytes:
    """Make the log's key, and return its public half, 32 bytes; the one that is there is kept.

    Raises:
        TokenKeyError: If the token did not make what was asked for.
        HsmUnavailableError: If the token is away.
    """
    return make_identity_key(hsm, LABEL)
