"""The replay's books and courses against a reading of history that is as plain as it can be."""

from __future__ import annotations

import dataclasses
import random
from typing import TYPE_CHECKING

import pytest

from core.documents.policy import Dimension, Measure
from core.facts import derive_facts, resolve_asker
from core.limits import amount_of, scope_keys
from core.policy import decide
from core.quorum import EMPTY
from core.replay import Case, Change, End, Reading, Was, Windows, replay
from core.replay_book import ReplayBook, scopes_of, shares_of
from core.reread import Reader, same_sources
from tests.factories.world import DAY, ETHER, NATIVE, NOW, TOKEN, World, limit

if TYPE_CHECKING:
    from core.decision import Decision
    from core.documents.policy import Limit, Policy
    from core.limits import Draw, ScopeKey
    from core.registry import FactMap

LIMITS = (
    limit("hour", Measure.ASSET, 12 * ETHER, window=3_600, asset=NATIVE, order=1),
    dataclasses.replace(
        limit("trader", Measure.USD, 60_000 * 10**8, window=7_200, order=2), per=(Dimension.INITIATOR,)
    ),
    dataclasses.replace(limit("ever", Measure.COUNT, 25, window=None, order=3), per=(Dimension.DESTINATION,)),
    limit("each", Measure.ASSET, 4 * ETHER, window=0, asset=NATIVE, order=4),
    limit("token", Measure.ASSET, 5_000, window=DAY, asset=TOKEN, order=5),
)


@dataclasses.dataclass
class Plain:
    """Totals by adding everything up again at every question."""

    held: dict[int, Draw] = dataclasses.field(default_factory=dict)
    spent: list[tuple[int, Draw]] = dataclasses.field(default_factory=list)

    def end(self, number: int, spent: int | None) -> None:
        """End a hold, if there is one."""
        draw = self.held.pop(number, None)
        if draw is not None and spent is not None:
            self.spent.append((spent, draw))

    def used(self, one: Limit, key: ScopeKey, *, now: int) -> int:
        """Add up."""
        since = [d for at, d in self.spent if one.window is None or at >= now - one.window]
        return sum(
            amount_of(one.measure, one.asset, draw)
            for draw in (*self.held.values(), *since)
            if key in scope_keys(one.per, draw)
        )


def _case(world: World, dice: random.Random, now: int) -> tuple[FactMap, Draw]:
    world.now = now
    native = dice.random() < 0.6
    intent = (
        world.intent(value=dice.randrange(1, 6 * ETHER)) if native else world.token_intent(dice.randrange(1, 2_000))
    )
    mandate = world.mandate(intent, asker=dice.choice(("tessa", "tom", "bot-1")))
    return derive_facts(intent, world.policy, resolve_asker(mandate, world.policy), order=mandate.digest, now=now)


def _history(world: World, dice: random.Random, length: int) -> list[Case]:
    """Decide and end at random: signed at once, signed or released later, never."""
    plain, waiting, cases, now = Plain(), [], [], NOW
    for number in range(1, length + 1):
        now += dice.choice((0, 1, 60, 900))
        facts, draw = _case(world, dice, now)
        decided = decide(world.policy, facts, draw, plain, now=now, enforce=False)
        was = Was(world.policy.digest, decided.allowed, decided.grant, decided.required)
        reading = Reading(facts, draw)
        held = draw if decided.allowed else None
        cases.append(Case(number, f"case-{number}", now, held, None, reading, reading, was))
        if held is not None:
            plain.held[number] = draw
            waiting.append(number)
        while waiting and dice.random() < 0.5:
            ended = waiting.pop(dice.randrange(len(waiting)))
            spent = now if dice.random() < 0.7 else None
            plain.end(ended, spent)
            place = ended - 1
            cases[place] = dataclasses.replace(cases[place], end=End(number, spent))
    return cases


def _outcomes(policy: Policy, cases: list[Case], *, own: bool) -> list[Decision]:
    """Decide history again in the plainest way: own windows, or those that were recorded."""
    plain, outcomes = Plain(), []
    ends = [(case.end.after, case.number, case.end.spent) for case in cases if case.end is not None]
    for case in cases:
        for _, number, spent in [end for end in ends if end[0] < case.number]:
            plain.end(number, spent)
        ends = [end for end in ends if end[0] >= case.number]
        reading = case.before
        assert reading is not None
        decided = decide(policy, reading.facts, reading.draw, plain, now=case.time, enforce=False)
        outcomes.append(decided)
        if (decided.allowed if own else case.held is not None) and case.held is not None:
            plain.held[case.number] = case.held
        elif own and decided.allowed:
            plain.spent.append((case.time, reading.draw))
    return outcomes


