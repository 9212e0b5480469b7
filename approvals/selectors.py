"""Reading people, keys and consents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from approvals.models import ConsentRecord, SecurityKey
from core.canonical import parse
from core.documents.consent import SignedConsent
from core.schema import read_struct

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from approvals.models import User


def key_get_for_sign_in(*, credential_id: str) -> SecurityKey | None:
    """Return the usable key with this credential id, locked until the transaction ends."""
    keys = SecurityKey.objects.select_for_update(of=("self",)).select_related("user")
    return keys.filter(credential_id=credential_id, confirmed=True, user__is_active=True).first()


def key_list_for_user(*, user: User) -> QuerySet[SecurityKey]:
    """Return a person's sign-in keys."""
    return SecurityKey.objects.filter(user=user).order_by("pk")


def consent_list_for_subject(*, subject: str) -> list[ConsentRecord]:
    """Return what was said about a document, in the order in which it arrived."""
    return list(ConsentRecord.objects.filter(subject=subject).order_by("pk"))


def consent_documents(*, subject: str) -> tuple[SignedConsent, ...]:
    """Return the signed consents about a document, as a signer is given them."""
    return tuple(
        read_struct(SignedConsent, parse(record.text.encode()), "consent")
        for record in consent_list_for_subject(subject=subject)
    )
