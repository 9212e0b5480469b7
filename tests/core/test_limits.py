"""Windows, scopes, and what a journal that began anew can know."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.documents.control import LaneStart
from core.documents.policy import Dimension, Limit, Measure
from core.limits import UNBOUNDED, AssetDraw, Draw, DrawBook, amount_of, scope_keys, scope_of
from core.records import ReserveRecord
from tests.factories.world import CHAIN, DAY, LISTED, NATIVE, NOW, STRANGER, TOKEN, TOKEN_CONTRACT, World, limit
from tests.soak import bounded

if TYPE_CHECKING:
    from core.journal import Journal

WORLD = World()


def draw(amount: int = 5, *, time: int = NOW, **changes: Any) -> Draw:  # noqa: ANN401 - Draw's fields
    fields: dict[str, Any] = {
        "time": time,
        "initiators": ("tessa",),
        "desk": "desk-a",
        "wallet": WORLD.wallet,
        "chain": CHAIN,
        "order": "aa" * 32,
        "assets": (NATIVE,),
        "destinations": (LISTED,),
        "beneficiaries": (LISTED,),
        "contracts": (),
        "protocols": (),
        "amounts": (AssetDraw(asset=NATIVE, amount=amount),),
        "usd_e8": amount * 100,
        "fee": amount * 7,
    }
    return Draw(**(fields | changes))


def daily(measure: Measure = Measure.ASSET, window: int | None = DAY, *per: Dimension) -> Limit:
    asset = NATIVE if measure is Measure.ASSET else None
    return dataclasses.replace(limit("l", measure, 100, window=window, order=1, asset=asset), per=per)


TIMES = st.lists(st.tuples(st.integers(0, 100), st.integers(0, 50)), max_size=12).map(sorted)


@bounded(150)
@given(TIMES, st.integers(0, 120) | st.none())
def test_a_window_adds_up_what_brute_force_adds_up(rows: list[tuple[int, int]], start: int | None) -> None:
    book = DrawBook()
    half = len(rows) // 2
    scope = scope_of(daily())
    for time, amount in rows[:half]:
        book.add(draw(amount, time=time))
    book.since(scope, (), 0)  # the table exists before the second half arrives
    for time, amount in rows[half:]:
        book.add(draw(amount, time=time))
    expected = sum(amount for time, amount in rows if start is None or time >= start)
    assert book.since(scope, (), start) == expected


def journal_with(*draws: Draw, full: bool = False, start: int = NOW) -> Journal:
    lanes = (LaneStart(wallet=WORLD.wallet, next_nonce=0),)
    journal = WORLD.make_journal(time=start, full=full, lanes=lanes)
    for nonce, one in enumerate(draws):
        record = ReserveRecord(
            kind="reserve",
            time=one.time,
            intent=f"{nonce:064x}",
            mandate="aa" * 32,
            policy="bb" * 32,
            newest="bb" * 32,
            wallet=WORLD.wallet,
            nonce=nonce,
            max_fee_per_gas=1,
            max_priority_fee_per_gas=1,
            cancel=None,
            signing_hash=bytes(32),
            draw=one,
            consents=(),
        )
        journal.apply(journal.encode(record))
    return journal


def test_a_draw_counts_until_it_is_older_than_the_window() -> None:
    journal = journal_with(draw(5, time=NOW))
    assert journal.used(daily(), (), now=NOW) == 5
    assert journal.used(daily(), (), now=NOW + DAY) == 5
    assert journal.used(daily(), (), now=NOW + DAY + 1) == 0


def test_a_lifetime_limit_never_forgets() -> None:
    journal = journal_with(draw(5), draw(6, time=NOW + DAY))
    assert journal.used(daily(Measure.ASSET, None), (), now=NOW + 10**9) == 11


def test_a_journal_that_began_anew_counts_every_window_as_full_until_it_has_passed_once() -> None:
    journal = journal_with(draw(5, time=NOW + 10), full=True)
    assert journal.used(daily(), (), now=NOW + DAY) >= UNBOUNDED
    assert journal.used(daily(), (), now=NOW + DAY + 1) == 5
    assert journal.used(daily(Measure.ASSET, None), (), now=NOW + 10**9) >= UNBOUNDED


def test_each_measure_counts_its_own_unit() -> None:
    one = draw(5, amounts=(AssetDraw(asset=NATIVE, amount=5), AssetDraw(asset=TOKEN, amount=9)))
    units = [
        (Measure.ASSET, NATIVE),
        (Measure.ASSET, TOKEN),
        (Measure.USD, None),
        (Measure.COUNT, None),
        (Measure.FEE, None),
    ]
    assert [amount_of(measure, asset, one) for measure, asset in units] == [5, 9, 500, 1, 35]


def test_what_is_not_known_is_unbounded() -> None:
    unknown = draw(5, assets=(), destinations=(), beneficiaries=(), usd_e8=None, contracts=(STRANGER,))
    assert amount_of(Measure.USD, None, unknown) == UNBOUNDED
    assert amount_of(Measure.ASSET, TOKEN, unknown) == UNBOUNDED
    # What it sends along in the native coin is known, and tokens of other chains cannot move.
    assert amount_of(Measure.ASSET, NATIVE, unknown) == 5
    assert amount_of(Measure.ASSET, TOKEN.replace(CHAIN, "eip155:1"), unknown) == 0


def test_an_unbounded_draw_fills_its_window_and_leaves_it_by_time() -> None:
    usd = daily(Measure.USD)
    journal = journal_with(draw(5, usd_e8=None), draw(6, time=NOW + 10))
    assert journal.used(usd, (), now=NOW + DAY) >= UNBOUNDED
    assert journal.used(usd, (), now=NOW + DAY + 1) == 600


def test_every_dimension_counts_apart() -> None:
    changes: dict[Dimension, dict[str, Any]] = {
        Dimension.INITIATOR: {"initiators": ("tom",)},
        Dimension.DESK: {"desk": "desk-b"},
        Dimension.WALLET: {"wallet": f"{CHAIN}:{STRANGER}"},
        Dimension.CHAIN: {"chain": "eip155:1"},
        Dimension.ASSET: {"assets": (TOKEN,)},
        Dimension.DESTINATION: {"destinations": (STRANGER,)},
        Dimension.CONTRACT: {"contracts": (STRANGER,)},
        Dimension.BENEFICIARY: {"beneficiaries": ("acme",)},
        Dimension.PROTOCOL: {"protocols": ("curve",)},
        Dimension.MANDATE: {"order": "bb" * 32},
    }
    assert set(changes) == set(Dimension)
    for dimension, change in changes.items():
        assert scope_keys((dimension,), draw()) != scope_keys((dimension,), draw(**change))
        others = tuple(other for other in Dimension if other is not dimension)
        assert scope_keys(others, draw()) == scope_keys(others, draw(**change))


def test_a_clients_draw_counts_for_the_client_and_for_each_responsible_person() -> None:
    by_client = draw(5, initiators=("bot-1", "rita", "tom"))
    journal = journal_with(by_client, draw(6, time=NOW, initiators=("rita",)))
    own = daily(Measure.ASSET, DAY, Dimension.INITIATOR)
    used = {name: journal.used(own, (name,), now=NOW) for name in ("bot-1", "rita", "tom", "tessa")}
    assert used == {"bot-1": 5, "rita": 11, "tom": 5, "tessa": 0}


def test_a_case_that_is_decided_again_does_not_count_against_itself() -> None:
    journal = journal_with(draw(5), draw(6, time=NOW + 1))
    others = journal.totals_without(f"{0:064x}")
    assert others.used(daily(), (), now=NOW + 10) == 6
    assert others.used(daily(Measure.ASSET, None), (), now=NOW + 10**9) == 6
    # Out of its window it is not there to be subtracted.
    assert others.used(daily(), (), now=NOW + DAY + 1) == 6
    assert others.used(daily(Measure.ASSET, DAY, Dimension.INITIATOR), ("tom",), now=NOW + 10) == 0
    assert journal.totals_without("ff" * 32).used(daily(), (), now=NOW + 10) == 11


def test_a_draw_of_many_counts_whole_under_each_of_them() -> None:
    book = DrawBook()
    book.add(draw(5, destinations=tuple(sorted((LISTED, STRANGER))), beneficiaries=("acme", "bolt")))
    to = scope_of(daily(Measure.ASSET, DAY, Dimension.DESTINATION))
    both = scope_of(daily(Measure.ASSET, DAY, Dimension.DESTINATION, Dimension.BENEFICIARY))
    assert [book.since(to, (name,), None) for name in (LISTED, STRANGER, TOKEN_CONTRACT)] == [5, 5, 0]
    assert [book.since(both, (LISTED, name), None) for name in ("acme", "bolt", "other")] == [5, 5, 0]


def test_slices_add_up_where_they_share_a_mandate_or_a_beneficiary() -> None:
    book = DrawBook()
    for place, address in enumerate((LISTED, STRANGER, TOKEN_CONTRACT)):
        book.add(draw(3, time=NOW + place, destinations=(address,), beneficiaries=("acme",)))
    for dimension, key, total in (
        (Dimension.DESTINATION, LISTED, 3),
        (Dimension.BENEFICIARY, "acme", 9),
        (Dimension.MANDATE, "aa" * 32, 9),
        (Dimension.MANDATE, "bb" * 32, 0),
    ):
        assert book.since(scope_of(daily(Measure.ASSET, DAY, dimension)), (key,), NOW) == total


@pytest.mark.parametrize("field", ["assets", "destinations", "beneficiaries", "contracts", "protocols"])
def test_what_a_draw_names_has_one_spelling(field: str) -> None:
    for names in (("b", "a"), ("a", "a")):
        with pytest.raises(ValueError, match="sorted, each once"):
            draw(1, **dict[str, Any]({field: names}))


def test_what_is_not_known_counts_apart_from_everything_that_is() -> None:
    unknown = draw(1, assets=(), destinations=(), beneficiaries=())
    per = (Dimension.ASSET, Dimension.DESTINATION, Dimension.BENEFICIARY, Dimension.CONTRACT, Dimension.PROTOCOL)
    assert scope_keys(per, unknown) == [("?", "?", "?", "-", "-")]