def _changed(before: list[Decision], after: list[Decision]) -> dict[Change, int]:
    counts = dict.fromkeys(Change, 0)
    for one, other in zip(before, after, strict=True):
        if one.allowed != other.allowed:
            counts[Change.NEWLY_ALLOWED if other.allowed else Change.NEWLY_DENIED] += 1
        elif one.allowed and (one.required, set(one.asked) - {EMPTY}) != (
            other.required,
            set(other.asked) - {EMPTY},
        ):
            counts[Change.OTHER_QUORUM] += 1
        elif one.allowed and one.grant != other.grant:
            counts[Change.OTHER_GRANT] += 1
    return counts


@pytest.mark.parametrize("seed", range(6))
def test_it_says_what_adding_up_again_says(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - a test's own dice
    world = World(overrides={"limits": LIMITS})
    cases = _history(world, dice, 120)
    changed = [dataclasses.replace(one, most=one.most * dice.choice((1, 3, 4)) // 2) for one in LIMITS]
    after = dataclasses.replace(world.policy, limits=tuple(changed), escalations=world.policy.escalations[: seed % 2])
    result = replay(world.policy, after, cases)
    assert (result.decisions, result.not_reproduced) == (120, 0)
    for windows, own in ((Windows.RECORDED, False), (Windows.COUNTERFACTUAL, True)):
        before = _outcomes(world.policy, cases, own=own)
        found = result.windows[windows]
        other = _outcomes(after, cases, own=own)
        assert found.counts == _changed(before, other)
        assert found.allowed_before == sum(one.allowed for one in before)
        assert found.allowed_after == sum(one.allowed for one in other)
    assert any(result.windows[Windows.COUNTERFACTUAL].counts.values())


def test_a_record_that_was_decided_otherwise_is_named() -> None:
    world = World(overrides={"limits": LIMITS})
    (case,) = _history(world, random.Random(3), 1)  # noqa: S311 - as above
    assert case.was is not None
    lied = dataclasses.replace(case, was=dataclasses.replace(case.was, allowed=not case.was.allowed))
    result = replay(world.policy, world.policy, [lied])
    assert (result.not_reproduced, result.not_reproduced_names) == (1, ["case-1"])


def test_a_late_signature_stands_where_it_was_signed() -> None:
    """Clocks differ: what is signed earlier than the last is put in its place, not at the end."""
    world = World(overrides={"limits": LIMITS})
    scopes = scopes_of(world.policy)
    book, plain = ReplayBook(scopes), Plain()
    _, draw = _case(world, random.Random(1), NOW)  # noqa: S311 - as above
    for number, time in enumerate((NOW + 50, NOW + 10, NOW + 30)):
        book.hold(number, shares_of(scopes, draw))
        book.end(number, spent=time)
        plain.spent.append((time, draw))
    for now in range(NOW + 3_600, NOW + 3_700, 5):
        for key in scope_keys(LIMITS[0].per, draw):
            assert book.used(LIMITS[0], key, now=now) == plain.used(LIMITS[0], key, now=now)


def test_only_lists_that_facts_come_from_make_a_reading_differ() -> None:
    world = World()
    policy = world.policy
    assert same_sources(policy, dataclasses.replace(policy, limits=LIMITS, grants=(), guards=(), properties=()))
    for name in ("people", "wallets", "assets", "addresses", "prices", "clients"):
        other = dataclasses.replace(policy, **{name: getattr(policy, name)[1:]})
        assert not same_sources(policy, other), name
    reader = Reader(policy, {policy.digest: policy})
    assert reader.is_as_recorded(policy.digest)
    assert not reader.is_as_recorded("0" * 64)


def test_a_case_is_read_again_as_of_its_time() -> None:
    world = World()
    mandate = world.mandate()
    intent = world.intent()
    recorded, draw = derive_facts(
        intent, world.policy, resolve_asker(mandate, world.policy), order=mandate.digest, now=NOW
    )
    claimed: FactMap = {**recorded, "web.simulation": "ok", "risk.score": 7, "destination.listed": False}
    priced = tuple(dataclasses.replace(price, usd_e8=2 * price.usd_e8) for price in world.policy.prices)
    after = dataclasses.replace(world.policy, prices=priced)
    reading = Reader(after, {}).derive(mandate, claimed, draw)
    assert (reading.facts["destination.listed"], reading.facts["usd"]) == (True, 5_000 * 10**8)
    assert (reading.facts["web.simulation"], reading.facts["risk.score"]) == ("ok", 7)
    assert (reading.draw.usd_e8, reading.draw.time, reading.refusal) == (5_000 * 10**8, NOW, "")
    for changes, says in (
        ({"people": world.policy.people[1:]}, "the asker is not on the roster"),
        ({"wallets": ()}, "the policy knows no such wallet"),
    ):
        without = dataclasses.replace(world.policy, **changes)
        assert Reader(without, {}).derive(mandate, recorded, draw).refusal == says
