"""The pages about the log: who sees what, what hostile text does, and what reading leaves behind."""

from __future__ import annotations

import csv
import datetime as dt
import io
import time
import zipfile
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import Permission
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from approvals.models import User
from audit.models import AuditEntry
from audit.search import COUNT_MOST, Filter, entry_page
from audit.services import entry_append
from oms.log_services import csv_cell, csv_lines
from tests.append_only import lifted
from tests.audit.signed_log import place, say, sign
from tests.oms.readers import said
from tests.sign_in import signed_in
from tests.witness.receipts import ROOTS
from witness.evidence import main as evidence_main

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from django.test.client import _MonkeyPatchedWSGIResponse as Response

    from tests.oms.conftest import Desk

AUDITORS = ("/log/", "/log/csv/", "/log/evidence/")
HOSTILE = "<script>alert(1)</script>\"'><img src=x>\u202e"


def shown(page: Response) -> list[int]:
    return [row.entry.pk for row in page.context["rows"]]


def body(page: Response) -> bytes:
    parts: Iterable[bytes] = getattr(page, "streaming_content", (page.content,) if not page.streaming else ())
    return b"".join(parts)


def write(**changes: str) -> int:
    fields = {"actor": "rita", "tag": "oms:request:asked", "subject": "s"} | changes
    with transaction.atomic():
        return entry_append(payload={"n": 1}, **fields)


@pytest.mark.parametrize("address", AUDITORS)
def test_only_people_with_the_permission_read_the_log(address: str, auditor: Client, trader: Client) -> None:
    assert auditor.get(address).status_code == 200
    assert trader.get(address).status_code == 403
    user = User.objects.create_user("steve", display_name="Staff only", is_staff=True)
    assert signed_in(user).get(address).status_code == 403
    user = User.objects.create_user("petra", display_name="Permission only")
    user.user_permissions.set(Permission.objects.filter(codename="view_auditentry"))
    assert signed_in(user).get(address).status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize("address", [*AUDITORS, "/receipts/", "/receipts/1/", "/requests/abc/log/"])
def test_nobody_sees_anything_without_signing_in(address: str) -> None:
    answer = Client().get(address)
    assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, "/sign-in/")


def test_each_view_and_each_export_is_an_entry(auditor: Client) -> None:
    auditor.get("/log/", {"actor": "rita", "begin": "2026-01-01"})
    body(auditor.get("/log/csv/", {"tag": "oms:request:asked"}))
    (viewed,) = said("audit:log:viewed")
    assert viewed["asked"] == {"actor": "rita", "begin": "2026-01-01T00:00:00+00:00"}
    (exported,) = said("audit:log:exported")
    assert exported == {"as": "csv", "asked": {"tag": "oms:request:asked"}}
    assert AuditEntry.objects.get(tag="audit:log:viewed").actor == "aldo"


def test_each_filter_narrows(auditor: Client) -> None:
    one = write(actor="rita", tag="oms:request:moved", subject="a")
    other = write(actor="ravi", tag="oms:request:asked", subject="b")
    with transaction.atomic():
        loud = entry_append(actor="ravi", tag="oms:request:stuck", subject="c", payload={}, severity="alarm")
    for query, wanted in (
        ({"actor": "rita"}, [one]),
        ({"tag": "oms:request:asked"}, [other]),
        ({"severity": "alarm"}, [loud]),
        ({"subject": "b"}, [other]),
        ({"actor": "ravi", "subject": "c"}, [loud]),
        ({"actor": "nobody"}, []),
    ):
        page = auditor.get("/log/", query)
        assert shown(page) == wanted, query
        assert (b"Nothing matches" in page.content) == (not wanted)


def test_times_are_utc_and_the_end_is_left_out(auditor: Client) -> None:
    seq = write()
    at = AuditEntry.objects.get(pk=seq).at
    minute = at.replace(second=0, microsecond=0)
    later = minute + dt.timedelta(minutes=1)
    texts = [one.strftime("%Y-%m-%d %H:%M") for one in (minute, later)]
    assert seq in shown(auditor.get("/log/", {"begin": texts[0], "end": texts[1]}))
    assert shown(auditor.get("/log/", {"end": texts[0]})) == []
    assert shown(auditor.get("/log/", {"begin": texts[1]})) == []
    page = auditor.get("/log/").content.decode()
    assert f"{at:%Y-%m-%d %H:%M:%S} UTC" in page
    assert "data-show-local" in page


