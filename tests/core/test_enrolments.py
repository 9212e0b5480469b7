"""New consent keys in a successor: two other admins co-signed each of them, or signers refuse the policy."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from core.documents.consent import Decision, SubjectType
from core.documents.enrolment import Enrolment, key_fingerprint
from core.documents.roster import Profile, Role
from core.enrolments import check_enrolments, new_keys
from core.errors import DocumentError, Refusal, RefusedError
from core.policy_check import validate
from core.reception import receive_successor
from core.schema import read_struct, write_struct
from core.succession import check_successor
from demo.softkey import SoftKey
from tests.factories.enrolment import cosigned, enrolment, with_keys
from tests.factories.succession import HOLDERS, next_policy, recover, recoverable
from tests.factories.world import DAY, NOW, World, header

if TYPE_CHECKING:
    from core.documents.policy import Policy
    from core.documents.roster import ConsentKey


@pytest.fixture(scope="module")
def world() -> World:
    """Three admins, so that the one whose key is enrolled has two others."""
    made = World()
    more = {"clara": (Role.CRO, Role.SECURITY_COMMITTEE)}
    people = tuple(dataclasses.replace(p, roles=more.get(p.id, p.roles)) for p in made.policy.people)
    made.policy = dataclasses.replace(made.policy, people=people)
    made.deployment = made.policy.digest
    made.pins = dataclasses.replace(made.pins, deployment=made.deployment, policies={made.policy.digest: made.policy})
    made.journal = made.make_journal()
    return made


@pytest.fixture
def key() -> ConsentKey:
    return SoftKey.generate().entry


def follows(world: World, person: str, *keys: ConsentKey, **changes: Any) -> Policy:  # noqa: ANN401 - of Policy
    return next_policy(world, people=with_keys(world.policy, person, *keys), **changes)


def production(policy: Policy) -> Policy:
    return dataclasses.replace(policy, profile=Profile.PRODUCTION)


def refusal(policy: Policy, world: World, **more: Any) -> RefusedError:  # noqa: ANN401 - of check_enrolments
    with pytest.raises(RefusedError) as caught:
        check_enrolments(policy, world.policy, **more)
    return caught.value


def test_a_key_that_two_other_admins_cosigned_comes_in(world: World, key: ConsentKey) -> None:
    enrolled = cosigned(world, enrolment(world, "rita", key), "adam", "anna")
    policy = follows(world, "rita", enrolled)
    assert {voice.actor for voice in check_enrolments(policy, world.policy)} == {"adam", "anna"}
    assert not validate(policy)
    accepted = check_successor(world.sign_policy(policy, "adam", "anna"), world.policy, now=NOW)
    assert len(accepted.voices) == 4
    assert [person.id for person, _ in new_keys(policy, world.policy)] == ["rita"]


def test_a_signer_journals_the_cosignatures_as_used(world: World, key: ConsentKey) -> None:
    enrolled = cosigned(world, enrolment(world, "rita", key), "adam", "anna")
    signed = world.sign_policy(follows(world, "rita", enrolled), "adam", "anna")
    record = receive_successor(signed, world.pins, world.journal, now=NOW)
    assert record is not None
    assert enrolled.enrolment is not None
    used = {one.id for one in record.consents}
    assert {one.statement.header.id for one in enrolled.enrolment.consents} < used


def test_production_takes_no_new_key_without_cosignatures(world: World, key: ConsentKey) -> None:
    policy = follows(world, "rita", key)
    assert check_enrolments(policy, world.policy) == ()
    refused = refusal(production(policy), world)
    assert refused.code is Refusal.SUCCESSION
    assert "rita: a new consent key that no admins co-signed" in refused.message


def test_the_keys_that_are_there_need_none(world: World) -> None:
    policy = production(next_policy(world))
    assert check_enrolments(policy, world.policy) == ()
    assert not list(new_keys(policy, world.policy))


@pytest.mark.parametrize(
    "by", [(), ("adam",), ("adam", "adam"), ("adam", "rita"), ("adam", "ravi"), ("adam", "tessa")]
)
def test_one_admin_the_owner_or_no_admins_are_too_few(world: World, key: ConsentKey, by: tuple[str, ...]) -> None:
    enrolled = cosigned(world, enrolment(world, "rita", key), *by)
    assert refusal(follows(world, "rita", enrolled), world).code is Refusal.SUCCESSION


def test_admins_do_not_cosign_their_own_key(world: World, key: ConsentKey) -> None:
    document = enrolment(world, "adam", key)
    own = cosigned(world, document, "adam", "anna")
    assert refusal(follows(world, "adam", own), world).code is Refusal.SUCCESSION
    others = cosigned(world, document, "anna", "clara")
    assert check_enrolments(follows(world, "adam", others), world.policy)


@pytest.mark.parametrize("decision", [Decision.REJECT, Decision.WITHDRAW, Decision.ASK])
def test_what_is_no_approval_does_not_count(world: World, key: ConsentKey, decision: Decision) -> None:
    document = enrolment(world, "rita", key)
    good = cosigned(world, document, "adam", "anna")
    other = cosigned(world, document, "anna", decision=decision)
    assert good.enrolment is not None
    assert other.enrolment is not None
    both = dataclasses.replace(good.enrolment, consents=(*good.enrolment.consents[:1], *other.enrolment.consents))
    refused = refusal(follows(world, "rita", dataclasses.replace(good, enrolment=both)), world)
    assert refused.code in (Refusal.SUCCESSION, Refusal.REJECTED)


def test_one_rejection_ends_it(world: World, key: ConsentKey) -> None:
    document = enrolment(world, "rita", key)
    good, no = cosigned(world, document, "adam", "anna"), cosigned(world, document, "ravi", decision=Decision.REJECT)
    assert good.enrolment is not None
    assert no.enrolment is not None
    mixed = dataclasses.replace(good.enrolment, consents=good.enrolment.consents + no.enrolment.consents)
    assert refusal(follows(world, "rita", dataclasses.replace(good, enrolment=mixed)), world).code is Refusal.REJECTED


def test_cosignatures_serve_one_person_and_one_key_only(world: World, key: ConsentKey) -> None:
    enrolled = cosigned(world, enrolment(world, "rita", key), "adam", "anna")
    assert refusal(follows(world, "ravi", enrolled), world).code is Refusal.CONSENT_MISMATCH
    other = SoftKey.generate().entry
    swapped = dataclasses.replace(enrolled, public_key=other.public_key)
    assert refusal(follows(world, "rita", swapped), world).code is Refusal.CONSENT_MISMATCH
    model = dataclasses.replace(enrolled, aaguid=bytes(16))
    assert refusal(follows(world, "rita", model), world).code is Refusal.CONSENT_MISMATCH


def test_cosignatures_under_another_policy_do_not_serve(world: World, key: ConsentKey) -> None:
    document = enrolment(world, "rita", key, policy="ab" * 32)
    enrolled = cosigned(world, document, "adam", "anna")
    refused = refusal(follows(world, "rita", enrolled), world)
    assert "another policy" in refused.message


def test_cosignatures_of_another_deployment_or_purpose_do_not_serve(world: World, key: ConsentKey) -> None:
    elsewhere = enrolment(world, "rita", key, header=header("enrolment", "cd" * 32, now=world.now))
    enrolled = cosigned(world, elsewhere, "adam", "anna")
    assert refusal(follows(world, "rita", enrolled), world).code is Refusal.WRONG_DEPLOYMENT
    purpose = cosigned(world, enrolment(world, "rita", key), "adam", "anna", subject_type=SubjectType.POLICY)
    assert refusal(follows(world, "rita", purpose), world).code is Refusal.CONSENT_MISMATCH


def test_an_enrolment_that_ran_out_before_the_policy_was_drafted_does_not_serve(
    world: World, key: ConsentKey
) -> None:
    old = header("enrolment", world.deployment, now=world.now - 3 * DAY, lifetime=DAY)
    enrolled = cosigned(world, enrolment(world, "rita", key, header=old), "adam", "anna")
    assert refusal(follows(world, "rita", enrolled), world).code is Refusal.EXPIRED


def test_a_cosignature_from_before_the_enrolment_or_after_the_policy_does_not_serve(
    world: World, key: ConsentKey
) -> None:
    document = enrolment(world, "rita", key)
    for when in (world.now - DAY, world.now + DAY):
        stamp = header("consent", world.deployment, now=when)
        enrolled = cosigned(world, document, "adam", "anna", header=stamp)
        assert "dated" in refusal(follows(world, "rita", enrolled), world).message


def test_who_was_removed_or_withdrew_at_this_signer_does_not_count(world: World, key: ConsentKey) -> None:
    enrolled = cosigned(world, enrolment(world, "rita", key), "adam", "anna")
    policy = follows(world, "rita", enrolled)

    def but_anna(voices: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(voice for voice in voices if voice.actor != "anna")

    assert refusal(policy, world, standing=but_anna).code is Refusal.SUCCESSION


def test_a_key_that_changes_hands_or_attestation_is_new(world: World) -> None:
    (moved,) = world.policy.people[0].keys
    people = with_keys(world.policy, "rita", moved)
    people = tuple(dataclasses.replace(p, keys=()) if p.id == world.policy.people[0].id else p for p in people)
    assert refusal(production(next_policy(world, people=people)), world).code is Refusal.SUCCESSION


def test_in_production_nobody_gets_a_single_key(world: World, key: ConsentKey) -> None:
    enrolled = cosigned(world, enrolment(world, "newton", key), "adam", "anna")
    newcomer = dataclasses.replace(world.policy.people[0], id="newton", keys=(enrolled,))
    policy = production(next_policy(world, people=(*world.policy.people, newcomer)))
    assert "would have one consent key" in refusal(policy, world).message
    other = cosigned(world, enrolment(world, "newton", SoftKey.generate().entry), "adam", "anna")
    both = dataclasses.replace(newcomer, keys=(enrolled, other))
    assert check_enrolments(production(next_policy(world, people=(*world.policy.people, both))), world.policy)


def test_a_lost_key_goes_at_once_though_one_is_left(world: World, key: ConsentKey) -> None:
    two = dataclasses.replace(world.policy, people=with_keys(world.policy, "rita", key))
    assert check_enrolments(production(next_policy(world)), two) == ()


def test_a_recovery_may_bring_keys_that_nobody_could_cosign(key: ConsentKey) -> None:
    world = recoverable()
    spare = SoftKey.generate().entry
    people = with_keys(world.policy, "rita", key, spare)
    signed = recover(world, HOLDERS[:2], people=people)
    assert check_successor(signed, world.policy, now=NOW).voices
    assert check_enrolments(production(signed.policy), world.policy, recovery=True) == ()
    assert refusal(production(signed.policy), world).code is Refusal.SUCCESSION


def test_the_first_policy_has_no_cosigned_keys(world: World, key: ConsentKey) -> None:
    enrolled = cosigned(world, enrolment(world, "rita", key), "adam", "anna")
    first = dataclasses.replace(world.policy, people=with_keys(world.policy, "rita", enrolled))
    assert any("compared at the console" in problem for problem in validate(first))


def test_an_enrolment_is_about_a_key_that_has_none(world: World, key: ConsentKey) -> None:
    document = enrolment(world, "rita", key)
    assert document.fingerprint == key_fingerprint(key)
    assert Enrolment.from_bytes(document.to_bytes()) == document
    with pytest.raises(ValueError, match="has none yet"):
        enrolment(world, "rita", cosigned(world, document, "adam"))
    odd = write_struct(cosigned(world, document, "adam"), "key")
    odd["enrolment"]["header"]["type"] = "policy"  # type: ignore[index]  # JSON
    with pytest.raises(DocumentError, match="names type"):
        read_struct(type(key), odd, "key")
