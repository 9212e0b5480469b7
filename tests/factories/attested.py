"""Hardware keys that their maker attests, down to the certificates."""

from __future__ import annotations

import dataclasses
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from fido2 import cbor

from core.documents.roster import ConsentKey, KeyAttestation
from demo.softkey import SoftKey

MODEL = bytes.fromhex("2fc0579f811347eab116bb5a8db9202a")
CLIENT_HASH = hashlib.sha256(b"registration").digest()
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
END = BEGIN + timedelta(days=9000)
Key = ec.EllipticCurvePrivateKey


def new_key() -> Key:
    return ec.generate_private_key(ec.SECP256R1())


ROOT_KEY, ATTESTER = new_key(), new_key()


def named(common: str) -> x509.Name:
    """A name as section 8.2.1 of WebAuthn wants it."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "SE"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Maker"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "Authenticator Attestation"),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def certificate(
    common: str,
    key: Key,
    *,
    by: tuple[str, Key],
    ca: bool = False,
    path_length: int | None = None,
    begin: datetime = BEGIN,
    end: datetime = END,
    usage: bool | None = None,
) -> bytes:
    """Issue a certificate; `usage` is what key usage says about signing others, None leaves it out."""
    issuer, issuer_key = by
    builder = x509.CertificateBuilder(named(issuer), named(common), key.public_key(), 7, begin, end)
    builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=path_length), critical=True)
    if usage is not None:
        bits = dict.fromkeys(
            (
                "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign",
                "encipher_only", "decipher_only",
            ),
            False,
        )  # fmt: skip
        builder = builder.add_extension(
            x509.KeyUsage(digital_signature=True, key_cert_sign=usage, **bits), critical=True
        )
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(Encoding.DER)


ROOT = certificate("Maker Root", ROOT_KEY, by=("Maker Root", ROOT_KEY), ca=True)
LEAF = certificate("Maker U2F", ATTESTER, by=("Maker Root", ROOT_KEY))


def attest(
    key: SoftKey,
    *,
    by_itself: bool = False,
    public_key: bytes | None = None,
    path: tuple[bytes, ...] = (LEAF,),
    **changes: Any,  # noqa: ANN401 - fields of ConsentKey
) -> ConsentKey:
    """Register a key as a hardware key would, or as software pretends to."""
    cose = public_key or key.cose
    credential = key.aaguid + len(key.credential_id).to_bytes(2, "big") + key.credential_id + cose
    data = hashlib.sha256(b"consent.example.com").digest() + bytes([0x45]) + bytes(4) + credential
    signer = key.private_key if by_itself else ATTESTER
    statement: dict[str, object] = {"alg": -7, "sig": signer.sign(data + CLIENT_HASH, ec.ECDSA(hashes.SHA256()))}
    if not by_itself:
        statement["x5c"] = list(path)
    made = cbor.encode({"fmt": "packed", "attStmt": statement, "authData": data})
    attestation = KeyAttestation(object=made, client_data_hash=CLIENT_HASH)
    return dataclasses.replace(key.entry, attestation=attestation, **changes)


def hardware() -> SoftKey:
    """A key of a model that its maker attests."""
    return SoftKey.generate(aaguid=MODEL)
