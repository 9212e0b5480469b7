"""Successors of a world's policy, and the offline holders who can recover a lost quorum."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.documents.consent import Consent, Decision, Ed25519Proof, SignedConsent, SubjectType
from core.documents.policy import SignedPolicy
from core.documents.roster import NamedKey
from tests.factories.documents import DAY, header
from tests.factories.world import World

if TYPE_CHECKING:
    from core.documents.policy import Policy
    from core.documents.roster import Person

HOLDERS = ("vault-north", "vault-south", "notary")


def holder_key(name: str) -> Ed25519PrivateKey:
    """Return a holder's key; the same for the same name."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode("ascii")).digest())


def holders() -> dict[str, Any]:
    """Return the fields of a policy that names the offline holders, two of three."""
    keys = tuple(
        NamedKey(id=name, public_key=holder_key(name).public_key().public_bytes_raw(), host="offline")
        for name in HOLDERS
    )
    return {"recovery": keys, "recovery_threshold": 2}


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
        proof = Ed25519Proof(kind="ed25519", signature=holder_key(name).sign(statement.challenge))
        signed.append(SignedConsent(statement=statement, proof=proof))
    return SignedPolicy(policy=draft, consents=tuple(signed))
