"""Successors of a world's policy, and the offline holders who can recover a lost quorum."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from core.documents.consent import Consent, Decision, SubjectType
from core.documents.policy import SignedPolicy
from demo.forgeries.holders import HOLDERS, THRESHOLD, hold, recovery_keys
from tests.factories.documents import DAY, header
from tests.factories.world import World

__all__ = ["HOLDERS", "holders", "next_policy", "recover", "recoverable", "without"]

if TYPE_CHECKING:
    from core.documents.policy import Policy
    from core.documents.roster import Person


def holders() -> dict[str, Any]:
    """Return the fields of a policy that names the offline holders, two of three."""
    return {"recovery": recovery_keys(), "recovery_threshold": THRESHOLD}


def recoverable(**overrides: Any) -> World:  # noqa: ANN401 - fields of Policy
    """Make an institution whose genesis names offline recovery keys."""
    return World(overrides=holders() | overrides)


def next_policy(world: World, *, after: Policy | None = None, **changes: Any) -> Policy:  # noqa: ANN401 - of Policy
    """Draft what follows a policy (the world's first one unless told otherwise); good for 30 days from now."""
    before = after or world.policy
    fields: dict[str, Any] = {
        "header": header("policy", world.deployment, now=world.now, lifetime=30 * DAY),
        "number": before.number + 1,
        "previous": before.digest,
    }
    return dataclasses.replace(before, **(fields | changes))


def without(world: World, *names: str) -> tuple[Person, ...]:
    """Return the roster without some people."""
    return tuple(person for person in world.policy.people if person.id not in names)


def recover(
    world: World,
    by: tuple[str, ...],
    *,
    policy: Policy | None = None,
    decision: Decision = Decision.APPROVE,
    **changes: Any,  # noqa: ANN401 - fields of Policy
) -> SignedPolicy:
    """Have holders sign a recovery of the world's policy; `policy` instead of `changes` if it is drafted already."""
    draft = policy or next_policy(world, **changes)
    signed = []
    for name in by:
        statement = Consent(
            header=header("consent", world.deployment, now=world.now),
            subject_type=SubjectType.POLICY,
            subject=draft.digest,
            policy=world.policy.digest,
            decision=decision,
            actor=name,
            reason="",
        )
        signed.append(hold(statement, name))
    return SignedPolicy(policy=draft, consents=tuple(signed))
