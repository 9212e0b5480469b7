"""Limits over the database: counted with the own amount, raced, released once, spent for ever."""

from __future__ import annotations

import dataclasses
import random
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from audit.models import AuditEntry
from core.documents.mandate import SingleOrder
from core.documents.policy import Dimension, Measure
from core.documents.roster import Role
from core.facts import derive_facts, resolve_asker
from core.limits import DrawBook, amount_of, scope_keys, scope_of
from core.schema import UINT256_MAX
from policies.limits import StoredTotals, counter_name, shares_of
from policies.models import LimitCounter, Reservation
from policies.selectors import decision_required, reservation_list
from policies.services import decision_make, reservation_release, reservation_settle
from tests.factories.policies import CLAIMS, renumbered, world_in_force
from tests.factories.world import DAY, ETHER, NATIVE, NOW, TOKEN, World, limit, seats

if TYPE_CHECKING:
    from core.documents.mandate import Mandate
    from core.documents.policy import Limit
    from core.limits import Draw

THREADS = 32


def decided(mandate: Mandate, now: int = NOW) -> bool:
    return decision_make(mandate=mandate, claims=CLAIMS, now=now).outcome == "allowed"


def held(world: World, value: int, now: int = NOW) -> bool:
    intent = world.intent(value=value, max_fee_per_gas=0, max_priority_fee_per_gas=0)
    return decided(world.mandate(intent), now)


@pytest.mark.django_db(transaction=True)
@pytest.mark.timeout(300)
def test_it_accepts_exactly_the_limit_under_32_threads() -> None:
    most = 100
    day = limit("count-day", Measure.COUNT, most, window=DAY, order=1)
    world = world_in_force(limits=(day,), escalations=())
    mandates = [world.mandate() for _ in range(THREADS * 4)]
    start = Barrier(THREADS)

    def run(share: list[Mandate]) -> int:
        start.wait()
        try:
            return sum(decided(mandate) for mandate in share)
        finally:
            connection.close()

    with ThreadPoolExecutor(THREADS) as pool:
        accepted = sum(pool.map(run, [mandates[i::THREADS] for i in range(THREADS)]))
    assert accepted == most
    assert Reservation.objects.count() == most
    counter = LimitCounter.objects.get()
    assert (counter.drawn, counter.most, counter.revision) == (most, most, most)


@pytest.mark.django_db(transaction=True)
def test_one_mandate_under_many_threads_is_decided_once() -> None:
    world = world_in_force()
    mandate = world.mandate()
    start = Barrier(8)

    def run(_: int) -> int:
        start.wait()
        try:
            return decision_make(mandate=mandate, claims=CLAIMS, now=NOW).pk
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(run, range(8)))) == 1
    assert Reservation.objects.count() == 5


@pytest.mark.django_db(transaction=True)
def test_a_release_under_many_threads_happens_once() -> None:
    world = world_in_force()
    intent = world.intent()
    decided(world.mandate(intent))
    start = Barrier(8)

    def run(_: int) -> None:
        start.wait()
        try:
            reservation_release(intent_digest=intent.digest)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(run, range(8)))
    assert AuditEntry.objects.filter(tag="policies:limit:released").count() == 1


@pytest.mark.django_db
def test_the_own_amount_counts_to_the_last_unit() -> None:
    day = limit("day", Measure.ASSET, 10 * ETHER, window=DAY, asset=NATIVE, order=1)
    world = world_in_force(limits=(day,))
    assert held(world, 9 * ETHER)
    assert not held(world, ETHER + 1)
    assert held(world, ETHER)
    assert not held(world, 1)


@pytest.mark.django_db
def test_a_window_rolls_with_its_edge_as_in_a_signer() -> None:
    day = limit("day", Measure.ASSET, 10 * ETHER, window=DAY, asset=NATIVE, order=1)
    world = world_in_force(limits=(day,))
    intent = world.intent(value=10 * ETHER, max_fee_per_gas=0, max_priority_fee_per_gas=0)
    mandate = world.mandate(intent)
    assert decided(mandate)
    reservation_settle(intent_digest=intent.digest, now=NOW)
    book = DrawBook()
    book.add(_draw(world, mandate))
    for later, free in ((DAY, False), (DAY + 1, True)):
        now = NOW + later
        key = (intent.wallet,)
        stored = StoredTotals().used(day, key, now=now)
        assert stored == book.since(scope_of(day), key, now - DAY)
        assert (stored == 0) is free


def _draw(world: World, mandate: Mandate) -> Draw:
    who = resolve_asker(mandate, world.policy)
    assert isinstance(mandate.order, SingleOrder)
    return derive_facts(mandate.order.intent, world.policy, who, order=mandate.digest, now=NOW)[1]


