"""Hostile input at the pages and the API: an answer that says no, never a server error, nothing stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from oms.errors import RequestRefusedError
from oms.models import TransactionRequest
from tests.factories.world import LISTED, NATIVE, header
from tests.sign_in import signed_in

if TYPE_CHECKING:
    from tests.oms.conftest import Desk

BODIES = {
    "nested lists": b"[" * 100_000,
    "nested objects": b'{"a":' * 50_000,
    "empty object": b"{}",
    "null": b"null",
    "not UTF-8": b"\xff\xfe",
    "wrong types": b'{"mandate":1,"consent":2}',
    "wrong shapes": b'{"mandate":{"header":{}},"consent":[]}',
    "a float": b'{"mandate":1e999,"consent":{}}',
    "not a number": b'{"mandate":NaN,"consent":{}}',
    "too long": b"x" * 600_000,
    "half a surrogate pair": b'{"mandate":{"header":"\\ud800"},"consent":{"a":"\\udfff"}}',
    "names twice": b'{"mandate":{},"mandate":{},"consent":{}}',
}
REFUSED = {400, 403, 404, 409, 413, 422}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_the_api_refuses_what_is_no_consent(desk: Desk, body: bytes) -> None:
    request = desk.ask()
    requests = TransactionRequest.objects.count()
    paths = {"tessa": "/api/requests/", "rita": f"/api/requests/{request.reference}/consents/"}
    for person, path in paths.items():
        answer = signed_in(desk.users[person]).post(path, data=body, content_type="application/json")
        assert answer.status_code in REFUSED, answer.content[:300]
        assert answer["Content-Type"] == "application/problem+json"
    other_desk = signed_in(desk.users["tom"])
    assert other_desk.post(paths["rita"], data=b"{}", content_type="application/json").status_code in REFUSED
    assert TransactionRequest.objects.count() == requests


@pytest.mark.parametrize(
    "amount",
    ["9" * 400, "0." + "0" * 300 + "1", "\u0663", "\uff11", "1\u200b", "-0", "+1", "1_000", "0x10", "1e3", "∞", ""],
)
def test_an_odd_amount_is_a_message_and_stays_in_its_field(desk: Desk, amount: str) -> None:
    typed = {"wallet": desk.world.wallet, "asset": NATIVE, "listed": "", "destination": LISTED, "amount": amount}
    answer = signed_in(desk.users["tessa"]).post("/requests/new/", {**typed, "purpose": "Rent"})
    assert answer.status_code == 422
    assert "Rent" in answer.content.decode()


@pytest.mark.parametrize("purpose", ["<script>alert(1)</script>", "a\x00b", "\u202egnp", "x" * 5000])
def test_an_odd_purpose_is_escaped_or_refused(desk: Desk, purpose: str) -> None:
    typed = {"wallet": desk.world.wallet, "asset": NATIVE, "listed": "", "destination": LISTED, "amount": "1"}
    answer = signed_in(desk.users["tessa"]).post("/requests/new/", {**typed, "purpose": purpose})
    assert answer.status_code in {200, 422}
    assert b"<script>alert" not in answer.content


@pytest.mark.parametrize(
    "path",
    [
        "/requests/x/",
        "/queue/x/",
        f"/requests/{'a' * 32}/",
        "/requests/?page=99999999999999999999&show=%00",
        "/queue/%00/",
        "/api/requests/x/status/",
    ],
)
def test_an_odd_address_is_found_or_not(desk: Desk, path: str) -> None:
    assert signed_in(desk.users["tessa"]).get(path).status_code in {200, 404}


def test_nothing_is_asked_for_an_amount_of_zero(desk: Desk) -> None:
    mandate = desk.world.mandate(desk.world.intent(value=0))
    with pytest.raises(RequestRefusedError, match="greater than 0"):
        desk.ask(mandate)


def test_a_request_does_not_hold_limits_for_years(desk: Desk) -> None:
    world = desk.world
    years = header("intent", world.deployment, now=world.now, lifetime=10**9)
    with pytest.raises(RequestRefusedError, match="a few hours"):
        desk.ask(world.mandate(world.intent(header=years)))
