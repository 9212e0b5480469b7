"""Ceremonies on pages: drafted, consented to, watched, abandoned; by whom, and with what typed."""

from __future__ import annotations

import datetime as dt
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from audit.models import AuditAlarm, AuditEntry
from chains.services import chain_create
from core.canonical import canonical
from core.ceremony_lifecycle import CeremonyState
from core.documents.consent import Decision
from core.documents.control import Ceremony, CeremonyKind, SignedCeremony
from core.documents.roster import Profile
from core.founding import KIND, FoundingParty, FoundingPlan
from core.schema import read_struct, write_struct
from custody.ceremony_selectors import refresh_days_of
from custody.models import CeremonyPlan, KeyCeremony
from custody.services import wallet_create
from oms.ceremony_watch import ceremonies_sweep
from oms.models import SignerSighting
from tests.append_only import lifted
from tests.custody.ceremony_rig import PORT, REFRESHED, Rig
from tests.factories.ceremonies import recovery_key
from tests.factories.world import CHAIN
from tests.sign_in import signed_in

if TYPE_CHECKING:
    from django.test import Client

NEW = "/ceremonies/new/"


@pytest.fixture
def rig(db: None, settings: Any) -> Rig:  # noqa: ARG001, ANN401 - asks for the database; pytest-django's wrapper
    settings.COUNTERSIGN_SIGNER_PORT = PORT
    settings.COUNTERSIGN_WITNESSES = {}
    made = Rig(now=int(time.time()))
    chain_create(actor="system:test", caip2=CHAIN, name="Dev", native_symbol="ETH", confirmation_depth=2)
    wallet = made.wallet
    wallet_create(
        actor="system:test",
        caip10=wallet.id,
        label=wallet.label,
        kind=wallet.kind,
        public_key=wallet.public_key,
        signers=wallet.signers,
        threshold=wallet.threshold,
    )
    return made


def person(rig: Rig, name: str) -> Client:
    return signed_in(rig.users[name])


def typed(rig: Rig, kind: str, **fields: object) -> dict[str, object]:
    usual: dict[str, object] = {"kind": kind, "wallet": rig.wallet.id, "reason": "Every quarter", "hours": 24}
    return usual | fields


def drafted(rig: Rig, kind: str, **fields: object) -> KeyCeremony:
    answer = person(rig, "olga").post(NEW, typed(rig, kind, **fields))
    assert answer.status_code == 302, answer.content.decode()[-3000:]
    return KeyCeremony.objects.latest("pk")


def said(rig: Rig, made: KeyCeremony, name: str, consent: bytes) -> Any:  # noqa: ANN401 - Django's test answer
    return person(rig, name).post(
        reverse("oms:ceremony_consent", args=[made.digest]),
        data=b'{"consent":' + consent + b"}",
        content_type="application/json",
    )


def ordered(rig: Rig, kind: str, **fields: object) -> KeyCeremony:
    made = drafted(rig, kind, **fields)
    for name in ("adam", "anna"):
        assert said(rig, made, name, rig.word(made.digest, name)).status_code == 200
    made.refresh_from_db()
    assert made.state == CeremonyState.ORDERED
    return made


def page(rig: Rig, made: KeyCeremony, name: str = "olga") -> str:
    answer = person(rig, name).get(reverse("oms:ceremony", args=[made.digest]))
    assert answer.status_code == 200
    text: str = answer.content.decode()
    return text


def test_a_degraded_mode_on_pages(rig: Rig) -> None:
    client = person(rig, "olga")
    assert "Degraded mode" in client.get(NEW).content.decode()
    address = f"{NEW}?kind=degraded&wallet={rig.wallet.id}&signer=party-1&signer=party-2&signer=party-4"
    form = client.get(address).content.decode()
    assert form.count("checked") == 3
    assert "3 of 5 sign; 4 have to agree before" in form
    made = drafted(rig, "degraded", signers=["party-4", "party-1", "party-2"])
    document = Ceremony.from_bytes(made.document.encode())
    assert (document.signers, document.threshold) == (("party-1", "party-2", "party-4"), 3)
    assert document.header.expires - document.header.created == 24 * 3600
    assert "Review and sign" in page(rig, made, "anna")
    assert "Review and sign" not in page(rig, made, "rita")
    assert "Waits for your word" in person(rig, "anna").get("/ceremonies/").content.decode()
    answer = said(rig, made, "adam", rig.word(made.digest, "adam"))
    assert answer.json()["state"] == CeremonyState.CONSENTING
    answer = said(rig, made, "anna", rig.word(made.digest, "anna"))
    assert answer.json()["state"] == CeremonyState.ORDERED
    rig.sweep(waits=60)
    # It holds at all five, and goes on until its time is over.
    assert client.get(reverse("oms:ceremony_status", args=[made.digest])).content.decode().count("✓ done") == 5
    rig.wait(24 * 3600)
    rig.sweep()
    assert "Done" in page(rig, made)
    status = client.get(reverse("oms:ceremony_status", args=[made.digest]))
    assert status.status_code == 286, "nothing more to ask for"
    assert status.content.decode().count("✓ done") == 5


