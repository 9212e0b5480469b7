"""Storing policies that people signed, and moving a version along: the only writer of its status."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction

from approvals.access import access_sync
from audit.models import Severity
from audit.services import entry_append
from audit.tags import AuditTag
from core.canonical import canonical
from core.documents.consent import SIGNED_CONSENTS
from core.documents.roster import SignerRole
from core.errors import RefusedError
from core.succession import check_genesis, check_successor, is_recovery
from custody.wake import wake
from policies.errors import ProposalRefusedError, VersionRefusedError
from policies.models import PolicyHandover, PolicyVersion, VersionStatus
from policies.selectors import version_active, version_policy

if TYPE_CHECKING:
    from core.documents.consent import SignedConsent
    from core.documents.policy import Policy, SignedPolicy

_SYSTEM = "system:policies"
_WHY_MOST = 400
REPLACE_MARGIN = dt.timedelta(minutes=5)
"""How long before it comes into force a waiting version can no longer be replaced: more than clocks differ by."""


def _at(now: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(now, tz=dt.UTC)


def consents_text(*, consents: tuple[SignedConsent, ...]) -> str:
    """Return consents as a version keeps them: canonical JSON."""
    return canonical(SIGNED_CONSENTS.write(consents, "consents")).decode()


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
        version = PolicyVersion.objects.create(
            number=signed.policy.number,
            digest=digest,
            document=signed.policy.to_bytes().decode(),
            consents=consents_text(consents=signed.consents),
            status=VersionStatus.ACTIVE.value,
            previous=None,
            stored_at=_at(now),
            activated_at=_at(now),
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
        access_sync(policy=signed.policy)
        return version


def version_lock(*, digest: str) -> PolicyVersion:
    """Return a version locked until the transaction ends.

    Raises:
        ProposalRefusedError: If it is not stored any more.
    """
    version = PolicyVersion.objects.select_for_update().filter(digest=digest).first()
    if version is None:
        raise ProposalRefusedError("missing", "There is no such version.")
    return version


def version_end(*, version: PolicyVersion, actor: str, why: str, now: dt.datetime) -> None:
    """End a locked, open proposal for good, in the caller's transaction."""
    version.status = VersionStatus.ENDED.value
    version.ended_at, version.ended_why = now, why[:_WHY_MOST]
    version.save(update_fields=["status", "ended_at", "ended_why"])
    entry_append(
        actor=actor,
        tag=AuditTag.POLICY_ENDED,
        subject=version.digest,
        payload={"number": version.number, "why": version.ended_why},
        severity=Severity.WARNING,
    )


def version_sign(
    *, version: PolicyVersion, consents: tuple[SignedConsent, ...], current: Policy, now: dt.datetime
) -> None:
    """Take a locked proposal as signed, in the caller's transaction, and have it handed to every signer.

    Args:
        version: Proposed, and locked.
        consents: The quorum's.
        current: Its predecessor: the policy in force.
        now: The current time.

    Raises:
        ProposalRefusedError: `too_late`, where another one that waits is about to come into force.
    """
    policy = version_policy(version=version)
    _replace_waiting(version, now)
    version.status, version.signed_at = VersionStatus.SIGNED.value, now
    version.consents = consents_text(consents=consents)
    version.save(update_fields=["status", "signed_at", "consents"])
    # A signer that the successor drops has to hear of it more than any other. The log's signer takes no policies.
    named = (*current.signers, *policy.signers)
    signers = sorted({signer.id for signer in named if signer.role is not SignerRole.LOG})
    PolicyHandover.objects.bulk_create(
        [PolicyHandover(version=version, signer=signer, due_at=now) for signer in signers]
    )
    entry_append(
        actor=_SYSTEM,
        tag=AuditTag.POLICY_SIGNED,
        subject=version.digest,
        payload={
            "number": version.number,
            "signed_by": sorted(consent.statement.actor for consent in consents),
            "signers": list(signers),
        },
        severity=Severity.WARNING,
    )
    transaction.on_commit(wake)


def _replace_waiting(version: PolicyVersion, now: dt.datetime) -> None:
    """End what is signed and still waits for the same place; signers let a later one replace it too.

    Not shortly before it comes into force: some signers would then have the one, and some the other.
    """
    waiting = PolicyVersion.objects.select_for_update().filter(
        previous_id=version.previous_id, status=VersionStatus.SIGNED.value
    )
    for other in waiting.exclude(pk=version.pk):
        taken = PolicyHandover.objects.filter(version=other, effective_at__lte=now + REPLACE_MARGIN)
        if taken.exists():
            msg = f"Policy {other.digest[:16]}… is about to come into force: nothing replaces it any more."
            raise ProposalRefusedError("too_late", msg)
        version_end(version=other, actor=_SYSTEM, why=f"replaced by {version.digest}", now=now)


