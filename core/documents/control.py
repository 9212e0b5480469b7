"""Cancel, halt, resume and ceremony: signed documents that are not payments."""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import ClassVar

from core.documents.base import Document
from core.documents.consent import SIGNED_CONSENTS, SignedConsent
from core.names import ACCOUNT, AMOUNT, COUNT, DIGEST, SENTENCE, SLUG, TIME
from core.schema import Choice, Constant, HexData, Integer, Items, Maybe, OneOf, Struct, of


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cancel(Document):
    """Replaces an intent at its nonce by a self-send of value 0 without data (gas is always 21,000).

    Fees in wei per gas, both caps. At most one cancel for each nonce, for ever.
    """

    TYPE: ClassVar[str] = "cancel"

    policy: str = of(DIGEST)
    intent: str = of(DIGEST)
    wallet: str = of(ACCOUNT)
    max_fee_per_gas: int = of(AMOUNT)
    max_priority_fee_per_gas: int = of(AMOUNT)
    reason: str = of(SENTENCE)

    def __post_init__(self) -> None:
        """Refuse fee caps that contradict each other."""
        super().__post_init__()
        if self.max_priority_fee_per_gas > self.max_fee_per_gas:
            msg = "max_priority_fee_per_gas exceeds max_fee_per_gas"
            raise ValueError(msg)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Halt(Document):
    """Stops the named signers at once; one person of the roster suffices. No names: all signers."""

    TYPE: ClassVar[str] = "halt"

    policy: str = of(DIGEST)
    signers: tuple[str, ...] = of(Items(SLUG, most=64))
    reason: str = of(SENTENCE)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Resume(Document):
    """Lifts one halt for the named signers; takes the policy's resume quorum, at least two people."""

    TYPE: ClassVar[str] = "resume"

    policy: str = of(DIGEST)
    halt: str = of(DIGEST)
    signers: tuple[str, ...] = of(Items(SLUG, most=64))
    reason: str = of(SENTENCE)


class CeremonyKind(StrEnum):
    """What a ceremony does. `core.ceremonies` says what each kind must name."""

    KEY_GENERATION = "key_generation"
    REFRESH = "refresh"
    RESTORE = "restore"
    BAN = "ban"
    JOURNAL_START = "journal_start"
    BACKUP = "backup"
    DRILL = "drill"
    DEGRADED = "degraded"
    DESTROY = "destroy"
    CLONE = "clone"


@dataclasses.dataclass(frozen=True, kw_only=True)
class LaneStart:
    """The first nonce that a restarted journal may use for a wallet."""

    wallet: str = of(ACCOUNT)
    next_nonce: int = of(Integer())


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecoveryKey:
    """A key to which one signer's share (or key) is wrapped for recovery, and whose hands it is in.

    `public_key` is a SubjectPublicKeyInfo, DER (RFC 5280 section 4.1.2.7).
    """

    signer: str = of(SLUG)
    public_key: bytes = of(HexData(most=1024))
    host: str = of(SLUG)
    site: str = of(SLUG)
    administrator: str = of(SLUG)
    vendor: str = of(SLUG)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ceremony(Document):
    """What is done to keys, shares and journals; takes the policy's ceremony quorum.

    `plan` is the digest of the plan of a key that is to be made; `recovery` the keys that backups are wrapped to.
    """

    TYPE: ClassVar[str] = "ceremony"

    policy: str = of(DIGEST)
    kind: CeremonyKind = of(Choice(CeremonyKind))
    signers: tuple[str, ...] = of(Items(SLUG, least=1, most=64))
    wallet: str | None = of(Maybe(ACCOUNT))
    epoch: int = of(COUNT)
    threshold: int = of(COUNT)
    lanes: tuple[LaneStart, ...] = of(Items(Struct(lambda: LaneStart), most=256))
    not_before: int = of(TIME)
    reason: str = of(SENTENCE)
    plan: str | None = of(Maybe(DIGEST))
    recovery: tuple[RecoveryKey, ...] = of(Items(Struct(lambda: RecoveryKey), most=16))


@dataclasses.dataclass(frozen=True, kw_only=True)
class SignedCeremony:
    """A ceremony with the consents of its quorum."""

    document: Ceremony = of(Struct(lambda: Ceremony))
    consents: tuple[SignedConsent, ...] = of(SIGNED_CONSENTS)


@dataclasses.dataclass(frozen=True, kw_only=True)
class HaltOrder:
    """A halt with the consent of one person."""

    kind: str = of(Constant("halt"))
    document: Halt = of(Struct(lambda: Halt))
    consents: tuple[SignedConsent, ...] = of(SIGNED_CONSENTS)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ResumeOrder:
    """A resume with the consents of its quorum."""

    kind: str = of(Constant("resume"))
    document: Resume = of(Struct(lambda: Resume))
    consents: tuple[SignedConsent, ...] = of(SIGNED_CONSENTS)


@dataclasses.dataclass(frozen=True, kw_only=True)
class VetoOrder:
    """Rejections or withdrawals that were handed to the signer itself, so that no bundle can leave them out."""

    kind: str = of(Constant("veto"))
    consents: tuple[SignedConsent, ...] = of(SIGNED_CONSENTS)


ControlOrder = HaltOrder | ResumeOrder | VetoOrder
CONTROL_ORDER = OneOf(lambda: {"halt": HaltOrder, "resume": ResumeOrder, "veto": VetoOrder})
