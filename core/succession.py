"""How a policy comes to be in force: the genesis by the people it names, a successor by its predecessor's quorum.

A successor that only tightens (`core.tightening`) is in force at once; any other waits the delay that its predecessor
names, from this signer's own receipt. A *recovery*, signed by the genesis's offline keys instead of a quorum, may
change the roster and nothing else, waits seven days at least, and ends where any one person of the roster rejects it.

Source: The Update Framework's root rotation (strictly following versions, judged by the predecessor).
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.consents import Subject, Voice, approvers, check_consents, check_holder
from core.documents.base import GENESIS_DEPLOYMENT, check_lifetime
from core.documents.consent import Decision, Ed25519Proof, SubjectType
from core.documents.policy import Policy
from core.enrolments import check_enrolments, everyone
from core.errors import Refusal, RefusedError, require
from core.policy_check import validate
from core.quorum import describe, is_filled
from core.records import AccessionKind
from core.tightening import loosenings

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.documents.policy import SignedPolicy

__all__ = [
    "LEAST_RECOVERY_DELAY",
    "Accession",
    "AccessionKind",
    "check_genesis",
    "check_recovery_change",
    "check_successor",
    "is_recovery",
    "signed_by",
]

LEAST_RECOVERY_DELAY = 7 * 86_400
"""The least that a recovery waits, whatever the policy says; seconds."""
_RECOVERY_CHANGES = frozenset({"header", "number", "previous", "people", "evidence"})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Accession:
    """How a successor was accepted.

    Attributes:
        effective: When it comes into force: Unix seconds by the clock of whoever received it.
        kind: Tightening (at once), loosening (after the delay) or recovery (after seven days at least).
        loosenings: Why it is no tightening, one sentence each; empty for one, and for a recovery.
        voices: The consents that were verified, co-signatures of new keys among them.
    """

    effective: int
    kind: AccessionKind
    loosenings: tuple[str, ...]
    voices: tuple[Voice, ...]


def signed_by(signed: SignedPolicy) -> int:
    """Return when the last consent was given, Unix seconds: consents expire, what they put in force does not."""
    return max([signed.policy.header.created, *(c.statement.header.created for c in signed.consents)])


def is_recovery(signed: SignedPolicy) -> bool:
    """Whether a successor comes from the offline recovery keys: only they sign policies without a security key."""
    return any(isinstance(one.proof, Ed25519Proof) for one in signed.consents)


def _check_shape(policy: Policy) -> None:
    problems = validate(policy)
    if problems:
        raise RefusedError(Refusal.POLICY_INVALID, "; ".join(problems[:5]))


def _check_signatures(
    signed: SignedPolicy,
    judge: Policy,
    deployment: str,
    now: int,
    standing: Callable[[tuple[Voice, ...]], tuple[Voice, ...]] = everyone,
) -> tuple[Voice, ...]:
    """Count the consents to a policy under the succession quorum of `judge`."""
    policy = signed.policy
    subject = Subject(type=SubjectType.POLICY, digest=policy.digest, policy=judge.digest, deployment=deployment)
    voices = check_consents(signed.consents, subject, judge, now=now)
    rejected = any(voice.decision is Decision.REJECT for voice in voices)
    require(not rejected, Refusal.REJECTED, "somebody rejected this policy")
    filled = is_filled(judge.controls.succession, approvers(standing(voices), barred=frozenset()))
    require(filled, Refusal.SUCCESSION, f"a policy takes {describe(judge.controls.succession)}")
    return voices


def check_genesis(signed: SignedPolicy, digest: str, *, now: int) -> None:
    """Accept the first policy: the digest that people compared, signed by the quorum that it names itself.

    Args:
        signed: The policy with its consents.
        digest: What two people compared at the console; the deployment's name from now on.
        now: Unix seconds.

    Raises:
        RefusedError: `wrong_policy`, `policy_invalid`, `succession` or as for any consent.
    """
    policy = signed.policy
    require(policy.is_genesis, Refusal.SUCCESSION, "not a first policy")
    require(policy.digest == digest, Refusal.WRONG_POLICY, "not the policy whose digest was compared")
    _check_shape(policy)
    check_lifetime(policy, now=now)
    _check_signatures(signed, policy, GENESIS_DEPLOYMENT, now)


def _check_order(policy: Policy, current: Policy, now: int) -> None:
    follows = policy.previous == current.digest and policy.number == current.number + 1
    require(follows, Refusal.SUCCESSION, "a policy strictly follows the one in force")
    require(
        policy.header.deployment == current.deployment,
        Refusal.WRONG_DEPLOYMENT,
        "a policy of another deployment",
    )
    require(policy.profile is current.profile, Refusal.PROFILE, "the deployment profile never changes")
    check_lifetime(policy, now=now)


def check_follows(policy: Policy, current: Policy, *, now: int) -> None:
    """Refuse a policy that does not strictly follow another one, has problems, or has expired.

    Args:
        policy: The successor.
        current: The policy in force.
        now: Unix seconds.

    Raises:
        RefusedError: `succession`, `wrong_deployment`, `profile`, `policy_invalid`, `expired` or `not_yet_valid`.
    """
    _check_order(policy, current, now)
    _check_shape(policy)


def check_recovery_change(policy: Policy, current: Policy) -> None:
    """Refuse a recovery that does more than change the roster.

    It brings a header of its own, since it must work when the policy in force has expired; but it is good for no
    longer than that policy was made for, so that nobody renews rules for ever with it.

    Raises:
        RefusedError: `succession`.
    """
    changed = [
        field.name
        for field in dataclasses.fields(Policy)
        if field.name not in _RECOVERY_CHANGES and getattr(policy, field.name) != getattr(current, field.name)
    ]
    require(not changed, Refusal.SUCCESSION, f"a recovery changes people only, not {', '.join(changed)}")
    lifetimes = [one.header.expires - one.header.created for one in (policy, current)]
    require(lifetimes[0] <= lifetimes[1], Refusal.SUCCESSION, "a recovery is good for no longer than its predecessor")


def _check_recovery_signatures(signed: SignedPolicy, current: Policy, now: int) -> tuple[Voice, ...]:
    """Count the offline holders' signatures; people's own consents beside them can only reject."""
    policy = signed.policy
    subject = Subject(
        type=SubjectType.POLICY, digest=policy.digest, policy=current.digest, deployment=current.deployment
    )
    offline = [one for one in signed.consents if isinstance(one.proof, Ed25519Proof)]
    people = [one for one in signed.consents if not isinstance(one.proof, Ed25519Proof)]
    holders = tuple(check_holder(one, subject, current.recovery, now=now) for one in offline)
    voices = (*holders, *check_consents(people, subject, current, now=now))
    rejected = any(voice.decision is Decision.REJECT for voice in voices)
    require(not rejected, Refusal.REJECTED, "somebody rejected this recovery")
    approved = {voice.actor for voice in holders if voice.decision is Decision.APPROVE}
    approved -= {voice.actor for voice in holders if voice.decision is Decision.WITHDRAW}
    least = max(1, current.recovery_threshold)
    require(len(approved) >= least, Refusal.SUCCESSION, f"a recovery takes {least} of the offline recovery keys")
    return voices


def check_successor(
    signed: SignedPolicy,
    current: Policy,
    *,
    now: int,
    standing: Callable[[tuple[Voice, ...]], tuple[Voice, ...]] = everyone,
) -> Accession:
    """Accept a policy that strictly follows the current one.

    A policy that has expired can still be followed: nothing is signed under it, and without that a late renewal, or
    a recovery after a quorum was lost, could never come. It cannot be followed at once, because a tightening does
    not outlive it. A successor whose predecessor expires while it waits comes into force all the same.

    Args:
        signed: The new policy with the consents of the quorum, or of the recovery keys, that the current one names.
        current: The policy in force.
        now: This signer's own clock at receipt, Unix seconds.
        standing: Leaves out the approvals of people that this signer knows to be removed or withdrawn.

    Returns:
        When it comes into force, and how.

    Raises:
        RefusedError: `succession`, `wrong_deployment`, `policy_invalid`, `expired` or as for any consent.
    """
    policy = signed.policy
    _check_order(policy, current, now)
    # Signatures first: to look for problems takes minutes in a document that was made for it.
    if is_recovery(signed):
        check_recovery_change(policy, current)
        voices = _check_recovery_signatures(signed, current, now)
        _check_shape(policy)
        voices += check_enrolments(policy, current, recovery=True)
        why: tuple[str, ...] = ()
        kind, delay = AccessionKind.RECOVERY, max(current.controls.recovery_delay, LEAST_RECOVERY_DELAY)
    else:
        voices = _check_signatures(signed, current, current.deployment, now, standing)
        _check_shape(policy)
        voices += check_enrolments(policy, current, standing=standing)
        why = loosenings(current, policy)
        kind = AccessionKind.LOOSENING if why else AccessionKind.TIGHTENING
        delay = current.controls.succession_delay if why else 0
    effective = now + delay
    require(effective < policy.header.expires, Refusal.EXPIRED, "it would have expired before it comes into force")
    return Accession(effective=effective, kind=kind, loosenings=why, voices=voices)
