"""The breaker and what it is decided by, without a clock of its own; and what a node can do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chains.nodes.health import (
    CALLS_FOR_A_RATE,
    FAILURES_IN_A_ROW,
    PAUSE_MOST_SECONDS,
    PAUSE_SECONDS,
    Breaker,
    HealthBook,
)
from chains.nodes.probe import probe
from tests.fakes.proxy import Lie

if TYPE_CHECKING:
    from tests.chains.conftest import Bench

N = "n"


def _fail(book: HealthBook, times: int, now: float) -> None:
    for _ in range(times):
        book.failed(N, reason="cannot be reached", now=now)


def test_failures_in_a_row_open_it_and_one_answer_closes_it() -> None:
    book = HealthBook()
    assert book.may_ask(N, now=0.0)
    _fail(book, FAILURES_IN_A_ROW - 1, 0.0)
    assert book.may_ask(N, now=0.0)
    _fail(book, 1, 0.0)
    assert book.snapshot(N, now=1.0).breaker is Breaker.OPEN
    assert not book.may_ask(N, now=PAUSE_SECONDS - 0.1)
    assert book.may_ask(N, now=PAUSE_SECONDS)
    assert not book.may_ask(N, now=PAUSE_SECONDS)  # one trial at a time
    book.answered(N, latency_ms=3)
    health = book.snapshot(N, now=PAUSE_SECONDS)
    assert (health.breaker, health.failures, health.errors) == (Breaker.CLOSED, 0, 0)
    assert book.may_ask(N, now=PAUSE_SECONDS)


def test_a_trial_that_fails_doubles_the_pause_up_to_its_most() -> None:
    book, now = HealthBook(), 0.0
    _fail(book, FAILURES_IN_A_ROW, now)
    pauses = []
    for _ in range(8):
        now += book.snapshot(N, now=now).pause_seconds
        assert book.may_ask(N, now=now)
        _fail(book, 1, now)
        pauses.append(book.snapshot(N, now=now).pause_seconds)
    assert pauses[:3] == [30, 60, 120]
    assert pauses[-1] == PAUSE_MOST_SECONDS


def test_a_trial_that_never_came_back_does_not_block_for_ever() -> None:
    book = HealthBook()
    _fail(book, FAILURES_IN_A_ROW, 0.0)
    assert book.may_ask(N, now=20.0)
    assert not book.may_ask(N, now=21.0)
    assert book.may_ask(N, now=20.0 + PAUSE_SECONDS)


def test_half_of_many_calls_open_it_too() -> None:
    book = HealthBook()
    for turn in range(CALLS_FOR_A_RATE):
        assert book.snapshot(N, now=0.0).breaker is Breaker.CLOSED
        if turn % 2:
            book.failed(N, reason="HTTP status 503", now=0.0)
        else:
            book.answered(N, latency_ms=turn)
    health = book.snapshot(N, now=0.0)
    assert (health.breaker, health.error_per_mille) == (Breaker.OPEN, 500)
    assert health.last_error == "HTTP status 503"
    assert health.latency_ms == 10


def test_nodes_are_kept_apart() -> None:
    book = HealthBook()
    _fail(book, FAILURES_IN_A_ROW, 0.0)
    assert book.may_ask("other", now=0.0)


@pytest.mark.anvil
def test_what_a_node_can_do(bench: Bench) -> None:
    found = probe(bench.client())
    assert found.missing == ()
    assert found.version.startswith("anvil")
    missing = {"error": {"code": -32601, "message": "Method not found"}}
    for method in ("eth_simulateV1", "eth_getProof", "eth_getRawTransactionByHash", "web3_clientVersion"):
        bench.proxy.lie(method, Lie.ANSWER, answer=missing)
    found = probe(bench.client())
    assert found.missing == ("simulate", "get_proof", "raw_transaction")
    assert found.version == ""
    bench.proxy.lie("web3_clientVersion", Lie.ANSWER, answer={"result": "x\n<b>" + "y" * 10_000})
    assert len(probe(bench.client()).version) <= 80