@pytest.mark.parametrize(
    "query",
    [
        {"begin": "yesterday"},
        {"begin": "2026-02-30"},
        {"begin": "0001-01-01"},
        {"end": "9999-12-31"},
        {"begin": "2026-02-02", "end": "2026-02-01"},
        {"tag": "no:such:tag"},
        {"severity": "loud"},
        {"actor": "x" * 129},
        {"actor": "a\x00b"},
        {"case": "f" * 101},
    ],
)
def test_what_cannot_be_understood_is_said(auditor: Client, query: dict[str, str]) -> None:
    write()
    for address in ("/log/", "/log/csv/"):
        page = auditor.get(address, query)
        assert page.status_code == 422
        assert b'class="errors"' in page.content
    assert said("audit:log:viewed") == said("audit:log:exported") == []


@pytest.mark.parametrize(
    "after", ["", "x", "1", "-", "1-", "-1-1", "1-1-1", "9" * 30 + "-1", "1-" + "9" * 30, "\u0661-1"]
)
def test_a_place_that_is_none_begins_at_the_newest(auditor: Client, after: str) -> None:
    seq = write()
    assert seq in shown(auditor.get("/log/", {"after": after}))


def test_pages_follow_each_other_without_a_gap_and_without_offset(auditor: Client) -> None:
    say(120)
    seen: list[int] = []
    address = "/log/?actor=rita"
    while address:
        with CaptureQueriesContext(connection) as queries:
            page = auditor.get(address)
        assert not [query["sql"] for query in queries if "OFFSET" in query["sql"]]
        seen += shown(page)
        older = page.context["older"]
        address = f"/log/?actor=rita&{older}" if older else ""
    assert seen == list(AuditEntry.objects.filter(actor="rita").order_by("-seq").values_list("pk", flat=True))
    assert len(seen) == 120


@pytest.mark.django_db
def test_a_rare_actor_is_looked_for_in_stretches() -> None:
    rare = write(actor="rare")
    say(25)
    wanted, after, stretches, found = Filter(actor="rare"), None, 0, []
    while True:
        page = entry_page(wanted=wanted, after=after, stretch=10)
        found += [one.entry.pk for one in page.rows]
        stretches += 1
        if page.after is None:
            break
        assert page.looked
        after = page.after
    assert (found, stretches) == ([rare], 3)


@pytest.mark.django_db
def test_a_clock_that_went_back_hides_nothing() -> None:
    say(6)
    with lifted():
        for entry in AuditEntry.objects.filter(subject="s"):
            AuditEntry.objects.filter(pk=entry.pk).update(at_us=1_000_000 * (7 - entry.pk % 7))
    seen, after = [], None
    while True:
        page = entry_page(wanted=Filter(actor="rita"), after=after, most=1)
        seen += [one.entry.pk for one in page.rows]
        if page.after is None:
            break
        after = page.after
    assert sorted(seen) == sorted(AuditEntry.objects.filter(actor="rita").values_list("pk", flat=True))


def test_counts_are_told_where_they_are_cheap(auditor: Client) -> None:
    say(3, subject="few")
    say(COUNT_MOST + 1, subject="many")
    assert b"3 entries about this" in auditor.get("/log/", {"subject": "few"}).content
    assert b"more than 1,000 entries about this" in auditor.get("/log/", {"subject": "many"}).content
    assert b"entries about this" not in auditor.get("/log/", {"actor": "rita"}).content


def test_a_case_is_found_by_each_of_its_names(desk: Desk, auditor: Client) -> None:
    request = desk.ask()
    write(subject="another")
    groups = " ".join(request.intent_digest[at : at + 4] for at in range(0, 64, 4)).upper()
    pages = [auditor.get("/log/", {"case": name}) for name in (request.reference, request.intent_digest, groups)]
    assert len({tuple(shown(page)) for page in pages}) == 1
    tags = {row.entry.tag for row in pages[0].context["rows"]}
    assert {"oms:request:asked", "approvals:consent:recorded", "policies:decision:made"} <= tags
    subjects = {row.entry.subject for row in pages[0].context["rows"]}
    assert subjects == {request.intent_digest, request.mandate_digest}


def test_a_case_whose_request_is_gone_is_still_found(auditor: Client) -> None:
    seq = write(subject="e" * 64)
    page = auditor.get("/log/", {"case": "e" * 64})
    assert shown(page) == [seq]
    assert b"No request is stored" in page.content


