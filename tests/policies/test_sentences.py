"""Decisions in one sentence, and each comparison in few words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from core.documents.policy import Condition, ConditionOp, Effect, Limit, Measure, Rule
from core.documents.roster import Role
from core.explain import condition_node, limit_results
from core.limits import AssetDraw, Draw
from core.policy import decide
from policies.explanation import view_data, view_of
from policies.sentences import fact_words
from tests.factories.world import CHAIN, ETHER, NATIVE, NOW, World, compare, every, limit, seats

if TYPE_CHECKING:
    from core.limits import ScopeKey
    from core.registry import FactMap
    from policies.explanation import DecisionView

LISTED = compare("destination.listed", ConditionOp.EQ, "true")
FACTS: FactMap = {"destination.listed": True, "usd": 10**13, "destination.cooling": False}


class Nothing:
    """Nothing was drawn before."""

    def used(self, one: Limit, key: ScopeKey, *, now: int) -> int:
        """Return nothing."""
        del one, key, now
        return 0


def rule(name: str, when: Condition, effect: Effect = Effect.ALLOW, role: Role | None = None, order: int = 1) -> Rule:
    quorum = None if effect is Effect.BLOCK else seats(*([(role, 1)] if role else []))
    return Rule(
        id=name, label=name.replace("-", " ").capitalize(), order=order, when=when, effect=effect, quorum=quorum
    )


def explained(facts: FactMap, **sections: tuple[object, ...]) -> DecisionView:
    empty: dict[str, object] = {"guards": (), "grants": (), "escalations": (), "limits": ()}
    world = World(overrides=empty | sections)
    draw = Draw(
        time=NOW, order="0" * 64, initiators=("tessa",), desk="desk-a", wallet=world.wallet, chain=CHAIN,
        assets=(NATIVE,), destinations=(), beneficiaries=(), contracts=(), protocols=(),
        amounts=(AssetDraw(asset=NATIVE, amount=12 * ETHER),), usd_e8=10**13, fee=0,
    )  # fmt: skip
    found = decide(world.policy, facts, draw, Nothing(), now=NOW, enforce=False)
    return view_of(
        policy=world.policy, facts=facts, allowed=found.allowed, grant=found.grant, required=found.required,
        reasons=found.reasons,
        results=(*found.results, *limit_results(world.policy, facts, draw, Nothing(), now=NOW)),
    )  # fmt: skip


GRANT = rule("listed-transfers", LISTED, role=Role.SENIOR_RISK_OFFICER)


def test_allowed() -> None:
    view = explained(FACTS, grants=(GRANT,))
    assert view.summary == (
        "Allowed by grant 'Listed transfers' with 1 senior risk officer, because destination.listed is true."
    )
    assert view.disputed == ()


def test_allowed_with_what_asks_for_more() -> None:
    large = rule("large", compare("usd", ConditionOp.GE, str(10**12)), role=Role.CRO)
    view = explained(FACTS, grants=(GRANT,), escalations=(large,))
    assert view.summary.endswith("because destination.listed is true; 'Large' asks for more.")
    assert "1 CRO" in view.summary


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"destination.cooling": True}, "guard 'Cooling down' matched: destination.cooling is true"),
        ({}, "guard 'Cooling down' could not be evaluated: destination.cooling is not known"),
    ],
)
def test_denied_by_a_guard(facts: FactMap, said: str) -> None:
    guard = rule("cooling-down", compare("destination.cooling", ConditionOp.EQ, "true"), Effect.BLOCK)
    view = explained({"destination.listed": True, **facts}, guards=(guard,), grants=(GRANT,))
    assert view.summary == f"Denied: {said}."


def test_denied_by_default_names_the_closest_grant() -> None:
    near = rule("near", every(LISTED, compare("usd", ConditionOp.LE, str(10**12))), order=2)
    far = rule("far", every(LISTED, compare("risk.score", ConditionOp.LE, "9"), compare("gas", ConditionOp.LE, "1")))
    view = explained(FACTS, grants=(far, near))
    assert view.summary == (
        "Denied: no grant matches; the closest, 'Near', fails because usd is 100,000 USD, not at most 10,000 USD."
    )
    assert explained(FACTS).summary == "Denied: no grant matches."


def test_denied_by_a_blocking_grant_and_a_limit() -> None:
    block = rule("no-more", LISTED, Effect.BLOCK)
    day = limit("day", Measure.ASSET, 10 * ETHER, window=0, asset=NATIVE, order=1)
    view = explained(FACTS, grants=(block,), limits=(day,))
    assert view.summary == (
        "Denied: grant 'No more' blocks: destination.listed is true; "
        "limit 'day' would be exceeded: 12 ETH with this transaction, of 10 ETH."
    )
    data = json.loads(json.dumps(view_data(view=view)))
    (limits,) = [one for one in data["sections"] if one["section"] == "limit"]
    assert (limits["rules"][0]["used"], limits["rules"][0]["most"]) == (str(12 * ETHER), str(10 * ETHER))


@pytest.mark.parametrize(
    ("op", "field", "values", "facts", "said"),
    [
        (ConditionOp.IN, "desk", ("a", "b"), {"desk": "b"}, "desk is b"),
        (ConditionOp.IN, "desk", ("a", "b"), {"desk": "c"}, "desk is c, not one of a, b"),
        (ConditionOp.HAS, "initiator.roles", ("cro",), {"initiator.roles": frozenset({"cro"})},
         "initiator.roles includes cro"),
        (ConditionOp.HAS, "initiator.roles", ("cro",), {"initiator.roles": frozenset({"trader"})},
         "initiator.roles is {trader}, which does not include cro"),
        (ConditionOp.LE, "gas", ("9",), {"gas": 5}, "gas (5) is at most 9"),
        (ConditionOp.LE, "gas", ("9",), {}, "gas is not known"),
        (ConditionOp.LE, "gas", ("nine",), {"gas": 5}, "gas cannot be compared"),
        (ConditionOp.FLOOR, "amount", ("effects.sent", "50"), {"amount": 5, "effects.sent": 4},
         "amount (5 base units) is at least effects.sent less 0.5 %"),
        (ConditionOp.WITHIN, "time.now", ("UTC", "mon", "08:00", "18:00"), {"time.now": 0},
         "time.now is 1970-01-01 00:00 UTC, not within 08:00 to 18:00 on mon (UTC)"),
    ],
)  # fmt: skip
def test_a_comparison_in_few_words(
    op: ConditionOp, field: str, values: tuple[str, ...], facts: FactMap, said: str
) -> None:
    node = condition_node(Condition(op=op, field=field, values=values, parts=()), facts)
    assert fact_words(World().policy, node) == said
