"""What a signer writes into its journal. Field names and kinds are append-only."""

from __future__ import annotations

import dataclasses
from enum import StrEnum

from core.documents.consent import Decision
from core.documents.control import CeremonyKind, LaneStart, RecoveryKey
from core.documents.party import Binding
from core.limits import Draw
from core.names import ACCOUNT, AMOUNT, COUNT, CREDENTIAL_ID, DIGEST, HASH32, SENTENCE, SLUG, TIME
from core.schema import Boolean, Choice, Constant, HexData, Integer, Items, Maybe, OneOf, Struct, of


class AccessionKind(StrEnum):
    """How a successor policy comes to be in force: at once, after the policy's delay, or by the recovery keys."""

    TIGHTENING = "tightening"
    LOOSENING = "loosening"
    RECOVERY = "recovery"


@dataclasses.dataclass(frozen=True, kw_only=True)
class UsedConsent:
    """A consent that was counted: its nonce, its challenge, and the security key's counter."""

    id: str = of(SLUG)
    challenge: bytes = of(HASH32)
    credential: bytes | None = of(Maybe(CREDENTIAL_ID))
    counter: int = of(Integer(most=2**32 - 1))


_USED = Items(Struct(lambda: UsedConsent), most=128)


@dataclasses.dataclass(frozen=True, kw_only=True)
class StartRecord:
    """The journal begins. `full`: every window counts as full until it has passed once.

    `not_before`: mandates created earlier are refused; `ceremony` null only for a token that never had a journal.
    """

    kind: str = of(Constant("start"))
    time: int = of(TIME)
    deployment: str = of(DIGEST)
    signer: str = of(SLUG)
    policy: str = of(DIGEST)
    number: int = of(Integer(least=1))
    full: bool = of(Boolean())
    not_before: int = of(TIME)
    ceremony: str | None = of(Maybe(DIGEST))
    lanes: tuple[LaneStart, ...] = of(Items(Struct(lambda: LaneStart), most=256))
    consents: tuple[UsedConsent, ...] = of(_USED)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PolicyRecord:
    """A successor policy was received; it becomes the newest at `effective` by this signer's clock.

    `how` it was accepted is decided at its receipt, and never again.
    """

    kind: str = of(Constant("policy"))
    time: int = of(TIME)
    policy: str = of(DIGEST)
    number: int = of(Integer(least=2))
    effective: int = of(TIME)
    how: AccessionKind = of(Choice(AccessionKind))
    consents: tuple[UsedConsent, ...] = of(_USED)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReserveRecord:
    """A nonce is bound to an intent (or its cancel) at these fees, and what it draws is drawn, for ever.

    `draw` is null for a fee raise: the first attempt drew the worst case already. `policy` is the one that people
    consented under, `newest` the one that was in force and had to allow it too; mostly they are the same.
    """

    kind: str = of(Constant("reserve"))
    time: int = of(TIME)
    intent: str = of(DIGEST)
    mandate: str = of(DIGEST)
    policy: str = of(DIGEST)
    newest: str = of(DIGEST)
    wallet: str = of(ACCOUNT)
    nonce: int = of(Integer())
    max_fee_per_gas: int = of(AMOUNT)
    max_priority_fee_per_gas: int = of(AMOUNT)
    cancel: str | None = of(Maybe(DIGEST))
    signing_hash: bytes = of(HASH32)
    draw: Draw | None = of(Maybe(Struct(lambda: Draw)))
    consents: tuple[UsedConsent, ...] = of(_USED)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SignatureRecord:
    """The signature that was made for a reservation."""

    kind: str = of(Constant("signature"))
    time: int = of(TIME)
    signing_hash: bytes = of(HASH32)
    raw: bytes = of(HexData(most=192 * 1024))


@dataclasses.dataclass(frozen=True, kw_only=True)
class HaltRecord:
    """Somebody halted this signer."""

    kind: str = of(Constant("halt"))
    time: int = of(TIME)
    halt: str = of(DIGEST)
    actor: str = of(SLUG)
    consents: tuple[UsedConsent, ...] = of(_USED)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ResumeRecord:
    """A halt was lifted by its quorum."""

    kind: str = of(Constant("resume"))
    time: int = of(TIME)
    halt: str = of(DIGEST)
    resume: str = of(DIGEST)
    consents: tuple[UsedConsent, ...] = of(_USED)


