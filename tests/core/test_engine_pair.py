"""Two versions read together come to what each comes to alone, and share a reading only where that is certain."""

from __future__ import annotations

import dataclasses
import random
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from core.documents.policy import ConditionOp, Effect, Policy, Rule
from core.documents.roster import Role
from core.engine import Engine
from core.engine_pair import EnginePair
from tests.core.test_engine import policies, random_facts
from tests.factories.world import World, compare, seats
from tests.soak import bounded

if TYPE_CHECKING:
    from core.registry import FactMap

SECTIONS = ("guards", "grants", "escalations")
WORLD = World()


def changed(policy: Policy, dice: random.Random) -> Policy:
    """Drop, alter, move or renumber a rule here and there."""
    sections: dict[str, Any] = {}
    for name in SECTIONS:
        rules = list(getattr(policy, name))
        if rules and dice.random() < 0.7:
            place = dice.randrange(len(rules))
            what = dice.choice(["drop", "alter", "move", "number", "label"])
            if what == "drop":
                del rules[place]
            elif what == "alter":
                other = dice.choice([*policy.guards, *policy.grants, *policy.escalations])
                rules[place] = dataclasses.replace(rules[place], when=other.when)
            elif what == "move":
                rules.append(rules.pop(place))
                rules = [dataclasses.replace(rule, order=order) for order, rule in enumerate(rules)]
            elif what == "number":
                rules = [dataclasses.replace(rule, order=rule.order * 10) for rule in rules]
            else:
                rules[place] = dataclasses.replace(rules[place], label="Another label")
        sections[name] = tuple(rules)
    return dataclasses.replace(policy, **sections)


@bounded(200, soak=60)
@given(policies(), st.integers(0, 2**32))
def test_a_pair_reads_as_each_engine_alone(policy: Policy, seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - cases, not secrets
    after = changed(policy, dice)
    pair = EnginePair(policy, after, enforce=False)
    alone = Engine(policy, enforce=False), Engine(after, enforce=False)
    for _ in range(30):
        facts = random_facts(dice)
        other = dice.choice([facts, facts, random_facts(dice)])
        one, two = pair.read(facts, other)
        for got, engine, known in ((one, alone[0], facts), (two, alone[1], other)):
            expected = engine.read(known)
            for field in ("results", "reasons", "asked", "grant", "required"):
                assert getattr(got, field) == getattr(expected, field)


def rule(name: str, order: int, desk: str) -> Rule:
    quorum = seats((Role.RISK_OFFICER, 1))
    when = compare("desk", ConditionOp.EQ, desk)
    return Rule(id=name, label=name, order=order, when=when, effect=Effect.ALLOW, quorum=quorum)


def pair_of(before: tuple[Rule, ...], after: tuple[Rule, ...]) -> EnginePair:
    empty: dict[str, Any] = {"guards": (), "escalations": (), "limits": ()}
    policy = dataclasses.replace(WORLD.policy, **empty)
    one, two = (dataclasses.replace(policy, grants=grants) for grants in (before, after))
    return EnginePair(one, two, enforce=False)


def shares(pair: EnginePair, facts: FactMap) -> bool:
    one, two = pair.read(facts, dict(facts))
    return one is two


A, B, C = rule("a", 1, "desk-a"), rule("b", 2, "desk-b"), rule("c", 3, "desk-c")


def test_a_rule_that_only_one_version_has_is_shared_around_where_it_is_certainly_false() -> None:
    pair = pair_of((A, B, C), (A, C))
    assert shares(pair, {"desk": "desk-a"})
    assert not shares(pair, {"desk": "desk-b"})
    # Unknown: it may apply.
    assert not shares(pair, {})


def test_new_numbers_in_the_old_order_change_nothing_and_another_order_everything() -> None:
    renumbered = tuple(dataclasses.replace(r, order=r.order * 10) for r in (A, B, C))
    assert shares(pair_of((A, B, C), renumbered), {})
    moved = (A, dataclasses.replace(B, order=9), C)
    assert not shares(pair_of((A, B, C), moved), {"desk": "desk-a"})


def test_other_facts_are_read_for_themselves() -> None:
    one, two = pair_of((A,), (A,)).read({"desk": "desk-a"}, {"desk": "desk-b"})
    assert (one.grant, two.grant) == ("a", None)


def test_a_name_that_stands_twice_is_never_shared_around() -> None:
    twice = dataclasses.replace(B, id="a")
    for before, after in (((A, twice), (A,)), ((A,), (A, twice)), ((A, twice), (A, twice))):
        assert not shares(pair_of(before, after), {"desk": "desk-c"})


def test_a_pair_says_whether_the_limits_are_the_same() -> None:
    other = dataclasses.replace(WORLD.policy, limits=WORLD.policy.limits[:-1])
    assert EnginePair(WORLD.policy, dataclasses.replace(WORLD.policy, grants=()), enforce=False).same_limits
    assert not EnginePair(WORLD.policy, other, enforce=False).same_limits
