"""What `loosenings` calls a tightening allows no case that was not allowed before, to no set of approvers."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from hypothesis import assume, event, given
from hypothesis import strategies as st

from core.calldata import encode_transfer
from core.documents.policy import (
    Condition,
    ConditionOp,
    Dimension,
    Effect,
    Limit,
    Measure,
    Policy,
    Quorum,
    Rule,
    Seat,
)
from core.documents.roster import AbiFunction, ContractEntry, Role
from core.errors import RefusedError
from core.facts import derive_facts, resolve_asker
from core.limits import DrawBook, scope_of
from core.policy import decide
from core.policy_check import validate
from core.quorum import Approver, is_filled, parts_to_fill
from core.tightening import loosenings
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
    seats,
)
from tests.forgery.institutions import two_wallets
from tests.soak import bounded

if TYPE_CHECKING:
    from core.documents.mandate import Intent, Mandate
    from core.limits import Draw, ScopeKey

WORLD = World()
WALLETS = two_wallets(WORLD.policy)["wallets"]
OWN = WALLETS[1].address
DEPOSIT = AbiFunction(selector=bytes.fromhex("b6b55f25"), signature="deposit(uint256)")
APPROVE = bytes.fromhex("095ea7b3")
FLAGS = (
    "destination.listed",
    "destination.own",
    "destination.lookalike",
    "destination.cooling",
    "contract.known",
    "calls.unknown",
    "approve.any",
)
LEAVES = st.one_of(
    st.tuples(st.sampled_from(FLAGS), st.just(ConditionOp.EQ), st.sampled_from((("true",), ("false",)))),
    st.tuples(
        st.just("destination.entry"), st.just(ConditionOp.IN), st.sampled_from((("binance",), ("binance", "fresh")))
    ),
    st.tuples(
        st.just("call.kind"),
        st.just(ConditionOp.EQ),
        st.sampled_from((("unknown",), ("token_transfer",), ("contract_call",))),
    ),
    st.tuples(
        st.sampled_from(("usd", "amount")), st.sampled_from((ConditionOp.LE, ConditionOp.GE)), st.just((str(10**12),))
    ),
    st.tuples(st.just("asset"), st.just(ConditionOp.EQ), st.sampled_from(((NATIVE,), (TOKEN,)))),
    st.tuples(st.just("wallet"), st.just(ConditionOp.EQ), st.just((WALLETS[0].id,))),
    st.tuples(st.just("initiator.roles"), st.just(ConditionOp.HAS), st.just(("trader",))),
    st.tuples(st.just("destination"), st.just(ConditionOp.OWN_WALLET), st.just(())),
).map(lambda row: Condition(op=row[1], field=row[0], values=row[2], parts=()))


def joined(parts: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    """Return joins, negations, and looks at each call."""

    def node(op: ConditionOp, field: str | None = None) -> Any:  # noqa: ANN401 - a function of hypothesis's
        return lambda rows: Condition(op=op, field=field, values=(), parts=tuple(rows))

    one, few = st.lists(parts, min_size=1, max_size=1), st.lists(parts, min_size=1, max_size=3)
    return st.one_of(
        few.map(node(ConditionOp.ALL)),
        few.map(node(ConditionOp.ANY)),
        one.map(node(ConditionOp.NOT)),
        one.map(node(ConditionOp.SOME, "calls")),
        one.map(node(ConditionOp.EVERY, "calls")),
    )


ALWAYS = Condition(op=ConditionOp.GE, field="fee", values=("0",), parts=())
CONDITIONS = st.just(ALWAYS) | LEAVES | st.recursive(LEAVES, joined, max_leaves=4)
QUORUMS = st.sampled_from(
    (
        Quorum(seats=(), sites=0),
        seats((Role.RISK_OFFICER, 1)),
        seats((Role.RISK_OFFICER, 2)),
        seats((Role.RISK_OFFICER, 2), sites=2),
        seats((Role.RISK_OFFICER, 1), (Role.CRO, 1)),
        seats((Role.RISK_OFFICER, 2), (Role.CRO, 1), sites=2),
        Quorum(
            seats=(Seat(role=Role.RISK_OFFICER, count=1, stage=0), Seat(role=Role.CRO, count=1, stage=1)), sites=0
        ),
    )
)


def rules(kind: str, most: int) -> st.SearchStrategy[tuple[Rule, ...]]:
    """Return rules of a section; about every third grant blocks."""

    def made(rows: list[tuple[Condition, Quorum, int]]) -> tuple[Rule, ...]:
        return tuple(
            Rule(
                id=f"{kind}-{n}",
                label=kind,
                order=n + 1,
                when=when,
                effect=Effect.BLOCK if kind == "guard" or (kind == "grant" and draw == 0) else Effect.ALLOW,
                quorum=None if kind == "guard" or (kind == "grant" and draw == 0) else quorum,
            )
            for n, (when, quorum, draw) in enumerate(rows)
            if kind != "escalation" or quorum.seats
        )

    return st.lists(st.tuples(CONDITIONS, QUORUMS, st.integers(0, 2)), max_size=most).map(made)


DIMENSIONS = (
    (Dimension.WALLET,),
    (Dimension.BENEFICIARY,),
    (Dimension.DESTINATION, Dimension.ASSET),
    (Dimension.PROTOCOL,),
    (Dimension.INITIATOR,),
)


def limits(
    rows: list[tuple[Measure, int, tuple[Dimension, ...], Condition | None, Quorum | None]],
) -> tuple[Limit, ...]:
    """Return limits that a few payments fill."""
    most = {Measure.ASSET: 2 * ETHER, Measure.USD: 10**12, Measure.COUNT: 2, Measure.FEE: 10**16}
    return tuple(
        Limit(
            id=f"limit-{n}",
            label="limit",
            order=n + 1,
            when=when,
            per=per,
            measure=measure,
            asset=NATIVE if measure is Measure.ASSET else None,
            window=DAY,
            most=most[measure] * times,
            quorum=quorum if quorum is None or quorum.seats else None,
        )
        for n, (measure, times, per, when, quorum) in enumerate(rows)
    )


LIMITS = st.lists(
    st.tuples(
        st.sampled_from(Measure),
        st.integers(1, 2),
        st.sampled_from(DIMENSIONS),
        st.none() | CONDITIONS,
        st.none() | QUORUMS,
    ),
    max_size=2,
).map(limits)
POLICIES = st.builds(
    lambda beneficiary, **sections: dataclasses.replace(
        WORLD.policy,
        wallets=WALLETS,
        contracts=(
            ContractEntry(
                chain=CHAIN, address=STRANGER, label="Pool", code_hash=None, functions=(DEPOSIT,), protocol="pool"
            ),
        ),
        addresses=tuple(dataclasses.replace(entry, beneficiary=beneficiary) for entry in WORLD.policy.addresses),
        **sections,
    ),
    beneficiary=st.sampled_from((None, "acme")),
    guards=rules("guard", 1),
    grants=rules("grant", 3),
    escalations=rules("escalation", 1),
    limits=LIMITS,
)
TABLES = ("addresses", "wallets", "assets", "contracts", "prices", "people", "clients", "guards", "grants",
          "escalations", "limits")  # fmt: skip


@st.composite
def edits(draw: st.DrawFn, policy: Policy) -> Policy:
    """Make a few changes, most of which look like tightenings."""
    for _ in range(draw(st.integers(1, 3))):
        table = draw(st.sampled_from(TABLES))
        rows = list(getattr(policy, table))
        if not rows:
            continue
        place = draw(st.integers(0, len(rows) - 1))
        row = rows[place]
        what = draw(st.integers(0, 2))
        if what == 0 or table in ("assets", "people", "clients", "prices", "wallets"):
            del rows[place]
        elif table == "addresses":
            sooner = {"expires": NOW + 1} if what == 1 else {"usable_from": NOW + DAY}
            rows[place] = dataclasses.replace(row, **sooner)
        elif table == "contracts":
            rows[place] = dataclasses.replace(row, functions=())
        elif table == "limits":
            rows[place] = (
                dataclasses.replace(row, most=row.most // 2) if what == 1 else dataclasses.replace(row, quorum=None)
            )
        elif row.quorum is not None:
            rows[place] = dataclasses.replace(row, quorum=draw(QUORUMS))
        changes: dict[str, Any] = {table: tuple(rows)}
        policy = dataclasses.replace(policy, **changes)
    return policy


def intents() -> list[Intent]:
    """Return payments to all kinds of places, and calls that are understood, half understood and not."""
    places = (LISTED, COOLING, STRANGER, OWN)
    native = [WORLD.intent(wallet=w.id, to=to, value=ETHER // 2) for to in places for w in WALLETS]
    tokens = [WORLD.token_intent(10**9, to) for to in places]
    deposit = DEPOSIT.selector + (5).to_bytes(32, "big")
    calls = [WORLD.intent(to=to, value=0, data=data, movements=()) for to, data in (
        (STRANGER, deposit), (STRANGER, b"\1\2\3\4"), (LISTED, deposit), (STRANGER, encode_transfer(LISTED, 7)),
        (TOKEN_CONTRACT, APPROVE + bytes(12) + bytes.fromhex(STRANGER[2:]) + (9).to_bytes(32, "big")),
    )]  # fmt: skip
    return [*native, *tokens, *calls]


MANDATES = [WORLD.mandate(intent, asker) for intent in intents() for asker in ("tessa", "rita", "bot-1")]


class Earlier:
    """What was drawn before, counted as a signer's journal does."""

    def __init__(self, draws: list[Draw]) -> None:
        self.book = DrawBook()
        for one in draws:
            self.book.add(one)

    def used(self, limit: Limit, key: ScopeKey, *, now: int) -> int:
        return self.book.since(scope_of(limit), key, None if limit.window is None else now - limit.window)


