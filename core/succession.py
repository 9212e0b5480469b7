"""How a policy comes to be in force: the genesis by the people it names, a successor by its predecessor's quorum.

Source: The Update Framework's root rotation. Until the tightening check of its issue exists, every successor waits
the delay that its predecessor names, from this signer's own receipt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.consents import Subject, approvers, check_consents
from core.documents.base import GENESIS_DEPLOYMENT, check_lifetime
from core.documents.consent import Decision, SubjectType
from core.errors import Refusal, RefusedError, require
from core.policy_check import validate
from core.quorum import describe, is_filled

if TYPE_CHECKING:
    from core.documents.policy import Policy, SignedPolicy


def _check_shape(policy: Policy) -> None:
    problems = validate(policy)
    if problems:
        raise RefusedError(Refusal.POLICY_INVALID, "; ".join(problems[:5]))


def _check_signatures(signed: SignedPolicy, judge: Policy, deployment: str, now: int) -> None:
    """Count the consents to a policy under the succession quorum of `judge`."""
    policy = signed.policy
    subject = Subject(type=SubjectType.POLICY, digest=policy.digest, policy=judge.digest, deployment=deployment)
    voices = check_consents(signed.consents, subject, judge, now=now)
    rejected = any(voice.decision is Decision.REJECT for voice in voices)
    require(not rejected, Refusal.REJECTED, "somebody rejected this policy")
    filled = is_filled(judge.controls.succession, approvers(voices, barred=frozenset()))
    require(filled, Refusal.SUCCESSION, f"a policy takes {describe(judge.controls.succession)}")


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


def check_successor(signed: SignedPolicy, current: Policy, *, now: int) -> int:
    """Accept a policy that strictly follows the current one.

    Args:
        signed: The new policy, with the consents of the quorum that the current one names.
        current: The policy in force.
        now: This signer's own clock at receipt, Unix seconds.

    Returns:
        When it comes into force: Unix seconds by this signer's clock.

    Raises:
        RefusedError: `succession`, `wrong_deployment`, `policy_invalid` or as for any consent.
    """
    policy = signed.policy
    follows = policy.previous == current.digest and policy.number == current.number + 1
    require(follows, Refusal.SUCCESSION, "a policy strictly follows the one in force")
    require(
        policy.header.deployment == current.deployment,
        Refusal.WRONG_DEPLOYMENT,
        "a policy of another deployment",
    )
    require(policy.profile is current.profile, Refusal.PROFILE, "the deployment profile never changes")
    _check_shape(policy)
    check_lifetime(policy, now=now)
    _check_signatures(signed, current, current.deployment, now)
    return now + current.controls.succession_delay
