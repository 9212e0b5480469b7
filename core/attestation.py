"""What a key's maker says about it, and whether that maker is one whose root the policy pins.

Source: W3C Web Authentication Level 3, sections 6.5.1, 7.1 and 8 (attestation); RFC 5280, section 6 (certification
paths), as much of it as authenticators' certificates use.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from fido2.attestation.base import Attestation
from fido2.webauthn import AttestationObject

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.documents.roster import ConsentKey, KeyAttestation

LONGEST_PATH = 6
"""Certificates of a chain; authenticators have one to three."""
_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Attested:
    """What an attestation statement established: the attested credential data, and its certificates, leaf first."""

    credential: bytes
    path: tuple[bytes, ...]


class AttestationError(Exception):
    """An attestation does not say what it should. The message goes on after "a consent key"."""


def attested_read(attestation: KeyAttestation | None) -> Attested:
    """Verify an attestation statement by itself: which makers are trusted is `chain_problem`'s question.

    Args:
        attestation: The attestation object as the authenticator made it, and the client data's hash.

    Raises:
        AttestationError: Nothing is attested, or it does not verify.
    """
    if attestation is None:
        raise AttestationError("has no attestation")
    try:
        read = _read(attestation)
    except Exception as error:  # hostile CBOR raises many kinds, and each of them means no
        raise AttestationError("has an attestation that does not verify") from error
    if read is None:
        raise AttestationError("is not attested")
    if not read.path:
        raise AttestationError("attests itself, as any software can")
    return read


def _read(attestation: KeyAttestation) -> Attested | None:
    made = AttestationObject(attestation.object)
    credential = made.auth_data.credential_data
    if credential is None or made.fmt == "none":
        return None
    verifier = Attestation.for_type(made.fmt)()
    result = verifier.verify(made.att_stmt, made.auth_data, attestation.client_data_hash)
    return Attested(credential=bytes(credential), path=tuple(bytes(one) for one in result.trust_path))


def attestation_problem(key: ConsentKey) -> str | None:
    """Say why a key's attestation does not speak for this key, or None.

    Its statement must verify and must name this credential, public key and model.
    """
    try:
        attested = attested_read(key.attestation)
    except AttestationError as error:
        return str(error)
    # All of the attested credential data, so that nothing can be hidden in front of the key (WebAuthn, 6.5.1).
    length = len(key.credential_id).to_bytes(2, "big")
    same = attested.credential == key.aaguid + length + key.credential_id + key.public_key
    return None if same else "is not the key that was attested"


def root_problem(key: ConsentKey, roots: Sequence[bytes], *, at: int) -> str | None:
    """Say why a key's attestation does not lead to a pinned root, or None.

    Args:
        key: A key whose attestation has no problem of its own.
        roots: The pinned certificates, DER.
        at: When every certificate of the chain has to be valid, Unix seconds.
    """
    try:
        return chain_problem(attested_read(key.attestation).path, roots, at=at)
    except AttestationError as error:
        return str(error)


def chain_problem(path: Sequence[bytes], roots: Sequence[bytes], *, at: int) -> str | None:
    """Say why a chain of certificates does not end at a pinned root, or None.

    Each certificate is signed by the next one, by names and by signature; whoever signs another one may do so (basic
    constraints, path length, key usage). A certificate that is pinned itself ends the chain, whoever signed it.

    Args:
        path: The chain, DER, the authenticator's own certificate first.
        roots: The pinned certificates, DER.
        at: When all of them have to be valid, Unix seconds.
    """
    if not roots:
        return "is attested by a maker whose root is not pinned: no roots are"
    if not 0 < len(path) <= LONGEST_PATH:
        return f"has a chain of {len(path)} certificates"
    try:
        chain = [x509.load_der_x509_certificate(one) for one in path]
        anchors = [x509.load_der_x509_certificate(one) for one in roots]
        return _walk(chain, anchors, at)
    except Exception:  # noqa: BLE001 - as above: certificates are hostile input, and so is what they hold
        return "has certificates that cannot be read"


def _walk(chain: list[x509.Certificate], anchors: list[x509.Certificate], at: int) -> str | None:
    pinned = {anchor.public_bytes(Encoding.DER) for anchor in anchors}
    for below, certificate in enumerate(chain):
        if not _is_valid(certificate, at):
            return "has a certificate that was not valid when the key was enrolled"
        if certificate.public_bytes(Encoding.DER) in pinned:
            return None
        if any(_is_valid(anchor, at) and _issued(certificate, anchor, below) for anchor in anchors):
            return None
        if below + 1 == len(chain) or not _issued(certificate, chain[below + 1], below):
            return "is attested by a maker whose root is not pinned"
    return "is attested by a maker whose root is not pinned"


def _is_valid(certificate: x509.Certificate, at: int) -> bool:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return begin.timestamp() <= at <= end.timestamp()


def _issued(certificate: x509.Certificate, issuer: x509.Certificate, below: int) -> bool:
    """Whether `issuer` signed a certificate and may; `below` certificates stand between that one and the key's."""
    if not _may_issue(issuer, below) or not isinstance(certificate.signature_hash_algorithm, (*_HASHES, type(None))):
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _may_issue(issuer: x509.Certificate, below: int) -> bool:
    try:
        basic = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return False
    if not basic.ca or (basic.path_length is not None and below > basic.path_length):
        return False
    try:
        return issuer.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound:
        return True
