"""The whole case: all that a signer needs to reach its own decision, and what it answers."""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import ClassVar

from core.documents.base import Document
from core.documents.consent import SIGNED_CONSENTS, SignedConsent
from core.documents.control import Cancel
from core.documents.lease import LogProof
from core.documents.mandate import Intent, Mandate
from core.documents.policy import SignedPolicy
from core.names import AMOUNT, DIGEST, HASH32, SLUG, TIME
from core.schema import Boolean, Constant, HexData, Integer, Items, Maybe, Struct, Text, of


class Provenance(StrEnum):
    """How a fact is known. Signers treat *claimed* facts as unknown."""

    DERIVED = "derived"
    ATTESTED = "attested"
    CLAIMED = "claimed"


@dataclasses.dataclass(frozen=True, kw_only=True)
class FactValue:
    """One attested fact: a field of the registry and its values as text."""

    field: str = of(Text(most=64, pattern=r"[a-z][a-z0-9_.]*"))
    values: tuple[str, ...] = of(Items(Text(most=280, least=0), most=64))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Attestation(Document):
    """Facts that a policy-named key on another host signs, bound to an intent, a block and an expiry."""

    TYPE: ClassVar[str] = "attestation"

    attester: str = of(SLUG)
    intent: str = of(DIGEST)
    block_number: int = of(Integer())
    block_hash: bytes = of(HASH32)
    facts: tuple[FactValue, ...] = of(Items(Struct(lambda: FactValue), most=64))


@dataclasses.dataclass(frozen=True, kw_only=True)
class SignedAttestation:
    """An attestation with its Ed25519 signature over the digest's 32 bytes."""

    document: Attestation = of(Struct(lambda: Attestation))
    signature: bytes = of(HexData(most=64, exact=True))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Attempt:
    """What an attempt adds to its intent: the nonce, and fees (wei per gas) within the intent's caps."""

    nonce: int = of(Integer())
    max_fee_per_gas: int = of(AMOUNT)
    max_priority_fee_per_gas: int = of(AMOUNT)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CancelCase:
    """A cancel with the consents of the policy's cancel quorum."""

    document: Cancel = of(Struct(lambda: Cancel))
    consents: tuple[SignedConsent, ...] = of(SIGNED_CONSENTS)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bundle(Document):
    """Everything that a signer is given. `intent` equals the mandate's own where that holds a single one.

    `consents` holds the asker's and the approvers' (and whoever rejected or withdrew). With `cancel` set, the
    signer is asked for the cancelling self-send at the intent's nonce instead. `log` proves that the audit log holds
    the decision and the consents; only a policy that names witnesses asks for it.
    """

    TYPE: ClassVar[str] = "bundle"

    policy: str = of(DIGEST)
    mandate: Mandate = of(Struct(lambda: Mandate))
    intent: Intent = of(Struct(lambda: Intent))
    attempt: Attempt = of(Struct(lambda: Attempt))
    consents: tuple[SignedConsent, ...] = of(SIGNED_CONSENTS)
    attestations: tuple[SignedAttestation, ...] = of(Items(Struct(lambda: SignedAttestation), most=64))
    cancel: CancelCase | None = of(Maybe(Struct(lambda: CancelCase)))
    log: LogProof | None = dataclasses.field(default=None, metadata={"codec": Maybe(Struct(lambda: LogProof))})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Signature:
    """What a signer answers: the EIP-1559 raw transaction and its hash. `repeated`: it was signed before."""

    signer: str = of(SLUG)
    raw: bytes = of(HexData(most=192 * 1024))
    transaction_hash: bytes = of(HASH32)
    repeated: bool = of(Boolean())


@dataclasses.dataclass(frozen=True, kw_only=True)
class CaseFile:
    """A signed case, kept: it can be verified offline for ever (`countersign-verify`).

    `policies` is the chain from the genesis to the newest policy that was in force at `signed_at` (Unix seconds);
    the policy that the bundle names is one of them, mostly the last.
    """

    kind: str = of(Constant("countersign.case.v1"))
    policies: tuple[SignedPolicy, ...] = of(Items(Struct(lambda: SignedPolicy), least=1, most=1000))
    bundle: Bundle = of(Struct(lambda: Bundle))
    signed_at: int = of(TIME)
    raw: bytes = of(HexData(most=192 * 1024))
