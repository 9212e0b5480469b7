"""New consent keys, and admins who co-sign them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from core.documents.consent import Decision, SubjectType
from core.documents.enrolment import Enrolment
from core.documents.roster import KeyEnrolment
from tests.factories.documents import header

if TYPE_CHECKING:
    from core.documents.policy import Policy
    from core.documents.roster import ConsentKey, Person
    from tests.factories.world import World


def enrolment(world: World, person: str, key: ConsentKey, **changes: Any) -> Enrolment:  # noqa: ANN401 - its fields
    """Draft what admins co-sign about a key."""
    fields: dict[str, Any] = {
        "header": header("enrolment", world.deployment, now=world.now),
        "policy": world.policy.digest,
        "person": person,
        "key": key,
    }
    return Enrolment(**(fields | changes))


def cosigned(
    world: World,
    document: Enrolment,
    *by: str,
    decision: Decision = Decision.APPROVE,
    **changes: Any,  # noqa: ANN401 - fields of Consent
) -> ConsentKey:
    """Have admins co-sign, and return the key as the next policy carries it."""
    about: dict[str, Any] = {"subject_type": SubjectType.ENROLMENT, "policy": document.policy}
    consents = tuple(
        world.consent(
            document.digest,
            name,
            decision,
            **(about | {"header": header("consent", world.deployment, now=world.now)} | changes),
        )
        for name in by
    )
    enrolled = KeyEnrolment(header=document.header, policy=document.policy, consents=consents)
    return dataclasses.replace(document.key, enrolment=enrolled)


def with_keys(policy: Policy, person: str, *keys: ConsentKey) -> tuple[Person, ...]:
    """Return the roster with further keys for somebody."""
    return tuple(
        dataclasses.replace(one, keys=(*one.keys, *keys)) if one.id == person else one for one in policy.people
    )
