"""Tampered headers, receipts, transactions, balances and slots; whole blocks of a real node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from chains.errors import NodeAnswerError, NotIncludedError, ProofError
from chains.nodes.inclusion import gather, prove_inclusion
from chains.nodes.state import prove_account
from core.chain_proof import check_inclusion
from core.keccak import keccak256
from tests.chains.cluster import CHAIN, cluster_of
from tests.chains.contracts import deploy
from tests.chains.test_client import signed_payment
from tests.fakes.proxy import Lie

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from core.chain_proof import InclusionEvidence
    from tests.chains.cluster import Cluster

pytestmark = pytest.mark.anvil


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with cluster_of(2) as cluster:
        yield cluster


def _block_of(cluster: Cluster, others: int) -> tuple[bytes, bytes, int]:
    """Mine our payment among others'; return its hash, the block's hash and number."""
    first = cluster.first
    first.call("evm_setAutomine", False)  # noqa: FBT003 - JSON-RPC
    for n in range(others):
        call = {"from": cluster.accounts[n % 5], "to": cluster.accounts[9], "value": hex(n + 1), "gas": hex(21_000)}
        first.call(
            "eth_sendTransaction",
            call | {"maxPriorityFeePerGas": hex(10**9 * (n % 3)), "maxFeePerGas": "0x174876e800"},
        )
    raw, transaction_hash = signed_payment(first, cluster.accounts[1])
    first.call("eth_sendRawTransaction", "0x" + raw.hex())
    first.call("anvil_mine", "0x1")
    cluster.sync()
    head = cluster.head()
    return transaction_hash, bytes.fromhex(head["hash"][2:]), int(head["number"], 16)


def _prove(cluster: Cluster, transaction_hash: bytes, block_hash: bytes) -> InclusionEvidence:
    return prove_inclusion(cluster.pool(), block_hash=block_hash, number=1, transaction_hash=transaction_hash)


@pytest.mark.parametrize("others", [0, 1, 16, 150])
def test_blocks_of_any_size_are_proven(cluster: Cluster, others: int) -> None:
    transaction_hash, block_hash, number = _block_of(cluster, others)
    shown = check_inclusion(_prove(cluster, transaction_hash, block_hash))
    receipt = cluster.first.call("eth_getTransactionReceipt", "0x" + transaction_hash.hex())
    assert (shown.transaction_hash, shown.header.number) == (transaction_hash, number)
    assert shown.gas_used == int(receipt["gasUsed"], 16)
    assert shown.gas_price == int(receipt["effectiveGasPrice"], 16)
    assert shown.succeeded


def test_every_type_of_transaction_is_encoded(cluster: Cluster) -> None:
    """A block with legacy, access-list and dynamic-fee transactions beside ours, contract creation included."""
    sender, to = cluster.accounts[2], cluster.accounts[3]
    cluster.first.call("evm_setAutomine", False)  # noqa: FBT003 - JSON-RPC
    price = {"gasPrice": "0x174876e800"}
    listed = [{"address": to, "storageKeys": ["0x" + "11" * 32]}]
    for call in (
        {"from": sender, "to": to, "value": "0x1", "type": "0x0"} | price,
        {"from": sender, "to": to, "value": "0x1", "type": "0x1", "accessList": listed} | price,
        {"from": sender, "to": to, "value": "0x1", "accessList": listed, "maxFeePerGas": "0x174876e800"},
        {"from": sender, "data": "0x5f5ff3", "maxFeePerGas": "0x174876e800"},
    ):
        cluster.first.call("eth_sendTransaction", call)
    transaction_hash, block_hash, _ = _block_of(cluster, 0)
    block = cluster.first.call("eth_getBlockByHash", "0x" + block_hash.hex(), True)  # noqa: FBT003 - JSON-RPC
    kinds = {transaction["type"] for transaction in block["transactions"]}
    assert kinds == {"0x0", "0x1", "0x2"}
    for proxy in cluster.proxies.values():
        proxy.lie("eth_getRawTransactionByHash", Lie.DROP)  # their bytes are not asked for
    assert check_inclusion(_prove(cluster, transaction_hash, block_hash)).succeeded


def test_nodes_without_block_receipts_do(cluster: Cluster) -> None:
    transaction_hash, block_hash, _ = _block_of(cluster, 3)
    for proxy in cluster.proxies.values():
        proxy.lie(
            "eth_getBlockReceipts", Lie.ANSWER, answer={"error": {"code": -32601, "message": "Method not found"}}
        )
    assert check_inclusion(_prove(cluster, transaction_hash, block_hash)).succeeded


def _edited(place: str, change: Callable[[str], object]) -> Callable[[Any], Any]:
    """Change one value deep inside an answer; `place` is a path such as ``transactions.0.value``."""

    def edit(answer: Any) -> Any:  # noqa: ANN401 - JSON
        found: Any = answer
        *path, last = place.split(".")
        for step in path:
            found = found[int(step) if step.isdigit() else step]
        key = int(last) if last.isdigit() else last
        found[key] = change(found[key])
        return answer

    return edit


def _more(value: str) -> str:
    return hex(int(value, 16) + 1)


def _flip(value: str) -> str:
    return value[:-1] + ("0" if value[-1] != "0" else "1")


@pytest.mark.parametrize(
    ("method", "place", "change"),
    [
        ("eth_getBlockByHash", "stateRoot", _flip),
        ("eth_getBlockByHash", "timestamp", _more),
        ("eth_getBlockByHash", "baseFeePerGas", _more),
        ("eth_getBlockByHash", "requestsHash", lambda _: None),
        ("eth_getBlockByHash", "number", _more),
        ("eth_getBlockByHash", "transactions.0.hash", _flip),
        ("eth_getBlockByHash", "transactions.1", lambda _: None),
        ("eth_getBlockByHash", "transactionsRoot", _flip),
        ("eth_getBlockReceipts", "0.status", lambda _: "0x0"),
        ("eth_getBlockReceipts", "1.cumulativeGasUsed", _more),
        ("eth_getBlockReceipts", "0.logsBloom", _flip),
        ("eth_getBlockReceipts", "0.logs", lambda _: [{"address": "0x" + "11" * 20, "topics": [], "data": "0x"}]),
        ("eth_getBlockReceipts", "0.type", lambda _: "0x80"),
        ("eth_getBlockReceipts", "0", lambda _: "text"),
    ],
)
def test_tampering_is_noticed_and_the_next_node_is_asked(
    cluster: Cluster, method: str, place: str, change: Callable[[str], object]
) -> None:
    transaction_hash, block_hash, _ = _block_of(cluster, 2)
    cluster.proxies["one"].lie(method, Lie.EDIT, answer=_edited(place, change))
    assert check_inclusion(_prove(cluster, transaction_hash, block_hash)).succeeded
    assert cluster.proxies["two"].calls["eth_getBlockByHash"] == 1
    cluster.proxies["two"].lie(method, Lie.EDIT, answer=_edited(place, change))
    with pytest.raises(ProofError):
        _prove(cluster, transaction_hash, block_hash)


def test_odd_fields_of_a_transaction_change_nothing(cluster: Cluster) -> None:
    """What the node tells in JSON is held to the hash; where it does not fit, the node's own bytes are."""
    transaction_hash, block_hash, _ = _block_of(cluster, 2)
    cluster.proxies["one"].lie("eth_getBlockByHash", Lie.EDIT, answer=_edited("transactions.1.value", _more))
    assert check_inclusion(_prove(cluster, transaction_hash, block_hash)).transaction_hash == transaction_hash
    assert cluster.proxies["one"].calls["eth_getRawTransactionByHash"] == 1
    cluster.proxies["one"].lie("eth_getRawTransactionByHash", Lie.ANSWER, answer={"result": "0x02c0"})
    assert check_inclusion(_prove(cluster, transaction_hash, block_hash)).transaction_hash == transaction_hash
    assert cluster.reports.disagreements[0].liars == ("one",)


