"""A log with a key, as a witness sees it: it grows, it can lie, and it asks for cosignatures."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.checkpoint import Checkpoint, SignedCheckpoint, log_signature
from core.merkle import Tree, leaf_hash
from core.witnessing import Addition


class Log:
    """A log of `size` leaves; another `salt` gives another history."""

    def __init__(self, origin: str = "countersign/test/log", *, seed: int = 1) -> None:
        self.origin = origin
        self.key = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        self.public = self.key.public_key().public_bytes_raw()

    def tree(self, size: int, salt: str = "") -> Tree:
        return Tree(leaf_hash(f"{salt}{number}".encode()) for number in range(size))

    def signed(self, size: int, salt: str = "") -> SignedCheckpoint:
        checkpoint = Checkpoint(origin=self.origin, size=size, root=self.tree(size, salt).root())
        line = log_signature(checkpoint, self.public, self.key.sign(checkpoint.note()))
        return SignedCheckpoint(checkpoint=checkpoint, signatures=(line,))

    def addition(self, old: int, size: int, salt: str = "") -> Addition:
        proof = tuple(self.tree(size, salt).consistency(min(old, size)))
        return Addition(old=old, proof=proof, signed=self.signed(size, salt))
