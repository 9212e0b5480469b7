"""The encoding says what the engine says, for every case: allowed or not, by which grant, with which seats."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from core.documents.policy import (
    Condition,
    ConditionOp,
    Effect,
    Limit,
    Measure,
    Policy,
    Quorum,
    Rule,
    Seat,
    Zone,
    ZoneOffset,
)
from core.documents.roster import Role
from core.limits import AssetDraw, Draw
from core.policy import decide
from policies.proof.model import Model
from policies.proof.solver import Solver
from policies.proof.universe import NEW
from tests.factories.world import CHAIN, DAY, NATIVE, NOW, STRANGER, TOKEN, World, compare
from tests.policies.proof.pinning import Spent, pinned
from tests.soak import bounded

if TYPE_CHECKING:
    import z3

    from core.registry import FactMap

ALL, ANY, NOT = ConditionOp.ALL, ConditionOp.ANY, ConditionOp.NOT
EQ, IN, LE, GE, HAS = ConditionOp.EQ, ConditionOp.IN, ConditionOp.LE, ConditionOp.GE, ConditionOp.HAS
SOME, EVERY, WITHIN = ConditionOp.SOME, ConditionOp.EVERY, ConditionOp.WITHIN
WORLD = World(
    overrides={"zones": (Zone(name="Europe/Zurich", offsets=(ZoneOffset(since=NOW - 400 * DAY, minutes=60),)),)}
)
OWN = WORLD.policy.wallets[0].address
BIG = str(2**256 - 1)


def look(field: str | None, op: ConditionOp, *values: str, part: Condition | None = None) -> Condition:
    return Condition(op=op, field=field, values=values, parts=() if part is None else (part,))


PLAIN = [
    compare("desk", EQ, "desk-a"),
    look("desk", IN, "desk-b", "desk-c"),
    compare("initiator.roles", HAS, "trader"),
    look("initiator.roles", HAS, "cro", "auditor"),
    compare("usd", LE, "100"),
    compare("usd", GE, "100"),
    compare("usd", EQ, "7"),
    look("usd", IN, "0", "101", BIG),
    compare("value", GE, BIG),
    compare("destination.listed", EQ, "true"),
    compare("sanctions.clear", EQ, "false"),
    compare("destination", EQ, OWN),
    look("destination", ConditionOp.OWN_WALLET),
    look("contract", ConditionOp.OWN_WALLET),
    look("time.now", WITHIN, "Europe/Zurich", "mon,tue,wed,thu,fri", "22:00", "06:00"),
    look("time.now", WITHIN, "UTC", "sat,sun", "00:00", "24:00"),
    look("time.now", WITHIN, "Mars/Olympus", "sat", "00:00", "24:00"),
    compare("time.minute", LE, "600"),
    look("time.zones", HAS, "Europe/Zurich=60"),
    compare("arg.0", EQ, "5"),
    compare("arg.0", LE, "6"),
    look("arg.1", ConditionOp.OWN_WALLET),
    look("arg.2", SOME, part=look("item", IN, "1", "2")),
    look("calls", SOME, part=compare("call.kind", EQ, "unknown")),
    look("calls", EVERY, part=compare("usd", LE, "50")),
    look("amount", ConditionOp.FLOOR, "effects.received", "100"),
]
ODD = [
    compare("web.first_use", EQ, "true"),
    look("calls", SOME, part=compare("web.first_use", EQ, "true")),
    compare("desk", LE, "5"),
    compare("nobody.knows", EQ, "it"),
    compare("usd", LE, "many"),
    compare("usd", EQ, "-5"),
    compare("usd", HAS, "5"),
    compare("destination.listed", EQ, "perhaps"),
    look("usd", EQ, "7", "8"),
    look("desk", EQ),
    look("desk", ConditionOp.OWN_WALLET),
    look("amount", ConditionOp.FLOOR, "usd", "100"),
]


def joined(inner: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    parts = st.lists(inner, min_size=1, max_size=4).map(tuple)
    joins = st.builds(
        lambda op, found: Condition(op=op, field=None, values=(), parts=found), st.sampled_from([ALL, ANY]), parts
    )
    return joins | inner.map(lambda part: Condition(op=NOT, field=None, values=(), parts=(part,)))


LEAVES = st.sampled_from(PLAIN) | st.sampled_from(PLAIN) | st.sampled_from(ODD)
CONDITIONS = st.recursive(LEAVES, joined, max_leaves=8)
SEATS = st.builds(
    Seat,
    role=st.sampled_from([Role.RISK_OFFICER, Role.CRO, Role.TRADER]),
    count=st.integers(1, 3),
    stage=st.integers(0, 2),
)
QUORUMS = st.builds(Quorum, seats=st.lists(SEATS, max_size=3).map(tuple), sites=st.integers(0, 3))
WHENS = st.lists(CONDITIONS, max_size=4)


def _rules(prefix: str, whens: list[Condition], quorums: list[Quorum | None]) -> tuple[Rule, ...]:
    """Make rules; one without a quorum blocks. Their orders run against their places."""
    return tuple(
        Rule(
            id=f"{prefix}-{place}",
            label=prefix,
            order=100 - place,
            when=when,
            effect=Effect.BLOCK if quorum is None else Effect.ALLOW,
            quorum=quorum,
        )
        for place, (when, quorum) in enumerate(zip(whens, quorums, strict=True))
    )


LIMITS = st.builds(
    lambda when, measure, window, most, quorum: {
        "when": when,
        "measure": measure,
        "asset": TOKEN if measure is Measure.ASSET else None,
        "window": window,
        "most": most,
        "quorum": quorum,
    },
    st.none() | CONDITIONS,
    st.sampled_from(list(Measure)),
    st.sampled_from([0, 3600, None]),
    st.sampled_from([1, 7, 100, 2**256 - 1]),
    st.none() | QUORUMS,
)


@st.composite
def policies(draw: Any) -> Policy:  # noqa: ANN401 - hypothesis gives it
    guards = draw(st.lists(CONDITIONS, max_size=1))
    grants = draw(st.lists(st.tuples(CONDITIONS, st.none() | QUORUMS), min_size=1, max_size=5))
    escalations = draw(st.lists(st.tuples(CONDITIONS, QUORUMS), max_size=3))
    limits = tuple(
        Limit(id=f"limit-{place}", label="limit", order=place, per=(), **fields)
        for place, fields in enumerate(draw(st.lists(LIMITS, max_size=3)))
    )
    return dataclasses.replace(
        WORLD.policy,
        guards=_rules("guard", guards, [None] * len(guards)),
        grants=_rules("grant", [when for when, _ in grants], [quorum for _, quorum in grants]),
        escalations=_rules("escalation", [when for when, _ in escalations], [quorum for _, quorum in escalations]),
        limits=limits,
    )


NUMBERS = st.sampled_from([0, 1, 5, 6, 7, 50, 99, 100, 101, 2**256 - 1])
ADDRESSES = st.sampled_from([OWN, STRANGER])
# Numbers of 0 to 2^256-1 only: no document holds another one.
WRONG = st.sampled_from(["", "true", 7, True, frozenset({"trader"}), (1,)])
WRONG_ADDRESS = st.sampled_from([7, True, frozenset({"trader"}), (1,)])
RIGHT: dict[str, st.SearchStrategy[Any]] = {
    "desk": st.sampled_from(["desk-a", "desk-b", "desk-z"]),
    "initiator.roles": st.frozensets(st.sampled_from(["trader", "cro", "operator"])),
    "usd": NUMBERS,
    "value": NUMBERS,
    "amount": NUMBERS,
    "effects.received": NUMBERS,
    "destination.listed": st.booleans(),
    "sanctions.clear": st.booleans(),
    "destination": ADDRESSES,
    "contract": ADDRESSES,
    "wallets.named": st.sampled_from([frozenset({OWN}), frozenset[str]()]),
    "time.now": st.integers(NOW - DAY, NOW + 8 * DAY),
    "time.minute": st.integers(0, 1439),
    "time.zones": st.sampled_from(
        [frozenset({"Europe/Zurich=60"}), frozenset({"Europe/Zurich=120"}), frozenset[str]()]
    ),
    "arg.0": NUMBERS | st.sampled_from(["5", True]),
    "arg.1": ADDRESSES | NUMBERS,
    "arg.2": st.lists(st.integers(0, 3), max_size=3).map(tuple),
    "calls": st.lists(
        st.fixed_dictionaries({}, optional={"call.kind": st.sampled_from(["unknown", "x"]), "usd": NUMBERS}),
        max_size=2,
    ).map(tuple),
    "web.first_use": st.booleans(),
    "nobody.knows": st.just("it"),
}
FACTS = st.fixed_dictionaries(
    {},
    optional={
        field: values | values | values | (WRONG_ADDRESS if field in ("destination", "contract") else WRONG)
        for field, values in RIGHT.items()
    },
)
DRAWS = st.builds(
    lambda assets, amount, usd, fee: Draw(
        time=NOW,
        order="0" * 64,
        initiators=("tessa",),
        desk="desk-a",
        wallet=WORLD.wallet,
        chain=CHAIN,
        assets=assets,
        destinations=(),
        beneficiaries=(),
        contracts=(),
        protocols=(),
        amounts=tuple(AssetDraw(asset=asset, amount=amount) for asset in assets),
        usd_e8=usd,
        fee=fee,
    ),
    st.sampled_from([(), (TOKEN,), (NATIVE,)]),
    NUMBERS,
    st.none() | NUMBERS,
    NUMBERS,
)
CASES = st.lists(st.tuples(FACTS, DRAWS, st.dictionaries(st.integers(0, 3), NUMBERS)), min_size=10, max_size=20)


def _true(model: z3.ModelRef, term: z3.BoolRef) -> bool:
    return bool(model.eval(term, model_completion=True))


def agree(model: Model, solver: Solver, facts: FactMap, draw: Draw, spent: Spent) -> None:
    """Fix one case in the solver, and hold what follows against the engine's decision."""
    decision = decide(model.policies[NEW], facts, draw, spent, now=NOW, enforce=True)
    found = solver.find(*pinned(model, facts, draw, spent))
    assert found is not None
    encoding = model.new
    assert _true(found, encoding.allowed) is decision.allowed
    granted = [met.rule.id for met in encoding.grants if _true(found, met.does) and met.rule.effect is Effect.ALLOW]
    assert granted == ([] if decision.grant is None else [decision.grant])
    asked = [asked.quorum for asked in encoding.asked if _true(found, asked.when)]
    assert asked == list(decision.asked)
    joined_seats: dict[Role, int] = {}
    for seat in decision.required.seats:
        joined_seats[seat.role] = joined_seats.get(seat.role, 0) + seat.count
    for role, most in encoding.most.items():
        for count in range(1, most + 1):
            assert _true(found, encoding.at_least(role, count)) is (joined_seats.get(role, 0) >= count)


@bounded(200)
@given(policies(), CASES)
def test_encoding_and_engine_decide_the_same(
    policy: Policy, cases: list[tuple[FactMap, Draw, dict[int, int]]]
) -> None:
    model = Model(policy)
    solver = Solver(deadline=time.monotonic() + 60)
    solver.learn(model.logic())
    for facts, draw, figures in cases:
        agree(model, solver, facts, draw, Spent(figures))
