"""Agreement and proof with nodes of rows: who lied is stopped and stays counted, and what was said is kept."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from django.db import transaction

from audit.models import AuditEntry
from chains.errors import NodesDisagreeError, NoQuorumError, NotIncludedError, ProofError, UnknownChainError
from chains.guards import InsideTransactionError
from chains.models import Chain, Node, NodeDisagreement
from chains.reads import (
    account_prove,
    contract_identity,
    node_ask,
    node_read_agreed,
    node_send,
    transaction_prove,
)
from chains.selectors import chain_quorum
from chains.services import chain_create, node_create
from core.chain_proof import check_inclusion
from tests.chains.cluster import CHAIN, cluster_of
from tests.chains.test_client import signed_payment
from tests.fakes.proxy import Lie

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chains.nodes.agreement import Agreed
    from tests.chains.cluster import Cluster

pytestmark = [pytest.mark.anvil, pytest.mark.django_db]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with cluster_of(3) as cluster:
        cluster.pay()
        chain_create(actor="x", caip2=CHAIN, name="Dev", native_symbol="ETH", confirmation_depth=1)
        for place, (name, proxy) in enumerate(cluster.proxies.items()):
            node_create(actor="x", chain=CHAIN, label=name, url=proxy.url, priority=place)
        yield cluster


def _balance(cluster: Cluster) -> Agreed[int]:
    account = cluster.accounts[1]
    return node_read_agreed(
        chain=CHAIN, question=lambda node, block: node.balance(account, at=block.number), what="a balance"
    )


def test_who_lies_is_quarantined_and_both_answers_are_kept(cluster: Cluster) -> None:
    cluster.proxies["one"].lie("eth_getBalance", Lie.ANSWER, answer={"result": "0x1"})
    assert _balance(cluster).nodes == ("three", "two")
    assert "a balance at block 1" in Node.objects.get(label="one").stopped_reason
    kept = NodeDisagreement.objects.get()
    assert kept.liars == "one"
    answers = json.loads(kept.answers)
    assert answers["one"].endswith(": 1")
    assert answers["two"] == answers["three"]
    entry = AuditEntry.objects.get(tag="chains:node:quarantined")
    assert (entry.severity, entry.subject) == ("alarm", "one")
    before = cluster.proxies["one"].calls["eth_chainId"]
    assert _balance(cluster).nodes == ("three", "two")
    assert cluster.proxies["one"].calls["eth_chainId"] == before  # not asked any more


def test_a_quarantine_lowers_no_quorum(cluster: Cluster) -> None:
    cluster.proxies["one"].lie("eth_getBalance", Lie.ANSWER, answer={"result": "0x1"})
    _balance(cluster)
    cluster.proxies["two"].lie("eth_getBalance", Lie.ANSWER, answer={"result": "0x2"})
    with pytest.raises(NodesDisagreeError):
        _balance(cluster)
    assert Node.objects.filter(stopped_reason="").count() == 2  # of two, nobody can tell which one
    assert AuditEntry.objects.filter(tag="chains:nodes:disagree", severity="alarm").count() == 1


def test_a_chain_may_ask_for_more_and_never_for_less(cluster: Cluster) -> None:
    chain = Chain.objects.get()
    assert chain_quorum(chain=chain) == 2
    chain.quorum = 1
    assert chain_quorum(chain=chain) == 2
    Chain.objects.update(quorum=3)
    cluster.proxies["three"].lie("eth_getBalance", Lie.DROP)
    with pytest.raises(NoQuorumError, match="2 of 3"):
        _balance(cluster)


def test_a_payment_is_proven_and_one_that_is_not_there_is_not(cluster: Cluster) -> None:
    raw, transaction_hash = signed_payment(cluster.first, cluster.accounts[1])
    node_send(chain=CHAIN, label="one", raw=raw, transaction_hash=transaction_hash)
    cluster.first.call("anvil_mine", "0x1")
    cluster.sync()
    number = int(cluster.first.call("eth_getTransactionReceipt", "0x" + transaction_hash.hex())["blockNumber"], 16)
    evidence = transaction_prove(chain=CHAIN, transaction_hash=transaction_hash, block_number=number)
    assert check_inclusion(evidence).transaction_hash == transaction_hash
    with pytest.raises(NotIncludedError):
        transaction_prove(chain=CHAIN, transaction_hash=transaction_hash, block_number=1)
    with pytest.raises(NoQuorumError):
        transaction_prove(chain=CHAIN, transaction_hash=transaction_hash, block_number=10**6)
    for proxy in cluster.proxies.values():
        proxy.lie("eth_getBlockReceipts", Lie.EDIT, answer=lambda found: [one | {"status": "0x0"} for one in found])
    with pytest.raises(ProofError):
        transaction_prove(chain=CHAIN, transaction_hash=transaction_hash, block_number=number)
    assert Node.objects.filter(stopped_reason="").count() == 3  # none proved otherwise, so nobody is blamed
    assert NodeDisagreement.objects.get().liars == ""
    cluster.proxies["three"].behave()
    transaction_prove(chain=CHAIN, transaction_hash=transaction_hash, block_number=number)
    assert list(Node.objects.filter(stopped_reason="").values_list("label", flat=True)) == ["three"]


def test_balances_and_contracts_are_proven(cluster: Cluster) -> None:
    proven = account_prove(chain=CHAIN, address=cluster.accounts[1])
    assert proven.account.balance == 10_000 * 10**18 + 1
    assert not contract_identity(chain=CHAIN, address=cluster.accounts[1]).has_code
    with pytest.raises(NoQuorumError):
        account_prove(chain=CHAIN, address=cluster.accounts[1], number=99)


def test_nothing_is_asked_inside_a_transaction_or_of_an_unknown_chain(cluster: Cluster) -> None:
    with transaction.atomic(), pytest.raises(InsideTransactionError):
        _balance(cluster)
    with pytest.raises(UnknownChainError):
        node_ask(chain="eip155:5", question=lambda node: node.head())


def test_wrong_chain_stops_the_row(cluster: Cluster) -> None:
    cluster.proxies["two"].lie("eth_chainId", Lie.ANSWER, answer={"result": "0x1"})
    assert _balance(cluster).nodes == ("one", "three")
    assert "serves chain 1" in Node.objects.get(label="two").stopped_reason
