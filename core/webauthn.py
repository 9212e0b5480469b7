"""Checks one assertion, offline, against one key that the policy names.

Source: W3C Web Authentication Level 3, section 7.2 (verifying an assertion), RFC 9053 (ES256, EdDSA). The library
parses and verifies signatures; the flags, the origin and the backup bits are our own checks, because it leaves
them to its caller (measured).
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from fido2 import cbor
from fido2.cose import CoseKey
from fido2.webauthn import AuthenticatorData

from core.canonical import parse
from core.documents.consent import Ed25519Proof, SignedConsent, WebAuthnProof
from core.ed25519 import check_public_key
from core.errors import EncodingError, Refusal, RefusedError, require
from core.schema import Base64Url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.documents.roster import ConsentKey

ES256, ED_DSA = -7, -8
ALGORITHMS = (ES256, ED_DSA)
"""The COSE algorithms that consent keys may have."""
_COORDINATE_BYTES = 32
_FLAGS = AuthenticatorData.FLAG
_CHALLENGE = Base64Url(most=64)


def _only_spelling(decoded: Mapping[int, Any]) -> dict[int, object]:
    """Return the one map that a key may be: RFC 9053 sections 7.1.1 and 7.2, and nothing optional."""
    x, y = decoded[-2], decoded.get(-3)
    if decoded[3] == ED_DSA:
        return {1: 1, 3: ED_DSA, -1: 6, -2: _coordinate(x)}
    return {1: 2, 3: ES256, -1: 1, -2: _coordinate(x), -3: _coordinate(y)}


def _coordinate(value: object) -> bytes:
    if not isinstance(value, bytes) or len(value) != _COORDINATE_BYTES:
        msg = "a coordinate has 32 bytes"
        raise EncodingError(msg)
    return value


@lru_cache(maxsize=1024)
def parse_public_key(cose: bytes) -> CoseKey:
    """Read a COSE public key in canonical CBOR.

    Raises:
        EncodingError: For another algorithm, a second spelling or a point that is not on its curve.
    """
    try:
        decoded = cast("Mapping[int, Any]", cbor.decode(cose))
        key = CoseKey.parse(decoded)
        expected = cbor.encode(_only_spelling(decoded))
    except Exception as error:  # the library raises many kinds for hostile CBOR
        msg = "not a COSE public key"
        raise EncodingError(msg) from error
    # Two spellings of one key would let it stand in the roster twice, as two people.
    if expected != cose:
        msg = "COSE key must be canonical, without further fields, and for ES256 or EdDSA"
        raise EncodingError(msg)
    if key[3] == ED_DSA:
        check_public_key(key[-2])
    try:
        key.verify(b"", b"")
    except InvalidSignature:
        return key
    except Exception as error:  # a key that cannot verify anything is no key
        msg = "not a usable public key"
        raise EncodingError(msg) from error
    return key


def _check_client_data(proof: WebAuthnProof, challenge: bytes, origin: str) -> None:
    try:
        client_data = parse(proof.client_data_json, max_bytes=4096)
    except EncodingError as error:
        raise RefusedError(Refusal.ASSERTION, "the client data is not strict JSON") from error
    if not isinstance(client_data, dict):
        raise RefusedError(Refusal.ASSERTION, "the client data is not an object")
    require(client_data.get("type") == "webauthn.get", Refusal.ASSERTION, "not an assertion (webauthn.get)")
    require(
        client_data.get("origin") == origin,
        Refusal.ASSERTION,
        "the assertion was not made at the consent origin",
    )
    embedded = client_data.get("crossOrigin", False) is not False or "topOrigin" in client_data
    require(not embedded, Refusal.ASSERTION, "cross-origin assertions are refused")
    require(
        client_data.get("challenge") == _CHALLENGE.write(challenge, "challenge"),
        Refusal.ASSERTION,
        "the assertion is over another statement",
    )


def check_assertion(signed: SignedConsent, key: ConsentKey, *, origin: str, rp_id: str) -> int:
    """Verify that the key's holder signed exactly this statement at the consent origin.

    Args:
        signed: Statement and WebAuthn proof.
        key: The key as the policy's roster names it, never as the bundle claims it.
        origin: The policy's consent origin.
        rp_id: The policy's relying party id.

    Returns:
        The authenticator's signature counter (0 where it keeps none).

    Raises:
        RefusedError: `assertion` or `unknown_key`, saying what does not hold.
    """
    proof = signed.proof
    if not isinstance(proof, WebAuthnProof):
        raise RefusedError(Refusal.ASSERTION, "a person consents with a security key")
    require(proof.credential_id == key.credential_id, Refusal.UNKNOWN_KEY, "the credential is another one")
    _check_client_data(proof, signed.statement.challenge, origin)
    try:
        data = AuthenticatorData(proof.authenticator_data)
    except Exception as error:  # the library raises struct.error and others for truncated data
        raise RefusedError(Refusal.ASSERTION, "the authenticator data cannot be read") from error
    rp_hash = hashlib.sha256(rp_id.encode("ascii")).digest()
    require(data.rp_id_hash == rp_hash, Refusal.ASSERTION, "made for another relying party")
    require(data.flags & _FLAGS.UP, Refusal.ASSERTION, "nobody touched the key")
    require(data.flags & _FLAGS.UV, Refusal.ASSERTION, "the key did not verify its user")
    backup = data.flags & (_FLAGS.BE | _FLAGS.BS)
    require(not backup, Refusal.ASSERTION, "backup-eligible keys are refused")
    require(not data.flags & _FLAGS.AT, Refusal.ASSERTION, "an assertion carries no attested credential")
    client_hash = hashlib.sha256(proof.client_data_json).digest()
    try:
        parse_public_key(key.public_key).verify(proof.authenticator_data + client_hash, proof.signature)
    except (InvalidSignature, ValueError, EncodingError) as error:
        raise RefusedError(Refusal.ASSERTION, "the signature does not verify") from error
    return int(data.counter)


def check_client_signature(signed: SignedConsent, public_key: bytes) -> None:
    """Verify an API client's Ed25519 signature (RFC 8032) over the statement's 32-byte challenge.

    Raises:
        RefusedError: `assertion`.
    """
    if not isinstance(signed.proof, Ed25519Proof):
        raise RefusedError(Refusal.ASSERTION, "an API client asks with its Ed25519 key")
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signed.proof.signature, signed.statement.challenge)
    except (InvalidSignature, ValueError) as error:
        raise RefusedError(Refusal.ASSERTION, "the client's signature does not verify") from error
