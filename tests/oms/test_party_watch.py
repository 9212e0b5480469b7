"""Too few parties of a shared key: one alarm, louder below the threshold, over when enough are back."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from coincurve import PrivateKey
from django.utils import timezone

from audit.alarms import alarms_open
from core.documents.roster import WalletKind
from core.evm import address_of
from custody.selectors import wallet_find
from custody.services import wallet_create
from oms.models import SignerSighting
from oms.party_watch import LOST_AFTER, parties_follow, presence_of
from tests.factories.world import CHAIN

if TYPE_CHECKING:
    from custody.models import Wallet
    from tests.oms.conftest import Desk

NAMES = tuple(f"party-{number}" for number in range(1, 6))
NOW = timezone.now()


@pytest.fixture
def shared(desk: Desk) -> Wallet:  # noqa: ARG001 - makes the chain
    """A 3-of-5 wallet whose parties were all seen now."""
    key = PrivateKey().public_key.format(compressed=False)
    wallet = wallet_create(
        actor="x",
        caip10=f"{CHAIN}:{address_of(key)}",
        label="Warm",
        kind=WalletKind.MPC,
        public_key=key,
        signers=NAMES,
        threshold=3,
    )
    for name in NAMES:
        SignerSighting.objects.create(signer=name, asked_at=NOW, seen_at=NOW)
    return wallet


def seen(*names: str, at: dt.datetime) -> None:
    SignerSighting.objects.filter(pk__in=names).update(seen_at=at)


@pytest.mark.django_db(transaction=True)
def test_one_alarm_that_grows_and_ends(shared: Wallet) -> None:
    parties_follow(now=NOW)
    assert not alarms_open().exists()
    later = NOW + LOST_AFTER + dt.timedelta(seconds=1)
    seen(*NAMES[:4], at=later)
    parties_follow(now=later)
    assert not alarms_open().exists(), "one of five may be away"
    later += LOST_AFTER + dt.timedelta(seconds=1)
    seen(*NAMES[:3], at=later)
    for _ in range(2):
        parties_follow(now=later)
    (alarm,) = alarms_open()
    assert (alarm.tag, alarm.severity, alarm.subject) == ("custody:parties:few", "alarm", shared.pk)
    assert "3 of 5 parties answer (silent: party-4, party-5): 4 have to agree, so its cases wait." in alarm.message
    later += LOST_AFTER + dt.timedelta(seconds=1)
    seen(*NAMES[:2], at=later)
    parties_follow(now=later)
    (alarm,) = alarms_open()
    assert alarm.severity == "critical"
    seen(*NAMES, at=later)
    parties_follow(now=later)
    assert not alarms_open().exists()


@pytest.mark.django_db(transaction=True)
def test_parties_that_were_never_seen_have_a_few_minutes_to_come(shared: Wallet) -> None:
    SignerSighting.objects.update(seen_at=None)
    parties_follow(now=NOW)
    assert not alarms_open().exists()
    parties_follow(now=NOW + LOST_AFTER)
    assert alarms_open().get().severity == "critical"
    presence = presence_of(wallet=shared, now=NOW)
    assert presence is not None
    assert presence.words.endswith("fewer than the 3 that sign together, so nothing can be signed at all.")


@pytest.mark.django_db(transaction=True)
def test_a_key_that_is_not_shared_has_no_parties(desk: Desk) -> None:
    wallet = wallet_find(caip10=desk.world.wallet)
    assert wallet is not None
    assert presence_of(wallet=wallet, now=NOW) is None