def test_who_disproves_itself_is_convicted(cluster: Cluster) -> None:
    transaction_hash, block_hash, _ = _block_of(cluster, 2)
    cluster.proxies["one"].lie("eth_getBlockReceipts", Lie.EDIT, answer=_edited("0.status", lambda _: "0x0"))
    _prove(cluster, transaction_hash, block_hash)
    (kept,) = cluster.reports.disagreements
    assert kept.liars == ("one",)
    assert "receipts are not those" in kept.answers["one"]


def test_another_block_than_the_agreed_one_is_no_evidence(cluster: Cluster) -> None:
    transaction_hash, block_hash, _ = _block_of(cluster, 0)
    with pytest.raises(ProofError):
        _prove(cluster, transaction_hash, keccak256(block_hash))


def test_a_transaction_that_the_block_does_not_hold_convicts_nobody(cluster: Cluster) -> None:
    _, block_hash, _ = _block_of(cluster, 2)
    with pytest.raises(NotIncludedError):
        _prove(cluster, keccak256(b"another"), block_hash)
    assert cluster.reports.disagreements == []


@pytest.mark.parametrize("lie", [Lie.HTML, Lie.HALF, Lie.DEEP, Lie.EMPTY, Lie.TRUNCATED, Lie.FLOOD, Lie.DROP])
def test_whatever_a_node_answers_is_a_plain_refusal(cluster: Cluster, lie: Lie) -> None:
    transaction_hash, block_hash, _ = _block_of(cluster, 0)
    for proxy in cluster.proxies.values():
        proxy.lie("eth_getBlockReceipts", lie)
    with pytest.raises(ProofError, match="failed"):
        _prove(cluster, transaction_hash, block_hash)