@dataclasses.dataclass(frozen=True, kw_only=True)
class VetoRecord:
    """A rejection or a withdrawal was handed to this signer itself; it ends a policy that waits."""

    kind: str = of(Constant("veto"))
    time: int = of(TIME)
    subject: str = of(DIGEST)
    actor: str = of(SLUG)
    decision: Decision = of(Choice(Decision))
    consents: tuple[UsedConsent, ...] = of(_USED)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CertifiedRecord:
    """A reservation that this party missed, from its certificate. `draw` is null where it was counted already."""

    kind: str = of(Constant("certified"))
    time: int = of(TIME)
    binding: Binding = of(Struct(lambda: Binding))
    draw: Draw | None = of(Maybe(Struct(lambda: Draw)))
    parties: tuple[str, ...] = of(Items(SLUG, least=1, most=16))
    consents: tuple[UsedConsent, ...] = of(_USED)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SessionRecord:
    """This party takes part in a session of this name, once and never again.

    `signing_hash`: what is signed; where shares are made, the ceremony's digest. `wallet`: null while a key is made.
    """

    kind: str = of(Constant("session"))
    time: int = of(TIME)
    session: bytes = of(HASH32)
    wallet: str | None = of(Maybe(ACCOUNT))
    epoch: int = of(COUNT)
    quorum: tuple[str, ...] = of(Items(SLUG, least=1, most=16))
    signing_hash: bytes = of(HASH32)
    consents: tuple[UsedConsent, ...] = of(_USED)


@dataclasses.dataclass(frozen=True, kw_only=True)
class AbortRecord:
    """A session ended without a signature. With `ban` the culprits are frozen for this wallet and epoch."""

    kind: str = of(Constant("abort"))
    time: int = of(TIME)
    session: bytes = of(HASH32)
    reason: str = of(SENTENCE)
    culprits: tuple[str, ...] = of(Items(SLUG, most=16))
    ban: bool = of(Boolean())
    consents: tuple[UsedConsent, ...] = of(_USED)


class CeremonyStep(StrEnum):
    """How far a signer has come with a ceremony. Steps are done once, in the order of their kind."""

    STAGED = "staged"
    ACTIVATED = "activated"
    BACKED_UP = "backed_up"
    DRILLED = "drilled"
    RESTORED = "restored"
    DESTROYED = "destroyed"
    ABANDONED = "abandoned"


@dataclasses.dataclass(frozen=True, kw_only=True)
class CeremonyRecord:
    """A ceremony of the quorum is known here. Nothing begins under it from `expires` on."""

    kind: str = of(Constant("ceremony"))
    time: int = of(TIME)
    ceremony: str = of(DIGEST)
    what: CeremonyKind = of(Choice(CeremonyKind))
    signers: tuple[str, ...] = of(Items(SLUG, least=1, most=64))
    wallet: str | None = of(Maybe(ACCOUNT))
    epoch: int = of(COUNT)
    threshold: int = of(COUNT)
    plan: str | None = of(Maybe(DIGEST))
    recovery: tuple[RecoveryKey, ...] = of(Items(Struct(lambda: RecoveryKey), most=16))
    expires: int = of(TIME)
    consents: tuple[UsedConsent, ...] = of(_USED)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CeremonyStepRecord:
    """This signer did one step of a ceremony. `evidence` is the digest of what shows it, null where nothing does."""

    kind: str = of(Constant("ceremony_step"))
    time: int = of(TIME)
    ceremony: str = of(DIGEST)
    step: CeremonyStep = of(Choice(CeremonyStep))
    evidence: str | None = of(Maybe(DIGEST))
    consents: tuple[UsedConsent, ...] = of(_USED)


Record = (
    StartRecord
    | PolicyRecord
    | ReserveRecord
    | SignatureRecord
    | HaltRecord
    | ResumeRecord
    | VetoRecord
    | CertifiedRecord
    | SessionRecord
    | AbortRecord
    | CeremonyRecord
    | CeremonyStepRecord
)
RECORD = OneOf(
    lambda: {
        "start": StartRecord,
        "policy": PolicyRecord,
        "reserve": ReserveRecord,
        "signature": SignatureRecord,
        "halt": HaltRecord,
        "resume": ResumeRecord,
        "veto": VetoRecord,
        "certified": CertifiedRecord,
        "session": SessionRecord,
        "abort": AbortRecord,
        "ceremony": CeremonyRecord,
        "ceremony_step": CeremonyStepRecord,
    }
)
