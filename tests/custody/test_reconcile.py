"""Wallets against our own ledger, block by block, on a real chain: what left without us is an alarm at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from audit.models import AuditAlarm, AuditEntry
from chains.services import asset_create, node_create
from core.calldata import encode_transfer
from core.custody_lifecycle import JobState
from core.evm import Type2, finish_signature
from core.names import token_asset
from custody.ledger import Holding, OwnTransaction, TokenMove, outflows_judge
from custody.models import BalancePoint, LedgerCursor, StrangeOutflow
from custody.reconcile import reconcile_sweep, wallet_reconcile
from custody.selectors import wallet_list
from demo.services.anvil import anvil
from tests.chains.contracts import deploy
from tests.factories.world import CHAIN, ETHER, NATIVE, STRANGER

if TYPE_CHECKING:
    from tests.custody.conftest import Line

COIN, TOKEN = NATIVE, f"{CHAIN}/erc20:0x0000000000000000000000000000000000000001"


def looked(line: Line) -> int:
    """Reconcile the wallet."""
    (wallet,) = wallet_list()
    assert wallet.caip10 == line.world.wallet
    return wallet_reconcile(wallet=wallet, now=timezone.now())


def foreign(line: Line, nonce: int, to: str = STRANGER, value: int = 7, data: bytes = b"") -> None:
    """Use the wallet's key behind custody's back, and have it mined."""
    other = Type2(
        chain_id=31337,
        nonce=nonce,
        max_priority_fee_per_gas=3 * 10**9,
        max_fee_per_gas=200 * 10**9,
        gas=90_000,
        to=to,
        value=value,
        data=data,
    )
    device = line.world.wallet_key.sign_recoverable(other.signing_hash, hasher=None)[:64]
    raw = other.signed(finish_signature(other.signing_hash, device, line.world.wallet_public_key))
    line.node.call("eth_sendRawTransaction", "0x" + raw.hex())


@pytest.mark.anvil
def test_our_own_payments_explain_themselves(line: Line) -> None:
    looked(line)
    job = line.sweep_until(line.hand_over(), JobState.INCLUDED)
    line.mine(2)
    assert looked(line) == 3
    line.sweep_until(job, JobState.CONFIRMED)
    assert looked(line) == 0
    assert not StrangeOutflow.objects.exists()
    first, last = BalancePoint.objects.order_by("pk").values_list("amount", flat=True)
    assert ETHER < first - last < ETHER + 10**16
    assert LedgerCursor.objects.get().nonce == 1


@pytest.mark.anvil
def test_an_outflow_that_we_did_not_make_is_an_alarm_within_one_block(line: Line) -> None:
    looked(line)
    foreign(line, 0)
    assert looked(line) == 1
    words = list(StrangeOutflow.objects.order_by("pk").values_list("words", "amount"))
    assert "nonce 0 was consumed" in words[0][0]
    assert words[1][1] > 7
    alarms = AuditEntry.objects.filter(tag="custody:outflow:strange", severity="critical")
    assert alarms.count() == 2
    line.mine()
    looked(line)
    assert alarms.count() == 2


@pytest.mark.anvil
def test_a_balance_that_falls_without_a_transaction_is_an_alarm_and_one_that_rises_is_not(line: Line) -> None:
    looked(line)
    address = line.world.wallet.rpartition(":")[2]
    line.node.call("anvil_setBalance", address, hex(2000 * ETHER))
    line.mine()
    looked(line)
    assert not StrangeOutflow.objects.exists()
    line.node.call("anvil_setBalance", address, hex(1999 * ETHER))
    line.mine()
    looked(line)
    assert StrangeOutflow.objects.get().amount == ETHER


@pytest.mark.anvil
def test_tokens_that_somebody_else_moves_are_an_alarm_and_name_the_transaction(line: Line) -> None:
    owner = line.node.call("eth_accounts")[0]
    contract = deploy(line.node, owner, "DemoToken", ["Dollar", "USDX", 6, 10**12])
    name = token_asset(CHAIN, contract)
    asset_create(actor="x", caip19=name, symbol="USDX", name="Dollar", decimals=6)
    address = line.world.wallet.rpartition(":")[2]
    call = {"from": owner, "to": contract, "data": "0x" + encode_transfer(address, 5_000_000).hex()}
    line.node.call("eth_sendTransaction", call)
    line.mine()
    looked(line)
    assert BalancePoint.objects.get(asset=name).amount == 5_000_000
    foreign(line, 0, to=contract, value=0, data=encode_transfer(STRANGER, 1_000_000))
    looked(line)
    moved = StrangeOutflow.objects.get(asset=name)
    assert (moved.amount, len(moved.transaction_hash)) == (1_000_000, 64)


@pytest.mark.anvil
def test_a_reorganisation_is_looked_at_again_from_the_settled_block(line: Line) -> None:
    line.mine(3)
    looked(line)
    line.mine(8)
    looked(line)
    cursor = LedgerCursor.objects.get()
    assert cursor.final_number == cursor.block_number - 3
    job = line.sweep_until(line.hand_over(), JobState.INCLUDED)
    looked(line)
    line.node.call("anvil_reorg", 1, [])
    looked(line)
    assert LedgerCursor.objects.get().nonce == 0
    line.sweep_until(job, JobState.LIVE)
    line.sweep_until(job, JobState.INCLUDED)
    line.mine()
    looked(line)
    assert LedgerCursor.objects.get().nonce == 1
    assert not StrangeOutflow.objects.exists()


@pytest.mark.anvil
def test_a_low_balance_warns_until_it_is_filled_up(line: Line) -> None:
    line.rule(gas_low=5000 * ETHER)
    looked(line)
    assert LedgerCursor.objects.get().gas_low
    assert AuditAlarm.objects.filter(tag="custody:gas:low", closed_us__isnull=True).count() == 1
    line.rule(gas_low=ETHER)
    line.mine()
    looked(line)
    assert not LedgerCursor.objects.get().gas_low
    assert not AuditAlarm.objects.filter(tag="custody:gas:low", closed_us__isnull=True).exists()


@pytest.mark.anvil
def test_nodes_that_disagree_stop_it_and_it_says_so(line: Line) -> None:
    reconcile_sweep(now=timezone.now())
    with anvil() as other:
        other.call("anvil_mine", hex(4))
        node_create(actor="x", chain=CHAIN, label="other", url=other.url, priority=20)
        line.mine(4)
        LedgerCursor.objects.update(looked_at="2020-01-01T00:00:00Z")
        reconcile_sweep(now=timezone.now())
    assert LedgerCursor.objects.get().problem
    assert not StrangeOutflow.objects.exists()


def holding(nonce: int, coin: int | None, token: int | None = 0) -> Holding:
    return Holding(nonce=nonce, amounts={COIN: coin, TOKEN: token})


def paid(nonce: int, coin: int, token: int = 0) -> OwnTransaction:
    return OwnTransaction(transaction_hash=f"{nonce:064x}", nonce=nonce, spent={COIN: coin, TOKEN: token})


def test_what_we_signed_explains_what_left() -> None:
    after = holding(2, 70, 5)
    assert outflows_judge(before=holding(1, 100, 10), after=after, own=[paid(1, 30, 5)], moves=[]) == ()
    assert outflows_judge(before=holding(1, 100, 10), after=after, own=[paid(1, 40, 9)], moves=[]) == ()


def test_an_inflow_does_not_hide_a_taken_token() -> None:
    move = TokenMove(transaction_hash="f" * 64, asset=TOKEN, amount=4)
    (found,) = outflows_judge(before=holding(1, 100, 10), after=holding(1, 100, 50), own=[], moves=[move])
    assert (found.asset, found.amount, found.transaction_hash) == (TOKEN, 4, "f" * 64)


def test_one_finding_is_not_told_twice() -> None:
    move = TokenMove(transaction_hash="f" * 64, asset=TOKEN, amount=4)
    found = outflows_judge(before=holding(1, 100, 10), after=holding(1, 100, 6), own=[], moves=[move])
    assert len(found) == 1


def test_what_a_contract_does_not_say_is_not_guessed() -> None:
    assert outflows_judge(before=holding(1, 9, None), after=holding(1, 9, 0), own=[], moves=[]) == ()
    assert outflows_judge(before=holding(1, 9, 5), after=holding(1, 9, None), own=[], moves=[]) == ()


def test_the_greatest_amounts_are_compared_exactly() -> None:
    most = 2**256 - 1
    (found,) = outflows_judge(before=holding(0, most), after=holding(0, most - 1), own=[], moves=[])
    assert found.amount == 1
