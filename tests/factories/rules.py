"""The rules that the factories' policy has."""

from __future__ import annotations

from typing import Any

from core.documents.policy import Condition, ConditionOp, Effect, Measure, Rule
from core.documents.roster import Role
from tests.factories.documents import CHAIN, DAY, ETHER, NATIVE, compare, every, limit, seats


def rules(padding: int) -> dict[str, Any]:
    """Return guards, grants, escalations and limits; `padding` grants come before the one that matters."""
    eq, has, le, ge = ConditionOp.EQ, ConditionOp.HAS, ConditionOp.LE, ConditionOp.GE
    others = tuple(
        Rule(
            id=f"padding-{i}",
            label="Another kind of case",
            order=i,
            when=every(
                compare("gas", ge, str(1_000_000 + i)), compare("amount", le, "1"), compare("chain", eq, CHAIN)
            ),
            effect=Effect.ALLOW,
            quorum=seats((Role.RISK_OFFICER, 1)),
        )
        for i in range(padding)
    )
    listed = Rule(
        id="listed",
        label="Transfers to the whitelist",
        order=10_000,
        when=every(
            compare("destination.listed", eq, "true"),
            Condition(
                op=ConditionOp.ANY,
                field=None,
                values=(),
                parts=(
                    compare("initiator.roles", has, "trader"),
                    compare("initiator.kind", eq, "client"),
                ),
            ),
        ),
        effect=Effect.ALLOW,
        quorum=seats((Role.RISK_OFFICER, 2)),
    )
    unknown = Rule(
        id="unknown-call",
        label="Calls that are not understood",
        order=1,
        when=compare("call.kind", eq, "unknown"),
        effect=Effect.BLOCK,
        quorum=None,
    )
    large = Rule(
        id="large",
        label="Large transfers need the CRO and two sites",
        order=1,
        when=compare("usd", ge, str(10_000 * 10**8)),
        effect=Effect.ALLOW,
        quorum=seats((Role.RISK_OFFICER, 2), (Role.CRO, 1), sites=2),
    )
    return {
        "guards": (unknown,),
        "grants": (*others, listed),
        "escalations": (large,),
        "limits": (
            limit("native-each", Measure.ASSET, 20 * ETHER, window=0, asset=NATIVE, order=1),
            limit("native-day", Measure.ASSET, 50 * ETHER, window=DAY, asset=NATIVE, order=2),
            limit("usd-day", Measure.USD, 100_000 * 10**8, window=DAY, order=3),
            limit("fee-day", Measure.FEE, ETHER, window=DAY, order=4),
            limit("count-day", Measure.COUNT, 1_000_000, window=DAY, order=5),
        ),
    }
