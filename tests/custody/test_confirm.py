"""Depth, reorganisations, reverts, and nonces that others consume."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from audit.models import AuditEntry
from chains.models import Node
from chains.services import node_create
from core.custody_lifecycle import JobState
from core.evm import Type2, finish_signature
from custody.models import Confirmation
from demo.services.anvil import anvil
from tests.factories.world import CHAIN, ETHER, LISTED
from tests.fakes.proxy import Lie

if TYPE_CHECKING:
    from tests.custody.conftest import Line

pytestmark = pytest.mark.anvil


def _statuses() -> list[str]:
    return list(Confirmation.objects.values_list("status", flat=True))


def test_nothing_is_final_before_the_depth(line: Line) -> None:
    job = line.sweep_until(line.hand_over(), JobState.INCLUDED)
    line.mine()
    line.sweep_until(job, JobState.INCLUDED)
    assert job.state == JobState.INCLUDED
    line.mine()
    line.sweep_until(job, JobState.CONFIRMED)
    assert _statuses() == ["final"]


def test_a_reorganisation_takes_the_sighting_back_and_the_same_bytes_are_mined_once(line: Line) -> None:
    before = line.balance(LISTED)
    line.mine(5)
    job = line.sweep_until(line.hand_over(), JobState.INCLUDED)
    line.mine()
    line.sweep_until(job, JobState.INCLUDED)
    line.node.call("anvil_reorg", 2, [])
    assert line.mined_count() == 0
    line.sweep_until(job, JobState.LIVE)
    assert AuditEntry.objects.filter(tag="custody:attempt:reorged", severity="alarm").count() == 1
    line.sweep_until(job, JobState.INCLUDED)
    line.mine(2)
    line.sweep_until(job, JobState.CONFIRMED)
    assert _statuses() == ["reorged", "final"]
    assert line.balance(LISTED) - before == ETHER


def test_a_reverted_transaction_is_failed_only_at_depth(line: Line) -> None:
    # A contract that always reverts (PUSH0 PUSH0 REVERT), where the whitelist expects an account.
    job = line.hand_over()
    line.node.call("anvil_setCode", LISTED, "0x5f5ffd")
    line.sweep_until(job, JobState.INCLUDED)
    assert not Confirmation.objects.get().succeeded
    line.mine(2)
    line.sweep_until(job, JobState.FAILED)
    assert job.error_code == "reverted"


def _foreign(line: Line, nonce: int) -> None:
    """Sign with the wallet's key behind custody's back, and have it mined."""
    other = Type2(
        chain_id=31337,
        nonce=nonce,
        max_priority_fee_per_gas=3 * 10**9,
        max_fee_per_gas=200 * 10**9,
        gas=21_000,
        to=LISTED,
        value=1,
        data=b"",
    )
    key = line.world.wallet_key
    device = key.sign_recoverable(other.signing_hash, hasher=None)[:64]
    raw = other.signed(finish_signature(other.signing_hash, device, line.world.wallet_public_key))
    line.node.call("eth_sendRawTransaction", "0x" + raw.hex())


def test_a_nonce_that_others_consumed_supersedes_the_job_once_proven(line: Line) -> None:
    line.automine(on=False)
    job = line.sweep_until(line.hand_over(), JobState.LIVE)
    line.node.call("anvil_dropAllTransactions")
    _foreign(line, 0)
    line.mine()
    line.sweep_until(job, JobState.LIVE)
    assert job.state == JobState.LIVE  # consumed, but not at depth: a reorganisation could still undo it
    line.mine(2)
    line.sweep_until(job, JobState.SUPERSEDED)
    assert AuditEntry.objects.filter(tag="custody:job:superseded", severity="critical").count() == 1


def test_nodes_that_disagree_make_nothing_final(line: Line) -> None:
    job = line.sweep_until(line.hand_over(), JobState.INCLUDED)
    line.mine(2)
    with anvil() as other:
        other.call("anvil_mine", hex(9))
        node_create(actor="x", chain=CHAIN, label="other", url=other.url, priority=20)
        line.sweep_until_trouble(job, "nodes_disagree")
        assert _statuses() == ["included"]
    # Gone, it says nothing; half of the nodes are no majority, until somebody takes the dead one out.
    line.sweep_until_trouble(job, "nodes_silent")
    assert _statuses() == ["included"]
    Node.objects.filter(label="other").update(enabled=False)
    line.sweep_until(job, JobState.CONFIRMED)


def test_a_lying_node_beside_a_silent_one_supersedes_nothing(line: Line) -> None:
    line.automine(on=False)
    job = line.sweep_until(line.hand_over(), JobState.LIVE)
    line.node.call("anvil_dropAllTransactions")
    _foreign(line, 0)
    line.mine(3)
    node_create(actor="x", chain=CHAIN, label="dead", url="http://127.0.0.1:9", priority=20)
    with pytest.raises(AssertionError):
        line.sweep_until(job, JobState.SUPERSEDED, seconds=1.5)
    assert job.state == JobState.LIVE
    Node.objects.filter(label="dead").delete()
    line.sweep_until(job, JobState.SUPERSEDED)


def test_a_receipt_of_another_transaction_is_not_believed(line: Line) -> None:
    line.automine(on=False)
    job = line.sweep_until(line.hand_over(), JobState.LIVE)
    forged = {
        "transactionHash": "0x" + "11" * 32,
        "blockHash": "0x" + "22" * 32,
        "blockNumber": "0x1",
        "status": "0x1",
        "gasUsed": "0x5208",
    }
    line.proxy.lie("eth_getTransactionReceipt", Lie.ANSWER, answer={"result": forged})
    line.sweep_until(job, JobState.LIVE)
    assert _statuses() == []
