"""What a wallet's page says follows from the wallet's own numbers, and what nobody said is shown as unknown."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from django.db import transaction
from django.utils import timezone

from core.documents.roster import NamedKey, SignerEntry, SignerRole, WalletKind
from core.key_lifecycle import KeyEvent
from custody.key_services import hsm_module_set, key_period_set
from custody.key_transitions import key_lock, key_move
from custody.models import HsmModule, Wallet
from custody.selectors import wallet_find, wallet_list
from oms.models import SignerSighting
from oms.security_models import model_of, model_rows
from oms.signer_watch import epochs_read, sighting_read
from oms.wallet_facts import ModuleFacts, kind_words, module_facts, wallet_facts
from oms.wallet_losses import Loss, Size, domains_of, losses_of
from tests.factories.world import World
from tests.sign_in import signed_in

if TYPE_CHECKING:
    from core.documents.policy import Policy
    from core.documents.roster import Wallet as RosterWallet
    from tests.oms.conftest import Desk

TOKEN_ROW = "One token, host or administrator"
TODAY = dt.date(2026, 11, 21)
TOLD = {"manufacturer": "Example", "model": "Box 7", "firmware": "7.4", "serial": "11"}


def entries(*places: tuple[str, str, str]) -> list[SignerEntry]:
    return [
        SignerEntry(
            id=f"party-{n}",
            role=SignerRole.PARTY,
            public_key=None,
            host=host,
            site=site,
            administrator=administrator,
            vendor="maker",
        )
        for n, (host, site, administrator) in enumerate(places, start=1)
    ]


def shared(policy: Policy, threshold: int, parties: int) -> RosterWallet:
    names = tuple(f"party-{n}" for n in range(1, parties + 1))
    wallet = policy.wallets[0]
    return dataclasses.replace(wallet, kind=WalletKind.MPC, signers=names, threshold=threshold)


FIVE = entries(("a", "x", "p"), ("b", "x", "q"), ("c", "y", "r"), ("d", "y", "s"), ("e", "z", "t"))
THREE = entries(("a", "x", "p"), ("b", "y", "p"), ("c", "z", "r"))


def rows(wallet: RosterWallet, policy: Policy, held: list[SignerEntry], copies: str = "No copy.") -> dict[str, Loss]:
    domains = domains_of(held, wallet.threshold)
    return {one.what: one for one in losses_of(wallet=wallet, policy=policy, domains=domains, copies=copies)}


def test_three_of_five_lose_one_party_and_nothing_else() -> None:
    policy = World().policy
    wallet = shared(policy, 3, 5)
    assert Size.of(wallet) == Size(held=5, sign=3, certify=4)
    found = rows(wallet, policy, FIVE)
    assert list(found)[:4] == [TOKEN_ROW, "One site (at worst x)", "One vendor", "Any 3 of its parties"]
    assert found[TOKEN_ROW].stops == "Nothing stops: 4 of 5 are left, 4 give their word and 3 sign."
    assert found[TOKEN_ROW].gains.startswith("Nothing of the key: 1 of 5")
    site = found["One site (at worst x)"]
    assert site.stops.startswith("Cases wait: 3 are left, and a case takes the word of 4.")
    assert (site.tone, site.gains[:18]) == ("warn", "Nothing of the key")
    vendor = found["One vendor"]
    assert vendor.stops == "The key is gone: 0 of 5 are left, and 3 sign. No copy."
    assert vendor.gains == "Enough to sign: it holds 5, and 3 sign without asking anybody else."
    parties = found["Any 3 of its parties"]
    assert (parties.tone, parties.stops[:15]) == ("bad", "The key is gone")
    assert parties.gains.startswith("Enough to sign")


def test_two_of_three_wait_as_soon_as_one_is_gone() -> None:
    policy = World().policy
    found = rows(shared(policy, 2, 3), policy, THREE)
    assert found["One token, host or site"].stops.startswith(
        "Cases wait: 2 are left, and a case takes the word of 3."
    )
    administrator = found["One administrator (at worst p)"]
    assert administrator.gains.startswith("Enough to sign: it holds 2")
    assert administrator.stops.startswith("The key is gone: 1 of 3 are left")


def test_one_hsm_is_everything_in_one_place() -> None:
    policy = World().policy
    found = rows(policy.wallets[0], policy, list(policy.signers), copies="The last clone is of 2026-11-01.")
    everything = found["One token, host, site, administrator or vendor"]
    assert everything.stops == ("The key is gone: 0 of 1 are left, and 1 sign. The last clone is of 2026-11-01.")
    assert everything.gains == "Whoever has it in hand, and what opens it, signs whatever they like."
    assert not any("parties" in what for what in found)
    assert "No key. Its signer checks policy 1" in found["The web tier"].gains
    assert policy.consent.origin in found["The web tier"].gains
    software = dataclasses.replace(policy.wallets[0], kind=WalletKind.SOFTWARE)
    assert "Perhaps the key" in rows(software, policy, list(policy.signers))["The web tier"].gains


@pytest.mark.parametrize(
    ("named", "needed", "says", "tone"),
    [
        (0, 0, "Nothing stops: policy 1 asks for no lease", "warn"),
        (1, 1, "Every signer stops when its lease ends: 0 of 1", "warn"),
        (3, 2, "Nothing stops: 2 of 3 are left, and a lease takes 2.", ""),
        (2, 2, "Every signer stops when its lease ends: 1 of 2", "warn"),
    ],
)
def test_a_witness_counts_as_the_policy_says(named: int, needed: int, says: str, tone: str) -> None:
    policy = World().policy
    keys = tuple(NamedKey(id=f"w-{n}", public_key=bytes(32), host=f"h-{n}") for n in range(named))
    policy = dataclasses.replace(policy, witnesses=keys, witness_threshold=needed)
    found = rows(policy.wallets[0], policy, list(policy.signers))["One witness"]
    assert found.stops.startswith(says)
    assert found.tone == tone


def test_domains_are_counted_and_those_that_are_enough_are_named() -> None:
    by_kind = {one.kind: one for one in domains_of(FIVE, 3)}
    assert by_kind["site"].held == (("x", 2), ("y", 2), ("z", 1))
    assert (by_kind["site"].most, by_kind["site"].enough) == (2, ())
    assert by_kind["vendor"].enough == ("maker",)
    assert {one.kind: one.enough for one in domains_of(THREE, 2)}["administrator"] == ("p",)
    assert [(one.most, one.held) for one in domains_of([], 1)] == [(0, ())] * 4


def looked_up(**changes: object) -> HsmModule:
    fields: dict[str, Any] = {
        "manufacturer": "Example",
        "model": "Box 7",
        "firmware": "7.4",
        "certificate": "4703",
        "level": "FIPS 140-3, level 3",
        "status": "active",
        "sunset": dt.date(2028, 5, 1),
        "source": "https://csrc.nist.gov/",
        "looked_up": dt.date(2026, 11, 1),
    }
    return hsm_module_set(actor="x", module=HsmModule(**(fields | changes)))


@pytest.mark.django_db
def test_a_module_is_unknown_until_somebody_looked_this_very_firmware_up() -> None:
    unknown = module_facts(told=TOLD, today=TODAY)
    assert (unknown.certificate, unknown.tone) == ("unknown: nobody has looked this module and firmware up", "warn")
    looked_up(firmware="7.3")
    assert module_facts(told=TOLD, today=TODAY) == unknown
    looked_up()
    known = module_facts(told=TOLD, today=TODAY)
    assert known.certificate == "FIPS 140 certificate 4703, FIPS 140-3, level 3: active, until 2028-05-01"
    assert (known.tone, known.source) == ("good", "https://csrc.nist.gov/, looked up 2026-11-01")
    over = module_facts(told=TOLD, today=dt.date(2028, 5, 1))
    assert over.tone == "bad"
    assert "that day is over" in over.certificate


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("changes", "says", "tone"),
    [
        ({"status": "historical"}, "historical, until 2028-05-01", "bad"),
        ({"status": "revoked", "sunset": None}, "revoked, its end unknown", "bad"),
        ({"sunset": None, "level": ""}, "level unknown: active, its end unknown", "good"),
        ({"status": "none", "certificate": ""}, "no certificate", "bad"),
    ],
)
def test_a_certificate_is_as_good_as_its_status(changes: dict[str, object], says: str, tone: str) -> None:
    looked_up(**changes)
    found = module_facts(told=TOLD, today=TODAY)
    assert found.certificate.endswith(says)
    assert found.tone == tone


@pytest.mark.django_db
@pytest.mark.parametrize("told", [None, {}, [], "x", {"manufacturer": ""}, {"serial": "1"}])
def test_what_no_token_said_is_unknown(told: object) -> None:
    found = module_facts(told=told, today=TODAY)
    assert found == ModuleFacts(words="unknown: its signer has not said", certificate="unknown", tone="")


@pytest.mark.django_db
def test_softhsm_has_no_certificate_whatever_the_table_says() -> None:
    soft = {"manufacturer": "SoftHSM project", "model": "SoftHSM v2", "firmware": "2.6", "serial": "ab"}
    looked_up(manufacturer="SoftHSM project", model="SoftHSM v2", firmware="2.6")
    found = module_facts(told=soft, today=TODAY)
    assert (found.certificate[:14], found.tone) == ("no certificate", "bad")


def test_what_a_signer_says_of_its_token_is_read_like_any_input() -> None:
    assert sighting_read(result={"token": TOLD})["token"] == TOLD
    odd = {"manufacturer": 7, "model": "a\nb", "firmware": "x" * 65, "serial": "", "label": "no"}
    assert sighting_read(result={"token": odd})["token"] == {}
    others: tuple[object, ...] = (None, [], "x", 3)
    for value in others:
        assert sighting_read(result={"token": value})["token"] == {}


def test_an_epoch_keeps_the_day_on_which_it_was_first_seen() -> None:
    first, later = dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.datetime(2026, 2, 1, tzinfo=dt.UTC)
    before = epochs_read(result={"epochs": {"w": 0}}, before={}, now=first)
    assert epochs_read(result={"epochs": {"w": 0}}, before=before, now=later) == before
    refreshed = epochs_read(result={"epochs": {"w": 1}}, before=before, now=later)
    assert refreshed == {"w": {"epoch": 1, "since": int(later.timestamp())}}
    odd: list[object] = [None, [], {"w": -1}, {"w": True}, {"w": "1"}, {"w\n": 1}, {"w" * 101: 1}, {"w": 2**60}]
    for value in odd:
        assert epochs_read(result={"epochs": value}, before=before, now=later) == {}
    unread: tuple[object, ...] = (None, [], {"w": 3}, {"w": {"epoch": 0, "since": "x"}})
    for kept in unread:
        assert epochs_read(result={"epochs": {"w": 0}}, before=kept, now=first) == before


def test_the_page_says_who_holds_the_key_and_what_is_not_known(desk: Desk) -> None:
    (wallet,) = wallet_list()
    facts = wallet_facts(wallet=wallet, now=timezone.now())
    assert (facts.up, facts.up_tone, facts.named, facts.disagrees) == (0, "bad", True, False)
    assert (facts.key.state, facts.key.period, facts.ceremonies.drill) == ("generated", "does not run", None)
    rita = signed_in(desk.users["rita"])
    page = rita.get(f"/wallets/{wallet.caip10}/").content.decode()
    for words in ("not asked yet", "unknown: its signer has not said", "never", "What would be lost if", "host-1: 1"):
        assert words in page, words
    assert "Move this key" not in page
    assert "Move this key" in signed_in(desk.users["olga"]).get(f"/wallets/{wallet.caip10}/").content.decode()
    now = timezone.now()
    SignerSighting.objects.create(
        signer=desk.world.signer, asked_at=now, seen_at=now, policy=desk.world.policy.digest, number=1, token=TOLD
    )
    page = rita.get(f"/wallets/{wallet.caip10}/").content.decode()
    assert "Example Box 7, firmware 7.4, serial 11" in page
    assert "1 of 1 up" in rita.get("/wallets/").content.decode()


def _make_shared(desk: Desk) -> Wallet:
    """Make custody's row one of a shared key that the policy does not know so."""
    Wallet.objects.update(kind="mpc", signers=[f"party-{n}" for n in range(1, 6)], threshold=3)
    found = wallet_find(caip10=desk.world.wallet)
    assert found is not None
    return found


