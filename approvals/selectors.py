"""Reading people, keys and consents."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from fido2 import cbor
from fido2.utils import websafe_decode
from fido2.webauthn import AttestedCredentialData

from approvals.models import ConsentRecord, SecurityKey
from core.canonical import parse
from core.documents.consent import SignedConsent
from core.schema import read_struct

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from approvals.models import User


def key_get_for_sign_in(*, credential_id: str, lock: bool = True) -> SecurityKey | None:
    """Return the confirmed key with this credential id, of somebody who may sign in.

    Args:
        credential_id: base64url.
        lock: Hold the row until the transaction ends.
    """
    keys = SecurityKey.objects.select_related("user")
    if lock:
        keys = keys.select_for_update(of=("self",))
    return keys.filter(credential_id=credential_id, confirmed=True, user__is_active=True).first()


def key_list_for_user(*, user: User) -> QuerySet[SecurityKey]:
    """Return a person's sign-in keys."""
    return SecurityKey.objects.filter(user=user).order_by("pk")


def key_fingerprint_of(*, key: SecurityKey) -> str:
    """Return SHA-256 of a sign-in key's public half (COSE), 64 hex digits: what people compare."""
    credential = AttestedCredentialData(websafe_decode(key.public_key))
    return hashlib.sha256(cbor.encode(dict(credential.public_key))).hexdigest()


def keys_usable(*, user: User) -> QuerySet[SecurityKey]:
    """Return the keys with which somebody can prove who they are."""
    return SecurityKey.objects.filter(user=user, confirmed=True, locked=False).order_by("pk")


def consent_list_for_subject(*, subject: str) -> list[ConsentRecord]:
    """Return what was said about a document, in the order in which it arrived."""
    return list(ConsentRecord.objects.filter(subject=subject).order_by("pk"))


def consent_documents(*, subject: str) -> tuple[SignedConsent, ...]:
    """Return the signed consents about a document, as a signer is given them."""
    return tuple(
        read_struct(SignedConsent, parse(record.text.encode()), "consent")
        for record in consent_list_for_subject(subject=subject)
    )
