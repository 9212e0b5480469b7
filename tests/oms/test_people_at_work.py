"""The whole sequence of people, from sign-in to the last word, over HTTP and with everybody's own keys."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from django.test import Client
from django.urls import reverse

from audit.models import AuditEntry
from core.documents.consent import Decision
from demo.softkey import SoftKey
from oms.models import TransactionRequest
from tests.approvals.browser import HARDWARE, enrolled, sign_in

if TYPE_CHECKING:
    from core.documents.mandate import Mandate
    from tests.oms.conftest import Desk

LARGE = "10"
"""Ether: worth more than the threshold from which the policy wants two risk officers, the CRO and two sites."""


def at_work(desk: Desk, name: str) -> Client:
    """Enrol a sign-in key for somebody, and have them sign in with it."""
    soft, client = SoftKey.generate(aaguid=HARDWARE), Client()
    enrolled(desk.users[name], soft)
    assert sign_in(client, soft).status_code == 200
    return client


def asked(desk: Desk, client: Client, amount: str) -> Mandate:
    mandate = desk.preview(amount_text=amount).mandate
    consent = desk.signed(mandate, "tessa", Decision.ASK).decode()
    body = f'{{"mandate":{mandate.to_bytes().decode()},"consent":{consent}}}'
    assert client.post(reverse("oms:request_ask"), body, content_type="application/json").status_code == 201
    return mandate


def decided(desk: Desk, client: Client, mandate: Mandate, name: str, *, no: str = "") -> str:
    """Have somebody open the case and approve it, or reject it for a reason."""
    assert client.get(reverse("oms:case", args=[mandate.header.id])).status_code == 200
    decision = Decision.REJECT if no else Decision.APPROVE
    body = f'{{"consent":{desk.signed(mandate, name, decision, no).decode()}}}'
    address = reverse("oms:request_consent", args=[mandate.header.id])
    answer = client.post(address, body, content_type="application/json")
    assert answer.status_code == 200, answer.content
    state: str = json.loads(answer.content)["state"]
    return state


def test_a_trader_asks_officers_of_two_sites_approve_and_another_case_is_rejected(desk: Desk) -> None:
    trader = at_work(desk, "tessa")
    large, small = asked(desk, trader, LARGE), asked(desk, trader, "1")
    asked_states = set(TransactionRequest.objects.values_list("state", flat=True))
    assert asked_states == {"pending"}
    senior, officer, chief = (at_work(desk, name) for name in ("rita", "ravi", "clara"))
    for name, client in (("rita", senior), ("ravi", officer), ("clara", chief)):
        assert large.header.id[:8].encode() in client.get(reverse("oms:queue")).content, name

    assert decided(desk, senior, large, "rita") == "pending", "zurich's senior risk officer"
    assert decided(desk, officer, large, "ravi") == "pending", "the chief's seat is open"
    assert decided(desk, chief, large, "clara") == "approved", "london's chief risk officer"
    assert decided(desk, senior, small, "rita", no="Not on a Saturday") == "rejected"

    page = trader.get(reverse("oms:request", args=[small.header.id])).content
    assert b"Not on a Saturday" in page
    assert trader.get(reverse("oms:queue")).status_code == 403
    states = dict(TransactionRequest.objects.values_list("reference", "state"))
    assert states == {large.header.id: "approved", small.header.id: "rejected"}

    told = AuditEntry.objects.order_by("seq").values_list("actor", "tag")
    opened = [actor for actor, tag in told if tag == "approvals:session:opened"]
    assert opened == ["tessa", "rita", "ravi", "clara"]
    words = [actor for actor, tag in told if tag == "approvals:consent:recorded"]
    assert words == ["tessa", "tessa", "rita", "ravi", "clara", "rita"]
    looked = {actor for actor, tag in told if tag == "oms:case:viewed"}
    assert looked == {"tessa", "rita", "ravi", "clara"}
