"""The indexed engine says exactly what reading rule after rule says, whatever is asked, known or wrong."""

from __future__ import annotations

import dataclasses
import random
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.conditions import evaluate
from core.documents.policy import Condition, ConditionOp, Dimension, Effect, Limit, Measure, Policy, Rule
from core.documents.roster import Role
from core.engine import Engine, engine_for
from core.engine_compile import compile_condition
from core.engine_index import Index
from core.limits import UNBOUNDED, AssetDraw, Draw, ScopeKey, scope_of
from core.policy import decide, read_linearly
from core.registry import REGISTRY, FactType
from tests.factories.world import (
    CHAIN,
    DAY,
    LISTED,
    NATIVE,
    NOW,
    STRANGER,
    TOKEN,
    World,
    compare,
    every,
    limit,
    seats,
)
from tests.soak import bounded

if TYPE_CHECKING:
    from core.registry import FactMap

WORLD = World()
QUORUMS = [seats(), seats((Role.RISK_OFFICER, 1)), seats((Role.RISK_OFFICER, 2), sites=2), seats((Role.CRO, 1))]
TEXTS = ["a", "b", "c", "d"]
NUMBERS = [0, 1, 2, 5, 2**63, 2**64, 2**256 - 1]
FIELDS: dict[FactType, list[str]] = {
    FactType.TEXT: ["asset", "wallet", "chain", "desk", "call.kind", "web.simulation"],
    FactType.TEXTS: ["initiator", "initiator.roles"],
    FactType.NUMBER: ["amount", "usd"],
    FactType.FLAG: ["destination.listed", "sanctions.clear", "web.first_use"],
}
EQ, IN, LE, GE, HAS = ConditionOp.EQ, ConditionOp.IN, ConditionOp.LE, ConditionOp.GE, ConditionOp.HAS
texts = st.lists(st.sampled_from(TEXTS), min_size=1, max_size=3)
numbers = st.sampled_from(NUMBERS).map(str)


def leaf(field: str) -> st.SearchStrategy[Condition]:
    kind = REGISTRY[field].type
    if kind is FactType.FLAG:
        return st.sampled_from(["true", "false"]).map(lambda value: compare(field, EQ, value))
    if kind is FactType.TEXTS:
        return texts.map(lambda values: compare(field, HAS, *values))
    if kind is FactType.TEXT:
        one = st.sampled_from(TEXTS).map(lambda value: compare(field, EQ, value))
        return one | texts.map(lambda values: compare(field, IN, *values))
    ordered = st.builds(lambda op, value: compare(field, op, value), st.sampled_from([EQ, LE, GE]), numbers)
    return ordered | st.lists(numbers, min_size=1, max_size=3).map(lambda values: compare(field, IN, *values))


def join(op: ConditionOp, parts: list[Condition]) -> Condition:
    return Condition(op=op, field=None, values=(), parts=tuple(parts))


UNCOMPILED = [
    Condition(op=ConditionOp.SOME, field="calls", values=(), parts=(compare("call.kind", EQ, "a"),)),
    Condition(op=ConditionOp.EVERY, field="calls", values=(), parts=(compare("amount", LE, "5"),)),
    compare("time.now", ConditionOp.WITHIN, "UTC", "mon,fri", "22:00", "06:00"),
    compare("time.now", ConditionOp.WITHIN, "Mars/Olympus", "mon", "00:00", "06:00"),
    compare("destination", ConditionOp.OWN_WALLET),
    compare("amount", ConditionOp.FLOOR, "effects.received", "100"),
    compare("arg.0", EQ, "a"),
    compare("arg.1.0", GE, "2"),
    # What no draft check lets pass: still never a wrong answer.
    compare("no.such.field", EQ, "a"),
    compare("asset", LE, "5"),
    compare("amount", LE, "many"),
    compare("amount", EQ, "-1"),
    compare("amount", IN, "1", "many"),
    compare("amount", LE, "1" + "0" * 80),
    compare("destination.listed", EQ, "yes"),
]
"""What the compiler leaves to the plain reading."""
_compiled = st.sampled_from([name for names in FIELDS.values() for name in names]).flatmap(leaf)
leaves = _compiled | _compiled | _compiled | st.sampled_from(UNCOMPILED)
trees = st.recursive(
    leaves,
    lambda inner: (
        st.builds(join, st.sampled_from([ConditionOp.ALL, ConditionOp.ANY]), st.lists(inner, min_size=1, max_size=3))
        | inner.map(lambda part: join(ConditionOp.NOT, [part]))
    ),
    max_leaves=5,
)
conditions = st.lists(leaves, min_size=1, max_size=5).map(lambda parts: join(ConditionOp.ALL, parts)) | trees


