"""The offline holders of recovery keys, in the institutions that name some. The keys are made from their names."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.documents.consent import Consent, Decision, Ed25519Proof, SignedConsent, SubjectType
from core.documents.policy import SignedPolicy
from core.documents.roster import NamedKey

if TYPE_CHECKING:
    from core.documents.policy import Policy
    from demo.forgeries.case import Case

HOLDERS = ("vault-north", "vault-south", "notary")
THRESHOLD = 2


def holder_key(name: str) -> Ed25519PrivateKey:
    """Return a holder's key; the same for the same name."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode("ascii")).digest())


def recovery_keys() -> tuple[NamedKey, ...]:
    """Return what a policy names."""
    return tuple(
        NamedKey(id=name, public_key=holder_key(name).public_key().public_bytes_raw(), host="offline")
        for name in HOLDERS
    )


def hold(statement: Consent, by: str) -> SignedConsent:
    """Have a holder sign a statement."""
    proof = Ed25519Proof(kind="ed25519", signature=holder_key(by).sign(statement.challenge))
    return SignedConsent(statement=statement, proof=proof)


def recover(case: Case, policy: Policy, *names: str, decision: Decision = Decision.APPROVE) -> SignedPolicy:
    """Have holders sign a recovery under the case's policy."""
    consents = tuple(
        hold(case.statement(policy.digest, name, decision, subject_type=SubjectType.POLICY), name) for name in names
    )
    return SignedPolicy(policy=policy, consents=consents)