def test_gathering_from_one_node_alone(cluster: Cluster) -> None:
    transaction_hash, block_hash, _ = _block_of(cluster, 0)
    with cluster.pool().open(cluster.endpoints()[0]) as client:
        gathered = gather(client, chain=CHAIN, block_hash=block_hash, transaction_hash=transaction_hash)
        assert check_inclusion(gathered).transaction_hash == transaction_hash
        with pytest.raises(NodeAnswerError, match="does not have the block"):
            gather(client, chain=CHAIN, block_hash=bytes(32), transaction_hash=transaction_hash)


def test_accounts_and_storage_are_proven_against_the_agreed_state(cluster: Cluster) -> None:
    token = deploy(cluster.first, cluster.accounts[0], "DemoToken", ["USD", "USD", 6, 10**12])
    cluster.sync()
    proven = prove_account(cluster.pool(), what="the token", address=token, slots=(0, 2, 99))
    code = bytes.fromhex(cluster.first.call("eth_getCode", token, "latest")[2:])
    assert proven.account.code_hash == keccak256(code)
    expected = int(cluster.first.call("eth_getStorageAt", token, "0x2", "latest"), 16)
    assert (proven.storage[2], proven.storage[99]) == (expected, 0)
    rich = prove_account(cluster.pool(), what="an account", address=cluster.accounts[1], slots=())
    assert rich.account.balance == int(cluster.first.call("eth_getBalance", cluster.accounts[1], "latest"), 16)
    nobody = prove_account(cluster.pool(), what="nobody", address="0x" + "00" * 19 + "99", slots=(0,))
    assert (nobody.account.balance, nobody.storage[0]) == (0, 0)


@pytest.mark.parametrize(
    ("place", "change"),
    [
        ("accountProof.0", _flip),
        ("accountProof", lambda proof: proof[:-1]),
        ("accountProof", lambda proof: [*proof, proof[0]]),
        ("storageProof.0.proof.0", _flip),
        ("storageProof.0.proof", lambda _: []),
        ("storageProof", lambda _: []),
        ("balance", _more),
        ("storageProof.0.value", _more),
        ("codeHash", _flip),
        ("nonce", _more),
    ],
)
def test_a_tampered_balance_or_slot_is_noticed(cluster: Cluster, place: str, change: Callable[[str], object]) -> None:
    token = deploy(cluster.first, cluster.accounts[0], "DemoToken", ["USD", "USD", 6, 10**12])
    cluster.sync()
    for proxy in cluster.proxies.values():
        proxy.lie("eth_getProof", Lie.EDIT, answer=_edited(place, change))
    with pytest.raises(ProofError):
        prove_account(cluster.pool(), what="the token", address=token, slots=(2,))
    cluster.proxies["two"].behave()
    assert prove_account(cluster.pool(), what="the token", address=token, slots=(2,)).storage[2] > 0
