"""Requests that are consented to long before, approved, and held until an operator releases them."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from django.db import DatabaseError, transaction
from django.urls import reverse
from django.utils import timezone

from audit.models import AuditEntry
from core.documents.consent import Decision
from core.documents.mandate import Mandate
from core.key_lifecycle import KeyEvent
from core.lifecycle import State
from custody.key_transitions import key_lock, key_move
from custody.models import Job
from oms.errors import RequestRefusedError
from oms.holds import hold_release, is_held
from oms.intents import HELD_LIFETIME_SECONDS
from oms.models import RequestHold, TransactionRequest
from oms.services import request_ask
from oms.sweep import sweep_once
from policies.selectors import reservation_list
from tests.factories.world import LISTED, NATIVE
from tests.sign_in import signed_in
from witness.knowledge import VETO_SECONDS

if TYPE_CHECKING:
    from tests.oms.conftest import Desk

DAY = dt.timedelta(days=1)


def held_request(desk: Desk) -> TransactionRequest:
    """Have a held request asked and approved by everybody it takes."""
    mandate = desk.preview(held=True).mandate
    request = request_ask(
        user=desk.users["tessa"],
        mandate_raw=mandate.to_bytes(),
        consent_raw=desk.signed(mandate, "tessa", Decision.ASK),
        now=timezone.now(),
        held=True,
    )
    for name in ("rita", "ravi"):
        request = desk.decide(request, name)
    assert request.state == State.APPROVED
    return request


def sweep(request: TransactionRequest, *, at: dt.datetime | None = None) -> str:
    sweep_once(now=at or timezone.now())
    request.refresh_from_db()
    return str(request.state)


@pytest.mark.django_db(transaction=True)
def test_an_approved_request_waits_for_an_operator_and_then_goes_its_way(desk: Desk) -> None:
    request = held_request(desk)
    for _ in range(3):
        assert sweep(request) == State.APPROVED
    assert not Job.objects.exists()
    client = signed_in(desk.users["olga"])
    page = client.get(f"/requests/{request.reference}/").content.decode()
    assert "held" in page
    assert "Release it" in page
    assert "Release it" not in signed_in(desk.users["rita"]).get(f"/requests/{request.reference}/").content.decode()
    answer = client.post(reverse("oms:request_release", args=[request.reference]), follow=True)
    assert "Released." in answer.content.decode()
    assert sweep(request) == State.SIGNING
    assert Job.objects.get().intent_digest == request.intent_digest
    entries = AuditEntry.objects.filter(subject=request.intent_digest)
    assert [entries.filter(tag=f"oms:request:{what}").count() for what in ("held", "released")] == [1, 1]
    hold = RequestHold.objects.get()
    assert (hold.placed_by, hold.released_by) == ("tessa", "user:olga")


@pytest.mark.django_db(transaction=True)
def test_it_lives_for_weeks_and_says_so_at_its_end(desk: Desk) -> None:
    request = held_request(desk)
    mandate = Mandate.from_bytes(request.mandate_text.encode())
    assert mandate.header.expires - mandate.header.created == HELD_LIFETIME_SECONDS <= VETO_SECONDS
    assert sweep(request, at=timezone.now() + 29 * DAY) == State.APPROVED
    assert sweep(request, at=timezone.now() + 31 * DAY) == State.EXPIRED
    assert request.sub_status == "held, and released by nobody in time"
    with pytest.raises(RequestRefusedError, match="expired by now"):
        hold_release(actor="user:olga", reference=request.reference, now=timezone.now())


@pytest.mark.django_db(transaction=True)
def test_nobody_asks_for_weeks_without_a_hold(desk: Desk) -> None:
    mandate = desk.preview(held=True).mandate
    with pytest.raises(RequestRefusedError, match="a few hours"):
        desk.ask(mandate)
    assert not TransactionRequest.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_fees_of_later_are_allowed_for(desk: Desk) -> None:
    at_once, later = desk.preview().mandate, desk.preview(held=True).mandate
    fees = [one.order.intent.max_fee_per_gas for one in (at_once, later)]  # type: ignore[union-attr]  # single orders
    assert 2 * fees[0] < fees[1] < 8 * fees[0]


@pytest.mark.django_db(transaction=True)
def test_what_is_not_held_is_not_released(desk: Desk) -> None:
    request = desk.ask()
    client = signed_in(desk.users["olga"])
    answer = client.post(reverse("oms:request_release", args=[request.reference]), follow=True)
    assert "not held" in answer.content.decode()
    for name in ("x", "0" * 32):
        answer = client.post(f"/requests/{name}/release/", follow=True)
        assert "There is no such request" in answer.content.decode()
    assert client.get(f"/requests/{request.reference}/release/").status_code == 405
    for name in ("tessa", "rita", "paul"):
        if name in desk.users:
            answer = signed_in(desk.users[name]).post(f"/requests/{request.reference}/release/")
            assert answer.status_code == 403
    assert not AuditEntry.objects.filter(tag="oms:request:released").exists()


@pytest.mark.django_db(transaction=True)
def test_a_release_before_the_last_approval_lets_it_go_once_it_is_approved(desk: Desk) -> None:
    mandate = desk.preview(held=True).mandate
    request = request_ask(
        user=desk.users["tessa"],
        mandate_raw=mandate.to_bytes(),
        consent_raw=desk.signed(mandate, "tessa", Decision.ASK),
        now=timezone.now(),
        held=True,
    )
    hold_release(actor="user:olga", reference=request.reference, now=timezone.now())
    assert not is_held(request=request)
    for name in ("rita", "ravi"):
        desk.decide(request, name)
    assert sweep(request) == State.SIGNING
    with pytest.raises(RequestRefusedError, match="not held"):
        hold_release(actor="user:olga", reference=request.reference, now=timezone.now())


@pytest.mark.django_db(transaction=True)
def test_an_approved_request_waits_while_its_key_is_suspended(desk: Desk) -> None:
    request = desk.ask()
    for name in ("rita", "ravi"):
        request = desk.decide(request, name)
    now = timezone.now()
    for event, why in ((KeyEvent.ACTIVATE, ""), (KeyEvent.SUSPEND, "a strange outflow")):
        with transaction.atomic():
            key_move(key=key_lock(wallet=request.wallet), event=event, actor="user:olga", now=now, why=why)
    assert sweep(request) == State.APPROVED
    assert request.sub_status == "Waits: the key of this wallet is suspended: a strange outflow."
    with transaction.atomic():
        key_move(
            key=key_lock(wallet=request.wallet), event=KeyEvent.RESUME, actor="user:olga", now=now, why="explained"
        )
    assert sweep(request, at=timezone.now() + dt.timedelta(minutes=1)) == State.SIGNING


@pytest.mark.django_db(transaction=True)
def test_the_form_says_what_a_hold_is_and_the_preview_until_when(desk: Desk) -> None:
    client = signed_in(desk.users["tessa"])
    assert "Held until an operator releases it" in client.get("/requests/new/").content.decode()
    fields: dict[str, Any] = {"wallet": desk.world.wallet, "asset": NATIVE, "listed": LISTED, "amount": "1"}
    page = client.post(reverse("oms:request_new"), fields | {"held": "yes"}).content.decode()
    assert "held until an operator releases it" in page
    assert "?held=yes" in page
    assert "?held=yes" not in client.post(reverse("oms:request_new"), fields).content.decode()


@pytest.mark.django_db(transaction=True)
def test_the_page_hands_a_held_mandate_in_and_it_is_held(desk: Desk) -> None:
    mandate = desk.preview(held=True).mandate
    consent = desk.signed(mandate, "tessa", Decision.ASK).decode()
    body = f'{{"mandate":{mandate.to_bytes().decode()},"consent":{consent}}}'
    client = signed_in(desk.users["tessa"])
    address = reverse("oms:request_ask")
    assert client.post(address, body, content_type="application/json").status_code in (400, 409, 422)
    assert client.post(f"{address}?held=yes", body, content_type="application/json").status_code == 201
    assert is_held(request=TransactionRequest.objects.get())
    assert "held until an operator" in client.get("/").content.decode()


@pytest.mark.django_db(transaction=True)
def test_the_database_takes_no_release_by_nobody(desk: Desk) -> None:
    request = desk.ask()
    with pytest.raises(DatabaseError), transaction.atomic():
        RequestHold.objects.create(
            request=request, placed_by="tessa", placed_at=timezone.now(), released_at=timezone.now()
        )


@pytest.mark.django_db(transaction=True)
def test_what_is_held_counts_against_limits(desk: Desk) -> None:
    mandate = desk.preview(held=True).mandate
    request = request_ask(
        user=desk.users["tessa"],
        mandate_raw=mandate.to_bytes(),
        consent_raw=desk.signed(mandate, "tessa", Decision.ASK),
        now=timezone.now(),
        held=True,
    )
    held = reservation_list(intent_digest=request.intent_digest)
    assert {row.state for row in held} == {"held"}
