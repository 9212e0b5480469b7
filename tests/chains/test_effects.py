"""What simulations find on real contracts: a swap, strange tokens, sequences, frames, and nodes that disagree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from eth_abi.abi import encode

from chains.errors import NoSimulationError
from chains.nodes.endpoint import Endpoint
from chains.nodes.health import HealthBook
from chains.nodes.pool import Pool, Rules
from chains.simulation import AssetDelta, Call, Method, Simulation, sequence_simulate
from chains.simulation.trace import MOST_FRAMES
from core.abi import selector_of
from core.calldata import encode_transfer
from core.names import checksum_address, native_asset, token_asset
from demo.services.anvil import anvil
from tests.factories.uniswap import APPROVE, mined, uniswap_deploy
from tests.fakes.proxy import Lie, LyingNode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chains.nodes.agreement import Disagreement
    from demo.services.anvil import Node
    from tests.factories.uniswap import Uniswap

pytestmark = [pytest.mark.anvil, pytest.mark.timeout(400)]
CHAIN = "eip155:31337"
NATIVE = native_asset(CHAIN)
CODE = json.loads((Path(__file__).resolve().parents[1] / "contracts" / "Strange.json").read_text(encoding="utf-8"))
PLAIN, FALSE, NOTHING, FEE, REBASES, LIES, SILENT, CALLS_BACK, BURNS = range(9)
FULL = 10**30


class Kept:
    """Keeps what a pool reports."""

    def __init__(self) -> None:
        self.disagreements: list[Disagreement] = []

    def wrong_chain(self, *, label: str, reason: str) -> None:
        raise AssertionError(f"{label}: {reason}")

    def disagreed(self, *, disagreement: Disagreement) -> None:
        self.disagreements.append(disagreement)


def pool_of(*urls: str, least: int = 1, reporter: Kept | None = None) -> Pool:
    endpoints = [Endpoint(label=f"n{i}", url=url, chain_id=31337) for i, url in enumerate(urls)]
    rules = Rules(least=least)
    return Pool(chain=CHAIN, endpoints=endpoints, rules=rules, book=HealthBook(), reporter=reporter or Kept())


@pytest.fixture(scope="module")
def market() -> Iterator[Uniswap]:
    with anvil() as node:
        yield uniswap_deploy(node)


@pytest.fixture
def trader(market: Uniswap) -> str:
    """An account with money; what a test changes is taken back by the snapshot of `clean`."""
    return checksum_address(market.node.call("eth_accounts")[3])


@pytest.fixture(autouse=True)
def clean(market: Uniswap) -> Iterator[None]:
    kept = market.node.call("evm_snapshot")
    yield
    market.node.call("evm_revert", kept)


def deploy(node: Node, owner: str, name: str, types: tuple[str, ...] = (), values: tuple[Any, ...] = ()) -> str:
    receipt = mined(node, {"from": owner, "data": CODE[name] + encode(types, values).hex()})
    return checksum_address(receipt["contractAddress"])


def strange(
    node: Node, owner: str, oddity: int, *, name: str = "ODD", places: int = 6, has_places: bool = True
) -> str:
    kinds = ("uint8", "string", "uint8", "bool")
    return deploy(node, owner, "StrangeToken", kinds, (oddity, name, places, has_places))


def run(market: Uniswap, *calls: Call, **how: Any) -> tuple[Simulation, ...]:  # noqa: ANN401 - sequence_simulate's
    return sequence_simulate(pool_of(market.node.url), calls, **how)


def call(sender: str, to: str, signature: str, *values: object) -> Call:
    types = signature.partition("(")[2].rstrip(")")
    data = selector_of(signature) + encode([t for t in types.split(",") if t], values)
    return Call(sender=sender, to=to, value=0, data=data)


def changes(simulation: Simulation, account: str) -> dict[str, int]:
    return simulation.changes_of(account)


@pytest.mark.parametrize(("million", "loss"), [(1, 20), (2, 71), (3, 143), (5, 298)])
def test_a_swap_on_uniswap_v3_loses_what_was_measured(market: Uniswap, trader: str, million: int, loss: int) -> None:
    amount = million * 10**12
    market.fund(trader, amount)
    market.approve(trader, amount)
    (found,) = run(market, Call(sender=trader, to=market.router, value=0, data=market.swap_data(amount, trader)))
    weth, usdc = token_asset(CHAIN, market.weth), token_asset(CHAIN, market.usdc)
    got = changes(found, trader)
    assert (found.succeeded, found.whole, found.notes, found.method) == (True, True, (), Method.SIMULATE)
    assert got[usdc] == -amount
    received = got[weth]
    # Loss in basis points, rounded to the nearest as the notes do: 2,500 dollars a coin.
    assert (10_000 * amount * 10**18 - received * 2_500 * 10**6 * 10_000) // (amount * 10**18) in (loss - 1, loss)
    assert {delta.account for delta in found.deltas} == {trader, market.pool}
    assert all(not change.is_larger for change in found.allowances)


def test_a_swap_that_is_mined_does_what_was_simulated(market: Uniswap, trader: str) -> None:
    market.fund(trader, 10**12)
    market.approve(trader, 10**12)
    swap = Call(sender=trader, to=market.router, value=0, data=market.swap_data(10**12, trader))
    (found,) = run(market, swap)
    receipt = mined(
        market.node, {"from": trader, "to": swap.to, "data": "0x" + swap.data.hex(), "gas": hex(found.gas_limit)}
    )
    asked = {"to": market.weth, "data": "0x70a08231" + "00" * 12 + trader[2:]}
    held = int(market.node.call("eth_call", asked, "latest"), 16)
    assert held == changes(found, trader)[token_asset(CHAIN, market.weth)]
    assert int(receipt["gasUsed"], 16) <= found.gas_used <= found.gas_limit


def test_frames_say_who_calls_whom(market: Uniswap, trader: str) -> None:
    market.fund(trader, 10**12)
    market.approve(trader, 10**12)
    (found,) = run(market, Call(sender=trader, to=market.router, value=0, data=market.swap_data(10**12, trader)))
    assert found.frames is not None
    assert [(frame.depth, frame.target) for frame in found.frames[:3]] == [
        (0, market.router),
        (1, market.pool),
        (2, market.weth),
    ]
    assert found.frames[0].selector == "0x414bf389"
    assert not any(frame.delegate or frame.reentered or frame.failed or frame.creates for frame in found.frames)


def test_approve_then_swap_is_simulated_as_a_sequence(market: Uniswap, trader: str) -> None:
    amount = 10**12
    market.fund(trader, amount)
    approve = call(trader, market.usdc, APPROVE, market.router, amount)
    swap = Call(sender=trader, to=market.router, value=0, data=market.swap_data(amount, trader))
    alone = run(market, swap)[0]
    assert (alone.succeeded, alone.reason) == (False, "STF")
    first, second = run(market, approve, swap)
    assert [one.succeeded for one in (first, second)] == [True, True]
    assert [(a.spender, a.before, a.after, a.is_larger) for a in first.allowances] == [
        (market.router, 0, amount, True)
    ]
    assert first.deltas == ()
    assert changes(second, trader)[token_asset(CHAIN, market.usdc)] == -amount
    # The token says nothing when an allowance is used up, so only the first call's events speak of it.
    assert second.allowances == ()
    assert second.frames is not None
    assert [frame.failed for frame in second.frames] == [False] * 7


@pytest.mark.parametrize("oddity", [PLAIN, NOTHING])
def test_ordinary_tokens_are_measured_whole(market: Uniswap, trader: str, oddity: int) -> None:
    token = strange(market.node, trader, oddity)
    (found,) = run(market, Call(sender=trader, to=token, value=0, data=encode_transfer(market.owner, 500)))
    asset = token_asset(CHAIN, token)
    assert (found.whole, found.notes) == (True, ())
    assert set(found.deltas) == {
        AssetDelta(asset=asset, account=trader, change=-500),
        AssetDelta(asset=asset, account=market.owner, change=500),
    }


def test_a_token_that_answers_false_moves_nothing(market: Uniswap, trader: str) -> None:
    token = strange(market.node, trader, FALSE)
    (found,) = run(market, Call(sender=trader, to=token, value=0, data=encode_transfer(market.owner, 500)))
    assert (found.succeeded, found.deltas) == (True, ())


def test_a_fee_on_transfer_is_seen_where_it_goes(market: Uniswap, trader: str) -> None:
    token = strange(market.node, trader, FEE)
    (found,) = run(market, Call(sender=trader, to=token, value=0, data=encode_transfer(market.owner, 500)))
    asset = token_asset(CHAIN, token)
    assert changes(found, market.owner) == {asset: 495}
    assert changes(found, token) == {asset: 5}
    assert changes(found, trader) == {asset: -500}


def test_a_token_that_lies_in_its_events_is_taken_at_its_balances(market: Uniswap, trader: str) -> None:
    token = strange(market.node, trader, LIES)
    (found,) = run(market, Call(sender=trader, to=token, value=0, data=encode_transfer(market.owner, 500)))
    assert changes(found, trader) == {token_asset(CHAIN, token): -500}
    assert not found.whole
    assert found.notes == (f"{token} moves -500 by its balances and -250 by its events",)


def test_a_rebase_is_seen_as_what_it_is(market: Uniswap, trader: str) -> None:
    token = strange(market.node, trader, REBASES)
    (found,) = run(market, Call(sender=trader, to=token, value=0, data=encode_transfer(market.owner, 500)))
    assert changes(found, trader) == {token_asset(CHAIN, token): FULL - 1_000}
    assert not found.whole


def test_a_silent_token_is_seen_if_it_is_watched(market: Uniswap, trader: str) -> None:
    token = strange(market.node, trader, SILENT)
    transfer = Call(sender=trader, to=token, value=0, data=encode_transfer(market.owner, 500))
    assert run(market, transfer)[0].deltas == ()
    (found,) = run(market, transfer, watched=[token])
    assert changes(found, trader) == {token_asset(CHAIN, token): -500}
    assert not found.whole


def test_a_token_that_burns_gas_when_asked_is_not_believed_whole(market: Uniswap, trader: str) -> None:
    token = strange(market.node, trader, BURNS)
    (found,) = run(market, Call(sender=trader, to=token, value=0, data=encode_transfer(market.owner, 500)))
    assert (found.succeeded, found.whole, found.notes) == (True, False, (f"{token} does not tell balances",))


def test_a_reentered_frame_is_marked(market: Uniswap, trader: str) -> None:
    token = strange(market.node, trader, CALLS_BACK)
    greedy = deploy(market.node, trader, "Greedy")
    (found,) = run(market, Call(sender=trader, to=token, value=0, data=encode_transfer(greedy, 500)))
    assert found.frames is not None
    assert [frame.reentered for frame in found.frames] == [False, False, True, True]
    assert found.succeeded


def test_delegatecalls_and_creations_are_marked(market: Uniswap, trader: str) -> None:
    runner, other = deploy(market.node, trader, "Runner"), deploy(market.node, trader, "Runner")
    foreign = call(trader, runner, "runElsewhere(address,bytes)", other, selector_of("make()"))
    (found,) = run(market, foreign)
    assert found.frames is not None
    assert [frame.kind for frame in found.frames] == ["CALL", "DELEGATECALL", "CREATE"]
    assert [frame.delegate for frame in found.frames] == [False, True, False]
    assert len(found.created) == 1


@pytest.mark.parametrize(
    ("signature", "values", "words"),
    [
        ("failWithWords()", (), "words with <b>markup</b>"),
        ("failWithError()", (), "custom error 0x"),
        ("failByArithmetic(uint256)", (2,), "panic 0x11: arithmetic overflow"),
        ("failWithLongWords()", (), "A" * 200),
        ("noSuchFunction()", (), "failed"),
    ],
)
def test_a_revert_says_why_in_short(
    market: Uniswap, trader: str, signature: str, values: tuple[object, ...], words: str
) -> None:
    runner = deploy(market.node, trader, "Runner")
    (found,) = run(market, call(trader, runner, signature, *values))
    assert not found.succeeded
    assert words in found.reason
    assert len(found.reason) <= 200
    assert (found.deltas, found.claim) == ((), "failed")


def test_more_frames_than_are_read_are_not_half_told(market: Uniswap, trader: str) -> None:
    runner = deploy(market.node, trader, "Runner")
    (found,) = run(market, call(trader, runner, "many(uint256)", MOST_FRAMES))
    assert (found.succeeded, found.frames) == (True, None)


def test_calldata_of_128_kib_is_simulated(market: Uniswap, trader: str) -> None:
    (found,) = run(market, Call(sender=trader, to=market.owner, value=1, data=b"\x01" * 128 * 1024))
    assert found.succeeded
    assert changes(found, trader) == {NATIVE: -1}


def test_without_simulation_the_tracer_tells_events(market: Uniswap, trader: str) -> None:
    market.fund(trader, 10**12)
    market.approve(trader, 10**12)
    swap = Call(sender=trader, to=market.router, value=0, data=market.swap_data(10**12, trader))
    (best,) = run(market, swap)
    with LyingNode(market.node.url) as proxy:
        missing = {"error": {"code": -32601, "message": "Method not found"}}
        proxy.lie("eth_simulateV1", Lie.ANSWER, answer=missing)
        (found,) = sequence_simulate(pool_of(proxy.url), [swap])
        assert (found.method, found.deltas, found.gas_used) == (Method.TRACE, best.deltas, best.gas_used)
        assert not found.whole
        proxy.lie("debug_traceCall", Lie.ANSWER, answer=missing)
        (found,) = sequence_simulate(pool_of(proxy.url), [swap])
        assert (found.method, found.succeeded, found.effects_known) == (Method.CALL, True, False)
        bad = Call(sender=trader, to=market.router, value=0, data=market.swap_data(10**13, trader))
        (failed,) = sequence_simulate(pool_of(proxy.url), [bad])
        assert (failed.succeeded, failed.reason) == (False, "STF")


def test_two_nodes_that_say_the_same_agree_and_are_named(market: Uniswap, trader: str) -> None:
    payment = Call(sender=trader, to=market.owner, value=7, data=b"")
    (found,) = sequence_simulate(pool_of(market.node.url, market.node.url, least=2), [payment])
    assert found.node == "n0, n1"


def test_nodes_that_disagree_block(market: Uniswap, trader: str) -> None:
    payment = Call(sender=trader, to=market.owner, value=7, data=b"")
    kept = Kept()
    with LyingNode(market.node.url) as proxy:
        fine = {
            "result": [
                {"parentHash": "0x" + "00" * 32, "calls": [{"status": "0x1", "gasUsed": "0x5208", "logs": []}]}
            ]
        }
        proxy.lie("eth_simulateV1", Lie.ANSWER, answer=fine)
        with pytest.raises(NoSimulationError, match="contradict"):
            sequence_simulate(pool_of(market.node.url, proxy.url, least=2, reporter=kept), [payment])
    assert len(kept.disagreements) == 1


@pytest.mark.parametrize(
    "result", [[], {}, None, [{"calls": []}], [{"calls": [{"status": "0x2", "gasUsed": "0x1"}]}]]
)
def test_an_answer_that_makes_no_sense_blocks(market: Uniswap, trader: str, result: object) -> None:
    with LyingNode(market.node.url) as proxy:
        proxy.lie("eth_simulateV1", Lie.ANSWER, answer={"result": result})
        with pytest.raises(NoSimulationError):
            sequence_simulate(pool_of(proxy.url), [Call(sender=trader, to=market.owner, value=7, data=b"")])


def test_a_trace_that_makes_no_sense_only_costs_the_frames(market: Uniswap, trader: str) -> None:
    with LyingNode(market.node.url) as proxy:
        proxy.lie("debug_traceCall", Lie.ANSWER, answer={"result": {"type": "CALL", "to": "nobody"}})
        (found,) = sequence_simulate(pool_of(proxy.url), [Call(sender=trader, to=market.owner, value=7, data=b"")])
    assert (found.succeeded, found.frames) == (True, None)


def test_a_sequence_has_an_end_and_one_sender(market: Uniswap, trader: str) -> None:
    payment = Call(sender=trader, to=market.owner, value=7, data=b"")
    for calls in ([], [payment] * 9, [payment, Call(sender=market.owner, to=trader, value=1, data=b"")]):
        with pytest.raises(ValueError, match="of one sender"):
            sequence_simulate(pool_of(market.node.url), calls)


def test_the_parent_block_is_named(market: Uniswap, trader: str) -> None:
    (found,) = run(market, Call(sender=trader, to=market.owner, value=7, data=b""))
    head = market.node.call("eth_getBlockByNumber", hex(found.block_number), *[False])
    assert "0x" + found.block_hash == head["hash"]
