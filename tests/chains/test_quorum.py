"""Reads that money depends on: several real nodes, some of which lie, lag, fork or say nothing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from chains.errors import NodesDisagreeError, NoNodeError, NoQuorumError
from chains.nodes.agreement import fixed_height
from chains.nodes.client import SendOutcome
from tests.chains.cluster import cluster_of
from tests.chains.test_client import signed_payment
from tests.fakes.proxy import Lie

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chains.nodes.agreement import Agreed
    from tests.chains.cluster import Cluster

pytestmark = pytest.mark.anvil
HEX_ONE = {"result": "0x1"}


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with cluster_of(3) as cluster:
        cluster.pay()
        yield cluster


def _balance(cluster: Cluster, *, least: int = 2, **rules: int) -> Agreed[int]:
    account = cluster.accounts[1]
    pool = cluster.pool(least=least, **rules)
    return pool.read_agreed(
        lambda client, block: client.balance(account, at=block.number), what="a balance", now=int(time.time())
    )


def test_nodes_that_agree(cluster: Cluster) -> None:
    agreed = _balance(cluster, least=3)
    assert agreed.value == 10_000 * 10**18 + 1
    assert (agreed.nodes, agreed.apart, agreed.silent) == (("one", "three", "two"), (), ())
    assert agreed.block_hash.hex() == cluster.head()["hash"][2:]
    assert cluster.reports.disagreements == []


def test_a_lie_about_the_same_block_convicts_and_both_answers_are_kept(cluster: Cluster) -> None:
    cluster.proxies["two"].lie("eth_getBalance", Lie.ANSWER, answer=HEX_ONE)
    agreed = _balance(cluster)
    assert (agreed.nodes, agreed.apart) == (("one", "three"), ("two",))
    (kept,) = cluster.reports.disagreements
    assert kept.liars == ("two",)
    assert kept.answers["two"].endswith(": 1")
    assert kept.answers["one"].endswith(str(agreed.value))


def test_two_against_one_are_believed_and_one_against_one_are_not(cluster: Cluster) -> None:
    cluster.proxies["two"].lie("eth_getBalance", Lie.ANSWER, answer=HEX_ONE)
    cluster.proxies["three"].lie("eth_getBalance", Lie.DROP)
    with pytest.raises(NodesDisagreeError, match="2 have to agree"):
        _balance(cluster)
    (kept,) = cluster.reports.disagreements
    assert kept.liars == ()  # nobody can tell which one
    assert set(kept.answers) == {"one", "two"}


def test_an_even_split_is_no_quorum_even_where_few_would_do(cluster: Cluster) -> None:
    cluster.proxies["two"].lie("eth_getBalance", Lie.ANSWER, answer=HEX_ONE)
    cluster.proxies["three"].lie("eth_getBalance", Lie.DROP)
    with pytest.raises(NodesDisagreeError):
        _balance(cluster, least=1)


def test_silence_is_no_voice(cluster: Cluster) -> None:
    for name in ("two", "three"):
        cluster.proxies[name].lie("eth_getBalance", Lie.DROP)
    with pytest.raises(NoQuorumError, match="1 of 2 nodes answered"):
        _balance(cluster)


def test_one_that_lags_is_not_waited_for_and_not_blamed(cluster: Cluster) -> None:
    cluster.mined({"from": cluster.accounts[0], "to": cluster.accounts[1], "value": "0x5"})
    state = cluster.first.call("anvil_dumpState")
    cluster.nodes[1].call("anvil_loadState", state)
    agreed = _balance(cluster)
    assert (agreed.number, agreed.nodes, agreed.silent) == (2, ("one", "two"), ("three",))
    assert cluster.reports.disagreements == []


def test_one_that_claims_to_be_far_ahead_moves_nothing(cluster: Cluster) -> None:
    far = cluster.head() | {"number": "0xffffff"}
    cluster.proxies["two"].lie("eth_getBlockByNumber", Lie.ANSWER, answer={"result": far}, times=1)
    assert _balance(cluster).number == 1
    assert fixed_height([9, 9, 10**6], 2) == 9
    with pytest.raises(NoQuorumError):
        fixed_height([9], 2)


def test_a_stale_head_takes_no_part(cluster: Cluster) -> None:
    def old(block: dict[str, str]) -> dict[str, str]:
        return block | {"timestamp": hex(int(time.time()) - 3600)}

    for name in ("two", "three"):
        cluster.proxies[name].lie("eth_getBlockByNumber", Lie.EDIT, answer=old)
    # anvil dates blocks of a restored state ahead of time; a head of the future is not stale.
    with pytest.raises(NoQuorumError, match="its newest block is"):
        _balance(cluster, head_age_most=120)
    assert _balance(cluster).value  # where age is not checked


def test_a_fork_near_the_head_blames_nobody_and_a_settled_one_does(cluster: Cluster) -> None:
    cluster.nodes[2].call("anvil_mine", "0x1")
    cluster.mined({"from": cluster.accounts[0], "to": cluster.accounts[1], "value": "0x5"})
    cluster.nodes[1].call("anvil_loadState", cluster.first.call("anvil_dumpState"))
    agreed = _balance(cluster)
    assert agreed.apart == ("three",)
    assert cluster.reports.disagreements[-1].liars == ()
    for node in cluster.nodes:
        node.call("anvil_mine", "0x5")
    pool = cluster.pool(settled_depth=3)
    settled = pool.read_agreed(lambda _, block: block.parent_hash, what="the block", number=2)
    assert settled.apart == ("three",)
    assert cluster.reports.disagreements[-1].liars == ("three",)


def test_a_block_that_is_replaced_between_the_looks_is_no_answer(cluster: Cluster) -> None:
    looks = iter(range(100))

    def other(block: dict[str, str]) -> dict[str, str]:
        # The head, the block before the answer, and another one after it.
        return block if next(looks) < 2 else block | {"hash": "0x" + "77" * 32}

    cluster.proxies["two"].lie("eth_getBlockByNumber", Lie.EDIT, answer=other)
    agreed = _balance(cluster)
    assert (agreed.nodes, agreed.silent) == (("one", "three"), ("two",))


def test_wrong_chain_stops_the_node(cluster: Cluster) -> None:
    cluster.proxies["two"].lie("eth_chainId", Lie.ANSWER, answer={"result": "0x1"})
    assert _balance(cluster).nodes == ("one", "three")
    assert "serves chain 1" in cluster.reports.stopped["two"]


def test_sending_goes_to_the_chosen_node_only(cluster: Cluster) -> None:
    raw, transaction_hash = signed_payment(cluster.nodes[1], cluster.accounts[1])
    pool = cluster.pool()
    assert pool.send_to(label="two", raw=raw, transaction_hash=transaction_hash) is SendOutcome.ACCEPTED
    assert [proxy.calls["eth_sendRawTransaction"] for proxy in cluster.proxies.values()] == [0, 1, 0]
    with pytest.raises(NoNodeError, match="no usable node"):
        pool.send_to(label="four", raw=raw, transaction_hash=transaction_hash)


def test_nobody_left(cluster: Cluster) -> None:
    for proxy in cluster.proxies.values():
        proxy.lie("eth_getBlockByNumber", Lie.DROP)
    with pytest.raises(NoQuorumError, match="0 of 2"):
        _balance(cluster)


def test_the_breaker_leaves_a_dead_node_for_last(cluster: Cluster) -> None:
    cluster.proxies["one"].lie("eth_chainId", Lie.DROP)
    pool = cluster.pool()
    for _ in range(6):
        assert pool.read(lambda client: client.head().number) == 1
    before = cluster.proxies["one"].calls["eth_chainId"]
    assert pool.read(lambda client: client.head().number) == 1
    assert cluster.proxies["one"].calls["eth_chainId"] == before  # not asked while its breaker is open
    for name in ("two", "three"):
        cluster.proxies[name].lie("eth_getBlockByNumber", Lie.DROP)
    cluster.proxies["one"].behave()
    assert pool.read(lambda client: client.head().number) == 1  # better a last resort than none


def test_a_node_that_is_gone_costs_its_time_out_now_and_then_only(cluster: Cluster) -> None:
    cluster.proxies["three"].lie("eth_chainId", Lie.SILENT_AFTER_ACCEPT)
    for _ in range(5):
        assert _balance(cluster).nodes == ("one", "two")
    before = cluster.proxies["three"].calls["eth_chainId"]
    assert _balance(cluster).silent == ("three",)
    assert cluster.pool().read_all(lambda client: client.head().number).silent == ("three",)
    assert cluster.proxies["three"].calls["eth_chainId"] == before
    cluster.proxies["three"].behave()
    assert _balance(cluster, least=3).nodes == ("one", "three", "two")  # needed, so asked in spite of its breaker
