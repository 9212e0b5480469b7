"""Ceremonies as people order them: a document with the consents of its quorum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.documents.consent import Decision, SubjectType
from core.documents.control import Ceremony, CeremonyKind, RecoveryKey, SignedCeremony
from tests.factories.world import header

if TYPE_CHECKING:
    from core.documents.roster import Wallet
    from tests.factories.world import World

QUORUM = ("adam", "anna")
"""The security committee of `tests.factories.world`."""


def recovery_key(signer: str, place: int, **changes: str) -> RecoveryKey:
    """Return a recovery key in failure domains of its own."""
    domains = {name: f"recovery-{name}-{place}" for name in ("host", "site", "administrator", "vendor")}
    return RecoveryKey(signer=signer, public_key=bytes([place]) * 40, **(domains | changes))


def transport_key(world: World, signer: str, public_key: bytes = b"transport") -> RecoveryKey:
    """Return the key to which a share is released, where the policy has its signer."""
    (entry,) = (entry for entry in world.policy.signers if entry.id == signer)
    domains = {name: getattr(entry, name) for name in ("host", "site", "administrator", "vendor")}
    return RecoveryKey(signer=signer, public_key=public_key, **domains)


def ceremony(world: World, kind: CeremonyKind, wallet: Wallet | None, **changes: Any) -> Ceremony:  # noqa: ANN401 - its fields
    """Return a ceremony about a wallet and all its signers, unless told otherwise."""
    fields: dict[str, Any] = {
        "header": header("ceremony", world.deployment, now=world.now),
        "policy": world.policy.digest,
        "kind": kind,
        "signers": () if wallet is None else wallet.signers,
        "wallet": None if wallet is None else wallet.id,
        "epoch": 0,
        "threshold": 0 if wallet is None else wallet.threshold,
        "lanes": (),
        "not_before": 0,
        "reason": "Every quarter",
        "plan": None,
        "recovery": (),
    }
    return Ceremony(**(fields | changes))


def signed(world: World, document: Ceremony, *names: str, decision: Decision = Decision.APPROVE) -> SignedCeremony:
    """Return a ceremony with the approvals of these people (none named: the quorum)."""
    return SignedCeremony(
        document=document,
        consents=tuple(
            world.consent(document.digest, name, decision, subject_type=SubjectType.CEREMONY, policy=document.policy)
            for name in names or QUORUM
        ),
    )
