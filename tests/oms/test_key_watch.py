"""Keys that the policy in force names are in use, and nobody has to say so."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from coincurve import PrivateKey
from django.conf import settings
from django.utils import timezone

from audit.alarms import alarms_open
from core.documents.roster import WalletKind
from core.evm import address_of
from custody.models import WalletKey
from custody.services import wallet_create
from oms.key_watch import keys_sweep
from tests.factories.world import CHAIN

if TYPE_CHECKING:
    from tests.oms.conftest import Desk


def _other() -> str:
    public = PrivateKey().public_key.format(compressed=False)
    made = wallet_create(
        actor="x",
        caip10=f"{CHAIN}:{address_of(public)}",
        label="Not yet",
        kind=WalletKind.HSM,
        public_key=public,
        signers=["hsm-1"],
    )
    return made.pk


def test_a_key_is_in_use_once_the_policy_in_force_names_its_wallet(desk: Desk) -> None:
    other, now = _other(), timezone.now()
    assert keys_sweep(now=now) == 1
    assert keys_sweep(now=now) == 0
    states = dict(WalletKey.objects.values_list("pk", "state"))
    assert states == {desk.world.wallet: "active", other: "generated"}
    keys_sweep(now=now + dt.timedelta(days=365))
    (alarm,) = alarms_open()
    assert (alarm.subject, alarm.severity) == (desk.world.wallet, "alarm")
    assert "Treasury Hot" in alarm.message


@pytest.mark.django_db
def test_without_a_policy_nothing_is_in_use() -> None:
    assert keys_sweep(now=timezone.now()) == 0
    assert "oms.key_watch.keys_sweep" in settings.COUNTERSIGN_SWEEPS
