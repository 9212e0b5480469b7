"""Nodes that are down, slow, lying or on another chain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from audit.models import AuditEntry
from chains.models import Node
from chains.services import node_create, node_restart
from core.custody_lifecycle import JobState
from custody.models import BroadcastAttempt, Job, Transmission
from demo.services.processes import free_port
from tests.factories.world import CHAIN
from tests.fakes.proxy import Lie

if TYPE_CHECKING:
    from tests.custody.conftest import Line

pytestmark = pytest.mark.anvil
SEND = "eth_sendRawTransaction"


def _due(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(due_at=timezone.now())


@pytest.mark.parametrize("lie", [Lie.SILENT_AFTER_ACCEPT, Lie.DROP_AFTER_ACCEPT, Lie.HALF_AFTER_ACCEPT])
def test_accepted_then_silent_is_ambiguous_and_never_a_second_payment(line: Line, lie: Lie) -> None:
    line.proxy.lie(SEND, lie, times=1)
    job = line.sweep_until(line.hand_over(), JobState.INCLUDED)
    assert list(BroadcastAttempt.objects.values_list("outcome", flat=True)) == ["ambiguous"]
    assert Transmission.objects.count() == line.mined_count() == 1
    line.mine(3)
    line.sweep_until(job, JobState.CONFIRMED)


@pytest.mark.parametrize("lie", [Lie.DROP, Lie.HTML, Lie.HALF, Lie.HUGE, Lie.STATUS_500])
def test_lost_sends_are_repeated_with_the_same_bytes(line: Line, lie: Lie) -> None:
    line.proxy.lie(SEND, lie, times=1)
    job = line.sweep_until(line.hand_over(), JobState.LIVE)
    assert line.mined_count() == 0
    line.sweep_until(job, JobState.INCLUDED)
    assert Transmission.objects.count() == line.mined_count() == 1
    assert list(BroadcastAttempt.objects.values_list("outcome", flat=True)) == ["ambiguous", "accepted"]


def test_already_known_is_success(line: Line) -> None:
    line.automine(on=False)
    job = line.sweep_until(line.hand_over(), JobState.LIVE)
    Transmission.objects.update(sent_at=None)
    _due(job)
    line.sweep_until(job, JobState.LIVE)
    assert list(BroadcastAttempt.objects.values_list("outcome", flat=True)) == ["accepted", "known"]
    line.mine()
    line.sweep_until(job, JobState.INCLUDED)


def test_a_dropped_transaction_is_sent_again(line: Line) -> None:
    line.automine(on=False)
    job = line.sweep_until(line.hand_over(), JobState.LIVE)
    line.node.call("anvil_dropAllTransactions")
    line.automine(on=True)
    line.sweep_until(job, JobState.INCLUDED)
    assert Transmission.objects.count() == line.mined_count() == 1


def test_every_node_is_tried(line: Line) -> None:
    node_create(actor="x", chain=CHAIN, label="down", url=f"http://127.0.0.1:{free_port()}", priority=1)
    node_create(actor="x", chain=CHAIN, label="second", url=line.node.url, priority=20)
    line.sweep_until(line.hand_over(), JobState.INCLUDED)
    outcomes = set(BroadcastAttempt.objects.values_list("node", "outcome"))
    # The first node has mined it at once, so the second one knows the nonce as used: a refusal that harms nobody.
    assert {("down", "down"), ("anvil", "accepted")} < outcomes
    assert len(outcomes) == 3


def test_all_nodes_down_while_signed_stays_live_and_is_sent_later(line: Line) -> None:
    line.proxy.lie(SEND, Lie.ANSWER, answer={"error": {"code": -32000, "message": "insufficient funds"}}, times=1)
    job = line.sweep_until(line.hand_over(), JobState.SIGNED)
    line.sweep_until_trouble(job, "unsent")
    assert job.state == JobState.SIGNED
    assert "insufficient funds" in job.error
    assert AuditEntry.objects.filter(subject=job.intent_digest, tag="custody:job:waits", severity="alarm").exists()
    line.sweep_until(job, JobState.INCLUDED)


def test_bytes_that_somebody_else_sent_are_found(line: Line) -> None:
    line.proxy.lie(SEND, Lie.ANSWER, answer={"error": {"code": -32000, "message": "no"}})
    job = line.sweep_until(line.hand_over(), JobState.SIGNED)
    line.node.call(SEND, "0x" + bytes(Transmission.objects.get(job=job).raw).hex())
    line.sweep_until(job, JobState.INCLUDED)


def test_a_node_of_another_chain_is_stopped(line: Line) -> None:
    job = line.hand_over()
    line.proxy.lie("eth_chainId", Lie.ANSWER, answer={"result": "0x1"})
    line.sweep_until_trouble(job, "node")
    node = Node.objects.get(label="anvil")
    assert "serves chain 1" in node.stopped_reason
    assert AuditEntry.objects.filter(tag="chains:node:wrong_chain", severity="alarm").count() == 1
    assert job.state == JobState.QUEUED
    line.proxy.behave()
    _due(job)
    line.sweep_until(job, JobState.QUEUED)
    assert line.proxy.calls[SEND] == 0
    node_restart(actor="x", node_id=node.pk)
    line.sweep_until(job, JobState.INCLUDED)


def test_a_node_that_changes_its_chain_before_the_send_gets_nothing(line: Line) -> None:
    line.signer.down = True
    job = line.sweep_until(line.hand_over(), JobState.WAITING)
    line.signer.down = False
    line.proxy.lie("eth_chainId", Lie.ANSWER, answer={"result": "0x1"})
    line.sweep_until_trouble(job, "unsent")
    assert line.proxy.calls[SEND] == 0
    assert set(BroadcastAttempt.objects.values_list("outcome", flat=True)) <= {"wrong_chain"}
