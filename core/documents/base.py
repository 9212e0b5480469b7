"""What every document has: a header, one canonical form, one digest."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import ClassVar, Self

from core.canonical import canonical_of_codecs, parse, tagged_digest
from core.errors import Refusal, RefusedError
from core.names import DIGEST, IDENTIFIER, SLUG, TIME
from core.schema import Integer, Struct, of, read_struct, write_struct

VERSION = 1
SKEW = 120
"""How far ahead of a verifier's clock a document may be dated, seconds."""
GENESIS_DEPLOYMENT = "0" * 64
"""The deployment that the first policy names: it cannot name its own digest."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Header:
    """Type, version, deployment (genesis digest), 128-bit id, created and expires (Unix seconds, UTC)."""

    type: str = of(SLUG)
    version: int = of(Integer(least=1, most=VERSION))
    deployment: str = of(DIGEST)
    id: str = of(IDENTIFIER)
    created: int = of(TIME)
    expires: int = of(TIME)

    def __post_init__(self) -> None:
        """Refuse a document that was never valid."""
        if self.expires <= self.created:
            msg = "expires must be later than created"
            raise ValueError(msg)


HEADER = Struct(lambda: Header)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Document:
    """Base of everything that anyone signs. Fields are append-only within a version."""

    TYPE: ClassVar[str]

    header: Header = of(HEADER)

    def __post_init__(self) -> None:
        """Refuse a header of another type."""
        if self.header.type != self.TYPE:
            msg = f"header names type {self.header.type!r}, expected {self.TYPE!r}"
            raise ValueError(msg)

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read a document from its JSON value.

        Raises:
            DocumentError: Naming the first wrong field.
        """
        return read_struct(cls, value, cls.TYPE)

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """Read a document from JSON text, canonical or not.

        Raises:
            EncodingError: If it is not strict JSON.
            DocumentError: Naming the first wrong field.
        """
        return cls.from_json(parse(raw))

    def to_json(self) -> dict[str, object]:
        """Return the JSON value."""
        return write_struct(self, self.TYPE)

    def to_bytes(self) -> bytes:
        """Return the canonical bytes (RFC 8785)."""
        return canonical_of_codecs(self.to_json())

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the type's domain tag and the canonical bytes; 64 hex digits."""
        return tagged_digest(self.TYPE, self.to_bytes())


def check_lifetime(document: Document, *, now: int, skew: int = SKEW) -> None:
    """Refuse a document outside its lifetime.

    Args:
        document: Any document.
        now: The verifier's own clock, Unix seconds.
        skew: How far in the future `created` may lie, seconds.

    Raises:
        RefusedError: `expired` or `not_yet_valid`.
    """
    if now >= document.header.expires:
        raise RefusedError(Refusal.EXPIRED, f"the {document.TYPE} has expired")
    if document.header.created > now + skew:
        raise RefusedError(Refusal.NOT_YET_VALID, f"the {document.TYPE} is dated in the future")


def check_deployment(document: Document, deployment: str) -> None:
    """Refuse a document of another deployment.

    Raises:
        RefusedError: `wrong_deployment`.
    """
    if document.header.deployment != deployment:
        raise RefusedError(Refusal.WRONG_DEPLOYMENT, f"the {document.TYPE} belongs to another deployment")
