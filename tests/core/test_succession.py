"""How a policy comes to be in force. (Hostile successors: the forgery suite.)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from core.documents.consent import Decision, SubjectType
from core.documents.roster import Role
from core.errors import Refusal, RefusedError
from core.succession import LEAST_RECOVERY_DELAY, AccessionKind, check_genesis, check_successor, is_recovery
from tests.factories.succession import HOLDERS, next_policy, recover, recoverable, without
from tests.factories.world import DAY, NOW, World, header, seats

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def held() -> World:
    return recoverable()


def refused(act: Callable[[], object]) -> Refusal:
    with pytest.raises(RefusedError) as caught:
        act()
    return caught.value.code


def loosened(world: World, **changes: Any) -> Any:  # noqa: ANN401 - a signed policy
    return world.sign_policy(next_policy(world, limits=(), **changes), "adam", "anna")


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


def test_a_loosening_waits_the_delay_from_this_signers_own_receipt(world: World) -> None:
    accession = check_successor(loosened(world), world.policy, now=NOW + 77)
    assert (accession.effective, accession.kind) == (NOW + 77 + DAY, AccessionKind.LOOSENING)
    assert [why.partition(":")[0] for why in accession.loosenings] == [f"limit {x.id}" for x in world.policy.limits]


def test_a_tightening_is_in_force_at_once(world: World) -> None:
    signed = world.sign_policy(next_policy(world, people=without(world, "tom")), "adam", "anna")
    accession = check_successor(signed, world.policy, now=NOW + 77)
    assert (accession.effective, accession.kind) == (NOW + 77, AccessionKind.TIGHTENING)
    assert accession.loosenings == ()


def test_a_tightening_needs_the_quorum_like_any_other(world: World) -> None:
    signed = world.sign_policy(next_policy(world, people=without(world, "tom")), "adam")
    assert refused(lambda: check_successor(signed, world.policy, now=NOW)) is Refusal.SUCCESSION


def test_a_successor_is_no_genesis(world: World) -> None:
    signed = loosened(world)
    assert refused(lambda: check_genesis(signed, signed.policy.digest, now=NOW)) is Refusal.SUCCESSION


def test_the_predecessors_quorum_judges_not_the_successors(world: World) -> None:
    easier = dataclasses.replace(world.policy.controls, succession=seats((Role.RISK_OFFICER, 2)))
    draft = next_policy(world, controls=easier)
    by_new = world.sign_policy(draft, "rita", "ravi")
    assert refused(lambda: check_successor(by_new, world.policy, now=NOW)) is Refusal.SUCCESSION
    accession = check_successor(world.sign_policy(draft, "adam", "anna"), world.policy, now=NOW)
    assert accession.effective == NOW + DAY


def test_a_withdrawn_signature_does_not_count(world: World) -> None:
    signed = loosened(world)
    back = world.consent(signed.policy.digest, "anna", Decision.WITHDRAW, subject_type=SubjectType.POLICY)
    taken = dataclasses.replace(signed, consents=(*signed.consents, back))
    assert refused(lambda: check_successor(taken, world.policy, now=NOW)) is Refusal.SUCCESSION


def test_an_expired_predecessor_can_still_be_followed_but_never_at_once() -> None:
    world = World()
    world.now = late = world.policy.header.expires + 5
    signed = world.sign_policy(next_policy(world), "adam", "anna")
    accession = check_successor(signed, world.policy, now=late)
    assert (accession.effective, accession.kind) == (late + DAY, AccessionKind.LOOSENING)
    assert accession.loosenings == ("expiry: later than before",)


def test_a_successor_that_expires_before_it_comes_into_force_is_refused(world: World) -> None:
    for lifetime, code in ((DAY, Refusal.EXPIRED), (DAY + 1, None)):
        signed = loosened(world, header=header("policy", world.deployment, lifetime=lifetime))
        if code is None:
            assert check_successor(signed, world.policy, now=NOW).effective == NOW + DAY
        else:
            assert refused(lambda: check_successor(signed, world.policy, now=NOW)) is code  # noqa: B023 - called here


@pytest.mark.parametrize(("delay", "waits"), [(0, LEAST_RECOVERY_DELAY), (10 * DAY, 10 * DAY)])
def test_a_recovery_waits_seven_days_at_least(held: World, delay: int, waits: int) -> None:
    slow = recoverable(controls=dataclasses.replace(held.policy.controls, recovery_delay=delay))
    signed = recover(slow, HOLDERS[:2], people=without(slow, "tom"))
    accession = check_successor(signed, slow.policy, now=NOW)
    assert is_recovery(signed)
    assert (accession.effective, accession.kind) == (NOW + waits, AccessionKind.RECOVERY)


def test_a_recovery_brings_new_people(held: World) -> None:
    lost = without(held, "adam", "anna")
    new = tuple(dataclasses.replace(p, id=f"new-{p.id}") for p in held.policy.people if p not in lost)
    accession = check_successor(recover(held, HOLDERS[1:], people=(*lost, *new)), held.policy, now=NOW)
    assert accession.effective == NOW + LEAST_RECOVERY_DELAY


@pytest.mark.parametrize(
    ("holders", "code"),
    [
        ((), Refusal.SUCCESSION),
        (HOLDERS[:1], Refusal.SUCCESSION),
        ((HOLDERS[0], HOLDERS[0]), Refusal.SUCCESSION),
        ((HOLDERS[0], "somebody-else"), Refusal.UNKNOWN_KEY),
    ],
)
def test_a_recovery_takes_its_threshold_of_distinct_holders(
    held: World, holders: tuple[str, ...], code: Refusal
) -> None:
    signed = recover(held, holders, people=without(held, "tom"))
    assert refused(lambda: check_successor(signed, held.policy, now=NOW)) is code


def test_an_offline_key_signs_for_itself_only(held: World) -> None:
    signed = recover(held, HOLDERS[:2], people=without(held, "tom"))
    one, other = signed.consents
    swapped = dataclasses.replace(signed, consents=(one, dataclasses.replace(other, proof=one.proof)))
    assert refused(lambda: check_successor(swapped, held.policy, now=NOW)) is Refusal.ASSERTION


@pytest.mark.parametrize("decision", [Decision.REJECT, Decision.WITHDRAW, Decision.ASK])
def test_only_an_approval_of_a_holder_recovers(held: World, decision: Decision) -> None:
    signed = recover(held, HOLDERS[:1], people=without(held, "tom"))
    more = recover(held, HOLDERS[1:2], policy=signed.policy, decision=decision)
    mixed = dataclasses.replace(signed, consents=(*signed.consents, *more.consents))
    expected = Refusal.REJECTED if decision is Decision.REJECT else Refusal.SUCCESSION
    assert refused(lambda: check_successor(mixed, held.policy, now=NOW)) is expected


def test_a_person_beside_the_holders_can_only_say_no(held: World) -> None:
    signed = recover(held, HOLDERS[:1], people=without(held, "tom"))
    for decision, expected in ((Decision.APPROVE, Refusal.SUCCESSION), (Decision.REJECT, Refusal.REJECTED)):
        said = held.consent(signed.policy.digest, "adam", decision, subject_type=SubjectType.POLICY)
        mixed = dataclasses.replace(signed, consents=(*signed.consents, said))
        assert refused(lambda: check_successor(mixed, held.policy, now=NOW)) is expected  # noqa: B023 - called here


def test_a_recovery_changes_people_and_nothing_else(held: World) -> None:
    changes: dict[str, Any] = {
        "limits": (),
        "guards": (),
        "clients": (),
        "recovery_threshold": 1,
        "institution": "Other Bank",
        "controls": dataclasses.replace(held.policy.controls, succession=seats((Role.RISK_OFFICER, 2))),
    }
    for name, value in changes.items():
        signed = recover(held, HOLDERS, people=without(held, "tom"), **{name: value})
        assert refused(lambda: check_successor(signed, held.policy, now=NOW)) is Refusal.SUCCESSION, name  # noqa: B023


def test_a_recovery_renews_the_policy_for_no_longer_than_it_was_made_for(held: World) -> None:
    old = held.policy.header
    for lifetime, code in ((old.expires - old.created, None), (old.expires - old.created + 1, Refusal.SUCCESSION)):
        late = old.expires + 1
        new = header("policy", held.deployment, now=late, lifetime=lifetime)
        held.now = late
        signed = recover(held, HOLDERS, header=new, people=without(held, "tom"))
        held.now = NOW
        if code is None:
            assert check_successor(signed, held.policy, now=late).effective == late + LEAST_RECOVERY_DELAY
        else:
            assert refused(lambda: check_successor(signed, held.policy, now=late)) is code  # noqa: B023 - called here


def test_a_policy_without_recovery_keys_knows_no_recovery(world: World) -> None:
    signed = recover(world, HOLDERS, people=without(world, "tom"))
    assert refused(lambda: check_successor(signed, world.policy, now=NOW)) is Refusal.UNKNOWN_KEY
