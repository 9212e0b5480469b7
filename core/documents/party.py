"""What the parties of a threshold wallet sign to each other: reservations, and the header of a session.

Each is signed with the party's Ed25519 key that the policy names (RFC 8032), over the document's digest.
"""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import ClassVar

from core.documents.base import Document
from core.limits import Draw
from core.names import ACCOUNT, AMOUNT, COUNT, DIGEST, HASH32, PUBLIC_KEY, SLUG
from core.schema import Choice, HexData, Integer, Items, Maybe, Struct, of

MOST_PARTIES = 16
_SIGNATURE = HexData(most=64, exact=True)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LaneState:
    """How far a party remembers a wallet: its next nonce, how many cancels it has counted, and what it holds.

    `held` is `core.lane_memory`'s digest over the intents and cancels of all nonces below the next.
    """

    wallet: str = of(ACCOUNT)
    next_nonce: int = of(Integer())
    cancels: int = of(COUNT)
    held: str = of(DIGEST)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Binding:
    """What one reservation binds for ever: this nonce of this wallet to this intent, at these fees (wei per gas).

    `signing_hash` is the transaction's, so two reservations with one binding are about the same 32 bytes. `cancel` is
    the cancel's digest where the transaction is the cancelling self-send.
    """

    intent: str = of(DIGEST)
    mandate: str = of(DIGEST)
    wallet: str = of(ACCOUNT)
    nonce: int = of(Integer())
    max_fee_per_gas: int = of(AMOUNT)
    max_priority_fee_per_gas: int = of(AMOUNT)
    cancel: str | None = of(Maybe(DIGEST))
    signing_hash: bytes = of(HASH32)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reservation(Document):
    """A party's word that it verified a case, journalled its reservation, and will give this nonce to nothing else.

    `draw` is what the case draws by this party's own reckoning, its time left out (0): each journal dates what it
    learns itself. `lanes` are all wallets that the party holds a share of.
    """

    TYPE: ClassVar[str] = "reservation"

    party: str = of(SLUG)
    policy: str = of(DIGEST)
    newest: str = of(DIGEST)
    binding: Binding = of(Struct(lambda: Binding))
    draw: Draw = of(Struct(lambda: Draw))
    lanes: tuple[LaneState, ...] = of(Items(Struct(lambda: LaneState), least=1, most=1000))


@dataclasses.dataclass(frozen=True, kw_only=True)
class SignedReservation:
    """A reservation with its party's Ed25519 signature over the digest's 32 bytes."""

    document: Reservation = of(Struct(lambda: Reservation))
    signature: bytes = of(_SIGNATURE)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Certificate:
    """Reservations of one binding by enough parties that any two certificates share an honest one."""

    reservations: tuple[SignedReservation, ...] = of(
        Items(Struct(lambda: SignedReservation), least=1, most=MOST_PARTIES)
    )


class SessionKind(StrEnum):
    """What a session of parties does."""

    SIGN = "sign"
    KEY_GENERATION = "key_generation"
    REFRESH = "refresh"
    TEST = "test"


@dataclasses.dataclass(frozen=True, kw_only=True)
class SessionTerms:
    """What everybody in a session must agree on, to the letter, before its first round.

    `quorum` are the parties in the order of their indices; `message_hash` is what is signed; at a refresh the name of
    the session that made the shares which are renewed; zero while a key is made. `subject` is the intent's digest or
    the ceremony's, `nonce` 32 bytes that whoever relays made up. `public_key` is null while the key is being made.
    """

    kind: SessionKind = of(Choice(SessionKind))
    wallet: str | None = of(Maybe(ACCOUNT))
    public_key: bytes | None = of(Maybe(PUBLIC_KEY))
    epoch: int = of(COUNT)
    threshold: int = of(Integer(least=1, most=MOST_PARTIES))
    quorum: tuple[str, ...] = of(Items(SLUG, least=1, most=MOST_PARTIES))
    message_hash: bytes = of(HASH32)
    subject: str = of(DIGEST)
    nonce: bytes = of(HASH32)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Hello(Document):
    """A party's consent to one session, with the keys that it made for it: X25519 (RFC 7748) and Ed25519."""

    TYPE: ClassVar[str] = "hello"

    party: str = of(SLUG)
    terms: SessionTerms = of(Struct(lambda: SessionTerms))
    exchange_key: bytes = of(HASH32)
    envelope_key: bytes = of(HASH32)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SignedHello:
    """A hello with its party's Ed25519 signature over the digest's 32 bytes."""

    document: Hello = of(Struct(lambda: Hello))
    signature: bytes = of(_SIGNATURE)