def test_the_file_for_consoles_convinces_a_signer(rig: Rig) -> None:
    made = ordered(rig, "drill", signers=list(rig.wallet.signers), epoch=0)
    text = page(rig, made)
    assert "ceremony_export" in text
    answer = person(rig, "olga").get(reverse("oms:ceremony_file", args=[made.digest]))
    signed = read_struct(SignedCeremony, json.loads(answer.content), "ceremony")
    assert signed.document.digest == made.digest
    assert AuditEntry.objects.filter(tag="custody:ceremony:exported", subject=made.digest).exists()
    frame = {"v": 1, "op": "ceremony", "ceremony": json.loads(answer.content)}
    assert rig.request("party-3", frame)["ok"]
    other = drafted(rig, "refresh", epoch=1)
    assert person(rig, "olga").get(reverse("oms:ceremony_file", args=[other.digest])).status_code == 404


def test_a_transcript_as_a_file(rig: Rig) -> None:
    made = ordered(rig, "drill", signers=list(rig.wallet.signers), epoch=0)
    rig.sweep(waits=60)
    told = person(rig, "rita").get(reverse("oms:ceremony_transcript", args=[made.digest])).json()
    assert told["holds"] is True
    assert {line["who"] for line in told["lines"]} >= set(rig.wallet.signers)
    assert {row["state"] for row in told["progress"] if row["step"] == "take"} == {"done"}


def test_a_backup_names_a_recovery_key_for_each_signer(rig: Rig) -> None:
    keys = [write_struct(recovery_key(name, at), "key") for at, name in enumerate(rig.wallet.signers, start=1)]
    lines = "\n".join(json.dumps(key) for key in reversed(keys))
    made = drafted(rig, "backup", signers=list(rig.wallet.signers), epoch=0, recovery=lines)
    document = Ceremony.from_bytes(made.document.encode())
    assert [key.signer for key in document.recovery] == list(rig.wallet.signers)
    assert "recovery-site-1" in page(rig, made)


def test_a_key_is_made_by_a_plan(rig: Rig) -> None:
    entries = rig.world.policy.signers
    parties = tuple(
        FoundingParty(
            id=one.id,
            public_key=one.public_key or b"",
            host=one.host,
            site=one.site,
            administrator=one.administrator,
            vendor=one.vendor,
        )
        for one in entries
    )
    plan = FoundingPlan(
        kind=KIND, profile=Profile.DEMO, label="Second", chain=CHAIN, threshold=3, parties=parties, nonce=bytes(32)
    )
    form = {"kind": "key_generation", "reason": "A second one", "hours": 24}
    text = json.dumps(write_struct(plan, "plan"))
    answer = person(rig, "olga").post(NEW, form | {"plan": text})
    assert answer.status_code == 302, answer.content.decode()[-2000:]
    document = Ceremony.from_bytes(KeyCeremony.objects.get().document.encode())
    assert (document.plan, document.threshold, document.wallet) == (plan.digest, 3, None)
    assert CeremonyPlan.objects.get().plan == canonical(write_struct(plan, "plan")).decode()
    for wrong in ("", "{}", "[" * 9000, text.replace('"threshold": 3', '"threshold": 6'), "\x00", str(2**256)):
        assert person(rig, "olga").post(NEW, form | {"plan": wrong}).status_code == 422, wrong[:40]


@pytest.mark.parametrize("name", ["tessa", "rita", "clara"])
def test_who_may_not_run_drafts_and_abandons_nothing(rig: Rig, name: str) -> None:
    made = drafted(rig, "refresh", epoch=1)
    client = person(rig, name)
    assert client.post(NEW, typed(rig, "refresh", epoch=1)).status_code == 403
    assert client.post(reverse("oms:ceremony", args=[made.digest]), {"why": "x"}).status_code == 403
    assert client.post(reverse("oms:ceremony_reminder"), {"wallet": rig.wallet.id, "days": 3}).status_code == 403
    assert client.get(reverse("oms:ceremony_file", args=[made.digest])).status_code == 403
    made.refresh_from_db()
    assert made.state == CeremonyState.DRAFTED
    assert KeyCeremony.objects.count() == 1