RIGHT: dict[FactType, list[Any]] = {
    FactType.FLAG: [True, False],
    FactType.TEXTS: [frozenset(), frozenset("a"), frozenset("be"), frozenset("abc"), frozenset("e")],
    FactType.TEXT: [*TEXTS, "e"],
    FactType.NUMBER: [*NUMBERS, 3, -1],
}
WRONG: list[Any] = [True, False, 1, "1", "a", frozenset({"a"}), frozenset(), ("a",), None]
RARE: list[dict[str, Any]] = [
    {"no.such.field": "a", "arg.0": "a", "arg.1.0": 1},
    {"calls": ({"call.kind": "a", "amount": 5}, {"call.kind": "b", "amount": 6}), "arg.1.0": 2},
    {"calls": (), "time.now": NOW, "time.zones": frozenset(), "effects.received": 2},
    {"calls": "a", "time.now": "now", "arg.0": 1, "effects.received": True},
    {"time.now": NOW + 15 * 3600, "destination": LISTED, "wallets.named": frozenset({LISTED}), "effects.received": 9},
    {"destination": STRANGER, "wallets.named": frozenset({LISTED}), "arg.0": ("a",)},
]
"""Facts of which several belong together, some of the wrong type."""


def rules_of(kind: str, *, most: int = 5) -> st.SearchStrategy[tuple[Rule, ...]]:
    def build(rows: list[tuple[Condition, int, bool, int]]) -> tuple[Rule, ...]:
        made = []
        for place, (when, quorum, blocks, order) in enumerate(rows):
            effect = Effect.BLOCK if kind == "guard" or (kind == "grant" and blocks) else Effect.ALLOW
            asks = None if effect is Effect.BLOCK else QUORUMS[quorum]
            name = f"{kind}-{place}"
            made.append(Rule(id=name, label=name.title(), order=order, when=when, effect=effect, quorum=asks))
        return tuple(made)

    row = st.tuples(conditions, st.integers(0, 3), st.sampled_from([False, False, False, True]), st.integers(0, 9))
    return st.lists(row, max_size=most).map(build)


@st.composite
def limits_of(draw: st.DrawFn) -> tuple[Limit, ...]:
    made = []
    for place in range(draw(st.integers(0, 6))):
        measure = draw(st.sampled_from(Measure))
        made.append(
            Limit(
                id=f"limit-{place}",
                label=f"Limit {place}",
                order=place,
                when=draw(st.none() | conditions),
                per=tuple(draw(st.lists(st.sampled_from(Dimension), max_size=2, unique=True))),
                measure=measure,
                asset=draw(st.sampled_from([NATIVE, TOKEN])) if measure is Measure.ASSET else None,
                window=draw(st.sampled_from([0, 3600, DAY, None])),
                most=draw(st.sampled_from([1, 5, 10, 2**256 - 1])),
                quorum=draw(st.sampled_from([None, QUORUMS[1], QUORUMS[3]])),
            )
        )
    return tuple(made)


def some_of(dice: random.Random, *names: str) -> tuple[str, ...]:
    return tuple(sorted(dice.sample(names, dice.randint(0, min(2, len(names))))))


def random_draw(dice: random.Random) -> Draw:
    amounts = [
        AssetDraw(asset=dice.choice([NATIVE, TOKEN]), amount=dice.choice([0, 1, 5, 2**256 - 1]))
        for _ in range(dice.randint(0, 2))
    ]
    return dataclasses.replace(
        _native_draw(1),
        initiators=dice.choice([("tessa",), ("bot-1", "rita")]),
        assets=some_of(dice, NATIVE, TOKEN),
        destinations=some_of(dice, LISTED, STRANGER),
        beneficiaries=some_of(dice, "binance", "kraken"),
        contracts=some_of(dice, LISTED),
        protocols=some_of(dice, "uniswap"),
        amounts=tuple(amounts),
        usd_e8=dice.choice([None, 0, 5, 2**256 - 1]),
        fee=dice.choice([0, 1, 5]),
    )


def random_facts(dice: random.Random) -> FactMap:
    facts: dict[str, Any] = {}
    for kind, names in FIELDS.items():
        for name in names:
            luck = dice.random()
            if luck < 0.75:
                facts[name] = dice.choice(RIGHT[kind])
            elif luck < 0.87:
                facts[name] = dice.choice(WRONG)
    return facts | dice.choice([{}, *RARE])


@dataclasses.dataclass(frozen=True)
class Spread:
    """Totals that differ for each scope, window and key, so that a look at the wrong ones shows."""

    shift: int

    def used(self, limit: Limit, key: ScopeKey, *, now: int) -> int:
        place = sum(map(ord, f"{scope_of(limit)}{limit.window}{key}{now}")) + self.shift
        return [0, 1, 3, 4, 7, UNBOUNDED][place % 6]


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    return dataclasses.replace(
        WORLD.policy,
        guards=draw(rules_of("guard", most=3)),
        grants=draw(rules_of("grant", most=8)),
        escalations=draw(rules_of("escalation", most=4)),
        limits=draw(limits_of()),
    )