@pytest.mark.django_db
def test_what_is_held_counts_however_old_it_is() -> None:
    """A signer counts from when it signs: a case that waits must not leave the window before it is signed."""
    day = limit("day", Measure.ASSET, 10 * ETHER, window=DAY, asset=NATIVE, order=1)
    world = world_in_force(limits=(day,))
    intent = world.intent(value=10 * ETHER, max_fee_per_gas=0, max_priority_fee_per_gas=0)
    assert decided(world.mandate(intent))
    world.now = NOW + 3 * DAY
    assert not held(world, 1, NOW + 3 * DAY)
    reservation_settle(intent_digest=intent.digest, now=NOW + 3 * DAY)
    world.now = NOW + 4 * DAY
    assert not held(world, 1, NOW + 4 * DAY)
    world.now = NOW + 4 * DAY + 1
    assert held(world, 10 * ETHER, NOW + 4 * DAY + 1)


@pytest.mark.django_db
def test_a_limit_for_ever_never_rolls() -> None:
    ever = limit("ever", Measure.ASSET, 10 * ETHER, window=None, asset=NATIVE, order=1)
    world = world_in_force(limits=(ever,))
    assert held(world, 10 * ETHER)
    assert StoredTotals().used(ever, (world.wallet,), now=NOW + 10_000 * DAY) == 10 * ETHER


@pytest.mark.django_db
def test_what_is_released_is_free_again_and_only_once() -> None:
    day = limit("day", Measure.ASSET, 10 * ETHER, window=DAY, asset=NATIVE, order=1)
    world = world_in_force(limits=(day,))
    intent = world.intent(value=10 * ETHER, max_fee_per_gas=0, max_priority_fee_per_gas=0)
    assert decided(world.mandate(intent))
    assert not held(world, 1)
    reservation_release(intent_digest=intent.digest)
    reservation_release(intent_digest=intent.digest)
    assert held(world, 10 * ETHER)
    assert [r.state for r in reservation_list(intent_digest=intent.digest)] == ["released"]
    assert AuditEntry.objects.filter(tag="policies:limit:released").count() == 1
    reservation_settle(intent_digest=intent.digest, now=NOW)
    assert [r.state for r in reservation_list(intent_digest=intent.digest)] == ["released"]


@pytest.mark.django_db
def test_what_is_spent_is_never_given_back_and_counts_from_its_signature() -> None:
    day = limit("day", Measure.ASSET, 10 * ETHER, window=DAY, asset=NATIVE, order=1)
    world = world_in_force(limits=(day,))
    intent = world.intent(value=10 * ETHER, max_fee_per_gas=0, max_priority_fee_per_gas=0)
    assert decided(world.mandate(intent))
    reservation_settle(intent_digest=intent.digest, now=NOW + 3_000)
    reservation_settle(intent_digest=intent.digest, now=NOW + 9_000)
    reservation_release(intent_digest=intent.digest)
    (kept,) = reservation_list(intent_digest=intent.digest)
    assert (kept.state, kept.time) == ("spent", NOW + 3_000)
    assert StoredTotals().used(day, (world.wallet,), now=NOW + DAY + 3_000) == 10 * ETHER
    assert StoredTotals().used(day, (world.wallet,), now=NOW + DAY + 3_001) == 0


@pytest.mark.django_db
def test_nothing_happens_for_an_intent_that_holds_nothing() -> None:
    reservation_release(intent_digest="ab" * 32)
    reservation_settle(intent_digest="ab" * 32, now=NOW)
    assert not AuditEntry.objects.filter(tag__startswith="policies:limit").exists()


@pytest.mark.django_db
def test_a_limit_that_asks_lets_pass_and_counts() -> None:
    asks = limit("asks", Measure.ASSET, ETHER, window=DAY, asset=NATIVE, order=1)
    asks = dataclasses.replace(asks, quorum=seats((Role.CRO, 1)))
    world = world_in_force(limits=(asks,), escalations=())
    mandate = world.mandate(world.intent(value=2 * ETHER))
    decision = decision_make(mandate=mandate, claims=CLAIMS, now=NOW)
    assert decision.outcome == "allowed"
    assert decision_required(decision=decision) == seats((Role.CRO, 1), (Role.RISK_OFFICER, 2))
    counter = LimitCounter.objects.get()
    assert counter.most is None
    assert counter.drawn > 2 * ETHER


@pytest.mark.django_db
def test_an_amount_without_a_price_fills_a_dollar_window() -> None:
    asks = limit("usd", Measure.USD, 10**12, window=DAY, order=1)
    asks = dataclasses.replace(asks, quorum=seats((Role.CRO, 1)))
    world = world_in_force(limits=(asks,), prices=(), escalations=())
    assert held(world, 1)
    assert held(world, 1)
    counter = LimitCounter.objects.get()
    assert counter.drawn == UINT256_MAX
    assert StoredTotals().used(asks, (world.wallet,), now=NOW) == 2 * UINT256_MAX


@pytest.mark.django_db
def test_scopes_are_counted_apart() -> None:
    per = limit("per", Measure.COUNT, 1, window=DAY, order=1)
    per = dataclasses.replace(per, per=(Dimension.INITIATOR,))
    world = world_in_force(limits=(per,), escalations=())
    assert decided(world.mandate(asker="tessa"))
    assert not decided(world.mandate(asker="tessa"))
    assert decided(world.mandate(asker="tom"))
    # A client asks together with whoever answers for it: both scopes are counted, and both have to have room.
    assert decided(world.mandate(asker="bot-1"))
    assert LimitCounter.objects.filter(scope_key='{"initiator":"rita"}').exists()


