"""Every case that `core.facts` derives is possible in the model: what is taken for certain excludes nothing real."""

from __future__ import annotations

import dataclasses
import time
from functools import lru_cache
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from core.calldata import encode_transfer
from core.documents.policy import ConditionOp, Effect, Measure, Rule, Zone, ZoneOffset
from core.documents.roster import Role
from core.facts import derive_facts, resolve_asker
from core.names import checksum_address
from policies.proof.model import Model
from policies.proof.solver import Solver
from tests.factories.contracts import (
    APPROVE,
    CONTRACTS,
    MULTI_SEND,
    MULTICALL,
    ROUTER,
    SWAP,
    batch,
    call,
    packed,
)
from tests.factories.world import (
    CHAIN,
    COOLING,
    DAY,
    ETHER,
    LISTED,
    NATIVE,
    NOW,
    STRANGER,
    TOKEN,
    TOKEN_CONTRACT,
    World,
    compare,
    limit,
    seats,
)
from tests.policies.proof.pinning import Spent
from tests.policies.proof.test_encoding import agree, look
from tests.soak import bounded

if TYPE_CHECKING:
    from core.documents.mandate import Intent
    from core.documents.policy import Condition, Policy
    from core.registry import Fact

EQ, IN, LE, GE, HAS = ConditionOp.EQ, ConditionOp.IN, ConditionOp.LE, ConditionOp.GE, ConditionOp.HAS
ZURICH = Zone(
    name="Europe/Zurich",
    offsets=tuple(
        ZoneOffset(since=NOW + days * DAY, minutes=minutes) for days, minutes in ((-90, 120), (40, 60), (200, 120))
    ),
)
WORLD = World(overrides={"contracts": CONTRACTS, "zones": (ZURICH,)})
OWN = WORLD.policy.wallets[0].address
SPOKEN: tuple[Condition, ...] = (
    look("initiator", HAS, "tessa", "bot-1"),
    look("initiator.roles", HAS, "trader", "cro"),
    compare("initiator.kind", EQ, "client"),
    look("desk", IN, "desk-a", "risk"),
    compare("wallet", EQ, WORLD.wallet),
    compare("wallet.kind", EQ, "hsm"),
    compare("chain", EQ, CHAIN),
    look("asset", IN, NATIVE, TOKEN),
    compare("amount", LE, str(ETHER)),
    compare("amount", GE, "5"),
    compare("value", LE, str(2 * ETHER)),
    compare("usd", GE, str(1000 * 10**8)),
    look("usd", IN, "0", str(2500 * 10**8)),
    look("destination", IN, LISTED, COOLING, OWN),
    compare("destination.listed", EQ, "true"),
    compare("destination.cooling", EQ, "true"),
    compare("destination.entry", EQ, "binance"),
    compare("destination.label", EQ, "Binance"),
    compare("destination.beneficiary", EQ, LISTED),
    compare("destination.age", GE, str(DAY)),
    compare("destination.own", EQ, "true"),
    compare("destination.lookalike", EQ, "true"),
    look("destination", ConditionOp.OWN_WALLET),
    look("contract", ConditionOp.OWN_WALLET),
    look("approve.spender", ConditionOp.OWN_WALLET),
    compare("call.kind", EQ, "token_transfer"),
    look("contract", IN, TOKEN_CONTRACT, ROUTER),
    compare("contract.known", EQ, "true"),
    compare("contract.protocol", EQ, "uniswap"),
    look("selector", IN, "0xa9059cbb", "0x095ea7b3"),
    compare("calls.count", GE, "2"),
    compare("calls.depth", GE, "1"),
    compare("calls.unknown", EQ, "true"),
    compare("calls.delegate", EQ, "true"),
    compare("approve.any", EQ, "true"),
    compare("approve.unlimited", EQ, "true"),
    compare("approve.asset", EQ, TOKEN),
    compare("approve.amount", GE, "100"),
    compare("fee", LE, str(ETHER // 100)),
    compare("gas", LE, "50000"),
    compare("time.minute", LE, "600"),
    compare("time.weekday", GE, "5"),
    look("time.now", ConditionOp.WITHIN, "Europe/Zurich", "mon,tue,wed,thu,fri", "22:00", "06:00"),
    look("time.now", ConditionOp.WITHIN, "UTC", "sat,sun", "12:00", "24:00"),
    look("time.zones", HAS, "Europe/Zurich=60"),
    compare("risk.score", LE, "500"),
    compare("arg.1", GE, "7"),
    look("calls", ConditionOp.EVERY, part=compare("call.kind", EQ, "token_transfer")),
)
LIMITS = (
    limit("eth-each", Measure.ASSET, ETHER, window=0, asset=NATIVE, order=1),
    limit("eth-day", Measure.ASSET, 2 * ETHER, window=DAY, asset=NATIVE, order=2),
    limit("token-day", Measure.ASSET, 100, window=DAY, asset=TOKEN, order=3),
    limit("token-ever", Measure.ASSET, 100, window=None, asset=TOKEN, order=4),
    limit("usd-each", Measure.USD, 2500 * 10**8, window=0, order=5),
    limit("usd-day", Measure.USD, 2500 * 10**8, window=DAY, order=6),
    limit("fees", Measure.FEE, ETHER // 100, window=0, order=7),
    limit("count", Measure.COUNT, 1, window=0, order=8),
)


@lru_cache(maxsize=1)
def _everything() -> tuple[Policy, Model, Solver]:
    """A policy that speaks of everything, in a solver that takes for certain what the proofs do."""
    rules = tuple(
        Rule(id=f"e-{place}", label="e", order=place, when=when, effect=Effect.ALLOW, quorum=seats((Role.CRO, 1)))
        for place, when in enumerate(SPOKEN)
    )
    grants = (dataclasses.replace(rules[0], id="grant"),)
    policy = dataclasses.replace(WORLD.policy, guards=(), grants=grants, escalations=rules, limits=LIMITS)
    model = Model(policy)
    solver = Solver(deadline=time.monotonic() + 3600)
    solver.learn([*model.logic(), *model.certain()])
    return policy, model, solver


AMOUNTS = st.sampled_from([0, 1, 4, 5, 99, 100, 101, ETHER - 1, ETHER, ETHER + 1, 3 * ETHER, 2**255, 2**256 - 1])
PLACES = st.sampled_from([LISTED, COOLING, STRANGER, OWN, LISTED[:6] + "0" * 32 + LISTED[-4:]])


@st.composite
def intents(draw: st.DrawFn) -> Intent:
    place, amount = checksum_address(draw(PLACES)), draw(AMOUNTS)
    token, allow = encode_transfer(place, amount), call(APPROVE, place, amount)
    to, value, data = draw(
        st.sampled_from(
            [
                (place, amount, b""),
                (TOKEN_CONTRACT, 0, token),
                (TOKEN_CONTRACT, 1, token),
                (STRANGER, 0, token),
                (TOKEN_CONTRACT, 0, allow),
                (TOKEN_CONTRACT, 0, allow[:-1]),
                (STRANGER, amount, b"\x01"),
                (ROUTER, 0, batch(MULTICALL, [call(SWAP, place, [(amount, place)], 7)])),
                (TOKEN_CONTRACT, 0, batch(MULTICALL, [token, allow])),
                (MULTI_SEND, 0, packed((0, TOKEN_CONTRACT, 0, token), (0, place, amount, b""))),
                (MULTI_SEND, amount, packed((0, place, amount, b""))),
                (MULTI_SEND, 0, packed((1, TOKEN_CONTRACT, 0, token))),
            ]
        )
    )
    gas = draw(st.sampled_from([21_000, 50_000, 50_001, 1_000_000]))
    return WORLD.intent(to=to, value=value, data=data, gas=gas, movements=())


@bounded(150)
@given(
    intents(),
    st.sampled_from(["tessa", "rita", "clara", "olga", "bot-1"]),
    st.integers(NOW, NOW + 300 * DAY),
    st.fixed_dictionaries({}, optional={"risk.score": st.sampled_from([0, 500, 501])}),
    st.builds(
        lambda figures, earlier: Spent(figures, earlier=earlier),
        st.dictionaries(st.integers(0, 3), AMOUNTS),
        AMOUNTS,
    ),
)
def test_every_derived_case_is_possible_and_decided_as_the_engine_does(
    intent: Intent, asker: str, now: int, attested: dict[str, Fact], spent: Spent
) -> None:
    policy, model, solver = _everything()
    mandate = WORLD.mandate(intent, asker)
    facts, drawn = derive_facts(intent, policy, resolve_asker(mandate, policy), order=mandate.digest, now=now)
    agree(model, solver, facts | attested, drawn, spent)