HUGE = str(2**256 - 1)
HOSTILE: tuple[dict[str, object], ...] = (
    {"reason": ""},
    {"reason": "x" * 281},
    {"reason": "two\nlines"},
    {"reason": "nothing\x00"},
    {"reason": "\u202eright to left"},
    {"hours": HUGE},
    {"hours": "-1"},
    {"hours": "9" * 5000},
    {"hours": "169"},
    {"hours": "1.5"},
    {"signers": []},
    {"signers": ["party-1"]},
    {"signers": ["party-1", "party-2", "party-3", "party-4"]},
    {"signers": ["hsm-1", "party-1", "party-2"]},
    {"signers": ["party-1", "party-1", "party-1"]},
    {"signers": ["party-1\x00", "party-2", "party-3"]},
    {"signers": ["x" * 10_000]},
)


@pytest.mark.parametrize("fields", HOSTILE)
def test_what_cannot_be_ordered_is_refused_and_kept(rig: Rig, fields: dict[str, object]) -> None:
    usual: dict[str, object] = {"signers": ["party-1", "party-2", "party-3"]}
    answer = person(rig, "olga").post(NEW, typed(rig, "degraded", **(usual | fields)))
    assert answer.status_code == 422
    text = answer.content.decode()
    assert 'class="errors"' in text or "Signers would refuse this" in text
    if "reason" not in fields:
        assert "Every quarter" in text, "what was typed is still there"
    assert not KeyCeremony.objects.exists()


@pytest.mark.parametrize("recovery", ["", "{}", "[" * 5000, '{"signer": 1}', "null", "[]", "\x00", '{"a":1e999}'])
def test_recovery_keys_that_are_none(rig: Rig, recovery: str) -> None:
    answer = person(rig, "olga").post(
        NEW, typed(rig, "backup", signers=list(rig.wallet.signers), epoch=0, recovery=recovery)
    )
    assert answer.status_code == 422
    assert not KeyCeremony.objects.exists()


@pytest.mark.parametrize("epoch", ["0", "-1", HUGE, "1000001", "\x00", ""])
def test_epochs_that_no_refresh_has(rig: Rig, epoch: str) -> None:
    answer = person(rig, "olga").post(NEW, typed(rig, "refresh", epoch=epoch))
    assert answer.status_code == 422
    assert not KeyCeremony.objects.exists()


@pytest.mark.parametrize(
    "query",
    ["?kind=journal_start", "?kind=x", "?kind=\x00", "?kind=degraded&wallet=x", f"?kind=refresh&wallet={HUGE}"],
)
def test_addresses_that_name_nothing_lead_to_the_choice(rig: Rig, query: str) -> None:
    answer = person(rig, "olga").get(NEW + query)
    assert answer.status_code == 200
    assert "<form" not in answer.content.decode().partition("<main")[2].partition("</main")[0]


@pytest.mark.parametrize("address", ["x", "f" * 64, "0" * 5000])
def test_a_ceremony_that_is_none(rig: Rig, address: str) -> None:
    client = person(rig, "olga")
    for name in ("ceremony", "ceremony_status", "ceremony_transcript", "ceremony_file"):
        assert client.get(reverse(f"oms:{name}", args=[address])).status_code == 404
    answer = client.post(reverse("oms:ceremony_consent", args=[address]), data=b"{}", content_type="application/json")
    assert answer.status_code in (400, 404)


@pytest.mark.parametrize(
    "consent",
    [b"{}", b"null", b"[]", b'{"statement":{},"proof":{}}', str(2**256).encode(), b'"' + b"x" * 9000 + b'"'],
)
def test_consents_that_are_none(rig: Rig, consent: bytes) -> None:
    made = drafted(rig, "refresh", epoch=1)
    assert said(rig, made, "adam", consent).status_code in (400, 403)
    made.refresh_from_db()
    assert made.state == CeremonyState.DRAFTED


def test_another_persons_consent_is_not_handed_in(rig: Rig) -> None:
    made = drafted(rig, "refresh", epoch=1)
    assert said(rig, made, "adam", rig.word(made.digest, "anna")).status_code == 403
    rejection = rig.word(made.digest, "rita", Decision.REJECT, "not now")
    assert said(rig, made, "rita", rejection).json()["state"] == CeremonyState.REJECTED
    assert said(rig, made, "adam", rig.word(made.digest, "adam")).status_code == 409


def test_abandoning_takes_a_reason(rig: Rig) -> None:
    made = ordered(rig, "refresh", epoch=1)
    client, address = person(rig, "olga"), reverse("oms:ceremony", args=[made.digest])
    assert client.post(address, {"why": ""}).status_code == 422
    assert client.post(address, {"why": "x\x00"}).status_code == 422
    assert client.post(address, {"why": "wrong wallet"}).status_code == 302
    made.refresh_from_db()
    assert made.state == CeremonyState.ABANDONED
    assert client.post(address, {"why": "again"}).status_code == 422


