"""Storing policies that people signed."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from django.db import transaction

from audit.services import entry_append
from audit.tags import AuditTag
from core.canonical import canonical
from core.documents.consent import SIGNED_CONSENTS
from core.errors import RefusedError
from core.succession import check_genesis
from policies.errors import VersionRefusedError
from policies.models import PolicyVersion, VersionStatus

if TYPE_CHECKING:
    from core.documents.policy import SignedPolicy


def genesis_store(*, signed: SignedPolicy, digest: str, actor: str, now: int) -> PolicyVersion:
    """Store the first policy as the one in force. Idempotent for the same one.

    Args:
        signed: The policy with its consents.
        digest: What two people compared.
        actor: Who stores it, for the log.
        now: Unix seconds.

    Raises:
        VersionRefusedError: It does not hold as a genesis, or another one is stored.
    """
    try:
        check_genesis(signed, digest, now=now)
    except RefusedError as error:
        msg = f"{error.code}: {error.message}"
        raise VersionRefusedError(msg) from error
    with transaction.atomic():
        stored = PolicyVersion.objects.select_for_update().filter(number=1).first()
        if stored is not None and stored.digest == digest:
            return stored
        if stored is not None:
            msg = f"another first policy is stored: {stored.digest}"
            raise VersionRefusedError(msg)
        at = dt.datetime.fromtimestamp(now, tz=dt.UTC)
        version = PolicyVersion.objects.create(
            number=signed.policy.number,
            digest=digest,
            document=signed.policy.to_bytes().decode(),
            consents=canonical(SIGNED_CONSENTS.write(signed.consents, "consents")).decode(),
            status=VersionStatus.ACTIVE.value,
            previous=None,
            stored_at=at,
            activated_at=at,
        )
        entry_append(
            actor=actor,
            tag=AuditTag.POLICY_ACTIVATED,
            subject=digest,
            payload={
                "number": signed.policy.number,
                "signed_by": sorted(consent.statement.actor for consent in signed.consents),
            },
        )
        return version