def version_activate(*, digest: str, at: dt.datetime, now: dt.datetime) -> bool:
    """Bring a signed version into force and retire its predecessor; whether it did. Idempotent.

    Args:
        digest: The version.
        at: The latest time at which a signer brings it into force.
        now: The current time.
    """
    with transaction.atomic():
        current = PolicyVersion.objects.select_for_update().filter(status=VersionStatus.ACTIVE.value).first()
        version = version_lock(digest=digest)
        if version.status != VersionStatus.SIGNED or now < at:
            return False
        if current is None or version.previous_id != current.pk:
            version_end(version=version, actor=_SYSTEM, why="another version took its place", now=now)
            return True
        current.status, current.retired_at = VersionStatus.RETIRED.value, now
        current.save(update_fields=["status", "retired_at"])
        version.status, version.activated_at = VersionStatus.ACTIVE.value, now
        version.save(update_fields=["status", "activated_at"])
        entry_append(
            actor=_SYSTEM,
            tag=AuditTag.POLICY_RETIRED,
            subject=current.digest,
            payload={"number": current.number, "by": version.digest},
        )
        entry_append(
            actor=_SYSTEM,
            tag=AuditTag.POLICY_ACTIVATED,
            subject=version.digest,
            payload={"number": version.number, "effective": int(at.timestamp())},
            severity=Severity.WARNING,
        )
        # Roles on this site follow the roster at once.
        access_sync(policy=version_policy(version=version))
        transaction.on_commit(wake)
        return True


def version_import(*, signed: SignedPolicy, actor: str, now: dt.datetime) -> PolicyVersion:
    """Take a successor that was signed without this server, for instance a recovery of the roster. Idempotent.

    It is verified as a signer verifies it, then handed to the signers like any other. A proposal that nobody has
    signed yet gives way to it.

    Args:
        signed: The policy with its signatures.
        actor: Who brings it.
        now: The current time.

    Raises:
        VersionRefusedError: If it does not hold.
    """
    active = version_active()
    if active is None:
        msg = "no policy is in force here"
        raise VersionRefusedError(msg)
    known = (
        PolicyVersion.objects.filter(digest=signed.policy.digest).exclude(status=VersionStatus.ENDED.value).first()
    )
    if known is not None and known.status != VersionStatus.PROPOSED:
        return known
    current = version_policy(version=active)
    try:
        check_successor(signed, current, now=int(now.timestamp()))
    except RefusedError as error:
        msg = f"{error.code}: {error.message}"
        raise VersionRefusedError(msg) from error
    try:
        with transaction.atomic():
            return _import(signed, active, current, actor, now)
    except ProposalRefusedError as error:
        raise VersionRefusedError(error.message) from error
    except IntegrityError as error:
        msg = "this version, or another that follows the active one, is on its way already"
        raise VersionRefusedError(msg) from error


def _import(
    signed: SignedPolicy, active: PolicyVersion, current: Policy, actor: str, now: dt.datetime
) -> PolicyVersion:
    locked = PolicyVersion.objects.select_for_update()
    proposed = locked.filter(previous=active, status=VersionStatus.PROPOSED.value)
    for other in proposed.exclude(digest=signed.policy.digest):
        version_end(version=other, actor=actor, why="a policy that was signed elsewhere took its place", now=now)
    if locked.filter(previous=active, status=VersionStatus.SIGNED.value).exists() and is_recovery(signed):
        # As signers see it: what a quorum signed is no emergency.
        msg = "a policy is signed and waits already: no recovery replaces it"
        raise VersionRefusedError(msg)
    version = proposed.filter(digest=signed.policy.digest).first()
    if version is None:
        fields = {
            "number": signed.policy.number,
            "digest": signed.policy.digest,
            "document": signed.policy.to_bytes().decode(),
            "consents": consents_text(consents=signed.consents),
            "previous": active,
            "stored_at": now,
        }
        version = PolicyVersion(**fields, status=VersionStatus.SIGNED.value)
        _replace_waiting(version, now)
        version.save(force_insert=True)
    entry_append(
        actor=actor,
        tag=AuditTag.POLICY_IMPORTED,
        subject=version.digest,
        payload={"number": version.number},
        severity=Severity.WARNING,
    )
    version_sign(version=version, consents=signed.consents, current=current, now=now)
    return version
