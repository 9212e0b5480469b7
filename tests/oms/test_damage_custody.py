"""Wallets, keys and ceremonies that a superuser edited into garbage: named, alarmed, and nothing else stops."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.urls import reverse
from django.utils import timezone

from audit.models import AuditAlarm
from core.key_lifecycle import KeyEvent
from custody.ceremony_selectors import refresh_days_of
from custody.ceremony_sweep import ceremonies_watch
from custody.key_services import keys_remind
from custody.key_transitions import key_lock, key_move
from custody.models import CeremonySchedule, KeyCeremony, WalletKey
from oms.models import SignerSighting
from tests.append_only import lifted
from tests.oms.test_ceremony_pages import drafted, ordered, person, rig

if TYPE_CHECKING:
    from tests.custody.ceremony_rig import Rig

__all__ = ["rig"]
WALLET_EDITS = {
    "kind": "UPDATE custody_wallet SET kind = 'gold'",
    "public key": "UPDATE custody_wallet SET public_key = 'zz'",
    "signers": "UPDATE custody_wallet SET signers = '7'",
    "key's state": "UPDATE custody_walletkey SET state = 'lost'",
    "key's period": "UPDATE custody_walletkey SET period_days = 2000000000",
}
CEREMONY_EDITS = {
    "step": "UPDATE custody_ceremonyprogress SET state = 'weird'",
    "consents": "UPDATE custody_keyceremony SET consents = 'rubbish'",
    "consents' shape": "UPDATE custody_keyceremony SET consents = '[1]'",
    "document": "UPDATE custody_keyceremony SET document = '{}'",
}


def _edit(statement: str) -> None:
    """Edit past every trigger and every check, as a superuser may."""
    with lifted(), connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA ignore_check_constraints = ON")
        else:
            cursor.execute(
                "SELECT conrelid::regclass::text, conname FROM pg_constraint"
                " WHERE contype = 'c' AND conrelid::regclass::text LIKE 'custody_%%'"
            )
            for table, name in cursor.fetchall():
                cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
        cursor.execute(statement)
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA ignore_check_constraints = OFF")


def _active(rig: Rig) -> None:
    with transaction.atomic():
        key = key_lock(wallet=rig.wallet.id)
        key_move(key=key, event=KeyEvent.ACTIVATE, actor="system:test", now=timezone.now())


@pytest.mark.parametrize("statement", WALLET_EDITS.values(), ids=WALLET_EDITS.keys())
def test_an_edited_wallet_or_key_is_named_and_alarmed(rig: Rig, statement: str) -> None:
    _active(rig)
    _edit(statement)
    client = person(rig, "olga")
    for address in ("/wallets/", reverse("oms:wallet", args=[rig.wallet.id])):
        answer = client.get(address)
        assert answer.status_code == 409
        assert rig.wallet.id in answer.content.decode()
    assert client.get("/ceremonies/").status_code == 200
    assert AuditAlarm.objects.filter(tag="audit:row:damaged", subject__endswith=rig.wallet.id).count() == 1
    moved = client.post(reverse("oms:wallet_key", args=[rig.wallet.id]), {"event": "suspend", "why": "x"})
    assert moved.status_code in (302, 409, 422)


def test_an_edited_key_keeps_nobody_from_being_reminded(rig: Rig) -> None:
    _active(rig)
    _edit(WALLET_EDITS["key's state"])
    assert keys_remind(now=timezone.now()) == WalletKey.objects.count()
    assert AuditAlarm.objects.filter(tag="audit:row:damaged", subject=f"key {rig.wallet.id}").exists()


@pytest.mark.parametrize("statement", CEREMONY_EDITS.values(), ids=CEREMONY_EDITS.keys())
def test_an_edited_ceremony_is_named_and_alarmed(rig: Rig, statement: str) -> None:
    made = ordered(rig, "drill", signers=["party-1"], epoch=0)
    rig.sweep(waits=1)
    _edit(statement)
    client = person(rig, "olga")
    answers = [
        client.get(reverse(f"oms:{name}", args=[made.digest]))
        for name in ("ceremony", "ceremony_status", "ceremony_transcript", "ceremony_file")
    ]
    assert {answer.status_code for answer in answers} <= {200, 409}
    refused = [answer for answer in answers if answer.status_code == 409]
    assert refused
    assert all(made.digest[:16] in answer.content.decode() for answer in refused)
    assert AuditAlarm.objects.filter(tag="audit:row:damaged", subject=f"ceremony {made.digest[:16]}").exists()


def test_the_command_names_an_edited_ceremony(rig: Rig) -> None:
    made = drafted(rig, "drill", signers=["party-1"], epoch=0)
    _edit(CEREMONY_EDITS["document"])
    with pytest.raises(CommandError, match=f"{made.digest[:16]} was edited past us"):
        call_command("ceremony_show", made.digest)


def test_an_edited_ceremony_keeps_no_other_from_being_watched(rig: Rig) -> None:
    edited = ordered(rig, "degraded", signers=["party-1", "party-2", "party-3"])
    waits = ordered(rig, "drill", signers=["party-1"], epoch=0)
    rig.away |= set(rig.wallet.signers)
    _edit(f"UPDATE custody_keyceremony SET document = '{{}}' WHERE digest = '{edited.digest}'")  # noqa: S608 - ours
    ceremonies_watch(now=timezone.now() + dt.timedelta(hours=1))
    told = AuditAlarm.objects.filter(closed_us__isnull=True)
    assert told.filter(tag="custody:ceremony:waits", subject=waits.digest).exists()
    assert told.filter(tag="audit:row:damaged", subject=f"ceremony {edited.digest[:16]}").exists()
    # Workers ask signers about the other one all the same.
    rig.away.clear()
    rig.sweep(waits=60)
    waits.refresh_from_db()
    assert waits.state == "running"
    assert KeyCeremony.objects.get(pk=edited.pk).state == "ordered"


@pytest.mark.parametrize(
    "told", [{"epoch": 1, "since": 10**17}, {"epoch": -1, "since": -(10**14)}, {"epoch": True, "since": []}, [], "x"]
)
def test_what_a_sighting_cannot_mean_is_shown_as_unknown(rig: Rig, told: Any) -> None:  # noqa: ANN401 - any JSON
    now = timezone.now()
    for name in rig.wallet.signers:
        SignerSighting.objects.create(signer=name, asked_at=now, seen_at=now, epochs={rig.wallet.id: told})
    assert person(rig, "olga").get(reverse("oms:wallet", args=[rig.wallet.id])).status_code == 200


@pytest.mark.parametrize("days", [0, 2_000_000_000])
def test_a_reminder_that_nobody_could_have_set_is_none(rig: Rig, days: int) -> None:
    CeremonySchedule.objects.create(wallet_id=rig.wallet.id, refresh_days=30)
    assert refresh_days_of(wallet=rig.wallet.id) == 30
    _edit(f"UPDATE custody_ceremonyschedule SET refresh_days = {days}")  # noqa: S608 - ours
    assert refresh_days_of(wallet=rig.wallet.id) == 90
    assert person(rig, "olga").get("/ceremonies/").status_code == 200
