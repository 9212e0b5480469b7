"""The seed's case: 5 x 1M instead of 5M. However it is cut, the third slice asks for what 5M would."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from core.documents.roster import Role
from core.errors import Refusal
from oms.selectors import seats_of
from tests.factories.proposals import brought_into_force
from tests.factories.succession import next_policy, without
from tests.seed.institution import CUSTODIAN, LISTED, MILLION, NATIVE, SECOND_DEPOSIT, TOKEN, pay
from tests.seed.rigs import pinned
from tests.seed.tiers import EVERYBODY, LARGE, OFFICERS, over_its_socket

if TYPE_CHECKING:
    from core.documents.mandate import Intent
    from tests.factories.world import World
    from tests.seed.rigs import Token
    from tests.seed.tiers import Attacker, Web

SMALL_SEATS = "2 risk officers"
LARGE_SEATS = "1 CRO + 2 risk officers from at least 2 sites"


@dataclasses.dataclass(frozen=True)
class Slice:
    """One of five: a million dollars to the exchange."""

    to: str = LISTED
    asset: str = TOKEN
    wallet: int = 0
    by: str = "tessa"

    def intent(self, world: World) -> Intent:
        wallet = world.policy.wallets[self.wallet].id
        return pay(world, MILLION, to=self.to, asset=self.asset, wallet=wallet)


ONE = Slice()
DEPOSIT, ETHER, COLD, TOM = Slice(to=SECOND_DEPOSIT), Slice(asset=NATIVE), Slice(wallet=1), Slice(by="tom")
WAYS: dict[str, tuple[Slice, Slice, Slice, Slice, Slice]] = {
    "to one address": (ONE, ONE, ONE, ONE, ONE),
    "to two addresses of one beneficiary": (ONE, DEPOSIT, ONE, DEPOSIT, ONE),
    "by two traders": (ONE, TOM, TOM, ONE, TOM),
    "in two assets": (ONE, ETHER, ETHER, ONE, ETHER),
    "from two wallets": (ONE, COLD, COLD, ONE, COLD),
    "in every way at once": (
        ONE,
        Slice(SECOND_DEPOSIT, NATIVE, 1, "tom"),
        Slice(LISTED, NATIVE, 1, "tessa"),
        Slice(SECOND_DEPOSIT, TOKEN, 0, "tom"),
        Slice(SECOND_DEPOSIT, NATIVE, 0, "tessa"),
    ),
}
each_way = pytest.mark.parametrize("way", WAYS)


@pytest.mark.django_db
@each_way
def test_five_times_1m_instead_of_5m_in_the_web_tier(web: Web, way: str) -> None:
    first, second, *rest = WAYS[way]
    for one in (first, second):
        request = web.ask(one.intent(web.world), by=one.by)
        assert web.words(request) == SMALL_SEATS
        assert web.approve(request, *OFFICERS).state == "approved"
    for one in rest:
        request = web.ask(one.intent(web.world), by=one.by)
        assert web.words(request) == LARGE_SEATS
        request = web.approve(request, *OFFICERS)
        assert (request.state, seats_of(request=request).open_roles) == ("pending", (Role.CRO,))
        assert web.approve(request, "clara").state == "approved"
    for by in ("tessa", "tom"):
        assert "beneficiary-most" in web.denied(pay(web.world, 1), by=by), "six times is more than 5M"
    web.paid(pay(web.world, MILLION, to=CUSTODIAN), by="tom")


@pytest.mark.django_db
def test_slices_that_are_asked_all_at_once_in_the_web_tier(web: Web) -> None:
    requests = [web.ask(ONE.intent(web.world)) for _ in range(5)]
    assert [web.words(request) for request in requests] == [SMALL_SEATS] * 2 + [LARGE_SEATS] * 3
    assert "beneficiary-most" in web.denied(pay(web.world, 1))


@pytest.mark.django_db
def test_5m_at_once_in_the_web_tier(web: Web) -> None:
    request = web.ask(pay(web.world, 5 * MILLION))
    assert web.words(request) == LARGE_SEATS
    assert "beneficiary-most" in web.denied(pay(web.world, 5 * MILLION + 1))


@each_way
def test_five_times_1m_instead_of_5m_at_the_signer(attacker: Attacker, way: str) -> None:
    world = attacker.world
    first, second, *rest = WAYS[way]
    for one in (first, second):
        attacker.signed(one.intent(world), *OFFICERS, by=one.by)
    for one in rest:
        code, words = attacker.refused(one.intent(world), *OFFICERS, by=one.by)
        assert (code, "missing: cro" in words) == (Refusal.QUORUM, True), words
        attacker.signed(one.intent(world), *LARGE, by=one.by)
    for by in ("tessa", "tom"):
        people = [name for name in EVERYBODY if name != by]
        code, words = attacker.refused(pay(world, 1), *people, by=by)
        assert (code, "beneficiary-most" in words) == (Refusal.DENIED, True), words
    attacker.signed(pay(world, MILLION, to=CUSTODIAN), *OFFICERS, by="tom")


def test_slices_that_were_all_approved_while_each_was_small_at_the_signer(attacker: Attacker) -> None:
    world = attacker.world
    mandates = [world.mandate(ONE.intent(world)) for _ in range(5)]
    approved = [attacker.approvals(mandate, *OFFICERS) for mandate in mandates]
    answers = [attacker.send(mandate, *consents) for mandate, consents in zip(mandates, approved, strict=True)]
    assert [answer.code for answer in answers] == [None, None, *[Refusal.QUORUM] * 3]
    answer = attacker.send(mandates[2], *approved[2], *attacker.approvals(mandates[2], "clara"))
    assert answer.code is None, answer


def test_a_small_slice_by_an_api_client_is_counted_with_the_others_at_the_signer(attacker: Attacker) -> None:
    world = attacker.world
    attacker.signed(ONE.intent(world), *OFFICERS)
    attacker.signed(pay(world, 10_000), "ravi", by="bot-1")
    attacker.signed(pay(world, MILLION - 10_000, to=SECOND_DEPOSIT), *OFFICERS, by="tom")
    for by in ("tessa", "tom"):
        assert attacker.refused(pay(world, 1), *OFFICERS, by=by)[0] is Refusal.QUORUM
    people = [name for name in EVERYBODY if name not in ("rita", "clara")]
    assert attacker.refused(pay(world, 1), *people, by="bot-1")[0] is Refusal.QUORUM
    attacker.signed(pay(world, 1), *LARGE)


def test_5m_at_once_at_the_signer(attacker: Attacker) -> None:
    world = attacker.world
    assert attacker.refused(pay(world, 5 * MILLION), *OFFICERS)[0] is Refusal.QUORUM
    same_site = ("rita", "olga", "clara")
    assert attacker.refused(pay(world, 5 * MILLION), *same_site)[0] is Refusal.QUORUM
    assert attacker.refused(pay(world, 5 * MILLION + 1), *EVERYBODY)[0] is Refusal.DENIED
    attacker.signed(pay(world, 5 * MILLION), *LARGE)


@pytest.mark.django_db
def test_slices_before_and_after_a_change_of_policy_in_the_web_tier(web: Web) -> None:
    world = web.world
    for _ in range(2):
        web.paid(ONE.intent(world))
    policy = next_policy(world, people=without(world, "olga"))
    brought_into_force(world, policy)
    world.policy = policy
    request = web.ask(ONE.intent(world))
    assert web.words(request) == LARGE_SEATS
    assert web.approve(request, *LARGE).state == "approved"


def test_slices_before_and_after_a_change_of_policy_at_the_signer(attacker: Attacker) -> None:
    world = attacker.world
    for _ in range(2):
        attacker.signed(ONE.intent(world))
    policy = next_policy(world, people=without(world, "olga"))
    assert attacker.succeed(world.sign_policy(policy, "adam", "anna")).result["policy"] == policy.digest
    old = world.mandate(ONE.intent(world))
    assert attacker.send(old, *attacker.approvals(old, *OFFICERS)).code is Refusal.QUORUM
    world.policy = policy
    assert attacker.refused(ONE.intent(world), *OFFICERS)[0] is Refusal.QUORUM
    attacker.signed(ONE.intent(world), *LARGE)


def test_slices_before_and_after_the_signer_was_killed(token: Token) -> None:
    with pinned(token) as rig:
        with rig.served() as process:
            before = over_its_socket(rig.world, process)
            for _ in range(2):
                before.signed(ONE.intent(rig.world))
            process.process.kill()
            process.process.wait()
        with rig.served() as process:
            after = over_its_socket(rig.world, process)
            after.lanes = before.lanes
            assert after.refused(ONE.intent(rig.world), *OFFICERS)[0] is Refusal.QUORUM
            after.signed(ONE.intent(rig.world), *LARGE)


def test_a_slice_that_is_handed_in_twice_is_counted_once_at_the_signer(attacker: Attacker) -> None:
    world = attacker.world
    mandate = world.mandate(ONE.intent(world))
    consents = attacker.approvals(mandate, *OFFICERS)
    first = attacker.send(mandate, *consents)
    attacker.lanes.clear()
    again = attacker.send(mandate, *consents)
    assert (again.code, again.result["raw"]) == (None, first.result["raw"])
    attacker.signed(ONE.intent(world))
    assert attacker.refused(ONE.intent(world), *OFFICERS)[0] is Refusal.QUORUM
