"""The seed's case: one admin loosens the policy alone. Whoever else is made to sign, only another admin counts."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from approvals.errors import ConsentRefusedError
from core.documents.consent import SubjectType
from core.documents.policy import SignedPolicy
from core.documents.roster import Role
from core.errors import Refusal
from demo.softkey import SoftKey
from policies.errors import VersionRefusedError
from policies.models import PolicyHandover, PolicyVersion
from policies.selectors import policy_active
from policies.services.handovers import versions_activate
from policies.services.proposals import proposal_consent
from policies.services.versions import version_import
from tests.factories.documents import ORIGIN, RP_ID, header, seats
from tests.factories.proposals import proposed, signed_by, word
from tests.factories.succession import next_policy
from tests.seed.institution import MILLION, pay
from tests.seed.tiers import EVERYBODY

if TYPE_CHECKING:
    from core.documents.policy import Policy
    from tests.factories.world import World
    from tests.seed.tiers import Attacker, Web

ADMINS = ("adam", "anna")
OTHERS = ("tessa", *(name for name in EVERYBODY if name not in ADMINS))


def without_limits(policy: Policy) -> dict[str, Any]:
    return {"limits": policy.limits[3:]}


def ruled_by_one(policy: Policy) -> dict[str, Any]:
    """Let one admin suffice from now on."""
    return {"controls": dataclasses.replace(policy.controls, succession=seats((Role.POLICY_ADMIN, 1)))}


def with_a_friend(policy: Policy) -> dict[str, Any]:
    """Make an admin of somebody who would sign with adam."""
    roles = {"olga": (Role.OPERATOR, Role.POLICY_ADMIN)}
    people = tuple(dataclasses.replace(one, roles=roles.get(one.id, one.roles)) for one in policy.people)
    return {"people": people}


def with_anothers_key(policy: Policy) -> dict[str, Any]:
    """Have adam's second key stand in anna's place."""
    swapped = SoftKey.generate().entry
    people = [dataclasses.replace(one, keys=(swapped,)) if one.id == "anna" else one for one in policy.people]
    return {"people": tuple(people)}


def too_much(world: World) -> Any:  # noqa: ANN401 - an intent
    """Pay what only the loosened policy would let pass."""
    return pay(world, 7 * MILLION)


@pytest.mark.django_db
def test_one_admin_loosening_the_policy_alone_in_the_web_tier(web: Web) -> None:
    world = web.world
    version = proposed(world, web.users["adam"], **without_limits(world.policy))
    version = signed_by(world, version, web.users, "adam", *OTHERS)
    assert version.status == "proposed", "one admin, and whoever else is no admin"
    with pytest.raises(ConsentRefusedError, match="This was said already"):
        signed_by(world, version, web.users, "adam")
    forged = word(world, version, "adam")
    with pytest.raises(ConsentRefusedError):
        proposal_consent(user=web.users["anna"], digest=version.digest, consent_raw=forged, now=timezone.now())
    assert versions_activate(now=timezone.now()) == 0
    assert not PolicyHandover.objects.exists(), "no signer hears of it"
    assert policy_active() == world.policy
    assert "trader-day" in web.denied(too_much(world))
    assert signed_by(world, version, web.users, "anna").status == "signed"


@pytest.mark.django_db
def test_one_admin_bringing_a_signed_policy_along_in_the_web_tier(web: Web) -> None:
    world = web.world
    policy = next_policy(world, **without_limits(world.policy))
    for people in (("adam",), ("adam", "adam"), ("adam", *OTHERS)):
        signed = world.sign_policy(policy, *people)
        with pytest.raises(VersionRefusedError, match="succession: a policy takes 2 policy admins"):
            version_import(signed=signed, actor="user:adam", now=timezone.now())
    assert PolicyVersion.objects.count() == 1
    both = world.sign_policy(policy, *ADMINS)
    assert version_import(signed=both, actor="user:adam", now=timezone.now()).status == "signed"


@pytest.mark.parametrize(
    "change", [without_limits, with_a_friend, with_anothers_key], ids=lambda change: change.__name__
)
def test_one_admin_loosening_the_policy_alone_at_the_signer(attacker: Attacker, change: Any) -> None:  # noqa: ANN401
    world = attacker.world
    policy = next_policy(world, **change(world.policy))
    for people in (("adam",), ("adam", "adam"), ("adam", *OTHERS)):
        answer = attacker.succeed(world.sign_policy(policy, *people))
        assert (answer.code, answer.words) == (Refusal.SUCCESSION, "a policy takes 2 policy admins")
    _still_as_before(attacker, policy)
    answer = attacker.succeed(world.sign_policy(policy, *ADMINS))
    assert answer.code is None, answer
    assert answer.result["accepted"]["kind"] == "loosening"


def test_one_admin_forging_the_others_word_at_the_signer(attacker: Attacker) -> None:
    world = attacker.world
    policy = next_policy(world, **without_limits(world.policy))
    honest = world.sign_policy(policy, *ADMINS)
    statement = honest.consents[1].statement
    forged = world.keys["adam"].consent(statement, origin=ORIGIN, rp_id=RP_ID)
    answer = attacker.succeed(SignedPolicy(policy=policy, consents=(honest.consents[0], forged)))
    assert answer.code is Refusal.UNKNOWN_KEY
    harmless = next_policy(world, institution="Example Bank 2")
    anna = world.sign_policy(harmless, "anna").consents
    answer = attacker.succeed(SignedPolicy(policy=policy, consents=(honest.consents[0], *anna)))
    assert answer.code is Refusal.CONSENT_MISMATCH
    about_a_payment = world.consent(policy.digest, "anna", subject_type=SubjectType.MANDATE)
    answer = attacker.succeed(SignedPolicy(policy=policy, consents=(honest.consents[0], about_a_payment)))
    assert answer.code is Refusal.CONSENT_MISMATCH
    _still_as_before(attacker, policy)
    assert attacker.succeed(honest).code is None


def test_one_admin_going_around_the_successor_at_the_signer(attacker: Attacker) -> None:
    """A first policy of his own, and a successor of a successor that nobody else has signed."""
    world = attacker.world
    first = dataclasses.replace(
        world.policy, header=header("policy", "0" * 64, now=world.now), **ruled_by_one(world.policy)
    )
    assert attacker.succeed(world.sign_policy(first, "adam")).code is Refusal.SUCCESSION
    second = next_policy(world, **with_a_friend(world.policy))
    third = next_policy(world, after=second, **without_limits(world.policy))
    assert attacker.succeed(world.sign_policy(second, "adam")).code is Refusal.SUCCESSION
    assert attacker.succeed(world.sign_policy(third, "adam")).code is Refusal.SUCCESSION
    # Without a security key, as an offline holder would: this policy names none, and a client's key is none.
    under: dict[str, Any] = {"subject_type": SubjectType.POLICY, "policy": world.policy.digest}
    by_client = SignedPolicy(policy=second, consents=(world.consent(second.digest, "bot-1", **under),))
    assert attacker.succeed(by_client).code is Refusal.UNKNOWN_KEY
    assert attacker.succeed(SignedPolicy(policy=second, consents=())).code is Refusal.SUCCESSION
    _still_as_before(attacker, third)
    assert attacker.succeed(world.sign_policy(second, *ADMINS)).code is None
    assert attacker.succeed(world.sign_policy(third, "adam")).code is Refusal.SUCCESSION, "the second one waits"


def test_a_policy_that_one_admin_could_change_alone_is_none_whoever_signs_it(attacker: Attacker) -> None:
    world = attacker.world
    policy = next_policy(world, **ruled_by_one(world.policy))
    assert attacker.succeed(world.sign_policy(policy, "adam")).code is Refusal.SUCCESSION
    answer = attacker.succeed(world.sign_policy(policy, *ADMINS))
    assert (answer.code, answer.words) == (Refusal.POLICY_INVALID, "quorum succession: at least 2 people")
    _still_as_before(attacker, policy)


def _still_as_before(attacker: Attacker, policy: Policy) -> None:
    """Hold the signer to its policy: the new one is unknown to it, and the old one's limits and quorum stand."""
    world = attacker.world
    mandate = world.mandate(too_much(world), policy=policy.digest)
    assert attacker.send(mandate, *attacker.approvals(mandate, *EVERYBODY)).code is Refusal.WRONG_POLICY
    assert attacker.refused(too_much(world), *EVERYBODY)[0] is Refusal.DENIED
    attacker.signed(pay(world, 1), "ravi")