@bounded(200, soak=60)
@given(policies(), st.integers(0, 2**32), st.booleans())
def test_engine_and_linear_reading_agree(policy: Policy, seed: int, enforce: bool) -> None:  # noqa: FBT001 - drawn
    dice = random.Random(seed)  # noqa: S311 - cases, not secrets
    engine = Engine(policy, enforce=enforce)
    for shift in range(40):
        facts, draw = random_facts(dice), random_draw(dice)
        plain = read_linearly(policy, facts, draw, Spread(shift), now=NOW, enforce=enforce, details=False)
        assert engine.decide(facts, draw, Spread(shift), now=NOW) == plain
        # And again: what it remembers of joined quorums changes nothing.
        assert engine.decide(facts, draw, Spread(shift), now=NOW) == plain


@bounded(200, soak=60)
@given(conditions, st.integers(0, 2**32))
def test_a_compiled_condition_says_what_it_says_when_read(condition: Condition, seed: int) -> None:
    dice, test = random.Random(seed), compile_condition(condition)  # noqa: S311 - cases, not secrets
    for _ in range(30):
        facts = random_facts(dice)
        assert test(facts) is evaluate(condition, facts)


@bounded(200, soak=60)
@given(st.lists(conditions | st.none(), max_size=6), st.integers(0, 2**32))
def test_the_index_rules_out_only_what_is_certainly_false(rules: list[Condition | None], seed: int) -> None:
    dice, index = random.Random(seed), Index(rules)  # noqa: S311 - cases, not secrets
    for _ in range(30):
        facts = random_facts(dice)
        standing = set(Index.places(index.candidates(facts)))
        for place, rule in enumerate(rules):
            assert place in standing or (rule is not None and evaluate(rule, facts) is False)


@pytest.mark.parametrize(
    ("condition", "facts", "stands"),
    [
        (compare("asset", EQ, "a"), {"asset": "a"}, True),
        (compare("asset", EQ, "a"), {"asset": "b"}, False),
        (compare("asset", EQ, "a"), {}, True),
        (compare("asset", IN, "a", "b"), {"asset": "b"}, True),
        (compare("asset", IN, "a", "b"), {"asset": "c"}, False),
        (every(compare("asset", IN, "a", "b"), compare("asset", IN, "b", "c")), {"asset": "a"}, False),
        (every(compare("asset", IN, "a", "b"), compare("asset", IN, "b", "c")), {"asset": "b"}, True),
        (join(ConditionOp.NOT, [compare("asset", EQ, "a")]), {"asset": "a"}, False),
        (join(ConditionOp.NOT, [compare("asset", EQ, "a")]), {"asset": "b"}, True),
        (join(ConditionOp.ANY, [compare("asset", EQ, "a")]), {"asset": "b"}, True),
        (compare("destination.listed", EQ, "true"), {"destination.listed": False}, False),
        (compare("destination.listed", EQ, "true"), {"destination.listed": True}, True),
        (compare("initiator.roles", HAS, "a", "b"), {"initiator.roles": frozenset("bc")}, True),
        (compare("initiator.roles", HAS, "a", "b"), {"initiator.roles": frozenset("cd")}, False),
        (compare("initiator.roles", HAS, "a"), {"initiator.roles": frozenset()}, False),
        (compare("amount", LE, "5"), {"amount": 5}, True),
        (compare("amount", LE, "5"), {"amount": 6}, False),
        (compare("amount", GE, "5"), {"amount": 5}, True),
        (compare("amount", GE, "5"), {"amount": 4}, False),
        (compare("amount", EQ, "5"), {"amount": 5}, True),
        (compare("amount", EQ, "5"), {"amount": 4}, False),
        (compare("amount", EQ, "5"), {"amount": 6}, False),
        (every(compare("amount", GE, "5"), compare("amount", LE, "5")), {"amount": 5}, True),
        (every(compare("amount", GE, "6"), compare("amount", LE, "5")), {"amount": 5}, False),
        (every(compare("amount", GE, "6"), compare("amount", LE, "5")), {"amount": 7}, False),
        (compare("amount", LE, str(2**256 - 1)), {"amount": 2**256}, False),
    ],
)
def test_a_demand_of_the_top_conjunction_is_looked_up(condition: Condition, facts: FactMap, stands: bool) -> None:  # noqa: FBT001
    others: list[Condition | None] = [None, compare("desk", EQ, "nobody")]
    assert bool(Index([*others, condition]).candidates(facts) & 0b100) is stands
    assert Index([*others, condition]).candidates(facts) & 0b11 == 0b11


