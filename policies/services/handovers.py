"""Handing signed policies to signers, and bringing them into force when the signers do.

Pulled by the sweep: a row is claimed with a lease and a fencing number, the signer is asked outside every
transaction, and its answer is written only by whoever still holds the claim. Whoever dies in between leaves a lease
that ends; the signer answers a repetition as it did before.
"""

from __future__ import annotations

import datetime as dt
import logging
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import F, Q

from audit.models import Severity
from audit.services import entry_append
from audit.tags import AuditTag
from core.succession import LEAST_RECOVERY_DELAY, is_recovery
from core.tightening import loosenings
from custody.answers import Refused
from custody.backoff import backoff
from custody.errors import SignerWaitsError
from custody.policies import Accepted, policies_hand_over
from policies.models import HandoverState, PolicyHandover, PolicyVersion, VersionStatus
from policies.proposals import effective_latest, handover_list
from policies.selectors import version_policy, version_signed
from policies.services.versions import version_activate, version_end, version_lock

if TYPE_CHECKING:
    from core.documents.policy import SignedPolicy

LEASE = dt.timedelta(seconds=60)
"""Longer than a signer may take to answer."""
TRIALS_LEAST = 3
"""Refusals after which a version that nobody took comes to nothing: one may be about the moment."""
_SYSTEM = "system:policies"
_SENDING = (VersionStatus.SIGNED.value, VersionStatus.ACTIVE.value, VersionStatus.RETIRED.value)
_MOST = 64
_logger = logging.getLogger(__name__)


def _free(now: dt.datetime) -> Q:
    return Q(lease_until__isnull=True) | Q(lease_until__lte=now)


def _due(now: dt.datetime) -> list[PolicyHandover]:
    """Return what can be handed over: to each signer in order, none before the one before is in force there."""
    rows = PolicyHandover.objects.filter(version__status__in=_SENDING).order_by("version__number", "pk")
    due: list[PolicyHandover] = []
    held: set[str] = set()
    for row in rows:
        if row.signer in held:
            continue
        if row.state != HandoverState.ACCEPTED:
            held.add(row.signer)
            if row.due_at is not None and row.due_at <= now and (row.lease_until is None or row.lease_until <= now):
                due.append(row)
        elif row.effective_at is not None and row.effective_at > now:
            held.add(row.signer)
    return due[:_MOST]


def handover_claim(*, row: PolicyHandover, now: dt.datetime) -> bool:
    """Claim a row for this worker; whether it is ours. `row.fence` is then the claim's number."""
    taken = PolicyHandover.objects.filter(_free(now), pk=row.pk, fence=row.fence)
    ours = taken.exclude(state=HandoverState.ACCEPTED.value).update(fence=F("fence") + 1, lease_until=now + LEASE)
    row.fence += ours
    return bool(ours)


def handover_try(*, row: PolicyHandover, now: dt.datetime) -> bool:
    """Ask the signer of a claimed row to take the version, and write down what it says; whether it took it.

    Asks a signer, so not inside a transaction.

    Args:
        row: Claimed by `handover_claim`.
        now: The current time.
    """
    (answer,) = policies_hand_over(asked=[(row.signer, version_signed(version=row.version))])
    return _write_down(row, answer, now)


def _write_down(row: PolicyHandover, answer: Accepted | Refused | SignerWaitsError, now: dt.datetime) -> bool:
    with transaction.atomic():
        kept = PolicyHandover.objects.select_for_update().filter(pk=row.pk, fence=row.fence).first()
        if kept is None or kept.state == HandoverState.ACCEPTED:
            return False
        kept.tried_at, kept.lease_until = now, None
        if isinstance(answer, Accepted):
            _accept(kept, row.version, answer)
            return True
        _postpone(kept, row.version, answer, now)
        return False


def _accept(row: PolicyHandover, version: PolicyVersion, answer: Accepted) -> None:
    row.state, row.kind, row.due_at = HandoverState.ACCEPTED.value, answer.kind, None
    row.effective_at = dt.datetime.fromtimestamp(answer.effective, tz=dt.UTC)
    row.error_code = row.error = ""
    row.save()
    entry_append(
        actor=_SYSTEM,
        tag=AuditTag.POLICY_ACCEPTED,
        subject=version.digest,
        payload={
            "number": version.number,
            "signer": row.signer,
            "kind": answer.kind,
            "effective": answer.effective,
        },
    )


def _postpone(
    row: PolicyHandover, version: PolicyVersion, answer: Refused | SignerWaitsError, now: dt.datetime
) -> None:
    away = isinstance(answer, SignerWaitsError)
    state = HandoverState.AWAY if away else HandoverState.REFUSED
    known = (row.state, row.error_code) == (state.value, str(answer.code)[:64])
    row.state, row.error_code, row.error = state.value, str(answer.code)[:64], answer.message[:400]
    row.due_at = now + backoff(row.trials)
    row.trials += 1
    row.save()
    if known:
        return
    # Once for each new trouble, not once for each trial.
    entry_append(
        actor=_SYSTEM,
        tag=AuditTag.POLICY_NOT_TAKEN,
        subject=version.digest,
        payload={
            "number": version.number,
            "signer": row.signer,
            "state": state.value,
            "code": row.error_code,
            "why": row.error,
        },
        severity=Severity.WARNING if away else Severity.ALARM,
    )


