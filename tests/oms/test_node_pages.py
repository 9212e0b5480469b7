"""The page of nodes: what it shows, and that a change takes two people."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from django.urls import reverse
from django.utils import timezone

from approvals.models import User
from audit.models import AuditEntry
from chains.models import Node, NodeChange, NodeHealth
from chains.node_services import disagreement_record
from chains.nodes.agreement import Disagreement
from chains.services import chain_create, node_create
from chains.watch import nodes_sweep
from tests.sign_in import signed_in

if TYPE_CHECKING:
    from django.test import Client

    from demo.services.anvil import Node as Anvil

pytestmark = pytest.mark.django_db
CHAIN = "eip155:31337"
FIELDS = {
    "label": "spare",
    "chain": CHAIN,
    "url": "https://node.example/secret-key",
    "priority": "20",
    "enabled": "on",
    "timeout_ms": "3000",
    "headers_file": "spare.headers",
    "certificate_file": "",
    "key_file": "",
    "authority_file": "",
    "fingerprint": "ab" * 32,
}


def _operator(name: str) -> Client:
    return signed_in(User.objects.create_superuser(name, display_name=name.title(), password="only-in-tests"))


@pytest.fixture
def people() -> tuple[Client, Client]:
    chain_create(actor="x", caip2=CHAIN, name="Dev", native_symbol="ETH", confirmation_depth=2)
    return _operator("otto"), _operator("olga")


def _propose(client: Client, **changes: str) -> NodeChange:
    answer = client.post(reverse("oms:node_new"), FIELDS | changes)
    assert answer.status_code == 302, answer.content
    return NodeChange.objects.latest("pk")


def _decide(client: Client, change: NodeChange, decision: str) -> str:
    address = reverse("oms:node_change_decide", args=[change.pk])
    return client.post(address, {"decision": decision}, follow=True).content.decode()


def test_a_new_node_takes_two_people(people: tuple[Client, Client]) -> None:
    one, two = people
    change = _propose(one)
    assert not Node.objects.exists()
    assert "another person" in _decide(one, change, "confirm")
    assert not Node.objects.exists()
    page = two.get(reverse("oms:nodes")).content.decode()
    assert "https://node.example/secret-key" in page  # who confirms sees what
    assert "Confirmed" in _decide(two, change, "confirm")
    node = Node.objects.get()
    assert (node.label, node.url, node.timeout_ms, node.fingerprint) == ("spare", FIELDS["url"], 3000, "ab" * 32)
    entries = AuditEntry.objects.filter(tag__startswith="chains:node").order_by("seq")
    assert [(entry.tag, entry.actor) for entry in entries] == [
        ("chains:node:change_proposed", "user:otto"),
        ("chains:node:changed", "user:olga"),
        ("chains:node:change_confirmed", "user:olga"),
    ]
    assert not any("secret-key" in entry.payload for entry in entries)  # the log never holds a node's key
    assert "no longer waits" in _decide(two, change, "confirm")
    assert Node.objects.count() == 1


def test_a_change_shows_what_it_changes_and_may_be_withdrawn(people: tuple[Client, Client]) -> None:
    one, two = people
    node_create(actor="x", chain=CHAIN, label="spare", url="http://localhost:1")
    one.post(reverse("oms:node_change", args=["spare"]), FIELDS | {"priority": "5"})
    change = NodeChange.objects.get()
    page = two.get(reverse("oms:nodes")).content.decode()
    assert '10</bdi> → <bdi class="mono">5</bdi>' in page
    assert "Withdrawn" in _decide(one, change, "withdraw")
    assert Node.objects.get().priority == 10
    assert "no longer waits" in _decide(two, change, "confirm")


def test_a_quarantined_node_comes_back_by_two_people_only(people: tuple[Client, Client]) -> None:
    one, two = people
    node = node_create(actor="x", chain=CHAIN, label="spare", url="http://localhost:1")
    lie = Disagreement(
        question="a balance",
        number=7,
        answers={"spare": "block 00: 1", "first": "block 00: <b>2</b>"},
        liars=("spare",),
    )
    disagreement_record(chain=node.chain, disagreement=lie, now=timezone.now())
    node.refresh_from_db()
    assert node.stopped_reason == "contradicted other nodes: a balance at block 7"
    assert AuditEntry.objects.get(tag="chains:node:quarantined").severity == "alarm"
    page = two.get(reverse("oms:nodes")).content.decode()
    assert "block 00: 1" in page
    assert "&lt;b&gt;2&lt;/b&gt;" in page
    assert "<b>2</b>" not in page
    one.post(
        reverse("oms:node_change", args=["spare"]),
        FIELDS | {"restarts": "on", "url": "http://localhost:1", "fingerprint": ""},
    )
    change = NodeChange.objects.get()
    assert change.restarts
    _decide(two, change, "confirm")
    node.refresh_from_db()
    assert node.stopped_reason == ""


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "ftp://node.example"},
        {"url": "javascript:alert(1)"},
        {"headers_file": "../../etc/passwd"},
        {"key_file": "/etc/shadow"},
        {"fingerprint": "zz"},
        {"timeout_ms": "0"},
        {"timeout_ms": "999999999999"},
        {"chain": "eip155:99"},
        {"label": "no spaces please"},
        {"priority": "-1"},
        {"certificate_file": "client.pem"},
        {"url": "http://node.example"},
        {"label": ""},
    ],
)
def test_odd_settings_get_a_plain_answer(people: tuple[Client, Client], wrong: dict[str, str]) -> None:
    answer = people[0].post(reverse("oms:node_new"), FIELDS | wrong)
    assert answer.status_code == 422
    assert 'class="errors"' in answer.content.decode()
    assert not NodeChange.objects.exists()


def test_who_does_not_run_operations_sees_none_of_it(people: tuple[Client, Client]) -> None:
    change = _propose(people[0])
    trader = signed_in(User.objects.create_user("tess", display_name="Tess"))
    for name in ("nodes", "nodes_status", "node_new"):
        assert trader.get(reverse(f"oms:{name}")).status_code == 403
    answer = trader.post(reverse("oms:node_change_decide", args=[change.pk]), {"decision": "confirm"})
    assert answer.status_code == 403
    assert people[0].get(reverse("oms:node_change", args=["nobody"])).status_code == 404
    assert people[0].post(reverse("oms:node_change_decide", args=[10**9]), {"decision": "confirm"}).status_code == 302


@pytest.mark.anvil
def test_the_sweep_writes_down_how_nodes_do(people: tuple[Client, Client], anvil_node: Anvil) -> None:
    node_create(actor="x", chain=CHAIN, label="good", url=anvil_node.url)
    node_create(actor="x", chain=CHAIN, label="dead", url="http://127.0.0.1:9", priority=20)
    now = timezone.now()
    nodes_sweep(now=now)
    good, dead = NodeHealth.objects.order_by("node__priority")
    assert (good.breaker, good.missing, good.errors) == ("closed", "", 0)
    assert good.version.startswith("anvil")
    assert good.head_number is not None
    assert (dead.errors, dead.head_number) == (1, None)
    assert "cannot be reached" in dead.last_error
    page = people[0].get(reverse("oms:nodes_status")).content.decode()
    assert page.count("✓ well") == 1
    assert page.count("✗ does not answer") == 1
    assert "127.0.0.1:9" not in page
    checked = good.checked_at
    nodes_sweep(now=now)
    good.refresh_from_db()
    assert good.checked_at == checked  # not before its time


@pytest.mark.anvil
def test_a_node_that_keeps_failing_is_left_alone_with_an_alarm(people: tuple[Client, Client]) -> None:
    node_create(actor="x", chain=CHAIN, label="gone", url="http://127.0.0.1:9")
    for minute in range(6):
        nodes_sweep(now=timezone.now() + dt.timedelta(minutes=minute))
    assert NodeHealth.objects.get().breaker == "open"
    assert AuditEntry.objects.filter(tag="chains:node:unwell", subject="gone").count() == 1
    assert "left alone after failures" in people[0].get(reverse("oms:nodes_status")).content.decode()
