"""Rules and limits in sentences that name the unit, the function and the place."""

from __future__ import annotations

import dataclasses

import pytest

from core.abi import selector_of
from core.documents.policy import Condition, ConditionOp, Dimension, Effect, Measure, Quorum, Rule, Seat
from core.documents.roster import Role
from policies.words import condition_words, limit_words, rule_words
from tests.factories.contracts import CONTRACTS, ROUTER, SWAP
from tests.factories.world import DAY, LISTED, TOKEN, World, compare, limit

POLICY = World(overrides={"contracts": CONTRACTS}).policy
OP = ConditionOp


def over(op: ConditionOp, field: str, part: Condition) -> Condition:
    return Condition(op=op, field=field, values=(), parts=(part,))


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (compare("usd", OP.LE, str(10**11)), "usd is at most 1,000 USD"),
        (compare("approve.amount", OP.GE, str(2**255)), f"approve.amount is at least {2**255:,} base units"),
        (compare("asset", OP.EQ, TOKEN), "asset is USDC"),
        (compare("destination", OP.EQ, LISTED), f"destination is Binance ({LISTED})"),
        (compare("contract", OP.EQ, ROUTER), f"contract is Router ({ROUTER})"),
        (
            compare("selector", OP.EQ, "0x" + selector_of(SWAP).hex()),
            f"selector is {SWAP} (0x{selector_of(SWAP).hex()})",
        ),
        (compare("arg.0", OP.OWN_WALLET), "arg.0 is one of the institution's own wallets"),
        (
            compare("arg.2", OP.FLOOR, "effects.received", "50"),
            "arg.2 is at least effects.received less 0.5 %",
        ),
        (compare("arg.2", OP.FLOOR, "effects.received", "0"), "arg.2 is at least effects.received"),
        (
            compare("time.now", OP.WITHIN, "Europe/Zurich", "mon,fri", "22:00", "06:00"),
            "time.now is within 22:00 to 06:00 of the next day on mon, fri (Europe/Zurich)",
        ),
        (
            compare("time.now", OP.WITHIN, "UTC", "mon", "08:00", "18:00"),
            "time.now is within 08:00 to 18:00 on mon (UTC)",
        ),
        (over(OP.EVERY, "arg.1", compare("item.0", OP.GE, "1")), "each of arg.1: [item.0 is at least 1]"),
        (over(OP.SOME, "calls", compare("call.kind", OP.EQ, "unknown")), "one of calls: [call.kind is unknown]"),
        (compare("chain", OP.IN, *(f"eip155:{n}" for n in range(1, 8))), None),
        # Digits that are no number for us, and numbers that are names, stay as they are written.
        (compare("destination.entry", OP.EQ, "007"), "destination.entry is 007"),
        (compare("usd", OP.EQ, "²"), "usd is ²"),
    ],
)
def test_a_condition_is_said_in_words(condition: Condition, words: str | None) -> None:
    said = condition_words(POLICY, condition)
    assert said == words if words is not None else said.endswith("eip155:5 and 2 more")


def test_every_operator_has_words() -> None:
    for op in ConditionOp:
        part = compare("usd", OP.GE, "1")
        joins = op in (OP.ALL, OP.ANY, OP.NOT, OP.SOME, OP.EVERY)
        one = Condition(op=op, field=None if joins else "usd", values=("x",), parts=(part,) if joins else ())
        assert condition_words(POLICY, one)


def test_stages_and_dimensions_are_said_in_words() -> None:
    staged = Quorum(
        seats=(Seat(role=Role.RISK_OFFICER, count=2, stage=0), Seat(role=Role.CRO, count=1, stage=1)), sites=2
    )
    rule = Rule(
        id="r", label="R", order=1, when=compare("usd", OP.GE, "0"), effect=Effect.ALLOW, quorum=staged
    )  # fmt: skip
    assert rule_words(POLICY, rule).startswith("allows with 2 risk officers, then 1 CRO from at least 2 sites when")
    one = dataclasses.replace(
        limit("l", Measure.USD, 5 * 10**8, window=7 * DAY, order=1),
        per=(Dimension.BENEFICIARY, Dimension.MANDATE),
    )
    assert limit_words(POLICY, one) == "at most 5 USD within 7 days for each beneficiary and order; more is denied"
