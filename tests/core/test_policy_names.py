"""Every name that a condition may use, known from the one place where it stands, and how wrong ones are shown."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from core.abi import selector_of
from core.documents.policy import Condition, ConditionOp, Effect, Rule
from core.names import native_asset, token_asset
from core.policy_check import validate
from core.policy_conditions import MOST_DEPTH
from tests.factories.contracts import CONTRACTS, ROUTER, SWAP, contract
from tests.factories.world import CHAIN, LISTED, STRANGER, TOKEN, TOKEN_CONTRACT, World, compare

if TYPE_CHECKING:
    from core.documents.policy import Policy

EQ, ALL, EVERY, FLOOR, OWN = (
    ConditionOp.EQ,
    ConditionOp.ALL,
    ConditionOp.EVERY,
    ConditionOp.FLOOR,
    ConditionOp.OWN_WALLET,
)
SWAPPER = dataclasses.replace(CONTRACTS[0], address=ROUTER, protocol="uniswap")
POLICY = World(overrides={"contracts": CONTRACTS}).policy
OTHER_CHAIN = "eip155:10"


def blocking(when: Condition, policy: Policy = POLICY, **changes: Any) -> list[str]:  # noqa: ANN401 - Policy's fields
    rule = Rule(id="g", label="Guard", order=50, when=when, effect=Effect.BLOCK, quorum=None)
    return [
        line
        for line in validate(dataclasses.replace(policy, guards=(*policy.guards, rule), **changes))
        if line.startswith("guard g: ")
    ]


ELSEWHERE: dict[str, dict[str, Any]] = {
    "a wallet": {"wallets": (*POLICY.wallets, dataclasses.replace(POLICY.wallets[0], id=f"{OTHER_CHAIN}:{LISTED}"))},
    "an asset": {"assets": (*POLICY.assets, dataclasses.replace(POLICY.assets[0], id=native_asset(OTHER_CHAIN)))},
    "a contract": {"contracts": (*CONTRACTS, dataclasses.replace(CONTRACTS[0], chain=OTHER_CHAIN))},
    "an address": {
        "addresses": (*POLICY.addresses, dataclasses.replace(POLICY.addresses[0], id="far", chain=OTHER_CHAIN))
    },
}


@pytest.mark.parametrize("changes", ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_chain_is_known_from_any_row_that_is_on_it(changes: dict[str, Any]) -> None:
    when = compare("chain", EQ, OTHER_CHAIN)
    assert blocking(when) == [f"guard g: chain: unknown chain '{OTHER_CHAIN}'"]
    assert blocking(when, **changes) == []


GROUPED = dataclasses.replace(POLICY.addresses[0], beneficiary="group")
NAMES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "a token as a contract": ("contract", TOKEN_CONTRACT, {"contracts": ()}),
    "a registered contract": ("contract", ROUTER, {"assets": POLICY.assets[:1], "prices": POLICY.prices[:1]}),
    "a beneficiary": ("destination.beneficiary", "group", {"addresses": (GROUPED, *POLICY.addresses[1:])}),
    "an address with a beneficiary": (
        "destination.beneficiary",
        LISTED,
        {"addresses": (GROUPED, *POLICY.addresses[1:])},
    ),
    "an address without one": ("destination.beneficiary", LISTED, {}),
    "an asset that is sent": ("effects.sent.asset", TOKEN, {}),
    "a contract's own asset": ("effects.received.asset", token_asset(CHAIN, ROUTER), {}),
    "a person": ("initiator", "rita", {}),
    "a client": ("initiator", POLICY.clients[0].id, {}),
    "a person's desk": ("desk", POLICY.people[0].desk, {}),
    "a client's desk": (
        "desk",
        "robots",
        {"clients": (dataclasses.replace(POLICY.clients[0], desk="robots"),)},
    ),
    "a protocol": ("contract.protocol", "uniswap", {"contracts": (SWAPPER, *CONTRACTS[1:])}),
}


@pytest.mark.parametrize(("field", "name", "changes"), NAMES.values(), ids=NAMES)
def test_a_name_is_known_from_where_it_stands(field: str, name: str, changes: dict[str, Any]) -> None:
    op = ConditionOp.HAS if field == "initiator" else EQ
    assert blocking(compare(field, op, name), **changes) == []


def test_a_native_coin_is_no_contract_and_no_protocol_is_not_a_name() -> None:
    assert "unknown contract" in blocking(compare("contract", EQ, STRANGER))[0]
    assert "unknown protocol" in blocking(compare("contract.protocol", EQ, "none"))[0]


def calling(*parts: Condition) -> Condition:
    selector = "0x" + selector_of(SWAP).hex()
    pinned = Condition(
        op=ALL,
        field=None,
        values=(),
        parts=(compare("contract", EQ, ROUTER), compare("selector", EQ, selector)),
    )
    return Condition(op=ALL, field=None, values=(), parts=(pinned, *parts))


def test_what_an_inner_conjunction_pins_holds_for_the_outer_one() -> None:
    assert blocking(calling(compare("arg.2", ConditionOp.LE, "5"))) == blocking(calling())


def test_arguments_take_what_their_operators_take() -> None:
    wrong = Condition(op=FLOOR, field="arg.2", values=("usd", "50"), parts=())
    assert any("takes an attested number's field" in line for line in blocking(calling(wrong)))
    bps = [
        blocking(calling(Condition(op=FLOOR, field="arg.2", values=("effects.received", text), parts=())))
        for text in ("10000", "10001")
    ]
    assert not bps[0]
    assert "basis points are 0 to 10000, not '10001'" in bps[1][0]


def test_an_own_wallet_takes_no_values_and_long_arguments_are_cut() -> None:
    named = Condition(op=OWN, field="arg.0", values=(LISTED,), parts=())
    assert any("arg.0 own_wallet takes no values" in line for line in blocking(calling(named)))
    assert blocking(calling(dataclasses.replace(named, values=()))) == []
    (line,) = blocking(calling(compare("arg.2", EQ, "x" * 200)))
    assert "x" * 60 in line
    assert "x" * 61 not in line
    (line,) = blocking(calling(Condition(op=FLOOR, field="arg.2", values=("effects.received", "x" * 200), parts=())))
    assert "x" * 40 in line
    assert "x" * 41 not in line


def test_a_list_in_a_list_is_looked_at_by_its_element() -> None:
    grid = contract(STRANGER, "Grid", "grid(uint256[][])")
    selector = "0x" + selector_of("grid(uint256[][])").hex()

    def every_cell(field: str) -> Condition:
        inner = Condition(op=EVERY, field=field, values=(), parts=(compare("item", ConditionOp.LE, "5"),))
        outer = Condition(op=EVERY, field="arg.0", values=(), parts=(inner,))
        parts = (compare("contract", EQ, STRANGER), compare("selector", EQ, selector), outer)
        return Condition(op=ALL, field=None, values=(), parts=parts)

    assert blocking(every_cell("item"), contracts=(*CONTRACTS, grid)) == []
    assert any("looks at the element" in line for line in blocking(every_cell("arg.0"), contracts=(*CONTRACTS, grid)))


def test_lists_nest_as_deep_as_conditions_do() -> None:
    def deep(levels: int) -> Condition:
        tree = compare("call.kind", EQ, "unknown")
        for _ in range(levels):
            tree = Condition(op=ConditionOp.NOT, field=None, values=(), parts=(tree,))
        return Condition(op=EVERY, field="calls", values=(), parts=(tree,))

    assert blocking(deep(MOST_DEPTH - 2)) == []
    assert any("nested more than" in line for line in blocking(deep(MOST_DEPTH - 1)))

    def under(levels: int) -> Condition:
        tree = Condition(op=EVERY, field="calls", values=(), parts=(compare("call.kind", EQ, "unknown"),))
        for _ in range(levels):
            tree = Condition(op=ConditionOp.NOT, field=None, values=(), parts=(tree,))
        return tree

    assert blocking(under(MOST_DEPTH - 2)) == []
    assert any("nested more than" in line for line in blocking(under(MOST_DEPTH - 1)))


@pytest.mark.parametrize(
    ("field", "shown"), [("usd", 40), ("destination.label", 100), ("chain", 60)], ids=["number", "name", "form"]
)
def test_a_long_wrong_value_is_cut(field: str, shown: int) -> None:
    (line,) = blocking(compare(field, EQ, "x" * 200))
    assert "x" * shown in line
    assert "x" * (shown + 1) not in line
