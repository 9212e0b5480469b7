"""What a node may do to us, and what each of it is taken for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from chains.errors import (
    AmbiguousSendError,
    NodeAnswerError,
    NodeDownError,
    NodeRefusalError,
    NodeTimeoutError,
    WrongChainError,
)
from chains.nodes.client import NodeClient, SendOutcome
from chains.nodes.endpoint import Endpoint
from core.evm import Type2, address_of, finish_signature
from core.keccak import keccak256
from demo.services.processes import free_port
from tests.chains.conftest import SUPPLY
from tests.fakes.proxy import Lie

if TYPE_CHECKING:
    from demo.services.anvil import Node
    from tests.chains.conftest import Bench

from coincurve import PrivateKey

pytestmark = pytest.mark.anvil
SEND = "eth_sendRawTransaction"


def _signed(bench: Bench, nonce: int = 0) -> tuple[bytes, bytes]:
    return signed_payment(bench.node, bench.other, nonce)


def signed_payment(node: Node, to: str, nonce: int = 0) -> tuple[bytes, bytes]:
    """Return raw bytes and hash of a payment by an account that the node makes rich first."""
    key = PrivateKey()
    public = key.public_key.format(compressed=False)
    node.call("anvil_setBalance", address_of(public), hex(10**20))
    order = Type2(
        chain_id=31337,
        nonce=nonce,
        max_priority_fee_per_gas=10**9,
        max_fee_per_gas=10**11,
        gas=21_000,
        to=to,
        value=1,
        data=b"",
    )
    device = key.sign_recoverable(order.signing_hash, hasher=None)[:64]
    raw = order.signed(finish_signature(order.signing_hash, device, public))
    return raw, keccak256(raw)


def test_reads(bench: Bench) -> None:
    token, client = bench.deploy_token(), bench.client()
    assert client.balance(bench.other) == 10_000 * 10**18
    assert client.nonce(bench.rich) == 1
    assert client.token_balance(token, bench.rich) == SUPPLY
    assert client.token_decimals(token) == 6
    assert client.head() == client.block(1)
    assert client.block(99) is None
    fees = client.suggest_fees()
    assert fees.max_fee_per_gas == 2 * fees.base_fee + fees.max_priority_fee_per_gas
    with pytest.raises(NodeAnswerError, match="as a token does"):
        client.token_decimals(bench.other)


@pytest.mark.parametrize(
    ("lie", "error"),
    [
        (Lie.DROP, NodeTimeoutError),
        (Lie.HTML, NodeAnswerError),
        (Lie.HALF, NodeAnswerError),
        (Lie.HUGE, NodeAnswerError),
        (Lie.STATUS_500, NodeAnswerError),
        (Lie.TRICKLE, NodeTimeoutError),
        (Lie.TRUNCATED, NodeTimeoutError),
        (Lie.EMPTY, NodeAnswerError),
        (Lie.DEEP, NodeAnswerError),
        (Lie.REDIRECT, NodeAnswerError),
        (Lie.SILENT_AFTER_ACCEPT, NodeTimeoutError),
    ],
)
def test_bad_answers_have_a_type(bench: Bench, lie: Lie, error: type[Exception]) -> None:
    bench.proxy.lie("eth_getBalance", lie)
    started = time.monotonic()
    with pytest.raises(error) as caught:
        bench.client().balance(bench.rich)
    assert time.monotonic() - started < 2.5
    assert bench.proxy.calls["eth_getBalance"] == 1  # never retried behind our back
    assert "127.0.0.1" not in str(caught.value)  # a URL may hold a key


@pytest.mark.parametrize("method", ["eth_getBalance", "eth_chainId"])
def test_five_gigabytes_are_not_read(bench: Bench, method: str) -> None:
    bench.proxy.lie(method, Lie.FLOOD)
    with pytest.raises(NodeAnswerError, match="too large"):
        bench.client(timeout_seconds=5.0).balance(bench.rich)
    assert bench.proxy.flooded_bytes < 64 * 1024 * 1024  # what fits into buffers beyond the cap, and no more


@pytest.mark.parametrize(
    "answer",
    [{"result": "0xzz"}, {"result": None}, {"result": 5}, {"result": "0x" + "f" * 65}, {}, {"error": "no"}],
)
def test_values_are_read_strictly(bench: Bench, answer: dict[str, object]) -> None:
    bench.proxy.lie("eth_getBalance", Lie.ANSWER, answer=answer)
    with pytest.raises(NodeAnswerError):
        bench.client().balance(bench.rich)


def test_nobody_listens(bench: Bench) -> None:
    nowhere = Endpoint(label="n", url=f"http://127.0.0.1:{free_port()}", chain_id=31337)
    client = bench.stack.enter_context(NodeClient(endpoint=nowhere))
    with pytest.raises(NodeDownError):
        client.head()
    with pytest.raises(NodeDownError):
        client.send(*_signed(bench))


def test_wrong_chain_gets_nothing(bench: Bench) -> None:
    with pytest.raises(WrongChainError):
        bench.client(chain_id=1).send(*_signed(bench))
    assert bench.proxy.calls[SEND] == 0


def test_send_is_accepted_then_known(bench: Bench) -> None:
    bench.automine(on=False)
    raw, transaction_hash = _signed(bench)
    assert bench.client().send(raw, transaction_hash) is SendOutcome.ACCEPTED
    assert bench.client().send(raw, transaction_hash) is SendOutcome.KNOWN
    assert bench.client().receipt(transaction_hash) is None
    bench.node.call("anvil_mine", "0x1")
    receipt = bench.client().receipt(transaction_hash)
    assert receipt is not None
    assert receipt.succeeded


@pytest.mark.parametrize(
    "message", ["already known", "AlreadyKnown", "transaction already imported", "Known transaction"]
)
def test_every_client_s_word_for_known(bench: Bench, message: str) -> None:
    bench.proxy.lie(SEND, Lie.ANSWER, answer={"error": {"code": -32000, "message": message}})
    assert bench.client().send(*_signed(bench)) is SendOutcome.KNOWN


@pytest.mark.parametrize("message", ["unknown transaction type", "nonce too low", "insufficient funds"])
def test_a_refusal_is_not_taken_for_known(bench: Bench, message: str) -> None:
    bench.proxy.lie(SEND, Lie.ANSWER, answer={"error": {"code": -32000, "message": message}})
    with pytest.raises(NodeRefusalError):
        bench.client().send(*_signed(bench))


@pytest.mark.parametrize(
    "lie",
    [
        Lie.DROP,
        Lie.HTML,
        Lie.HALF,
        Lie.HUGE,
        Lie.STATUS_500,
        Lie.TRICKLE,
        Lie.SILENT_AFTER_ACCEPT,
        Lie.TRUNCATED,
        Lie.EMPTY,
        Lie.DEEP,
        Lie.REDIRECT,
    ],
)
def test_whatever_is_not_an_answer_to_a_send_is_ambiguous(bench: Bench, lie: Lie) -> None:
    bench.proxy.lie(SEND, lie)
    with pytest.raises(AmbiguousSendError):
        bench.client().send(*_signed(bench))
    assert bench.proxy.calls[SEND] == 1


def test_another_hash_is_ambiguous(bench: Bench) -> None:
    bench.proxy.lie(SEND, Lie.ANSWER, answer={"result": "0x" + "00" * 32})
    with pytest.raises(AmbiguousSendError):
        bench.client().send(*_signed(bench))


@pytest.mark.parametrize("receipt", ["abc", [], 5, True, {"blockHash": 5}])
def test_an_odd_receipt_is_the_nodes_fault(bench: Bench, receipt: object) -> None:
    bench.proxy.lie("eth_getTransactionReceipt", Lie.ANSWER, answer={"result": receipt})
    with pytest.raises(NodeAnswerError):
        bench.client().receipt(b"\x01" * 32)
