"""A case's whole life, and receipts: who gets which, and how a forged or a hidden consent shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import transaction
from django.utils import timezone

from approvals.models import ConsentRecord
from audit.models import AuditEntry
from audit.services import entry_append
from tests.append_only import lifted
from tests.audit.signed_log import place, say, sign
from tests.oms.readers import said
from tests.sign_in import signed_in
from tests.witness.receipts import ROOTS
from witness.receipt import main as receipt_main

if TYPE_CHECKING:
    from pathlib import Path

    from django.test import Client

    from oms.models import TransactionRequest
    from tests.oms.conftest import Desk


def case_of(desk: Desk) -> TransactionRequest:
    request = desk.ask()
    desk.decide(request, "rita")
    return request


def test_a_cases_life_is_for_whoever_may_see_the_request(desk: Desk) -> None:
    request = case_of(desk)
    address = f"/requests/{request.reference}/log/"
    for name, status in (("tessa", 200), ("rita", 200), ("tom", 404)):
        assert signed_in(desk.users[name]).get(address).status_code == status
    page = signed_in(desk.users["tessa"]).get(address)
    rows = page.context["rows"]
    assert [row.entry.tag for row in rows].count("approvals:consent:recorded") == 2
    assert {row.standing for row in rows} == {"waits for its place"}
    place()
    rows = signed_in(desk.users["tessa"]).get(address).context["rows"]
    assert [row.index for row in rows] == sorted(row.index for row in rows)
    assert {row.standing for row in rows} == {"has its place, not signed yet"}
    sign(at=timezone.now(), witnesses=())
    rows = signed_in(desk.users["tessa"]).get(address).context["rows"]
    assert {row.standing for row in rows} == {"in a signed checkpoint"}
    say(1)
    sign(at=timezone.now())
    rows = signed_in(desk.users["tessa"]).get(address).context["rows"]
    assert {row.standing for row in rows} == {"witnessed by 2"}
    assert {row.entry.actor for row in rows if row.receipt} == {"tessa"}
    assert address.encode() in signed_in(desk.users["tessa"]).get(f"/requests/{request.reference}/").content


def test_a_receipt_is_given_to_whom_it_belongs_and_holds(desk: Desk, auditor: Client, tmp_path: Path) -> None:
    request = case_of(desk)
    entry = AuditEntry.objects.get(tag="approvals:consent:recorded", actor="rita", subject=request.mandate_digest)
    address = f"/receipts/{entry.pk}/"
    rita = signed_in(desk.users["rita"])
    early = rita.get(address)
    assert early.status_code == 409
    assert b"try again" in early.content
    sign(at=timezone.now())
    for name in ("tessa", "tom", "ravi"):
        assert signed_in(desk.users[name]).get(address).status_code == 404
    for client in (rita, auditor):
        answer = client.get(address)
        assert answer.status_code == 200
        assert "attachment" in answer["Content-Disposition"]
        file = tmp_path / "receipt.json"
        file.write_bytes(answer.content)
        assert receipt_main([str(file), *ROOTS]) == 0
    assert len(said("audit:receipt:issued")) == 2
    link = f'href="{address}"'
    assert link in rita.get("/receipts/").content.decode()
    assert link in rita.get(f"/requests/{request.reference}/log/").content.decode()
    assert link not in signed_in(desk.users["tessa"]).get(f"/requests/{request.reference}/log/").content.decode()


def test_a_receipt_of_a_tampered_entry_is_an_alarm(desk: Desk) -> None:
    case_of(desk)
    sign(at=timezone.now())
    entry = AuditEntry.objects.get(tag="approvals:consent:recorded", actor="rita")
    with lifted():
        AuditEntry.objects.filter(pk=entry.pk).update(payload='{"decision":"reject"}')
    answer = signed_in(desk.users["rita"]).get(f"/receipts/{entry.pk}/")
    assert answer.status_code == 409
    assert b"tell an auditor" in answer.content
    assert AuditEntry.objects.get(tag="audit:receipt:failed").severity == "critical"


@pytest.mark.parametrize("seq", ["0", "999999", str(2**63), "9" * 60])
def test_a_receipt_of_nothing_is_not_found(auditor: Client, seq: str) -> None:
    assert auditor.get(f"/receipts/{seq}/").status_code == 404


def test_a_forged_and_a_hidden_consent_show(desk: Desk) -> None:
    request = case_of(desk)
    rita = signed_in(desk.users["rita"])
    page = rita.get("/receipts/")
    assert [(one.decision, one.stored) for one in page.context["rows"]] == [("approve", True)]
    assert request.reference[:8].encode() in page.content
    assert b"not stored any more" not in page.content
    with transaction.atomic():
        entry_append(
            actor="rita",
            tag="approvals:consent:recorded",
            subject="f" * 64,
            payload={"decision": "approve", "nonce": "0" * 32, "subject_type": "policy"},
        )
    page = rita.get("/receipts/")
    assert [one.stored for one in page.context["rows"]] == [False, True]
    assert b"not stored any more" in page.content
    with lifted():
        AuditEntry.objects.filter(actor="rita", subject=request.mandate_digest).delete()
    page = rita.get("/receipts/")
    assert b"of which the log says nothing" in page.content
    assert [record.subject for record in page.context["unlogged"]] == [request.mandate_digest]
    assert ConsentRecord.objects.filter(actor="rita").count() == 1
    assert b"No consent in your name" in signed_in(desk.users["tom"]).get("/receipts/").content


@pytest.mark.parametrize("before", ["x", "-1", "1.5", "9" * 19, "9" * 40, "\u0661"])
def test_receipts_have_pages(trader: Client, before: str) -> None:
    with transaction.atomic():
        for number in range(60):
            payload: dict[str, object] = {"decision": "approve", "nonce": str(number)}
            entry_append(actor="trudy", tag="approvals:consent:recorded", subject=str(number), payload=payload)
    first = trader.get("/receipts/")
    second = trader.get("/receipts/", {"before": first.context["older"]})
    assert (len(first.context["rows"]), len(second.context["rows"]), second.context["older"]) == (50, 10, None)
    assert trader.get("/receipts/", {"before": before}).status_code == 200


def differences(desk: Desk, request: TransactionRequest) -> list[str]:
    page = signed_in(desk.users["rita"]).get(f"/requests/{request.reference}/log/")
    assert page.status_code == 200
    shown = [f"{one.actor}: {one.why}" for one in page.context["differences"]]
    assert ("do not agree" in page.content.decode()) is bool(shown)
    return shown


def test_a_case_says_which_consent_is_in_one_place_only(desk: Desk) -> None:
    request = case_of(desk)
    assert differences(desk, request) == []
    record = ConsentRecord.objects.get(subject=request.mandate_digest, actor="rita")
    with lifted():
        AuditEntry.objects.filter(tag="approvals:consent:recorded", actor="rita").delete()
    assert differences(desk, request) == ["rita: stored here, and the log says nothing of it"]
    with lifted():
        ConsentRecord.objects.filter(pk=record.pk).delete()
        ConsentRecord.objects.filter(subject=request.mandate_digest, actor="tessa").delete()
    assert differences(desk, request) == ["tessa: in the log, and not stored here any more"]


def test_a_consent_whose_text_was_exchanged_shows_in_the_case_and_in_the_persons_own_list(desk: Desk) -> None:
    request, other = case_of(desk), case_of(desk)
    rows = ConsentRecord.objects.filter(actor="rita")
    mine = rows.get(subject=request.mandate_digest)
    with lifted():
        rows.filter(pk=mine.pk).update(text=rows.get(subject=other.mandate_digest).text)
    assert len(differences(desk, request)) == 2
    assert differences(desk, other) == []
    page = signed_in(desk.users["rita"]).get("/receipts/").content.decode()
    assert "not stored any more" in page