def derived(policy: Policy, mandate: Mandate, now: int) -> Any:  # noqa: ANN401 - facts and draw
    intent = mandate.order.intent  # type: ignore[union-attr]  # each of ours holds a single intent
    return derive_facts(intent, policy, resolve_asker(mandate, policy), order=mandate.digest, now=now)


def signs(policy: Policy, mandate: Mandate, totals: Earlier, approvals: dict[str, int], now: int) -> bool:
    """Whether a signer would sign the case under this policy with these approvals."""
    intent = mandate.order.intent  # type: ignore[union-attr]  # as above
    if intent.wallet not in {wallet.id for wallet in policy.wallets}:
        return False
    try:
        who = resolve_asker(mandate, policy)
    except RefusedError:
        return False
    facts, draw = derived(policy, mandate, now)
    decision = decide(policy, facts, draw, totals, now=now, enforce=True)
    seated = [
        Approver(person, approvals[person.id])
        for person in policy.people
        if person.id in approvals and person.id not in who.persons
    ]
    return decision.allowed and all(is_filled(q, seated) for q in parts_to_fill(decision.required, decision.asked))


APPROVALS = st.dictionaries(st.sampled_from(("rita", "ravi", "clara", "adam")), st.integers(0, 2), max_size=4)


@given(st.data())
@bounded(300, soak=60)
def test_a_tightening_allows_nothing_new(data: st.DataObject) -> None:
    before = data.draw(POLICIES)
    after = data.draw(edits(before))
    assume(not validate(before) and not validate(after))
    tightens = not loosenings(before, after)
    event(f"tightening: {tightens and before != after}")
    assume(tightens)
    past = data.draw(st.lists(st.sampled_from(MANDATES), max_size=4))
    totals = Earlier([derived(before, mandate, NOW)[1] for mandate in past])
    for mandate in MANDATES:
        for now in (NOW, NOW + 2):
            for approvals in (data.draw(APPROVALS), {"rita": 0, "ravi": 1, "clara": 2}):
                if signs(after, mandate, totals, approvals, now):
                    assert signs(before, mandate, totals, approvals, now)
