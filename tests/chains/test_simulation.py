"""What a simulation says about native and token transfers, and what is not believed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import transaction

from chains.errors import NoSimulationError
from chains.guards import InsideTransactionError
from chains.simulating import transaction_simulate
from chains.simulation import AssetDelta
from core.calldata import encode_transfer
from core.names import native_asset, token_asset
from tests.chains.conftest import CHAIN, SUPPLY
from tests.fakes.proxy import Lie

if TYPE_CHECKING:
    from tests.chains.conftest import Bench

pytestmark = pytest.mark.anvil
METHOD = "eth_simulateV1"


def _set(*deltas: tuple[str, str, int]) -> set[AssetDelta]:
    return {AssetDelta(asset=asset, account=account, change=change) for asset, account, change in deltas}


def test_native_transfer(configured: Bench) -> None:
    rich, other = configured.rich, configured.other
    result = transaction_simulate(chain=CHAIN, sender=rich, to=other, value=7, data=b"")
    assert (result.succeeded, result.claim, result.gas_used, result.gas_limit) == (True, "ok", 21_000, 26_250)
    native = native_asset(CHAIN)
    assert set(result.deltas) == _set((native, rich, -7), (native, other, 7))


def test_token_transfer_at_a_named_block(configured: Bench) -> None:
    rich, other, contract = configured.rich, configured.other, configured.deploy_token()
    data = encode_transfer(other, 250)
    result = transaction_simulate(chain=CHAIN, sender=rich, to=contract, value=0, data=data)
    token = token_asset(CHAIN, contract)
    assert set(result.deltas) == _set((token, rich, -250), (token, other, 250))
    assert result.block_number == 1
    before = transaction_simulate(chain=CHAIN, sender=rich, to=contract, value=0, data=data, block=0)
    assert (before.block_number, before.deltas) == (0, ())  # there was no contract yet


def test_the_gas_limit_is_enough_when_mined(configured: Bench) -> None:
    rich, contract = configured.rich, configured.deploy_token()
    data = encode_transfer(configured.other, 250)
    result = transaction_simulate(chain=CHAIN, sender=rich, to=contract, value=0, data=data)
    call = {"from": rich, "to": contract, "data": "0x" + data.hex(), "gas": hex(result.gas_limit)}
    receipt = configured.mined(call)
    assert int(receipt["status"], 16) == 1
    assert int(receipt["gasUsed"], 16) <= result.gas_used <= result.gas_limit


def test_reverts_say_why(configured: Bench) -> None:
    rich, other, contract = configured.rich, configured.other, configured.deploy_token()
    token = {"chain": CHAIN, "sender": rich, "to": contract, "value": 0}
    too_much = transaction_simulate(**token, data=encode_transfer(other, SUPPLY + 1))  # type: ignore[arg-type]
    assert (too_much.succeeded, too_much.claim, too_much.deltas) == (False, "failed", ())
    assert too_much.reason.startswith("custom error 0x")
    freeze = "0xbf120ae5" + "00" * 12 + other[2:].lower() + "00" * 31 + "01"
    configured.mined({"from": rich, "to": contract, "data": freeze})
    frozen = transaction_simulate(**token, data=encode_transfer(other, 1))  # type: ignore[arg-type]
    assert frozen.reason == "frozen"


def test_what_cannot_be_paid_is_an_outcome(configured: Bench) -> None:
    result = transaction_simulate(chain=CHAIN, sender=configured.rich, to=configured.other, value=10**30, data=b"")
    assert not result.succeeded
    assert result.reason


def test_too_little_gas_is_an_outcome(configured: Bench) -> None:
    contract = configured.deploy_token()
    data = encode_transfer(configured.other, 1)
    result = transaction_simulate(chain=CHAIN, sender=configured.rich, to=contract, value=0, data=data, gas=22_000)
    assert not result.succeeded


@pytest.mark.parametrize(
    "answer", [{"error": {"code": -32601, "message": "Method not found"}}, {"error": {"code": 1, "message": "?"}}]
)
def test_without_a_simulation_nothing_is_assumed(configured: Bench, answer: dict[str, object]) -> None:
    for method in (METHOD, "debug_traceCall", "eth_call"):
        configured.proxy.lie(method, Lie.ANSWER, answer=answer)
    with pytest.raises(NoSimulationError, match="no simulation"):
        transaction_simulate(chain=CHAIN, sender=configured.rich, to=configured.other, value=1, data=b"")


@pytest.mark.parametrize(
    "result",
    [
        [],
        {},
        [{"calls": []}],
        [{"parentHash": "0x" + "11" * 32, "calls": [{"status": "0x1", "gasUsed": "0x1", "logs": []}]}],
    ],
)
def test_an_answer_that_contradicts_itself_is_refused(configured: Bench, result: object) -> None:
    configured.proxy.lie(METHOD, Lie.ANSWER, answer={"result": result})
    with pytest.raises(NoSimulationError):
        transaction_simulate(chain=CHAIN, sender=configured.rich, to=configured.other, value=1, data=b"")


def test_never_inside_a_transaction(configured: Bench) -> None:
    with pytest.raises(InsideTransactionError), transaction.atomic():
        transaction_simulate(chain=CHAIN, sender=configured.rich, to=configured.other, value=1, data=b"")
