"""The pages and what their scripts call, for traders and officers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from core.documents.consent import Decision
from core.documents.mandate import Mandate
from core.lifecycle import State
from oms.models import TransactionRequest
from tests.factories.world import COOLING, LISTED, NATIVE
from tests.sign_in import signed_in

if TYPE_CHECKING:
    from django.test import Client
    from django.test.client import _MonkeyPatchedWSGIResponse as Response

    from tests.oms.conftest import Desk

NEW = "/requests/new/"


def typed(desk: Desk, **changes: str) -> dict[str, str]:
    fields = {
        "wallet": desk.world.wallet,
        "asset": NATIVE,
        "listed": LISTED,
        "destination": "",
        "amount": "1.5",
        "purpose": "Collateral",
    }
    return fields | changes


def client_of(desk: Desk, name: str) -> Client:
    return signed_in(desk.users[name])


def post_json(client: Client, address: str, body: object) -> Response:
    raw = body if isinstance(body, str) else json.dumps(body)
    return client.post(address, raw, content_type="application/json")


def asked_of(page: Response) -> dict[str, Any]:
    request: dict[str, Any] = json.loads(page.context["consent_request"])
    return request


def test_from_the_form_to_the_queue(desk: Desk) -> None:
    trader = client_of(desk, "tessa")
    preview = trader.post(NEW, typed(desk))
    assert preview.status_code == 200
    asked = asked_of(preview)
    assert {name: asked[name] for name in ("v", "subject_type", "decision", "actor")} == {
        "v": 1,
        "subject_type": "mandate",
        "decision": "ask",
        "actor": "tessa",
    }
    mandate = Mandate.from_json(asked["document"])
    consent = json.loads(desk.signed(mandate, "tessa", Decision.ASK))
    answer = post_json(trader, "/api/requests/", {"mandate": asked["document"], "consent": consent})
    assert answer.status_code == 201
    page = trader.get(answer.json()["next"])
    assert b"Waiting for consent" in page.content
    officer = client_of(desk, "rita")
    reference = mandate.header.id
    assert reference[:8].encode() in officer.get("/queue/").content
    case = officer.get(f"/queue/{reference}/")
    assert asked_of(case)["decision"] == "review"
    assert asked_of(case)["document"] == asked["document"]
    address = reverse("oms:request_consent", args=[reference])
    for name in ("rita", "ravi"):
        approval = json.loads(desk.signed(mandate, name, Decision.APPROVE))
        assert post_json(client_of(desk, name), address, {"consent": approval}).status_code == 200
    assert TransactionRequest.objects.get(reference=reference).state == State.APPROVED


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"amount": "0"}, "greater than 0"),
        ({"amount": "0.0000000000000000001"}, "18 decimal places"),
        ({"amount": "99999"}, "holds"),
        ({"listed": "", "destination": LISTED.lower()}, "no checksum"),
        ({"listed": "", "destination": "vitalik.eth"}, "40 hex digits"),
        ({"destination": "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"}, "Two destinations"),
        ({"wallet": "elsewhere"}, "wallets that the policy names"),
        ({"asset": ""}, "assets that the policy names"),
        ({"purpose": "x" * 300}, "280"),
    ],
)
def test_bad_fields_keep_what_was_typed(desk: Desk, changes: dict[str, str], says: str) -> None:
    fields = typed(desk, **changes)
    page = client_of(desk, "tessa").post(NEW, fields)
    assert page.status_code == 422
    text = page.content.decode()
    assert says in text
    for name in ("destination", "amount", "purpose"):
        if fields[name]:
            assert f'value="{fields[name]}"' in text


def test_changing_a_preview_brings_the_form_back(desk: Desk) -> None:
    page = client_of(desk, "tessa").post(NEW, typed(desk, change="yes"))
    assert page.status_code == 200
    assert b'value="1.5"' in page.content


def test_hostile_text_stays_text(desk: Desk) -> None:
    page = client_of(desk, "tessa").post(NEW, typed(desk, purpose="<script>alert(1)</script>"))
    assert b"<script>alert" not in page.content


def test_traders_see_their_own_desk_only(desk: Desk) -> None:
    request = desk.ask()
    for name, status in (("tessa", 200), ("tom", 404), ("rita", 200)):
        client = client_of(desk, name)
        for view in ("oms:request", "oms:case", "oms:request_status"):
            assert client.get(reverse(view, args=[request.reference])).status_code == status
        listed = client.get("/requests/?show=all").content
        assert (request.reference[:8].encode() in listed) == (status == 200)
    assert client_of(desk, "tessa").get("/queue/").status_code == 403
    consent = json.loads(desk.signed(Mandate.from_bytes(request.mandate_text.encode()), "tom", Decision.APPROVE))
    refused = post_json(
        client_of(desk, "tom"), reverse("oms:request_consent", args=[request.reference]), {"consent": consent}
    )
    assert refused.status_code == 404


def test_the_status_is_polled_as_a_fragment_or_as_json(desk: Desk) -> None:
    request = desk.ask()
    client = client_of(desk, "tessa")
    address = reverse("oms:request_status", args=[request.reference])
    assert client.get(address).json()["state"] == "pending"
    fragment = client.get(address, headers={"accept": "text/html"})
    assert (fragment.status_code, b"<html" in fragment.content) == (200, False)
    desk.decide(request, "rita", Decision.REJECT, "wrong address")
    over = client.get(address, headers={"accept": "text/html"})
    assert over.status_code == 286
    assert b"wrong address" in over.content


def test_polling_keeps_no_session_alive(desk: Desk) -> None:
    request = desk.ask()
    client = client_of(desk, "tessa")
    session = client.session
    session["seen_at"] -= 600
    session.save()
    client.get(reverse("oms:request_status", args=[request.reference]))
    assert client.session["seen_at"] == session["seen_at"]
    client.get(reverse("oms:request", args=[request.reference]))
    assert client.session["seen_at"] > session["seen_at"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("{", 400),
        ("[]", 400),
        ('{"mandate":{},"mandate":{}}', 400),
        ('{"mandate":{"a":1.5},"consent":{}}', 400),
        ('{"mandate":{}}', 400),
        ('{"mandate":{},"consent":{}}', 409),
    ],
)
def test_nonsense_is_a_problem_not_an_error(desk: Desk, body: str, status: int) -> None:
    answer = post_json(client_of(desk, "tessa"), "/api/requests/", body)
    assert answer.status_code == status
    assert answer["Content-Type"] == "application/problem+json"


def test_a_consent_that_does_not_hold_is_refused(desk: Desk) -> None:
    request = desk.ask()
    mandate = Mandate.from_bytes(request.mandate_text.encode())
    consent = json.loads(desk.signed(mandate, "ravi", Decision.APPROVE))
    answer = post_json(
        client_of(desk, "rita"), reverse("oms:request_consent", args=[request.reference]), {"consent": consent}
    )
    assert answer.status_code == 403
    assert "signed in as rita" in answer.json()["detail"]


def test_lists_have_pages_and_an_empty_state(desk: Desk) -> None:
    client = client_of(desk, "tessa")
    assert b"No requests yet" in client.get("/requests/").content
    desk.ask()
    page = client.get("/requests/?page=99")
    assert page.status_code == 200
    assert len(page.context["rows"]) == 1


def test_a_listing_that_cannot_be_used_is_not_shown_as_one_that_can(desk: Desk) -> None:
    trader = client_of(desk, "tessa")
    assert b"(not usable yet)" in trader.get(NEW).content
    usable, cooling = desk.ask(), desk.ask(desk.preview(destination=COOLING).mandate)
    for request, words in ((usable, "✓ on the whitelist"), (cooling, "listed, but not usable yet")):
        text = trader.get(reverse("oms:request", args=[request.reference])).content.decode()
        assert words in text
        assert ("✓ on the whitelist" in text) == (request is usable)
