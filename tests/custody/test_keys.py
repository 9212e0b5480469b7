"""A key's life in code and in both databases: moves, periods, reminders, what is kept, and what is refused."""

from __future__ import annotations

import datetime as dt
import hashlib
from itertools import product
from typing import TYPE_CHECKING

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from audit.alarms import alarms_open
from audit.models import AuditEntry
from chains.services import chain_create
from core.documents.roster import WalletKind
from core.key_lifecycle import KEY_TRANSITIONS, KeyEvent, KeyLifecycleError, KeyState
from custody.errors import KeyInputError
from custody.key_services import EVERY, hsm_module_set, key_period_set, keys_activate, keys_remind
from custody.key_transitions import key_lock, key_move
from custody.models import HsmModule, WalletKey, WalletKeyEvent
from custody.services import wallet_create
from tests.append_only import lifted
from tests.factories.world import CHAIN, World

if TYPE_CHECKING:
    from custody.models import Wallet

pytestmark = pytest.mark.django_db
NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
PRINTED = "pkcs11-tool: deleted private key 0a0b\nno objects left\n"


@pytest.fixture
def wallet() -> Wallet:
    """A wallet whose key was never used."""
    world = World()
    chain_create(actor="x", caip2=CHAIN, name="Dev chain", native_symbol="ETH", confirmation_depth=3)
    return wallet_create(
        actor="x",
        caip10=world.wallet,
        label="Treasury Hot",
        kind=WalletKind.HSM,
        public_key=world.wallet_public_key,
        signers=["hsm-1"],
    )


def put(wallet: Wallet, state: KeyState) -> None:
    """Put a key into a state as nobody but a test can."""
    with lifted(), connection.cursor() as cursor:
        cursor.execute("UPDATE custody_walletkey SET state = %s WHERE wallet_id = %s", [state.value, wallet.pk])


def move(wallet: Wallet, event: KeyEvent, why: str = "as planned", evidence: str = "") -> KeyState:
    with transaction.atomic():
        key = key_lock(wallet=wallet.pk)
        return key_move(key=key, event=event, actor="user:olga", now=NOW, why=why, evidence=evidence)


def test_every_pair_moves_as_the_table_says_or_not_at_all(wallet: Wallet) -> None:
    for state, event in product(KeyState, KeyEvent):
        put(wallet, state)
        entries, events = AuditEntry.objects.count(), WalletKeyEvent.objects.count()
        expected = KEY_TRANSITIONS.get((state, event))
        if expected is None:
            with pytest.raises(KeyLifecycleError):
                move(wallet, event, evidence=PRINTED)
        else:
            assert move(wallet, event, evidence=PRINTED) is expected
        assert WalletKey.objects.get(pk=wallet.pk).state == (expected or state)
        assert WalletKeyEvent.objects.count() == events + (expected is not None)
        assert AuditEntry.objects.count() == entries + (expected is not None)
        # The first day stands for ever, so the next activation has to be a first one again.
        with lifted(), connection.cursor() as cursor:
            cursor.execute("UPDATE custody_walletkey SET activated_at = NULL")


def test_the_database_refuses_every_move_that_the_table_lacks(wallet: Wallet) -> None:
    moves = {(before, after) for (before, _), after in KEY_TRANSITIONS.items()}
    for before, after in product(KeyState, KeyState):
        put(wallet, before)
        update = WalletKey.objects.filter(pk=wallet.pk)
        if before == after or (before, after) in moves:
            assert update.update(state=after.value) == 1
        else:
            with pytest.raises(DatabaseError), transaction.atomic():
                update.update(state=after.value)


def test_the_database_keeps_what_happened(wallet: Wallet) -> None:
    move(wallet, KeyEvent.ACTIVATE)
    statements = (
        "DELETE FROM custody_walletkey",
        "DELETE FROM custody_walletkeyevent",
        "UPDATE custody_walletkeyevent SET why = 'x'",
        "UPDATE custody_walletkey SET activated_at = NULL",
        "UPDATE custody_walletkey SET state = 'lost'",
        "UPDATE custody_walletkey SET period_days = 0",
    )
    for statement in statements:
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    with pytest.raises(DatabaseError), transaction.atomic():
        WalletKey.objects.filter(pk=wallet.pk).delete()
    assert WalletKeyEvent.objects.get().event == "activate"


def test_a_destruction_takes_evidence_and_the_log_its_digest(wallet: Wallet) -> None:
    move(wallet, KeyEvent.ACTIVATE)
    move(wallet, KeyEvent.RETIRE, why="rotated into Treasury Hot 2")
    with pytest.raises(KeyInputError, match="attach what shows"):
        move(wallet, KeyEvent.DESTROY, evidence=" \n")
    assert move(wallet, KeyEvent.DESTROY, evidence=PRINTED) is KeyState.DESTROYED
    row = WalletKeyEvent.objects.get(event="destroy")
    digest = hashlib.sha256(PRINTED.encode()).hexdigest()
    assert (row.evidence, row.evidence_digest) == (PRINTED, digest)
    entry = AuditEntry.objects.filter(tag="custody:key:moved").latest("seq")
    assert digest in entry.payload
    assert entry.severity == "warning"


