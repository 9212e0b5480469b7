"""Which makes of security keys may open this site: an allow-list of models, and makers' roots pinned by hash.

The roots are files whose SHA-256 stands in the settings: whoever may write the files alone changes nothing. Keys that
consent are judged elsewhere, by the policy's own lists (`core.profile`).
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from approvals.access import policy_in_force
from core.attestation import AttestationError, attested_read, chain_problem
from core.documents.roster import Profile

if TYPE_CHECKING:
    import datetime as dt

    from core.documents.roster import KeyAttestation

_AAGUID_BYTES = 16
_ASK = "Ask an administrator which keys are allowed."


def models_allowed() -> frozenset[bytes]:
    """Return the listed models (AAGUIDs).

    Raises:
        ImproperlyConfigured: A listed model is none.
    """
    listed = set()
    for text in settings.COUNTERSIGN_SIGN_IN_MODELS:
        try:
            raw = bytes.fromhex(text.replace("-", ""))
        except ValueError:
            raw = b""
        if len(raw) != _AAGUID_BYTES:
            raise ImproperlyConfigured(f"COUNTERSIGN_SIGN_IN_MODELS: {text[:40]!r} is no AAGUID")
        listed.add(raw)
    return frozenset(listed)


def roots_pinned() -> tuple[bytes, ...]:
    """Return the makers' root certificates, DER.

    Raises:
        ImproperlyConfigured: A file is missing, is no certificate, or is not the one whose hash is pinned.
    """
    roots = []
    for digest, path in settings.COUNTERSIGN_SIGN_IN_ROOTS.items():
        try:
            raw = Path(path).read_bytes()
            found = hashlib.sha256(raw).hexdigest()
            if found != digest.lower():
                raise ImproperlyConfigured(f"COUNTERSIGN_SIGN_IN_ROOTS: {path} has the hash {found}, not {digest}")
            roots += [one.public_bytes(Encoding.DER) for one in x509.load_pem_x509_certificates(raw)]
        except (OSError, ValueError) as error:
            raise ImproperlyConfigured(f"COUNTERSIGN_SIGN_IN_ROOTS: {path}: {error}") from error
    return tuple(roots)


def maker_problem(*, attestation: KeyAttestation, aaguid: bytes, now: dt.datetime) -> str | None:
    """Say why a key's make may not open this site, or None.

    Args:
        attestation: What the key said about itself when it was made.
        aaguid: The model that its authenticator data names.
        now: When its chain has to be valid.
    """
    models, roots = models_allowed(), roots_pinned()
    policy = policy_in_force()
    strict = policy is not None and policy.profile is Profile.PRODUCTION
    if strict and not (models and roots):
        return f"This site lists no models and makers of security keys yet. {_ASK}"
    if models and aaguid not in models:
        return f"Keys of this model ({aaguid.hex()}) are not on this site's list. {_ASK}"
    if not roots:
        return None
    try:
        attested = attested_read(attestation)
        problem = chain_problem(attested.path, roots, at=int(now.timestamp()))
    except AttestationError as error:
        problem = str(error)
    return None if problem is None else f"This key {problem}. {_ASK}"