def test_hostile_text_stays_text(auditor: Client) -> None:
    with transaction.atomic():
        entry_append(actor=HOSTILE, tag="oms:request:asked", subject=HOSTILE, payload={"x": HOSTILE})
    with lifted():
        AuditEntry.objects.filter(pk=write()).update(payload=HOSTILE, actor=HOSTILE, session=HOSTILE)
    for query in ({}, {"actor": HOSTILE}, {"subject": HOSTILE}, {"case": HOSTILE}):
        page = auditor.get("/log/", query)
        assert page.status_code == 200
        assert b"<script>alert" not in page.content
        assert b"<img src=x" not in page.content


@pytest.mark.parametrize("at_us", [2**63 - 1, -(2**63), -1, 0])
def test_a_time_that_is_none_breaks_no_page(auditor: Client, at_us: int) -> None:
    seq = write()
    with lifted():
        AuditEntry.objects.filter(pk=seq).update(at_us=at_us)
    assert seq in shown(auditor.get("/log/", {"actor": "rita"}))
    assert str(seq).encode() in body(auditor.get("/log/csv/", {"actor": "rita"}))
    place()
    assert auditor.get(f"/receipts/{seq}/").status_code == 409


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", " =1", "\uff1d1", "\uff0b1", "\uff0d1", "\uff201"]
)
def test_no_cell_is_a_formula(text: str) -> None:
    assert csv_cell(text) == f"'{text}"
    assert csv_cell(f"x{text}") == f"x{text}"


def test_the_export_is_what_the_page_shows(auditor: Client) -> None:
    for subject in ("=cmd|' /C calc'!A0", "@x", "a,b", 'say "so"'):
        write(subject=subject)
    answer = auditor.get("/log/csv/", {"actor": "rita"})
    assert answer["Content-Type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(body(answer).decode())))
    assert [row["subject"] for row in rows] == ['say "so"', "a,b", "'@x", "'=cmd|' /C calc'!A0"]
    assert all(row["actor"] == "rita" and row["payload"] == '{"n":1}' for row in rows)


@pytest.mark.django_db
def test_the_export_is_bounded_and_says_so() -> None:
    say(8)
    lines = "".join(csv_lines(wanted=Filter(actor="rita"), most=5)).splitlines()
    assert len(lines) == 7
    assert lines[-1].startswith("cut after 5 rows")
    assert len("".join(csv_lines(wanted=Filter(actor="rita"), most=8)).splitlines()) == 9


def test_an_auditor_downloads_evidence_that_holds(auditor: Client, tmp_path: Path) -> None:
    say(3)
    sign(at=timezone.now() - dt.timedelta(minutes=2))
    now = timezone.now()
    typed = {"begin": f"{now - dt.timedelta(minutes=1):%Y-%m-%d %H:%M:%S}", "end": f"{now:%Y-%m-%d %H:%M:%S}"}
    refused = auditor.post("/log/evidence/", typed)
    assert refused.status_code == 422
    assert b"no checkpoint was signed" in refused.content
    time.sleep(1.001 - time.time() % 1)
    say(2)
    sign(at=timezone.now())
    answer = auditor.post("/log/evidence/", typed)
    assert answer["Content-Type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(body(answer))) as archive:
        archive.extractall(tmp_path)
    assert evidence_main([str(tmp_path / "evidence"), *ROOTS]) == 0
    assert [one["as"] for one in said("audit:log:exported")] == ["evidence"]


@pytest.mark.parametrize(
    ("begin", "end"),
    [("", ""), ("x", "y"), ("2026-01-02", "2026-01-01"), ("2026-01-01", "2099-01-01"), ("0001-01-01", "9999-12-31")],
)
def test_a_period_that_makes_no_sense_is_refused(auditor: Client, begin: str, end: str) -> None:
    answer = auditor.post("/log/evidence/", {"begin": begin, "end": end})
    assert answer.status_code == 422
    assert b'class="errors"' in answer.content
    assert said("audit:log:exported") == []


def test_the_menu_leads_there(desk: Desk, auditor: Client) -> None:
    assert b'href="/log/"' in auditor.get("/log/").content
    page = signed_in(desk.users["tessa"]).get("/requests/").content
    assert b'href="/receipts/"' in page
    assert b'href="/log/"' not in page