def _seen(*names: str, epoch: int = 0, wallet: str = "") -> None:
    now = timezone.now()
    for name in names:
        epochs = {wallet: {"epoch": epoch, "since": int(now.timestamp())}}
        SignerSighting.objects.create(signer=name, asked_at=now, seen_at=now, number=1, token=TOLD, epochs=epochs)


def test_lost_parties_lead_to_the_way_out_while_enough_are_left(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    wallet = _make_shared(desk)
    policy = dataclasses.replace(
        desk.world.policy, signers=(*desk.world.policy.signers, *FIVE), wallets=(wallet.roster,)
    )
    for module in ("oms.wallet_facts", "oms.dashboards", "oms.emptying_pages"):
        monkeypatch.setattr(f"{module}.policy_active", lambda: policy)
    _seen("party-1", "party-2", "party-3", wallet=wallet.caip10)
    _seen("party-4", epoch=1, wallet=wallet.caip10)
    facts = wallet_facts(wallet=wallet, now=timezone.now())
    assert (facts.up, facts.up_tone, facts.epochs) == (4, "warn", (0, 1))
    assert "empty this wallet into another one while 3 can still sign" in facts.advice
    assert "Cases go on." in facts.advice
    page = signed_in(desk.users["rita"]).get(f"/wallets/{wallet.caip10}/").content.decode()
    for words in ("MPC 3-of-5", "Parties are missing", f"/wallets/{wallet.caip10}/empty/", "several epochs"):
        assert words in page, words
    SignerSighting.objects.filter(signer="party-2").delete()
    assert "Cases wait: each takes the word of 4." in wallet_facts(wallet=wallet, now=timezone.now()).advice
    SignerSighting.objects.filter(signer="party-3").delete()
    facts = wallet_facts(wallet=wallet, now=timezone.now())
    assert facts.up_tone == "bad"
    assert "nothing can be signed before" in facts.advice


def test_a_clone_is_what_the_policy_says_and_the_last_way_back(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    (wallet,) = wallet_list()
    assert (
        wallet_facts(wallet=wallet, now=timezone.now()).ceremonies.copies
        == "No backup or clone is written down here."
    )
    page = signed_in(desk.users["rita"]).get(f"/wallets/{wallet.caip10}/").content.decode()
    assert "none that the policy names" in page
    cloned = dataclasses.replace(wallet.roster, clone="5c" * 32)
    policy = dataclasses.replace(desk.world.policy, wallets=(cloned,))
    monkeypatch.setattr("oms.wallet_facts.policy_active", lambda: policy)
    page = signed_in(desk.users["rita"]).get(f"/wallets/{wallet.caip10}/").content.decode()
    for words in ("in a second token, made in ceremony", "5c" * 8, "people may bring that into service"):
        assert words in page, words


def test_policy_and_custody_that_disagree_are_both_shown(desk: Desk) -> None:
    wallet = _make_shared(desk)
    facts = wallet_facts(wallet=wallet, now=timezone.now())
    assert facts.disagrees
    page = signed_in(desk.users["rita"]).get(f"/wallets/{wallet.caip10}/").content.decode()
    assert "Policy and custody disagree" in page
    assert "the policy names no such signer" in page


def test_every_way_of_holding_keys_has_its_wallets(desk: Desk) -> None:
    (wallet,) = wallet_list()
    held = {row.model.name: [one.label for one in row.wallets] for row in model_rows(wallets=[wallet])}
    assert [name for name, labels in held.items() if labels] == [model_of(wallet=wallet).name]
    assert held["One key, in an HSM"] == ["Treasury Hot"]
    assert kind_words(wallet=_make_shared(desk)) == "MPC 3-of-5"
    assert kind_words(wallet=Wallet(kind="software", signers=["x"])) == "Software: for the demo profile only"
    page = signed_in(desk.users["rita"]).get("/wallets/").content.decode()
    assert "Multisig contract" in page


def test_the_end_of_a_cryptoperiod_is_shown(desk: Desk) -> None:
    (wallet,) = wallet_list()
    now = timezone.now()
    with transaction.atomic():
        key_move(key=key_lock(wallet=wallet.pk), event=KeyEvent.ACTIVATE, actor="x", now=now - dt.timedelta(days=350))
    rita = signed_in(desk.users["rita"])
    assert "days left" in rita.get("/wallets/").content.decode()
    key_period_set(actor="x", wallet=wallet.pk, days=340)
    page = rita.get(f"/wallets/{wallet.caip10}/").content.decode()
    assert "ended 10 days ago" in page
