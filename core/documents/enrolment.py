"""What two admins co-sign after they compared a new key's fingerprint with its owner.

Source: W3C Web Authentication Level 3, section 7.1 (registration); the architecture's documents.
"""

from __future__ import annotations

import dataclasses
import hashlib
from typing import ClassVar

from core.documents.base import Document
from core.documents.roster import ENROLMENT, ConsentKey
from core.names import DIGEST, SLUG
from core.schema import Struct, of


@dataclasses.dataclass(frozen=True, kw_only=True)
class Enrolment(Document):
    """This key is this person's. `policy` is the one in force, under which its co-signers speak.

    `key` carries no co-signatures of its own: they are about this document.
    """

    TYPE: ClassVar[str] = ENROLMENT

    policy: str = of(DIGEST)
    person: str = of(SLUG)
    key: ConsentKey = of(Struct(lambda: ConsentKey))

    def __post_init__(self) -> None:
        """Refuse a key that says of itself that it is enrolled."""
        super().__post_init__()
        if self.key.enrolment is not None:
            msg = "an enrolment is about a key that has none yet"
            raise ValueError(msg)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the public key, 64 hex digits: what people read to each other."""
        return key_fingerprint(self.key)


def key_fingerprint(key: ConsentKey) -> str:
    """Return SHA-256 of a key's public half (the COSE bytes), 64 hex digits."""
    return hashlib.sha256(key.public_key).hexdigest()
