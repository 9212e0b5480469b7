"""Snapshots keep every fact exactly as it was, lists and calls within calls included."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.conditions import evaluate
from core.documents.policy import Condition, ConditionOp
from core.facts import derive_facts, resolve_asker
from core.registry import REGISTRY, FactType
from policies.facts import facts_gather, snapshot_read, snapshot_write
from tests.factories.contracts import CONTRACTS, MULTICALL, SWAP, batch, call
from tests.factories.world import LISTED, NOW, TOKEN_CONTRACT, World, compare
from tests.soak import bounded

if TYPE_CHECKING:
    from core.registry import Fact, FactMap

WORLD = World(overrides={"contracts": CONTRACTS})
MAX = 2**256 - 1
TEXTS = st.text(max_size=6)
SCALARS = TEXTS | st.integers(-MAX, MAX) | st.booleans()
ANY = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=6)
TYPED = {
    FactType.TEXT: TEXTS,
    FactType.TEXTS: st.frozensets(TEXTS, max_size=3),
    FactType.NUMBER: st.integers(-MAX, MAX),
    FactType.FLAG: st.booleans(),
    FactType.LIST: st.lists(ANY, max_size=3).map(tuple),
}
PLAIN: dict[str, st.SearchStrategy[Any]] = {n: TYPED[f.type] for n, f in REGISTRY.items() if n != "calls"}
PLAIN |= dict.fromkeys(("arg.0", "arg.1.2", "item"), ANY)
MAPS = st.fixed_dictionaries({}, optional=PLAIN)
SNAPSHOTS = st.builds(
    lambda facts, calls: facts | {"calls": tuple(calls)}, MAPS, st.lists(MAPS, max_size=2)
)  # fmt: skip


@bounded(150)
@given(SNAPSHOTS)
def test_what_was_written_is_read_again_exactly(facts: FactMap) -> None:
    read = snapshot_read(text=snapshot_write(facts=facts))
    assert read == facts
    assert {name: type(value) for name, value in read.items()} == {n: type(v) for n, v in facts.items()}


def test_a_batch_is_kept_with_its_largest_amounts() -> None:
    inner = [call(SWAP, LISTED, [(MAX, LISTED)], MAX), b"\1\2\3\4"]
    for data in (batch(MULTICALL, inner), inner[0]):
        intent = WORLD.intent(to=CONTRACTS[0].address, value=0, data=data, gas=90_000)
        who = resolve_asker(WORLD.mandate(intent), WORLD.policy)
        facts, _ = derive_facts(intent, WORLD.policy, who, order="aa" * 32, now=NOW)
        text = snapshot_write(facts=facts)
        assert snapshot_read(text=text) == facts


def test_conditions_find_in_a_snapshot_what_they_found_in_the_facts() -> None:
    intent = WORLD.intent(to=CONTRACTS[0].address, value=0, data=call(SWAP, LISTED, [(MAX, LISTED)], 5), gas=90_000)
    who = resolve_asker(WORLD.mandate(intent), WORLD.policy)
    facts, _ = derive_facts(intent, WORLD.policy, who, order="aa" * 32, now=NOW)
    part = compare("item.0", ConditionOp.EQ, str(MAX))
    every = Condition(op=ConditionOp.EVERY, field="arg.1", values=(), parts=(part,))
    read = snapshot_read(text=snapshot_write(facts=facts))
    assert evaluate(every, facts) is evaluate(every, read) is True


@pytest.mark.parametrize(
    "text",
    [
        '{"amount":5}',
        '{"amount":"1.5"}',
        '{"amount":true}',
        '{"amount":"1e3"}',
        '{"amount":"' + "9" * 79 + '"}',
        '{"chain":["eip155:1"]}',
        '{"destination.listed":"true"}',
        '{"initiator":"tessa"}',
        '{"colour":"red"}',
        '{"arg.0":{"number":5}}',
        '{"arg.0":{"number":"5","texts":[]}}',
        '{"arg.0":{"colour":"red"}}',
        '{"arg.0":["x",{"colour":"red"}]}',
        '{"arg.0":null}',
        '{"calls":{"facts":{}}}',
        "[]",
    ],
)
def test_what_is_not_of_its_type_is_unknown(text: str) -> None:
    assert snapshot_read(text=text) == {}


def test_claims_enter_under_claimed_fields_only() -> None:
    intent = WORLD.token_intent(5)
    claims: dict[str, Fact] = {
        "web.simulation": "ok", "web.first_use": "yes", "amount": 1, "sanctions.clear": True, "colour": "red",
    }  # fmt: skip
    who = resolve_asker(WORLD.mandate(intent), WORLD.policy)
    facts, draw = facts_gather(intent=intent, policy=WORLD.policy, who=who, claims=claims, order="aa" * 32, now=NOW)
    assert (facts["web.simulation"], facts["amount"], facts["contract"]) == ("ok", 5, TOKEN_CONTRACT)
    assert not {"web.first_use", "sanctions.clear", "colour"} & set(facts)
    assert draw.order == "aa" * 32
