"""Whose word a lane's first nonce is, who is sent what trades, and what a lane waits for, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.core.management import call_command

from chains.models import Node
from chains.services import node_create
from core.custody_lifecycle import JobState
from core.documents.mandate import Intent
from custody.broadcast import nodes_to_send, trades
from custody.lane_view import behind_words, gwei_words, lane_view
from custody.models import Job, NonceLane
from custody.nonces import LaneStatus, Reading, nonce_agreed, nonce_next, nonce_returns, refusal_read
from custody.selectors import wallet_list
from demo.services.anvil import anvil
from tests.factories.world import CHAIN, LISTED

if TYPE_CHECKING:
    from tests.custody.conftest import Line


@pytest.mark.anvil
def test_a_lying_first_node_does_not_name_a_lanes_first_nonce(line: Line) -> None:
    with anvil() as liar, anvil() as third:
        liar.call("anvil_setNonce", line.world.wallet.rpartition(":")[2], "0x9")
        node_create(actor="x", chain=CHAIN, label="liar", url=liar.url, priority=1)
        job = line.hand_over()
        line.sweep_until_trouble(job, "lane")
        assert "do not agree" in job.error
        assert "liar: 9" in job.error
        assert not NonceLane.objects.exists()
        node_create(actor="x", chain=CHAIN, label="third", url=third.url, priority=30)
        line.sweep_until(job, JobState.PINNED, JobState.SIGNED, JobState.LIVE, JobState.INCLUDED)
        assert NonceLane.objects.get().next_nonce == 1


@pytest.mark.anvil
def test_what_trades_goes_to_the_private_nodes_alone(line: Line) -> None:
    line.automine(on=False)
    node_create(actor="x", chain=CHAIN, label="relay", url=line.node.url, priority=30)
    line.rule(private_nodes="relay")
    plain = line.hand_over()
    assert {node.label for node in nodes_to_send(job=plain)[0]} == {"anvil", "relay"}
    call = Intent.from_bytes(plain.intent.encode())
    assert not trades(call)
    trading = line.intent(data=bytes.fromhex("38ed1739") + bytes(32), value=0, gas=200_000)
    assert trades(trading)
    assert not trades(line.world.token_intent(5))
    Job.objects.filter(pk=plain.pk).update(intent=trading.to_bytes().decode())
    plain.refresh_from_db()
    assert [node.label for node in nodes_to_send(job=plain)[0]] == ["relay"]
    Node.objects.filter(label="relay").update(enabled=False)
    nodes, words = nodes_to_send(job=plain)
    assert (nodes, "relay" in words) == ([], True)


@pytest.mark.anvil
def test_a_lane_says_what_it_waits_for(line: Line) -> None:
    line.automine(on=False)
    first = line.sweep_until(line.hand_over(), JobState.LIVE)
    second = line.sweep_until(line.hand_over(), JobState.LIVE)
    line.signer.down = True
    third = line.sweep_until(line.hand_over(), JobState.WAITING)
    fourth = line.hand_over()
    (wallet,) = wallet_list()
    view = lane_view(wallet=wallet)
    assert [row.nonce for row in view.rows] == [0, 1, 2, None]
    assert view.blocked_by.startswith("nonce 0 is signed and not mined: it offers")
    assert behind_words(job=first) == ""
    for job in (second, third, fourth):
        assert behind_words(job=job).startswith("Waits behind nonce 0 of the same wallet, which is signed")
    line.signer.down = False
    line.automine(on=True)
    line.mine()
    for job in (first, second, third, fourth):
        line.sweep_until(job, JobState.INCLUDED)
    assert lane_view(wallet=wallet).blocked_by == ""
    assert line.mined_count() == 4


@pytest.mark.anvil
def test_a_gap_in_the_pool_is_filled_by_what_was_signed(line: Line) -> None:
    """The first bytes are lost everywhere and the second ones wait for them: the first are sent again."""
    line.automine(on=False)
    before = line.balance(LISTED)
    first = line.sweep_until(line.hand_over(), JobState.LIVE)
    second = line.sweep_until(line.hand_over(), JobState.LIVE)
    line.node.call("anvil_dropTransaction", "0x" + first.transmissions.get().transaction_hash)
    line.mine()
    assert line.mined_count() == 0
    line.automine(on=True)
    line.sweep_until(first, JobState.INCLUDED)
    line.mine()
    line.sweep_until(second, JobState.INCLUDED)
    assert line.mined_count() == 2
    assert line.balance(LISTED) > before


@pytest.mark.anvil
def test_the_command_shows_lanes_and_looks_at_a_wedged_one_again(
    line: Line, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("lanes")
    assert "never used" in capsys.readouterr().out
    line.signer.down = True
    job = line.sweep_until(line.hand_over(), JobState.WAITING)
    call_command("lanes")
    out = capsys.readouterr().out
    assert "nonce 0 is with the signer" in out
    assert job.intent_digest[:16] in out
    line.signer.down = False
    Job.objects.update(due_at="2100-01-01T00:00:00Z")
    call_command("lanes", look_again=line.world.wallet)
    assert "looked at again: 1" in capsys.readouterr().out
    line.sweep_until(job, JobState.INCLUDED)


def test_a_majority_of_all_nodes_names_a_nonce() -> None:
    assert nonce_agreed([3], silent=0) == 3
    assert nonce_agreed([3, 3, 9], silent=0) == 3
    assert nonce_agreed([3, 9], silent=0) is None
    assert nonce_agreed([3, 3], silent=2) is None
    assert nonce_agreed([], silent=1) is None


def test_nonces_are_dense_and_pinned() -> None:
    assert nonce_next(lane_next=4, held=None, unsigned=0) == 4
    assert nonce_next(lane_next=4, held=None, unsigned=1) is None
    assert nonce_next(lane_next=4, held=2, unsigned=1) == 2
    assert nonce_returns(lane_next=4, nonce=3)
    assert not nonce_returns(lane_next=5, nonce=3)


def test_a_refusal_is_read_against_the_lane() -> None:
    lane = LaneStatus(next_nonce=2, held={0: "a", 1: "b"})
    assert refusal_read("denied", lane=lane, nonce=1, intent="b") is Reading.HELD
    assert refusal_read("denied", lane=lane, nonce=1, intent="c") is Reading.MISMATCH
    assert refusal_read("nonce", lane=lane, nonce=2, intent="c") is Reading.MISMATCH
    assert refusal_read("denied", lane=lane, nonce=2, intent="c") is Reading.REPORTED


@pytest.mark.parametrize(
    ("fee", "words"), [(0, "0 gwei"), (1, "0.000000001 gwei"), (10**9, "1 gwei"), (2**255, f"{2**255 // 10**9}")]
)
def test_fees_are_written_exactly(fee: int, words: str) -> None:
    assert gwei_words(fee).startswith(words)
