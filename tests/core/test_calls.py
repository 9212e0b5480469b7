"""Calls inside calls: all of them are seen, or the whole is not understood."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.calldata import encode_transfer
from core.calls import MOST_CALLS, MOST_DEPTH
from core.documents.policy import Measure
from core.facts import derive_facts, resolve_asker
from core.limits import UNBOUNDED, Draw, amount_of
from core.names import checksum_address
from core.schema import UINT256_MAX
from tests.factories.contracts import (
    APPROVE,
    BATCHES,
    CONTRACTS,
    DAI_PERMIT,
    FOR_ALL,
    INCREASE,
    MULTI_SEND,
    MULTICALL,
    PERMIT,
    ROUTER,
    SWAP,
    TRANSFER_FROM,
    batch,
    call,
    contract,
    packed,
)
from tests.factories.world import ETHER, LISTED, NATIVE, NOW, STRANGER, TOKEN, TOKEN_CONTRACT, World
from tests.soak import bounded

if TYPE_CHECKING:
    from core.registry import FactMap

WORLD = World(overrides={"contracts": CONTRACTS})
OWN = WORLD.wallet.rpartition(":")[2]
ORDER = "aa" * 32


def seen(data: bytes, *, to: str = TOKEN_CONTRACT, value: int = 0, world: World = WORLD) -> tuple[FactMap, Draw]:
    intent = world.intent(to=to, value=value, data=data, gas=90_000)
    who = resolve_asker(world.mandate(intent), world.policy)
    return derive_facts(intent, world.policy, who, order=ORDER, now=NOW)


def is_unknown(facts: FactMap, draw: Draw) -> bool:
    """Whether a call is unknown in every respect that counts."""
    unbounded = amount_of(Measure.ASSET, TOKEN, draw) == amount_of(Measure.USD, None, draw) == UNBOUNDED
    nothing = not {"asset", "amount", "usd", "destination", "destination.listed"} & set(facts)
    return facts["call.kind"] == "unknown" and facts["calls.unknown"] is True and unbounded and nothing


TO_LISTED = encode_transfer(LISTED, 5)


def test_a_plain_transfer_says_that_nothing_is_hidden_in_it() -> None:
    for data, to in ((b"", LISTED), (TO_LISTED, TOKEN_CONTRACT)):
        facts, _ = seen(data, to=to)
        said = ["calls.unknown", "calls.delegate", "approve.any", "approve.unlimited"]
        assert [facts[name] for name in said] == [False] * 4
        assert (facts["calls.count"], facts["calls.depth"]) == (1, 0)


@pytest.mark.parametrize(
    ("signature", "values", "spender", "amount", "unlimited"),
    [
        (APPROVE, (STRANGER, 7), STRANGER, 7, False),
        (APPROVE, (STRANGER, 2**255 - 1), STRANGER, 2**255 - 1, False),
        (APPROVE, (STRANGER, 2**255), STRANGER, 2**255, True),
        (APPROVE, (STRANGER, UINT256_MAX), STRANGER, UINT256_MAX, True),
        (INCREASE, (STRANGER, UINT256_MAX), STRANGER, UINT256_MAX, True),
        (PERMIT, (OWN, STRANGER, 9, 10, 27, bytes(32), bytes(32)), STRANGER, 9, False),
        (PERMIT, (OWN, STRANGER, 2**255, 10, 27, bytes(32), bytes(32)), STRANGER, 2**255, True),
        (DAI_PERMIT, (OWN, STRANGER, 0, 10, True, 27, bytes(32), bytes(32)), STRANGER, UINT256_MAX, True),
        (FOR_ALL, (STRANGER, True), STRANGER, UINT256_MAX, True),
    ],
)
def test_an_allowance_is_drawn_when_it_is_given(
    signature: str,
    values: tuple[Any, ...],
    spender: str,
    amount: int,
    unlimited: bool,  # noqa: FBT001 - a table
) -> None:
    facts, draw = seen(call(signature, *values))
    assert facts["call.kind"] == "contract_call"
    said = [facts[name] for name in ("approve.any", "approve.unlimited", "approve.spender", "approve.amount")]
    assert said == [True, unlimited, spender, amount]
    assert (draw.assets, draw.destinations) == ((TOKEN,), (spender,))
    assert amount_of(Measure.ASSET, TOKEN, draw) == amount
    # It is no transfer: rules about destinations do not speak of it.
    assert "destination.listed" not in facts


def test_taking_an_allowance_back_draws_nothing() -> None:
    for data in (call(APPROVE, STRANGER, 0), call(FOR_ALL, *(STRANGER, False))):
        facts, draw = seen(data)
        assert facts["approve.any"] is False
        assert amount_of(Measure.ASSET, TOKEN, draw) == 0


def test_a_transfer_on_behalf_draws_what_it_moves() -> None:
    facts, draw = seen(call(TRANSFER_FROM, OWN, STRANGER, 8))
    assert (facts["call.kind"], facts["arg.0"], facts["arg.2"]) == ("contract_call", OWN, 8)
    assert (draw.destinations, amount_of(Measure.ASSET, TOKEN, draw)) == ((STRANGER,), 8)


def test_a_registered_function_is_decoded_whole_and_what_it_moves_is_not_known() -> None:
    facts, draw = seen(call(SWAP, OWN, [(1, LISTED), (2, STRANGER)], UINT256_MAX), to=ROUTER)
    assert facts["call.kind"] == "contract_call"
    assert (facts["contract.known"], facts["contract.protocol"]) == (True, "uniswap")
    assert facts["arg.1"] == ((1, LISTED), (2, STRANGER))
    assert [facts[name] for name in ("arg.0", "arg.1.1.0", "arg.1.0.1", "arg.2")] == [OWN, 2, LISTED, UINT256_MAX]
    assert facts["wallets.named"] == frozenset({OWN})
    assert (draw.assets, draw.usd_e8) == ((), None)
    assert amount_of(Measure.ASSET, TOKEN, draw) == UNBOUNDED
    assert (draw.contracts, draw.protocols) == ((ROUTER,), ("uniswap",))


GOOD_SWAP = call(SWAP, OWN, [(1, LISTED)], 3)
UNKNOWN: dict[str, tuple[str, bytes, int]] = {
    "an unregistered contract": (STRANGER, GOOD_SWAP, 0),
    "an unregistered function": (ROUTER, TO_LISTED, 0),
    "an allowance of a token that is no registered contract": (LISTED, call(APPROVE, STRANGER, 1), 0),
    "a trailing byte": (ROUTER, GOOD_SWAP + b"\0", 0),
    "a trailing word": (ROUTER, GOOD_SWAP + bytes(32), 0),
    "cut by one": (ROUTER, GOOD_SWAP[:-1], 0),
    "cut to its selector": (ROUTER, GOOD_SWAP[:4], 0),
    "dirty padding": (ROUTER, GOOD_SWAP[:4] + b"\1" + GOOD_SWAP[5:], 0),
    "an offset that overlaps": (ROUTER, GOOD_SWAP[:36] + bytes(32) + GOOD_SWAP[68:], 0),
    "a bool of two": (TOKEN_CONTRACT, call(FOR_ALL, *(STRANGER, True))[:-1] + b"\2", 0),
    "an empty batch": (ROUTER, batch(MULTICALL, []), 0),
    "a batch with an empty call": (ROUTER, batch(MULTICALL, [GOOD_SWAP, b""]), 0),
    "a batch with half a selector": (ROUTER, batch(MULTICALL, [GOOD_SWAP, b"\1\2"]), 0),
    "a batch with an unknown selector": (ROUTER, batch(MULTICALL, [GOOD_SWAP, b"\1\2\3\4"]), 0),
    "a batch with a dirty call": (TOKEN_CONTRACT, batch(MULTICALL, [TO_LISTED[:4] + b"\1" + TO_LISTED[5:]]), 0),
    "a batch with a call that has a tail": (TOKEN_CONTRACT, batch(MULTICALL, [TO_LISTED + bytes(32)]), 0),
    "a batch in a batch with an unknown call": (
        TOKEN_CONTRACT, batch(MULTICALL, [TO_LISTED, batch(MULTICALL, [TO_LISTED, b"\1\2\3\4"])]), 0,
    ),
    "a delegatecall": (MULTI_SEND, packed((0, LISTED, 0, b""), (1, TOKEN_CONTRACT, 0, TO_LISTED)), 0),
    "a delegatecall without data": (MULTI_SEND, packed((1, LISTED, 0, b"")), 0),
    "an operation that does not exist": (MULTI_SEND, packed((2, LISTED, 0, b"")), 0),
    "an empty MultiSend": (MULTI_SEND, packed(), 0),
    "a MultiSend to a stranger's function": (MULTI_SEND, packed((0, STRANGER, 0, TO_LISTED)), 0),
}  # fmt: skip


@pytest.mark.parametrize(("to", "data", "value"), UNKNOWN.values(), ids=UNKNOWN)
def test_what_is_not_understood_to_the_last_byte_is_unknown_as_a_whole(to: str, data: bytes, value: int) -> None:
    facts, draw = seen(data, to=to, value=value)
    assert is_unknown(facts, draw)
    assert facts.get("approve.unlimited") is not False
    assert facts.get("calls.delegate") is not False


def test_a_delegatecall_is_named() -> None:
    facts, _ = seen(packed((1, TOKEN_CONTRACT, 0, TO_LISTED)), to=MULTI_SEND)
    assert facts["calls.delegate"] is True


def test_a_packed_list_that_ends_early_is_unknown() -> None:
    from core.calls import _packed  # noqa: PLC0415 - cut behind the ABI, which pads what it holds

    whole = packed((0, LISTED, 1, b"abcd"))[4 + 64 : 4 + 64 + 85 + 4]
    assert _packed(whole) is not None
    assert all(_packed(whole[:cut]) is None for cut in range(len(whole)))
    assert _packed(whole + b"\0") is None


@pytest.mark.parametrize("signature", BATCHES)
def test_a_batch_of_transfers_draws_their_sum_at_every_destination(signature: str) -> None:
    calls = [TO_LISTED, encode_transfer(STRANGER, 7), call(APPROVE, ROUTER, 2**255)]
    facts, draw = seen(batch(signature, calls))
    assert (facts["call.kind"], facts["calls.count"], facts["calls.depth"]) == ("contract_call", 4, 1)
    assert (facts["approve.unlimited"], facts["calls.unknown"]) == (True, False)
    assert draw.destinations == tuple(sorted((LISTED, STRANGER, ROUTER)))
    assert amount_of(Measure.ASSET, TOKEN, draw) == 12 + 2**255
    elements = facts["calls"]
    assert isinstance(elements, tuple)
    kinds = [element["call.kind"] for element in elements if isinstance(element, dict)]
    assert kinds == ["contract_call", "token_transfer", "token_transfer", "contract_call"]


def test_a_multi_send_draws_what_each_call_moves_and_what_is_sent_along() -> None:
    data = packed((0, LISTED, 3, b""), (0, TOKEN_CONTRACT, 0, encode_transfer(STRANGER, 7)))
    facts, draw = seen(data, to=MULTI_SEND, value=10)
    assert draw.destinations == tuple(sorted((LISTED, STRANGER, MULTI_SEND)))
    assert draw.assets == tuple(sorted((NATIVE, TOKEN)))
    assert amount_of(Measure.ASSET, NATIVE, draw) == 10 + draw.fee
    assert amount_of(Measure.ASSET, TOKEN, draw) == 7
    assert facts["usd"] == draw.usd_e8
    # More than is sent along comes from elsewhere, and is counted here all the same.
    _, more = seen(packed((0, LISTED, 3 * ETHER, b"")), to=MULTI_SEND, value=1)
    assert amount_of(Measure.ASSET, NATIVE, more) == 3 * ETHER + more.fee


def test_calls_beyond_the_bounds_are_not_understood() -> None:
    def nested(depth: int) -> bytes:
        return TO_LISTED if not depth else batch(MULTICALL, [nested(depth - 1)])

    assert seen(nested(MOST_DEPTH))[0]["calls.unknown"] is False
    assert is_unknown(*seen(nested(MOST_DEPTH + 1)))
    assert seen(batch(MULTICALL, [TO_LISTED] * (MOST_CALLS - 1)))[0]["calls.unknown"] is False
    assert is_unknown(*seen(batch(MULTICALL, [TO_LISTED] * MOST_CALLS)))


def test_two_functions_of_one_selector_are_neither() -> None:
    # collate_propagate_storage(bytes16) and burn(uint256) share 0x42966c68.
    both = contract(ROUTER, "Router", "burn(uint256)", "collate_propagate_storage(bytes16)")
    world = World(overrides={"contracts": (both,)})
    assert is_unknown(*seen(call("burn(uint256)", 0), to=ROUTER, world=world))
    # many_msg_babbage(bytes1) has the selector of `transfer`: the policy says that this contract means that.
    clash = contract(TOKEN_CONTRACT, "Token", "many_msg_babbage(bytes1)")
    assert is_unknown(*seen(TO_LISTED, world=World(overrides={"contracts": (clash,)})))


def test_one_contract_registered_twice_is_not_registered() -> None:
    world = World(overrides={"contracts": (*CONTRACTS, CONTRACTS[0])})
    assert is_unknown(*seen(GOOD_SWAP, to=ROUTER, world=world))


def test_more_arguments_than_anybody_reads_are_unknown_and_the_call_is_not() -> None:
    facts, _ = seen(call(SWAP, OWN, [(n, LISTED) for n in range(200)], 1), to=ROUTER)
    assert facts["call.kind"] == "contract_call"
    assert not [name for name in facts if name.startswith("arg.")]


PARTS = st.one_of(
    st.tuples(st.just("pay"), st.sampled_from([LISTED, STRANGER, ROUTER]), st.integers(0, UINT256_MAX)),
    st.tuples(st.just("approve"), st.sampled_from([LISTED, STRANGER]), st.integers(0, UINT256_MAX)),
)
TREES = st.recursive(PARTS, lambda inner: st.lists(inner, min_size=1, max_size=3), max_leaves=8)


def encoded(tree: Any) -> bytes:  # noqa: ANN401 - a part, or a list of trees
    if isinstance(tree, list):
        return batch(MULTICALL, [encoded(part) for part in tree])
    kind, to, amount = tree
    return encode_transfer(to, amount) if kind == "pay" else call(APPROVE, to, amount)


def parts_of(tree: Any) -> list[tuple[str, str, int]]:  # noqa: ANN401 - as above
    return [leaf for part in tree for leaf in parts_of(part)] if isinstance(tree, list) else [tree]


def depth_of(tree: Any) -> int:  # noqa: ANN401 - as above
    return 1 + max(depth_of(part) for part in tree) if isinstance(tree, list) else 0


@bounded(80)
@given(TREES)
def test_however_deep_it_is_nested_the_draw_is_the_sum_of_all_parts(tree: Any) -> None:  # noqa: ANN401 - as above
    facts, draw = seen(encoded(tree))
    parts = parts_of(tree)
    if depth_of(tree) > MOST_DEPTH:
        assert is_unknown(facts, draw)
        return
    assert draw.destinations == tuple(sorted({to for _, to, _ in parts}))
    assert amount_of(Measure.ASSET, TOKEN, draw) == min(sum(amount for _, _, amount in parts), UINT256_MAX)
    assert facts["approve.any"] is any(kind == "approve" and amount for kind, _, amount in parts)
    assert facts["approve.unlimited"] is any(kind == "approve" and amount >= 2**255 for kind, _, amount in parts)


@bounded(150)
@given(TREES, st.data())
def test_one_spoilt_byte_is_another_call_or_none(tree: Any, data: st.DataObject) -> None:  # noqa: ANN401 - as above
    whole = bytearray(encoded(tree))
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= 1 << data.draw(st.integers(0, 7))
    before, after = seen(encoded(tree)), seen(bytes(whole))
    if after[0]["calls.unknown"]:
        assert is_unknown(*after)
    else:
        # What is understood is told apart: nothing in the calldata is left that could be changed unseen.
        assert after[0]["calls"] != before[0]["calls"] or after[0] != before[0]


def test_beneficiaries_and_lookalikes_are_named() -> None:
    entry = dataclasses.replace(WORLD.policy.addresses[0], beneficiary="acme")
    twin = checksum_address(LISTED[:6] + "0" * 32 + LISTED[-4:])
    world = World(overrides={"addresses": (entry,), "contracts": CONTRACTS})
    facts, draw = seen(b"", to=LISTED, value=1, world=world)
    said = [facts[n] for n in ("destination.beneficiary", "destination.lookalike", "destination.label")]
    assert (said, draw.beneficiaries) == (["acme", False, entry.label], ("acme",))
    assert facts["destination.age"] == NOW - entry.usable_from
    facts, draw = seen(b"", to=twin, value=1, world=world)
    assert facts["destination.lookalike"] is True
    assert draw.beneficiaries == (twin,)
