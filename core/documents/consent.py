"""What a person or an API client signs about a document, and the proof that they did.

Source: W3C Web Authentication Level 3 (assertions), RFC 8032 (Ed25519, API clients), RFC 9052 (COSE keys).
"""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import ClassVar

from core.documents.base import Document
from core.names import CREDENTIAL_ID, DIGEST, SENTENCE, SLUG
from core.schema import Base64Url, Choice, Constant, Items, OneOf, Struct, of


class Decision(StrEnum):
    """What is said about the subject. Part of the challenge, so no consent serves another purpose."""

    ASK = "ask"
    APPROVE = "approve"
    REJECT = "reject"
    WITHDRAW = "withdraw"


class SubjectType(StrEnum):
    """The document types that people consent to."""

    MANDATE = "mandate"
    POLICY = "policy"
    CANCEL = "cancel"
    HALT = "halt"
    RESUME = "resume"
    CEREMONY = "ceremony"
    ENROLMENT = "enrolment"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Consent(Document):
    """The statement whose digest is the WebAuthn challenge.

    `header.id` is the nonce and `header.expires` the consent's own expiry. `actor` is the roster id of the person
    (or of the API client, which can only ask). `reason` is what a person typed when rejecting.
    """

    TYPE: ClassVar[str] = "consent"

    subject_type: SubjectType = of(Choice(SubjectType))
    subject: str = of(DIGEST)
    policy: str = of(DIGEST)
    decision: Decision = of(Choice(Decision))
    actor: str = of(SLUG)
    reason: str = of(SENTENCE)

    @property
    def challenge(self) -> bytes:
        """The 32 bytes that the security key signs over."""
        return bytes.fromhex(self.digest)


@dataclasses.dataclass(frozen=True, kw_only=True)
class WebAuthnProof:
    """An assertion made at the consent origin."""

    kind: str = of(Constant("webauthn"))
    credential_id: bytes = of(CREDENTIAL_ID)
    authenticator_data: bytes = of(Base64Url(most=4096, least=37))
    client_data_json: bytes = of(Base64Url(most=4096))
    signature: bytes = of(Base64Url(most=1024))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ed25519Proof:
    """An API client's signature over the statement's challenge."""

    kind: str = of(Constant("ed25519"))
    signature: bytes = of(Base64Url(least=64, most=64))


Proof = WebAuthnProof | Ed25519Proof


@dataclasses.dataclass(frozen=True, kw_only=True)
class SignedConsent:
    """A statement with its proof."""

    statement: Consent = of(Struct(lambda: Consent))
    proof: Proof = of(OneOf(lambda: {"webauthn": WebAuthnProof, "ed25519": Ed25519Proof}))


SIGNED_CONSENT = Struct(lambda: SignedConsent)
SIGNED_CONSENTS = Items(SIGNED_CONSENT, most=64)

__all__ = [
    "SIGNED_CONSENT",
    "SIGNED_CONSENTS",
    "Consent",
    "Decision",
    "Ed25519Proof",
    "Proof",
    "SignedConsent",
    "SubjectType",
    "WebAuthnProof",
]
