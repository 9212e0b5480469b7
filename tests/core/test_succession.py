"""How a policy comes to be in force. (Hostile successors: the forgery suite.)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from core.documents.consent import Decision, SubjectType
from core.documents.roster import Role
from core.errors import Refusal, RefusedError
from core.succession import check_genesis, check_successor
from tests.factories.world import DAY, NOW, World, header, seats

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.documents.policy import Policy, SignedPolicy


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def refused(act: Callable[[], object]) -> Refusal:
    with pytest.raises(RefusedError) as caught:
        act()
    return caught.value.code


def successor(world: World, **changes: Any) -> Policy:  # noqa: ANN401 - Policy's fields
    fields: dict[str, Any] = {
        "header": header("policy", world.deployment, lifetime=30 * DAY),
        "number": 2,
        "previous": world.policy.digest,
    }
    return dataclasses.replace(world.policy, **(fields | changes))


def test_a_genesis_that_its_own_people_signed_is_accepted(world: World) -> None:
    check_genesis(world.signed_policy, world.deployment, now=NOW)


def test_a_genesis_is_the_one_whose_digest_was_compared(world: World) -> None:
    assert refused(lambda: check_genesis(world.signed_policy, "ab" * 32, now=NOW)) is Refusal.WRONG_POLICY


@pytest.mark.parametrize("names", [(), ("adam",), ("adam", "adam"), ("adam", "rita")])
def test_a_genesis_that_too_few_signed_is_refused(world: World, names: tuple[str, ...]) -> None:
    signed = world.sign_policy(world.policy, *names)
    assert refused(lambda: check_genesis(signed, world.deployment, now=NOW)) is Refusal.SUCCESSION


def test_an_expired_genesis_is_refused(world: World) -> None:
    late = world.policy.header.expires
    assert refused(lambda: check_genesis(world.signed_policy, world.deployment, now=late)) is Refusal.EXPIRED


def test_a_genesis_with_a_problem_is_refused(world: World) -> None:
    wrong = dataclasses.replace(world.policy, wallets=world.policy.wallets * 2)
    signed = world.sign_policy(wrong, "adam", "anna")
    assert refused(lambda: check_genesis(signed, wrong.digest, now=NOW)) is Refusal.POLICY_INVALID


def test_a_genesis_somebody_rejected_is_refused(world: World) -> None:
    no = world.consent(
        world.policy.digest,
        "tom",
        Decision.REJECT,
        subject_type=SubjectType.POLICY,
        header=header("consent", world.policy.header.deployment),
    )
    signed = dataclasses.replace(world.signed_policy, consents=(*world.signed_policy.consents, no))
    assert refused(lambda: check_genesis(signed, world.deployment, now=NOW)) is Refusal.REJECTED


def test_a_successor_waits_the_delay_from_this_signers_own_receipt(world: World) -> None:
    signed = world.sign_policy(successor(world), "adam", "anna")
    assert check_successor(signed, world.policy, now=NOW + 77) == NOW + 77 + DAY


def test_a_successor_is_no_genesis(world: World) -> None:
    signed = world.sign_policy(successor(world), "adam", "anna")
    assert refused(lambda: check_genesis(signed, signed.policy.digest, now=NOW)) is Refusal.SUCCESSION


def test_the_predecessors_quorum_judges_not_the_successors(world: World) -> None:
    easier = dataclasses.replace(world.policy.controls, succession=seats((Role.RISK_OFFICER, 2)))
    draft = successor(world, controls=easier)
    by_new = world.sign_policy(draft, "rita", "ravi")
    assert refused(lambda: check_successor(by_new, world.policy, now=NOW)) is Refusal.SUCCESSION
    assert check_successor(world.sign_policy(draft, "adam", "anna"), world.policy, now=NOW) == NOW + DAY


def test_a_withdrawn_signature_does_not_count(world: World) -> None:
    signed = world.sign_policy(successor(world), "adam", "anna")
    back = world.consent(signed.policy.digest, "anna", Decision.WITHDRAW, subject_type=SubjectType.POLICY)
    taken = dataclasses.replace(signed, consents=(*signed.consents, back))
    assert refused(lambda: check_successor(taken, world.policy, now=NOW)) is Refusal.SUCCESSION


def test_an_expired_predecessor_can_still_be_followed(world: World) -> None:
    late = world.policy.header.expires + 5
    later = dataclasses.replace(world)
    later.__dict__.update(world.__dict__, now=late)
    draft = successor(later, header=header("policy", world.deployment, now=late, lifetime=DAY))
    consents = tuple(
        later.consent(
            draft.digest, name, subject_type=SubjectType.POLICY, header=header("consent", world.deployment, now=late)
        )
        for name in ("adam", "anna")
    )
    signed: SignedPolicy = dataclasses.replace(world.signed_policy, policy=draft, consents=consents)
    assert check_successor(signed, world.policy, now=late) == late + DAY
