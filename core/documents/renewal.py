"""What parties say to each other while shares are made in a ceremony, for good: nobody's word runs out.

Each word is signed with the party's Ed25519 key that the policy names (RFC 8032), over its digest's 32 bytes. Whoever
holds enough of them can show them to a party that was away, years later.
"""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from functools import cached_property

from core.canonical import canonical_of_codecs, tagged_digest
from core.documents.party import MOST_PARTIES
from core.names import ACCOUNT, COUNT, DIGEST, HASH32, PUBLIC_KEY, SLUG
from core.schema import Choice, Constant, HexData, Items, Maybe, Struct, of, write_struct

KIND = "countersign.word.v1"
_SIGNATURE = HexData(most=64, exact=True)


class Said(StrEnum):
    """What a party gives its word on."""

    KEPT = "kept"
    ACTIVATED = "activated"
    DESTROYED = "destroyed"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Made:
    """What one session of a ceremony made: shares of this key, for this epoch. All honest parties say the same.

    `session` is the session's name. Its last round compares, pair by pair, all that was broadcast in it, so two
    parties that finished one session hold shares of one polynomial.
    """

    deployment: str = of(DIGEST)
    ceremony: str = of(DIGEST)
    wallet: str = of(ACCOUNT)
    public_key: bytes = of(PUBLIC_KEY)
    epoch: int = of(COUNT)
    session: bytes = of(HASH32)

    @cached_property
    def digest(self) -> str:
        """The evidence that goes into journals: 64 hex digits."""
        return tagged_digest("shares-made", canonical_of_codecs(write_struct(self, "made")))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Word:
    """One party's word: its new share is durable, or is used from now on, or all before it are destroyed.

    `evidence` is the digest of what shows the destruction, null for the other words.
    """

    kind: str = of(Constant(KIND))
    party: str = of(SLUG)
    said: Said = of(Choice(Said))
    made: Made = of(Struct(lambda: Made))
    evidence: str | None = of(Maybe(DIGEST))

    @cached_property
    def digest(self) -> str:
        """What the party signs: 64 hex digits."""
        return tagged_digest("word", canonical_of_codecs(write_struct(self, "word")))


@dataclasses.dataclass(frozen=True, kw_only=True)
class SignedWord:
    """A word with its party's Ed25519 signature over the digest's 32 bytes."""

    word: Word = of(Struct(lambda: Word))
    signature: bytes = of(_SIGNATURE)


WORDS = Items(Struct(lambda: SignedWord), most=MOST_PARTIES)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShareTest:
    """A test signature of a quorum over new shares, r ‖ s (SEC 1): of bytes that mean nothing anywhere else."""

    quorum: tuple[str, ...] = of(Items(SLUG, least=1, most=MOST_PARTIES))
    signature: bytes = of(_SIGNATURE)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Proof:
    """Whatever somebody has to show about a ceremony's shares; empty where nothing is known yet.

    `kept` and `activated`: words of all parties. `tests`: signatures whose quorums cover all parties.
    """

    ceremony: str = of(DIGEST)
    kept: tuple[SignedWord, ...] = of(WORDS)
    tests: tuple[ShareTest, ...] = of(Items(Struct(lambda: ShareTest), most=MOST_PARTIES))
    activated: tuple[SignedWord, ...] = of(WORDS)

    @cached_property
    def digest(self) -> str:
        """The digest of what led to an activation: 64 hex digits."""
        return tagged_digest("shares-proof", canonical_of_codecs(write_struct(self, "proof")))