def handovers_advance(*, now: dt.datetime) -> int:
    """Hand over what is due, to all signers side by side; return how many took something.

    Each answer is written down by itself, in the rows' order, whoever is silent or answers first.

    Args:
        now: The current time.
    """
    asked: list[tuple[PolicyHandover, SignedPolicy]] = []
    for row in _due(now):
        if not handover_claim(row=row, now=now):
            continue
        try:
            asked.append((row, version_signed(version=row.version)))
        except Exception:  # one version's trouble does not keep the others waiting
            _logger.exception("policy %s could not be read for %s", row.version_id, row.signer)
    answers = policies_hand_over(asked=[(row.signer, signed) for row, signed in asked])
    taken = 0
    for (row, _), answer in zip(asked, answers, strict=True):
        try:
            taken += _write_down(row, answer, now)
        except Exception:  # one signer's or one version's trouble does not keep the others waiting
            _logger.exception("what %s said of policy %s could not be written down", row.signer, row.version_id)
    return taken


def _earliest(version: PolicyVersion) -> dt.datetime:
    """Return when signers bring a version into force at the earliest, by this tier's own reading of it.

    What signers answer comes through couriers that nobody trusts: it can only make this later.
    """
    signed, at = version_signed(version=version), version.signed_at or version.stored_at
    if version.previous is None:
        return at
    current = version_policy(version=version.previous)
    if is_recovery(signed):
        delay = max(current.controls.recovery_delay, LEAST_RECOVERY_DELAY)
    else:
        delay = current.controls.succession_delay if loosenings(current, signed.policy) else 0
    return at.replace(microsecond=0) + dt.timedelta(seconds=delay)


def _withdrawn(version: PolicyVersion, rows: list[PolicyHandover]) -> str | None:
    """Ask the signers that took a version once more, when its time has come.

    A veto is handed to the signer itself, so nobody here heard of it. Asks signers, so not inside a transaction.

    Returns:
        None if one of them still has it; why it comes to nothing, if all of them refuse it now.

    Raises:
        SignerWaitsError: If none of them says so, or not all of them answer.
    """
    signed = version_signed(version=version)
    holding = [row.signer for row in rows if row.state == HandoverState.ACCEPTED]
    away: SignerWaitsError | None = None
    why = ""
    answers = policies_hand_over(asked=[(signer, signed) for signer in holding])
    if any(isinstance(answer, Accepted) for answer in answers):
        return None
    for signer, answer in zip(holding, answers, strict=True):
        if isinstance(answer, SignerWaitsError):
            away = answer
        elif isinstance(answer, Refused):
            why = f"vetoed or replaced at the signers; {signer} says {answer.code}: {answer.message}"
    if away is not None:
        raise away
    return why


def versions_activate(*, now: dt.datetime) -> int:
    """Bring signed versions into force at the latest time that a signer named, never before; return how many moved.

    Signers that are away are not waited for: they were asked, and are asked again until they have it; but one that
    took it has to say that it still has it. A version that every signer keeps refusing comes to nothing, and so does
    one that all who took it refuse by now: somebody vetoed it there.

    Args:
        now: The current time.
    """
    moved = 0
    for version in PolicyVersion.objects.filter(status=VersionStatus.SIGNED.value):
        rows = handover_list(version=version)
        at = effective_latest(handovers=rows)
        if at is not None and all(row.tried_at is not None for row in rows):
            moved += _bring_into_force(version, rows, max(at, _earliest(version)), now)
        elif rows and all(row.state == HandoverState.REFUSED and row.trials >= TRIALS_LEAST for row in rows):
            why = f"every signer refused it; {rows[0].signer} says {rows[0].error_code}: {rows[0].error}"
            moved += _end(version, why, now)
    return moved


def _bring_into_force(version: PolicyVersion, rows: list[PolicyHandover], at: dt.datetime, now: dt.datetime) -> bool:
    if now < at:
        return False
    try:
        why = _withdrawn(version, rows)
    except SignerWaitsError as error:
        _logger.warning("policy %s waits: %s", version.digest, error)
        return False
    return version_activate(digest=version.digest, at=at, now=now) if why is None else _end(version, why, now)


def _end(version: PolicyVersion, why: str, now: dt.datetime) -> bool:
    with transaction.atomic():
        locked = version_lock(digest=version.digest)
        if locked.status != VersionStatus.SIGNED:
            return False
        version_end(version=locked, actor=_SYSTEM, why=why, now=now)
        return True