@pytest.mark.django_db
def test_another_asset_holds_nothing_in_an_assets_limit() -> None:
    eth = limit("eth", Measure.ASSET, 10 * ETHER, window=DAY, asset=NATIVE, order=1)
    usdc = limit("usdc", Measure.ASSET, 1_000, window=DAY, asset=TOKEN, order=2)
    world = world_in_force(limits=(eth, usdc), escalations=())
    assert held(world, ETHER)
    assert set(LimitCounter.objects.values_list("limit_id", flat=True)) == {"eth"}
    assert decided(world.mandate(world.token_intent(1_000)))
    assert not decided(world.mandate(world.token_intent(1)))


@pytest.mark.django_db
def test_the_database_itself_refuses_to_go_over() -> None:
    world = world_in_force()
    held(world, ETHER)
    counter = LimitCounter.objects.get(limit_id="native-day")
    with pytest.raises(IntegrityError), transaction.atomic():
        LimitCounter.objects.filter(pk=counter.pk).update(drawn=50 * ETHER + 1)
    with pytest.raises(DatabaseError), transaction.atomic():
        Reservation.objects.filter(counter=counter).update(amount=1)
    reservation = Reservation.objects.filter(counter=counter).get()
    with pytest.raises(IntegrityError), transaction.atomic():
        Reservation.objects.create(decision=reservation.decision, counter=counter, amount=1, time=NOW)


@pytest.mark.django_db
def test_shares_are_what_a_signer_would_count() -> None:
    world = world_in_force()
    decision = decision_make(mandate=world.mandate(), claims=CLAIMS, now=NOW)
    amounts = {r.counter.limit_id: r.amount for r in decision.reservations.select_related("counter")}
    fee = 21_000 * 100 * 10**9
    assert amounts == {
        "native-each": ETHER + fee,
        "native-day": ETHER + fee,
        "usd-day": 2_500 * 10**8,
        "fee-day": fee,
        "count-day": 1,
    }
    names = [share.name for share in shares_of(world.policy.limits, _draw(world, world.mandate()))]
    assert names == sorted(names)
    assert counter_name(world.policy.limits[0], (world.wallet,)) in names


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(3))
def test_totals_are_those_of_a_signers_book(seed: int) -> None:
    """Random transactions of several people and assets, windows crossed: the same figures at every step."""
    chance = random.Random(seed)  # noqa: S311 - a test's own dice
    limits = renumbered(
        limit("wallet-hour", Measure.ASSET, 3 * ETHER, window=3_600, asset=NATIVE, order=0),
        dataclasses.replace(
            limit("trader-hour", Measure.USD, 6_000 * 10**8, window=3_600, order=0), per=(Dimension.INITIATOR,)
        ),
        dataclasses.replace(
            limit("place-ever", Measure.COUNT, 12, window=None, order=0), per=(Dimension.DESTINATION, Dimension.ASSET)
        ),
        limit("usdc-day", Measure.ASSET, 5_000 * 10**6, window=DAY, asset=TOKEN, order=0),
        limit("fees", Measure.FEE, ETHER // 50, window=7_200, order=0),
    )
    world = world_in_force(limits=limits, escalations=())
    book, now, accepted = DrawBook(), NOW, 0
    for _ in range(40):
        now += chance.choice((0, 1, 60, 599, 1_800))
        amount = chance.randrange(1, 2_000)
        native = chance.random() < 0.5
        world.now = now  # documents made now
        intent = world.intent(value=amount * ETHER // 1_000) if native else world.token_intent(amount * 10**6)
        mandate = world.mandate(intent, asker=chance.choice(("tessa", "tom", "bot-1")))
        who = resolve_asker(mandate, world.policy)
        _, draw = derive_facts(intent, world.policy, who, order=mandate.digest, now=now)
        book_total = {
            (one.id, key): _book_used(book, one, key, now) for one in limits for key in scope_keys(one.per, draw)
        }
        totals = StoredTotals()
        assert book_total == {place: totals.used(_limit(limits, place[0]), place[1], now=now) for place in book_total}
        allowed = all(
            book_total[one.id, key] + amount_of(one.measure, one.asset, draw) <= one.most
            for one in limits
            for key in scope_keys(one.per, draw)
        )
        assert decided(mandate, now) is allowed
        if allowed:
            reservation_settle(intent_digest=intent.digest, now=now)
            book.add(draw)
            accepted += 1
    assert 0 < accepted < 40


def _limit(limits: tuple[Limit, ...], name: str) -> Limit:
    return next(one for one in limits if one.id == name)


def _book_used(book: DrawBook, one: Limit, key: tuple[str, ...], now: int) -> int:
    return book.since(scope_of(one), key, None if one.window is None else now - one.window)