def test_the_list_is_filtered_and_paged(rig: Rig) -> None:
    client = person(rig, "olga")
    assert "No ceremony yet" in client.get("/ceremonies/").content.decode()
    made = drafted(rig, "refresh", epoch=1)
    assert made.digest[:8] in client.get("/ceremonies/").content.decode()
    assert made.digest[:8] in client.get("/ceremonies/?kind=refresh&stands=open").content.decode()
    for query in ("?kind=ban", "?stands=over", "?kind=x", "?wallet=\x00", f"?wallet={HUGE}"):
        text = client.get("/ceremonies/" + query).content.decode()
        assert "Nothing matches" in text, query
    for _ in range(30):
        client.post(reverse("oms:ceremony", args=[made.digest]), {"why": "again"})
        made = drafted(rig, "refresh", epoch=1)
    assert "page 1 of 2" in client.get("/ceremonies/").content.decode()
    for place in ("2", "99", "x", "-1", HUGE):
        assert client.get(f"/ceremonies/?page={place}").status_code == 200


def test_people_are_reminded_of_a_refresh(rig: Rig) -> None:
    client = person(rig, "olga")
    assert refresh_days_of(wallet=rig.wallet.id) == 90
    for days in ("0", "-1", HUGE, "x", "3654"):
        client.post(reverse("oms:ceremony_reminder"), {"wallet": rig.wallet.id, "days": days})
        client.post(reverse("oms:ceremony_reminder"), {"wallet": "x\x00", "days": "1"})
        assert refresh_days_of(wallet=rig.wallet.id) == 90
    client.post(reverse("oms:ceremony_reminder"), {"wallet": rig.wallet.id, "days": "30"})
    assert refresh_days_of(wallet=rig.wallet.id) == 30
    assert AuditEntry.objects.filter(tag="custody:refresh:scheduled").count() == 1
    first = timezone.now()
    ceremonies_sweep(now=first)
    due = AuditAlarm.objects.filter(tag="custody:refresh:due", subject=rig.wallet.id, closed_us__isnull=True)
    assert not due.exists()
    rig.wait(31 * 86_400)
    ceremonies_sweep(now=rig.now)
    assert due.exists()
    assert "kind=refresh" in client.get("/ceremonies/").content.decode()


@pytest.mark.parametrize(
    "change", ["document = '{}'", "document = 'rubbish'", "document = replace(document, 'quarter', 'month')"]
)
def test_a_row_that_was_edited_is_named_and_alarmed(rig: Rig, change: str) -> None:
    made, client = drafted(rig, "refresh", epoch=1), person(rig, "olga")
    with lifted(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE custody_keyceremony SET {change}")  # noqa: S608 - ours
    for address in (reverse("oms:ceremony", args=[made.digest]), "/ceremonies/"):
        answer = client.get(address)
        assert answer.status_code == 409
        assert made.digest[:16] in answer.content.decode()
    assert AuditAlarm.objects.filter(tag="audit:row:damaged", subject=f"ceremony {made.digest[:16]}").exists()
    assert said(rig, made, "adam", rig.word(made.digest, "adam")).status_code in (403, 409)


def test_the_short_way_to_a_degraded_mode_and_a_ban(rig: Rig) -> None:
    client, now = person(rig, "olga"), timezone.now()
    for name in ("party-1", "party-3", "party-4"):
        SignerSighting.objects.create(signer=name, asked_at=now, seen_at=now)
    SignerSighting.objects.create(signer="party-2", asked_at=now, seen_at=now, problem="no answer")
    SignerSighting.objects.create(signer="party-5", asked_at=now, seen_at=now - dt.timedelta(hours=1))
    answer = client.get(reverse("oms:ceremony_degraded", args=[rig.wallet.id]), follow=True)
    text = answer.content.decode()
    assert text.count("checked") == 3
    for name in ("party-1", "party-3", "party-4"):
        assert (
            f'value="{name}" aria-describedby="signers-notes" id="id_signers_{int(name[-1]) - 1}" checked' in text
        ), name
    assert client.get(reverse("oms:ceremony_degraded", args=["x"])).status_code == 404
    text = client.get(reverse("oms:wallet", args=[rig.wallet.id])).content.decode()
    assert "Go on without the parties that are away" in text
    assert "kind=ban" in text
    assert (
        "Order a ceremony"
        not in person(rig, "rita").get(reverse("oms:wallet", args=[rig.wallet.id])).content.decode()
    )


def test_a_refresh_ends_the_reminder(rig: Rig) -> None:
    rig.wait(91 * 86_400)
    ceremonies_sweep(now=rig.now)
    due = AuditAlarm.objects.filter(tag="custody:refresh:due", subject=rig.wallet.id, closed_us__isnull=True)
    assert due.exists()
    made = rig.order(CeremonyKind.REFRESH, epoch=1)
    rig.sweep()
    for step in REFRESHED:
        rig.console(made.digest, step)
    rig.sweep(waits=31)
    made.refresh_from_db()
    assert made.state == CeremonyState.DONE
    ceremonies_sweep(now=rig.now)
    assert not due.exists()
