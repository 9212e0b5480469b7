"""Whether two other admins co-signed each key that a successor brings.

A key that its predecessor has, exactly as it is, was judged when it came. Any other is new: in production it takes an
enrolment, co-signed under the predecessor by two admins who are not its owner; elsewhere an enrolment that is there
has to hold. The keys of a first policy have none: two people compare them at the console.

Everything here depends on the two policies alone, so every signer answers alike, whenever it is asked.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.consents import Subject, check_consent
from core.documents.base import SKEW, check_deployment, check_lifetime
from core.documents.consent import Decision, SubjectType
from core.documents.enrolment import Enrolment
from core.documents.roster import Profile, Role
from core.errors import Refusal, RefusedError, require

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from core.consents import Voice
    from core.documents.policy import Policy
    from core.documents.roster import ConsentKey, KeyEnrolment, Person

ENROLLERS = frozenset({Role.POLICY_ADMIN, Role.SECURITY_COMMITTEE})
"""Whose co-signature counts."""
COSIGNERS = 2
KEYS_EACH = 2
"""How many keys a person needs: there are no recovery codes."""


def enrolment_of(person: str, key: ConsentKey, enrolment: KeyEnrolment) -> Enrolment:
    """Return the document that a key's co-signers signed."""
    return Enrolment(
        header=enrolment.header,
        policy=enrolment.policy,
        person=person,
        key=dataclasses.replace(key, enrolment=None),
    )


def cosigners(voices: tuple[Voice, ...], *, owner: str) -> frozenset[str]:
    """Return the admins whose approval of an enrolment counts: by role, not the owner, and not withdrawn."""
    gone = {voice.actor for voice in voices if voice.decision is not Decision.APPROVE}
    return frozenset(
        voice.person.id
        for voice in voices
        if voice.decision is Decision.APPROVE
        and voice.person is not None
        and voice.person.id not in {owner, *gone}
        and not ENROLLERS.isdisjoint(voice.person.roles)
    )


def new_keys(policy: Policy, current: Policy) -> Iterator[tuple[Person, ConsentKey]]:
    """Yield each key that the predecessor does not have for the same person, exactly as it is."""
    before = {person.id: set(person.keys) for person in current.people}
    for person in policy.people:
        yield from ((person, key) for key in person.keys if key not in before.get(person.id, set()))


def everyone(voices: tuple[Voice, ...]) -> tuple[Voice, ...]:
    """Let every verified consent count: where there is no journal that knows better."""
    return voices


def check_enrolments(
    policy: Policy,
    current: Policy,
    *,
    recovery: bool = False,
    standing: Callable[[tuple[Voice, ...]], tuple[Voice, ...]] = everyone,
) -> tuple[Voice, ...]:
    """Refuse a successor that brings a key which nobody compared with its owner.

    Args:
        policy: The successor.
        current: The policy that it follows; its roster judges the co-signatures.
        recovery: It comes from the offline recovery keys, which exist for when no admins are left. Such a roster
            waits seven days at least, and any one person can end it; co-signatures that it has must still hold.
        standing: Leaves out the approvals of people that this signer knows to be removed or withdrawn.

    Returns:
        The co-signatures that were verified.

    Raises:
        RefusedError: `succession`, naming the person, or as for any consent.
    """
    voices: list[Voice] = []
    for person, key in new_keys(policy, current):
        if key.enrolment is not None:
            heard = _check(person.id, key, key.enrolment, policy, current)
            found = cosigners(standing(heard), owner=person.id)
            require(
                len(found) >= COSIGNERS,
                Refusal.SUCCESSION,
                f"person {person.id}: an enrolment takes {COSIGNERS} admins other than its owner; {len(found)} stand",
            )
            voices += heard
        elif policy.profile is Profile.PRODUCTION and not recovery:
            raise RefusedError(Refusal.SUCCESSION, f"person {person.id}: a new consent key that no admins co-signed")
    if policy.profile is Profile.PRODUCTION:
        _check_spares(policy, current)
    return tuple(voices)


def _check(
    owner: str, key: ConsentKey, enrolment: KeyEnrolment, policy: Policy, current: Policy
) -> tuple[Voice, ...]:
    at = f"person {owner}: an enrolment"
    document = enrolment_of(owner, key, enrolment)
    check_deployment(document, current.deployment)
    require(
        document.policy == current.digest,
        Refusal.SUCCESSION,
        f"{at} was co-signed under another policy than the one that it follows",
    )
    # By the policy's own date: signers, and whoever looks at the case years later, come to the same answer.
    check_lifetime(document, now=policy.header.created)
    subject = Subject(
        type=SubjectType.ENROLMENT, digest=document.digest, policy=current.digest, deployment=current.deployment
    )
    voices = []
    for signed in enrolment.consents:
        given = signed.statement.header.created
        early = given < document.header.created - SKEW
        require(
            not early and given <= policy.header.created + SKEW,
            Refusal.SUCCESSION,
            f"{at}: a co-signature is dated before it or after the policy",
        )
        voices.append(check_consent(signed, subject, current, now=given))
    rejected = any(voice.decision is Decision.REJECT for voice in voices)
    require(not rejected, Refusal.REJECTED, f"{at}: somebody rejected it")
    return tuple(voices)


def _check_spares(policy: Policy, current: Policy) -> None:
    """Refuse to give somebody a single key. Whoever lost one of two keeps the other: removing must not wait."""
    before = {person.id: set(person.keys) for person in current.people}
    for person in policy.people:
        fresh = set(person.keys) - before.get(person.id, set())
        require(
            not fresh or len(person.keys) >= KEYS_EACH,
            Refusal.SUCCESSION,
            f"person {person.id}: would have one consent key; {KEYS_EACH} are needed: nothing else recovers them",
        )
