"""A protocol-level software security key: what a hardware key does on the wire, without the hardware.

For the demo profile and for tests only. Production policies refuse its model (see `core.profile`), and its keys
protect nothing: they live in this process.

Source: W3C Web Authentication Level 3, section 6.1 (authenticator data); RFC 9052/9053 (COSE keys).
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import secrets

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2 import cbor

from core.documents.consent import Consent, SignedConsent, WebAuthnProof
from core.documents.roster import DEMO_AAGUID, ConsentKey

USER_PRESENT, USER_VERIFIED, BACKUP_ELIGIBLE, BACKED_UP = 0x01, 0x04, 0x08, 0x10


def b64url(raw: bytes) -> str:
    """Return unpadded base64url."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@dataclasses.dataclass
class SoftKey:
    """One software key. `counter` 0 never counts, as many real keys do not."""

    private_key: ec.EllipticCurvePrivateKey
    credential_id: bytes
    aaguid: bytes = DEMO_AAGUID
    counter: int = 0

    @classmethod
    def generate(cls, *, aaguid: bytes = DEMO_AAGUID) -> SoftKey:
        """Make a fresh key."""
        return cls(ec.generate_private_key(ec.SECP256R1()), secrets.token_bytes(32), aaguid)

    @property
    def cose(self) -> bytes:
        """The public key as canonical CBOR COSE (ES256)."""
        numbers = self.private_key.public_key().public_numbers()
        point = {-2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        return cbor.encode({1: 2, 3: -7, -1: 1, **point})

    @property
    def entry(self) -> ConsentKey:
        """The roster entry of this key."""
        return ConsentKey(
            credential_id=self.credential_id,
            public_key=self.cose,
            aaguid=self.aaguid,
            attestation=None,
            enrolment=None,
        )

    @property
    def jwk(self) -> dict[str, str]:
        """The private key for a demo page's WebCrypto. Anyone who reads it is this person."""
        numbers = self.private_key.private_numbers()
        public = numbers.public_numbers
        return {
            "kty": "EC",
            "crv": "P-256",
            "x": b64url(public.x.to_bytes(32, "big")),
            "y": b64url(public.y.to_bytes(32, "big")),
            "d": b64url(numbers.private_value.to_bytes(32, "big")),
        }

    def assertion(
        self,
        challenge: bytes,
        *,
        origin: str,
        rp_id: str,
        flags: int = USER_PRESENT | USER_VERIFIED,
        kind: str = "webauthn.get",
        cross_origin: bool = False,
    ) -> WebAuthnProof:
        """Answer a challenge as `navigator.credentials.get` would."""
        client_data = json.dumps(
            {"type": kind, "challenge": b64url(challenge), "origin": origin, "crossOrigin": cross_origin},
            separators=(",", ":"),
        ).encode()
        data = hashlib.sha256(rp_id.encode()).digest() + bytes([flags]) + self.counter.to_bytes(4, "big")
        signature = self.private_key.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(hashes.SHA256()))
        return WebAuthnProof(
            kind="webauthn",
            credential_id=self.credential_id,
            authenticator_data=data,
            client_data_json=client_data,
            signature=signature,
        )

    def consent(self, statement: Consent, *, origin: str, rp_id: str) -> SignedConsent:
        """Sign a statement at an origin."""
        proof = self.assertion(statement.challenge, origin=origin, rp_id=rp_id)
        return SignedConsent(statement=statement, proof=proof)
