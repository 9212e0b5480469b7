"""Notes: a wallet's few bytes to itself can be granted by that name; whatever is a little different is unknown."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.calls import NOTE_MOST
from core.documents.policy import ConditionOp, Effect, Measure, Rule
from core.documents.roster import AssetEntry, ContractEntry
from core.errors import Refusal, RefusedError
from core.facts import derive_facts, resolve_asker
from core.limits import UNBOUNDED, amount_of
from core.names import token_asset
from core.verify import verify
from tests.factories.contracts import CONTRACTS, MULTI_SEND, MULTICALL, ROUTER, batch, packed
from tests.factories.documents import CHAIN, compare, every, seats
from tests.factories.rules import rules
from tests.factories.world import ETHER, LISTED, NATIVE, NOW, STRANGER, TOKEN_CONTRACT, World

if TYPE_CHECKING:
    from core.documents.bundle import Bundle
    from core.limits import Draw
    from core.registry import FactMap

EQ = ConditionOp.EQ
ANCHOR = Rule(
    id="anchor",
    label="Anchors of the log",
    order=1,
    when=every(compare("call.kind", EQ, "note"), compare("initiator", ConditionOp.HAS, "bot-1")),
    effect=Effect.ALLOW,
    quorum=seats(),
)
DATA = bytes(range(40))
WORLD = World(overrides={"grants": (ANCHOR, *rules(0)["grants"]), "contracts": CONTRACTS})
OWN = WORLD.wallet.rpartition(":")[2]


def seen(world: World = WORLD, **changes: Any) -> tuple[FactMap, Draw]:  # noqa: ANN401 - fields of Intent
    intent = world.intent(**({"to": OWN, "value": 0, "data": DATA, "gas": 30_000} | changes))
    who = resolve_asker(world.mandate(intent, "bot-1"), world.policy)
    return derive_facts(intent, world.policy, who, order="aa" * 32, now=NOW)


def bundle(world: World = WORLD, asker: str = "bot-1", **changes: Any) -> Bundle:  # noqa: ANN401 - fields of Intent
    own = world.wallet.rpartition(":")[2]
    intent = world.intent(**({"to": own, "value": 0, "data": DATA, "gas": 30_000} | changes))
    return world.bundle(world.mandate(intent, asker), approvers=())


def refused(case: Bundle, world: World = WORLD) -> Refusal:
    with pytest.raises(RefusedError) as caught:
        verify(case, world.pins, world.journal, NOW)
    return caught.value.code


def test_a_note_is_named_so_and_moves_nothing() -> None:
    facts, draw = seen()
    assert (facts["call.kind"], facts["value"], facts["usd"]) == ("note", 0, 0)
    assert (facts["calls.unknown"], facts["calls.count"]) == (False, 1)
    assert facts["wallets.named"] == frozenset({OWN})
    # No grant over assets or destinations sees a note.
    assert not {"asset", "amount", "destination", "destination.listed", "destination.own"} & set(facts)
    assert amount_of(Measure.USD, None, draw) == 0
    assert amount_of(Measure.ASSET, NATIVE, draw) == 30_000 * 100 * 10**9
    assert amount_of(Measure.COUNT, None, draw) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"value": 1},
        {"value": 2**256 - 1},
        {"to": LISTED},
        {"to": STRANGER},
        {"to": TOKEN_CONTRACT},
        {"data": bytes(NOTE_MOST + 1)},
        {"data": bytes(4096)},
    ],
)
def test_what_is_a_little_different_is_unknown_as_before(changes: dict[str, Any]) -> None:
    facts, draw = seen(**changes)
    assert facts["call.kind"] == "unknown"
    assert facts["calls.unknown"] is True
    assert amount_of(Measure.USD, None, draw) == UNBOUNDED
    assert refused(bundle(**changes)) is Refusal.DENIED


@given(
    value=st.sampled_from([0, 1, ETHER]),
    to=st.sampled_from([OWN, LISTED, STRANGER, TOKEN_CONTRACT]),
    data=st.binary(max_size=80),
)
def test_a_note_is_exactly_this(value: int, to: str, data: bytes) -> None:
    facts, _ = seen(value=value, to=to, data=data)
    is_note = value == 0 and to == OWN and 0 < len(data) <= NOTE_MOST
    assert (facts["call.kind"] == "note") is is_note


def test_without_data_it_is_a_payment() -> None:
    assert seen(data=b"")[0]["call.kind"] == "native_transfer"


def test_inside_a_batch_there_are_no_notes() -> None:
    for to, data in ((MULTI_SEND, packed((0, OWN, 0, DATA))), (ROUTER, batch(MULTICALL, [DATA]))):
        assert seen(to=to, data=data)[0]["call.kind"] == "unknown"


@pytest.mark.parametrize("times", [1, 2])
def test_where_a_contract_is_registered_at_the_wallet_it_is_none(times: int) -> None:
    entry = ContractEntry(chain=CHAIN, address=OWN, label="Odd", code_hash=None, functions=(), protocol=None)
    policy = dataclasses.replace(WORLD.policy, contracts=(entry,) * times)
    intent = WORLD.intent(to=OWN, value=0, data=DATA)
    who = resolve_asker(WORLD.mandate(intent, "bot-1"), policy)
    facts, _ = derive_facts(intent, policy, who, order="aa" * 32, now=NOW)
    assert facts["call.kind"] == "unknown"
    asset = AssetEntry(id=token_asset(CHAIN, OWN), symbol="ODD", name="Odd", decimals=0)
    policy = dataclasses.replace(WORLD.policy, assets=(*WORLD.policy.assets, asset))
    facts, _ = derive_facts(intent, policy, who, order="aa" * 32, now=NOW)
    assert facts["call.kind"] != "note"


def test_a_client_is_granted_it_without_any_person_and_nobody_else_is() -> None:
    token = verify(bundle(), WORLD.pins, WORLD.journal, NOW)
    assert (token.transaction.to, token.transaction.value, token.transaction.data) == (OWN, 0, DATA)
    assert refused(bundle(asker="tessa")) is Refusal.DENIED


def test_a_policy_without_such_a_grant_denies_it() -> None:
    world = World()
    for asker in ("bot-1", "tessa"):
        assert refused(bundle(world, asker), world) is Refusal.DENIED


def test_movements_are_not_claimed_for_it() -> None:
    movement = WORLD.intent().movements
    assert refused(bundle(movements=movement)) is Refusal.MOVEMENTS


def test_a_client_that_did_not_sign_asks_for_nothing() -> None:
    case, other = bundle(), World(overrides={"grants": WORLD.policy.grants})
    forged = other.consent(case.mandate.digest, "bot-1", case.consents[0].statement.decision)
    assert refused(dataclasses.replace(case, consents=(forged,))) in {
        Refusal.ASSERTION,
        Refusal.WRONG_DEPLOYMENT,
        Refusal.CONSENT_MISMATCH,
    }
