"""Moving a wallet's key from its page: by operators and the committee, with a reason, and with what shows it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from django.urls import reverse
from django.utils import timezone

from audit.alarms import alarms_open
from audit.models import AuditEntry
from custody.models import BalancePoint, WalletKey, WalletKeyEvent
from tests.sign_in import signed_in

if TYPE_CHECKING:
    from django.test import Client

    from tests.oms.conftest import Desk

PRINTED = "softhsm2-util: deleted\r\nobjects left: 0"


@pytest.fixture
def olga(desk: Desk) -> Client:
    """An operator."""
    return signed_in(desk.users["olga"])


def address(desk: Desk) -> str:
    return reverse("oms:wallet_key", args=[desk.world.wallet])


def say(client: Client, desk: Desk, event: str, **more: str) -> int:
    return client.post(address(desk), {"event": event, "why": "as planned"} | more).status_code


def activate(desk: Desk) -> None:
    WalletKey.objects.filter(pk=desk.world.wallet).update(state="active", activated_at=timezone.now())


def test_a_key_is_suspended_resumed_and_retired_with_reasons(desk: Desk, olga: Client) -> None:
    activate(desk)
    for event, state in (("suspend", "suspended"), ("resume", "active"), ("retire", "retired")):
        assert say(olga, desk, event) == 302
        assert WalletKey.objects.get().state == state
    rows = WalletKeyEvent.objects.all()
    assert [(row.event, row.actor, row.why) for row in rows] == [
        (event, "user:olga", "as planned") for event in ("suspend", "resume", "retire")
    ]
    assert AuditEntry.objects.filter(tag="custody:key:moved").count() == 3
    page = olga.get(f"/wallets/{desk.world.wallet}/").content.decode()
    assert "Only transfers into another wallet of ours" in page


def test_only_what_the_table_allows_is_offered_and_taken(desk: Desk, olga: Client) -> None:
    page = olga.get(address(desk)).content.decode()
    assert 'value="destroy"' in page
    assert 'value="suspend"' not in page
    # What does not come back is not what stands there when nobody chose.
    assert '<option value="" selected>Choose what happened</option>' in page
    for event in ("suspend", "resume", "retire", "activate", "", "x", "\0"):
        assert say(olga, desk, event) == 422, event
    assert WalletKey.objects.get().state == "generated"
    assert not WalletKeyEvent.objects.exists()


def test_a_reason_is_needed(desk: Desk, olga: Client) -> None:
    activate(desk)
    for why in ("", "  ", "x" * 401, "\u202e"):
        assert say(olga, desk, "suspend", why=why) == 422
    assert WalletKey.objects.get().state == "active"


def test_a_destruction_is_attached_and_shown(desk: Desk, olga: Client) -> None:
    activate(desk)
    say(olga, desk, "retire")
    assert say(olga, desk, "destroy") == 422
    assert say(olga, desk, "destroy", evidence="x" * 40_000) == 422
    assert say(olga, desk, "destroy", evidence=PRINTED) == 302
    kept = PRINTED.replace("\r\n", "\n")
    row = WalletKeyEvent.objects.get(event="destroy")
    assert (row.evidence, row.evidence_digest) == (kept, hashlib.sha256(kept.encode()).hexdigest())
    assert row.evidence_digest in AuditEntry.objects.filter(tag="custody:key:moved").latest("seq").payload
    page = signed_in(desk.users["rita"]).get(f"/wallets/{desk.world.wallet}/").content.decode()
    assert "objects left: 0" in page
    assert "Nothing follows" in olga.get(address(desk)).content.decode()


def test_what_a_wallet_still_holds_is_not_lost_by_mistake(desk: Desk, olga: Client) -> None:
    now = timezone.now()
    BalancePoint.objects.create(
        wallet_id=desk.world.wallet, asset="x", block_number=1, block_hash="0" * 64, block_time=now, amount=1
    )
    assert say(olga, desk, "destroy", evidence=PRINTED) == 422
    assert WalletKey.objects.get().state == "generated"
    assert say(olga, desk, "destroy", evidence=PRINTED, abandons="on") == 302
    assert WalletKey.objects.get().state == "destroyed"


def test_a_key_in_other_hands_is_an_alarm(desk: Desk, olga: Client) -> None:
    activate(desk)
    assert say(olga, desk, "compromise", why="the token is gone") == 302
    (alarm,) = alarms_open()
    assert (alarm.severity, alarm.subject) == ("critical", desk.world.wallet)


def test_others_neither_see_nor_move_it(desk: Desk) -> None:
    activate(desk)
    for name in ("tessa", "rita", "clara"):
        client = signed_in(desk.users[name])
        assert client.get(address(desk)).status_code == 403
        assert say(client, desk, "suspend") == 403
    assert WalletKey.objects.get().state == "active"


def test_bad_names_are_no_error(olga: Client) -> None:
    for name in ("x", "eip155:31337:0x00", "a" * 300, "%00"):
        assert olga.get(f"/wallets/{name}/key/").status_code == 404, name
        assert olga.post(f"/wallets/{name}/key/", {"event": "suspend"}).status_code == 404, name