def test_a_fact_of_another_type_rules_nothing_out() -> None:
    rules = [
        compare(field, op, value)
        for (field, op), value in zip(
            [("asset", EQ), ("amount", LE), ("destination.listed", EQ), ("initiator", HAS)],
            ["a", "1", "true", "a"],
            strict=True,
        )
    ]
    for odd in (1.5, b"a", None):
        facts: Any = {rule.field: odd for rule in rules}
        assert Index(rules).candidates(facts) == 0b1111


@dataclasses.dataclass
class Counted:
    """Totals that count how often they are asked."""

    asked: int = 0

    def used(self, limit: Limit, key: ScopeKey, *, now: int) -> int:  # noqa: ARG002 - the protocol's
        self.asked += 1
        return 0


def test_limits_of_one_scope_and_window_share_one_look_and_those_of_other_assets_none() -> None:
    tiers = [limit(f"t{i}", Measure.ASSET, i + 1, window=DAY, order=i, asset=NATIVE) for i in range(50)]
    others = [
        limit(f"o{i}", Measure.ASSET, 1, window=DAY, order=100 + i, asset=f"{CHAIN}/erc20:0x{i:040x}")
        for i in range(1000)
    ]
    policy = dataclasses.replace(WORLD.policy, limits=(*tiers, *others))
    draw = _native_draw(10)
    totals = Counted()
    decision = Engine(policy, enforce=True).decide({}, draw, totals, now=NOW)
    assert totals.asked == 1
    assert [result.rule for result in decision.results if result.section == "limit"] == [f"t{i}" for i in range(9)]


def _native_draw(amount: int) -> Draw:
    return Draw(
        time=NOW,
        order="0" * 64,
        initiators=("tessa",),
        desk="desk-a",
        wallet=f"{CHAIN}:{LISTED}",
        chain=CHAIN,
        assets=(NATIVE,),
        destinations=(LISTED,),
        beneficiaries=(LISTED,),
        contracts=(),
        protocols=(),
        amounts=(AssetDraw(asset=NATIVE, amount=amount),),
        usd_e8=0,
        fee=0,
    )


def test_without_details_only_what_counted_is_listed() -> None:
    yes, no = compare("asset", EQ, "a"), compare("asset", EQ, "b")
    claimed, missing = compare("web.first_use", EQ, "true"), compare("usd", GE, "1")
    grants = [(missing, 0), (yes, 1), (yes, 2)]
    policy = dataclasses.replace(
        WORLD.policy,
        guards=tuple(_rule(f"guard-{i}", when, Effect.BLOCK, i) for i, when in enumerate((no, claimed))),
        grants=tuple(_rule(f"grant-{i}", when, Effect.ALLOW, i) for when, i in grants),
        escalations=(_rule("escalation", no, Effect.ALLOW, 1),),
        limits=(limit("within", Measure.ASSET, 20, window=DAY, order=1, asset=NATIVE),),
    )
    decision = decide(policy, {"asset": "a"}, _native_draw(10), Counted(), now=NOW, enforce=True)
    assert decision.allowed
    assert [(r.rule, str(r.verdict)) for r in decision.results] == [("grant-0", "unknown"), ("grant-1", "matched")]


def _rule(name: str, when: Condition, effect: Effect, order: int) -> Rule:
    asks = None if effect is Effect.BLOCK else QUORUMS[1]
    return Rule(id=name, label=name, order=order, when=when, effect=effect, quorum=asks)


def test_one_engine_for_each_digest_and_side_and_only_so_many() -> None:
    one = engine_for(WORLD.policy, enforce=True)
    assert engine_for(dataclasses.replace(WORLD.policy), enforce=True) is one
    assert engine_for(WORLD.policy, enforce=False) is not one
    for number, enforce in product(range(20), (True, False)):
        engine_for(dataclasses.replace(WORLD.policy, institution=f"Bank {number}"), enforce=enforce)
    again = engine_for(WORLD.policy, enforce=True)
    assert again is not one


def test_joined_quorums_are_forgotten_when_there_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.engine._MOST_JOINS", 2)
    rules = tuple(_rule(f"e-{name}", compare("desk", EQ, name), Effect.ALLOW, 1) for name in TEXTS)
    grants = (_rule("g", compare("asset", EQ, "a"), Effect.ALLOW, 1),)
    policy = dataclasses.replace(WORLD.policy, guards=(), grants=grants, escalations=rules, limits=())
    engine = Engine(policy, enforce=True)
    for name in (*TEXTS, *TEXTS):
        facts: FactMap = {"asset": "a", "desk": name}
        plain = read_linearly(policy, facts, _native_draw(1), Counted(), now=NOW, enforce=True, details=False)
        assert engine.decide(facts, _native_draw(1), Counted(), now=NOW) == plain
