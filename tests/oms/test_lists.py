"""The overview and the lists: what each role sees, filters, sorts, exports, and walks through to reject."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import pytest
from django.urls import reverse
from django.utils import timezone

from audit.models import AuditEntry
from audit.tags import AuditTag
from core.documents.consent import Decision
from core.lifecycle import State
from oms.errors import RequestRefusedError
from oms.models import TransactionRequest
from tests.factories.world import LISTED, NATIVE
from tests.sign_in import signed_in

if TYPE_CHECKING:
    from django.http import StreamingHttpResponse
    from django.test import Client
    from django.test.client import _MonkeyPatchedWSGIResponse as Response

    from oms.models import TransactionRequest as Asked
    from tests.oms.conftest import Desk


def client_of(desk: Desk, name: str) -> Client:
    return signed_in(desk.users[name])


def shown(page: Response) -> list[str]:
    return [row.request.reference for row in page.context["rows"]]


def ask(desk: Desk, amount: str, **changes: str) -> Asked:
    return desk.ask(desk.preview(held=False, amount_text=amount, **changes).mandate)


def rows_of(answer: StreamingHttpResponse | Response) -> list[list[str]]:
    raw = b"".join(answer.streaming_content) if answer.streaming else answer.content  # type: ignore[arg-type,union-attr]  # a WSGI answer
    return list(csv.reader(io.StringIO(raw.decode())))


def test_the_overview_shows_each_what_is_theirs(desk: Desk) -> None:
    asked = desk.ask()
    officer = client_of(desk, "rita").get("/")
    assert [row.request.reference for row in officer.context["waits"]] == [asked.reference]
    assert "mine" not in officer.context
    trader = client_of(desk, "tessa").get("/")
    assert [one.row.request.reference for one in trader.context["mine"]] == [asked.reference]
    assert trader.context["mine"][0].why == "needs 2 risk officers"
    assert "withdraw it until it is signed" in trader.context["mine"][0].following
    assert "waits" not in trader.context
    assert b"Signers" not in trader.content
    other = client_of(desk, "tom").get("/")
    assert other.context["mine"] == []
    assert asked.reference[:8].encode() not in other.content


def test_limits_in_use_are_those_of_the_policy(desk: Desk) -> None:
    ask(desk, "10")
    uses = {use.label: use for use in client_of(desk, "rita").get("/").context["limits"]}
    # 10 ether and the fee cap of 50: one fifth and a little, rounded up.
    assert uses["native-day"].percent == 21
    assert uses["native-day"].tone == "good"
    assert "native-each" not in uses
    chart = client_of(desk, "rita").get("/").context["limit_chart"]
    assert chart["title"].startswith("usd-day")
    # 10 ether at 2,500 USD, of 100,000 a day; nothing on the days before.
    assert chart["series"][0]["values"] == [0] * 13 + [25]


def test_the_queue_filters_and_sorts(desk: Desk) -> None:
    small, large = ask(desk, "1"), ask(desk, "7")
    officer = client_of(desk, "rita")
    assert shown(officer.get("/queue/?show=me&sort=-amount")) == [large.reference, small.reference]
    assert shown(officer.get("/queue/?show=me&sort=amount")) == [small.reference, large.reference]
    assert shown(officer.get(f"/queue/?show=pending&asset={NATIVE}&at_least=2")) == [large.reference]
    assert shown(officer.get("/queue/?asker=nobody")) == []
    assert set(shown(officer.get("/queue/?asker=tessa&age=1"))) == {small.reference, large.reference}
    desk.decide(small, "rita", Decision.REJECT, "The invoice names another address")
    assert shown(officer.get("/queue/?show=over&state=rejected")) == [small.reference]
    tabs = {name: count for name, _, count, _ in officer.get("/queue/").context["tabs"]}
    assert tabs == {"me": 1, "pending": 1, "open": 0, "over": 1}


@pytest.mark.parametrize(
    "query",
    [
        "at_least=1",
        "at_least=abc&asset=" + NATIVE,
        "at_least=1e400&asset=" + NATIVE,
        f"at_least={2**256}&asset={NATIVE}",
        "state=unheard",
        "wallet=%00",
        "asker=%00",
        "sort=%00",
        "sort=-",
        "page=-1",
        "page=99999999999999999999999999",
        "age=x",
        "show=%F0%9F%92%A9",
    ],
)
def test_odd_filters_are_answered_kindly(desk: Desk, query: str) -> None:
    desk.ask()
    for address in ("/queue/", "/requests/", "/queue/csv/", "/requests/csv/"):
        assert client_of(desk, "rita").get(f"{address}?{query}").status_code == 200


def test_an_export_is_safe_in_a_spreadsheet_and_written_down(desk: Desk) -> None:
    ask(desk, "1", purpose="=HYPERLINK(1)")
    rows = rows_of(client_of(desk, "rita").get("/queue/csv/?show=pending"))
    assert rows[0][0] == "reference"
    (row,) = rows[1:]
    assert row[rows[0].index("purpose")] == "'=HYPERLINK(1)"
    assert row[rows[0].index("destination")] == LISTED
    assert row[rows[0].index("amount_base_units")] == str(10**18)
    entry = AuditEntry.objects.get(tag=AuditTag.LIST_EXPORTED)
    assert entry.actor == "rita"
    assert json.loads(entry.payload)["show"] == "pending"


def test_an_export_holds_what_its_reader_may_see(desk: Desk) -> None:
    desk.ask()
    assert len(rows_of(client_of(desk, "tom").get("/requests/csv/?show=all"))) == 1
    assert len(rows_of(client_of(desk, "tessa").get("/requests/csv/?show=all"))) == 2
    assert client_of(desk, "tessa").get("/queue/csv/").status_code == 403


def test_several_are_rejected_one_by_one_and_never_approved(desk: Desk) -> None:
    first, second = ask(desk, "1"), ask(desk, "2")
    officer = client_of(desk, "rita")
    page = officer.get("/queue/reject/", {"case": [first.reference, second.reference, "unheard", first.reference]})
    walk = page.context["rows"]
    assert [row["summary"].request.reference for row in walk] == [first.reference, second.reference]
    assert page.context["left_out"] == 1
    asked = [json.loads(row["consent_request"]) for row in walk]
    assert {one["decision"] for one in asked} == {"reject"}
    assert [row["submit"] for row in walk] == [
        reverse("oms:request_consent", args=[one.reference]) for one in (first, second)
    ]
    # Each takes its own signature: the page alone has changed nothing.
    assert set(TransactionRequest.objects.values_list("state", flat=True)) == {State.PENDING}
    assert client_of(desk, "tessa").get("/queue/reject/", {"case": first.reference}).status_code == 403


def test_what_cannot_be_rejected_is_left_out(desk: Desk) -> None:
    request = desk.ask()
    desk.decide(request, "ravi", Decision.REJECT, "Wrong invoice")
    for case in (request.reference, "\x00", "x" * 10_000, "💩", ""):
        assert client_of(desk, "rita").get("/queue/reject/", {"case": case}).status_code == 302


def test_an_approval_is_taken_back_while_the_case_waits(desk: Desk) -> None:
    request = desk.ask()
    desk.decide(request, "rita")
    detail = client_of(desk, "rita").get(reverse("oms:request", args=[request.reference]))
    assert detail.context["may_withdraw"]
    desk.decide(request, "rita", Decision.WITHDRAW)
    request.refresh_from_db()
    assert request.state == State.PENDING
    # It counts no more, and is not given a second time.
    desk.decide(request, "ravi")
    request.refresh_from_db()
    assert request.state == State.PENDING
    with pytest.raises(RequestRefusedError, match="fills no seat"):
        desk.decide(request, "rita")


def test_an_approval_is_taken_back_after_the_last_one_and_before_signing(desk: Desk) -> None:
    request = desk.ask()
    for name in ("rita", "ravi"):
        request = desk.decide(request, name)
    assert request.state == State.APPROVED
    desk.decide(request, "ravi", Decision.WITHDRAW)
    request.refresh_from_db()
    assert request.state == State.BLOCKED
    assert "withdrawn" in request.sub_status


@pytest.mark.parametrize("name", ["rita", "clara", "tom"])
def test_who_said_nothing_has_nothing_to_withdraw(desk: Desk, name: str) -> None:
    request = desk.ask()
    with pytest.raises(RequestRefusedError if name != "tom" else Exception):
        desk.decide(request, name, Decision.WITHDRAW)
    request.refresh_from_db()
    assert request.state == State.PENDING
    assert request.expires_at > timezone.now()
