"""What a call hides is unknown: no rule over the list of calls, or over their number, is answered without it."""

from __future__ import annotations

import pytest

from core.calls import MOST_CALLS
from core.conditions import evaluate
from core.documents.policy import Condition, ConditionOp
from tests.core.test_calls import OWN, TO_LISTED, seen
from tests.factories.contracts import APPROVE, MULTI_SEND, MULTICALL, ROUTER, SWAP, batch, call, contract, packed
from tests.factories.documents import compare
from tests.factories.world import LISTED, STRANGER, TOKEN_CONTRACT, World

UNLIMITED = call(APPROVE, STRANGER, 2**256 - 1)
HIDING = {
    "too many calls": (batch(MULTICALL, [UNLIMITED] * MOST_CALLS), TOKEN_CONTRACT),
    "a foreign call": (packed((0, STRANGER, 0, b"\x01\x02\x03\x04"), (0, LISTED, 1, b"")), MULTI_SEND),
    "a delegatecall": (packed((1, STRANGER, 0, UNLIMITED)), MULTI_SEND),
    "a spoilt batch": (batch(MULTICALL, [TO_LISTED])[:-1] + b"\x01", TOKEN_CONTRACT),
    "an unknown contract": (TO_LISTED, STRANGER),
}


def each(op: ConditionOp, part: Condition) -> Condition:
    return Condition(op=op, field="calls", values=(), parts=(part,))


@pytest.mark.parametrize(
    "condition",
    [
        compare("calls.count", ConditionOp.GE, "10"),
        compare("calls.count", ConditionOp.LE, "1"),
        compare("calls.depth", ConditionOp.GE, "1"),
        each(ConditionOp.SOME, compare("selector", ConditionOp.EQ, "0x095ea7b3")),
        each(ConditionOp.EVERY, compare("contract.known", ConditionOp.EQ, "true")),
        compare("wallets.named", ConditionOp.HAS, OWN),
    ],
    ids=["many", "one", "deep", "an approval among them", "all known", "an own wallet"],
)
@pytest.mark.parametrize("hiding", HIDING)
def test_rules_over_calls_that_are_not_seen_are_unknown(hiding: str, condition: Condition) -> None:
    data, to = HIDING[hiding]
    facts, _ = seen(data, to=to)
    assert facts["calls.unknown"] is True
    assert evaluate(condition, facts) is None


def test_own_wallets_are_not_missed_among_arguments_that_nobody_reads() -> None:
    few, _ = seen(call(SWAP, OWN, [(1, LISTED)], 1), to=ROUTER)
    assert few["wallets.named"] == frozenset({OWN})
    many, _ = seen(call(SWAP, LISTED, [(n, OWN) for n in range(200)], 1), to=ROUTER)
    assert many["calls.unknown"] is False
    assert "wallets.named" not in many


@pytest.mark.parametrize(
    ("signature", "values"),
    [
        ("increaseApproval(address,uint256)", (STRANGER, 1)),
        ("approveAndCall(address,uint256,bytes)", (STRANGER, 1, b"")),
        ("approve(address,uint256,uint256)", (STRANGER, 1, 1)),
        ("permit(address,address,uint256,uint256,bytes)", (OWN, STRANGER, 1, 1, b"")),
        ("setOperator(address,bool)", (STRANGER, True)),
        ("authorizeOperator(address)", (STRANGER,)),
        ("safeIncreaseAllowance(address,uint256)", (STRANGER, 1)),
    ],
)
def test_what_is_called_an_approval_and_is_not_known_is_not_taken_for_none(
    signature: str, values: tuple[object, ...]
) -> None:
    world = World(overrides={"contracts": (contract(TOKEN_CONTRACT, "Token", signature, MULTICALL),)})
    for data in (call(signature, *values), batch(MULTICALL, [call(signature, *values)])):
        facts, draw = seen(data, world=world)
        assert facts["call.kind"] == "contract_call"
        assert not {"approve.any", "approve.unlimited"} & set(facts)
        assert draw.usd_e8 is None


@pytest.mark.parametrize("signature", ["decreaseAllowance(address,uint256)", "redeem(address,uint256)"])
def test_what_takes_allowances_back_gives_none(signature: str) -> None:
    world = World(overrides={"contracts": (contract(TOKEN_CONTRACT, "Token", signature),)})
    facts, _ = seen(call(signature, STRANGER, 1), world=world)
    assert [facts["approve.any"], facts["approve.unlimited"]] == [False, False]