@pytest.mark.parametrize("why", ["", "   ", "a\nb", "\u202e", "x" * 401, "\x00"])
def test_a_reason_is_needed_and_is_one_line(wallet: Wallet, why: str) -> None:
    move(wallet, KeyEvent.ACTIVATE)
    with pytest.raises(KeyInputError):
        move(wallet, KeyEvent.SUSPEND, why=why)
    assert WalletKey.objects.get().state == "active"


@pytest.mark.parametrize("evidence", ["\x00", "\x1b[31mgone", "\u202e", "x" * 16_001])
def test_evidence_is_bounded_plain_text(wallet: Wallet, evidence: str) -> None:
    with pytest.raises(KeyInputError, match="plain text"):
        move(wallet, KeyEvent.DESTROY, evidence=evidence)


def test_a_key_in_other_hands_is_retired_and_opens_an_alarm(wallet: Wallet) -> None:
    move(wallet, KeyEvent.ACTIVATE)
    assert move(wallet, KeyEvent.COMPROMISE, why="the token was stolen") is KeyState.RETIRED
    (alarm,) = alarms_open()
    assert (alarm.tag, alarm.severity, alarm.subject) == ("custody:key:moved", "critical", wallet.pk)


def test_no_key_no_move() -> None:
    with pytest.raises(KeyInputError), transaction.atomic():
        key_lock(wallet="eip155:1:0x0000000000000000000000000000000000000000")


def test_a_key_that_the_policy_names_is_in_use_from_then_on(wallet: Wallet) -> None:
    assert keys_activate(wallets=[], now=NOW) == 0
    assert keys_activate(wallets=[wallet.pk, "eip155:1:0x00"], now=NOW) == 1
    assert keys_activate(wallets=[wallet.pk], now=NOW + EVERY) == 0
    key = WalletKey.objects.get()
    assert (key.state, key.activated_at) == ("active", NOW)
    assert key.period_ends == int(NOW.timestamp()) + 365 * 86_400


def test_people_are_told_once_before_the_end_and_louder_at_the_end(wallet: Wallet) -> None:
    keys_activate(wallets=[wallet.pk], now=NOW)
    seen = []
    for days in (0, 334, 335, 336, 364, 365, 366):
        keys_remind(now=NOW + dt.timedelta(days=days))
        seen.append([(row.severity, row.tag) for row in alarms_open()])
    tag = "custody:key:period"
    assert seen == [[], [], *[[("warning", tag)]] * 3, *[[("alarm", tag)]] * 2]
    assert AuditEntry.objects.filter(tag=tag).count() == 2
    key_period_set(actor="user:olga", wallet=wallet.pk, days=800)
    keys_remind(now=NOW + dt.timedelta(days=366))
    assert not alarms_open().exists()
    assert AuditEntry.objects.filter(tag="custody:key:period_changed").count() == 1


def test_a_retired_key_reminds_nobody_and_nothing_is_asked_twice_a_minute(wallet: Wallet) -> None:
    keys_activate(wallets=[wallet.pk], now=NOW)
    late = NOW + dt.timedelta(days=400)
    assert keys_remind(now=late) == 1
    assert keys_remind(now=late + EVERY / 2) == 0
    assert alarms_open().count() == 1
    move(wallet, KeyEvent.RETIRE)
    assert keys_remind(now=late + EVERY) == 1
    assert not alarms_open().exists()


@pytest.mark.parametrize("days", [0, -1, 3_654, 2**63])
def test_a_period_is_from_a_day_to_ten_years(wallet: Wallet, days: int) -> None:
    with pytest.raises(ValidationError):
        key_period_set(actor="user:olga", wallet=wallet.pk, days=days)
    assert WalletKey.objects.get().period_days == 365


def module(**changes: object) -> HsmModule:
    fields: dict[str, object] = {
        "manufacturer": "Example",
        "model": "Box 7",
        "firmware": "7.4",
        "certificate": "4703",
        "level": "FIPS 140-3, level 3",
        "status": "active",
        "sunset": dt.date(2028, 5, 1),
        "source": "https://csrc.nist.gov/",
        "looked_up": dt.date(2026, 11, 21),
    }
    return HsmModule(**(fields | changes))


def test_what_was_looked_up_is_kept_with_its_source_and_recorded() -> None:
    kept = hsm_module_set(actor="user:olga", module=module())
    assert not kept.is_over(dt.date(2028, 4, 30))
    assert kept.is_over(dt.date(2028, 5, 1))
    assert not hsm_module_set(actor="x", module=module(firmware="7.5", sunset=None)).is_over(dt.date.max)
    assert AuditEntry.objects.filter(tag="custody:module:changed").count() == 2
    for wrong in (
        {"firmware": "8", "certificate": ""},
        {"firmware": "8", "source": ""},
        {"firmware": "8", "looked_up": None},
        {"firmware": "8", "status": "none"},
        {"firmware": "8", "status": "certified"},
        {"firmware": ""},
        {},
    ):
        with pytest.raises(ValidationError):
            hsm_module_set(actor="x", module=module(**wrong))
    assert HsmModule.objects.count() == 2


def test_keys_of_before_have_no_day_of_their_own(wallet: Wallet) -> None:
    key = WalletKey.objects.get(pk=wallet.pk)
    assert key.registered_at is not None
    assert key.registered_at <= timezone.now()
    assert (key.activated_at, key.period_ends) == (None, None)
