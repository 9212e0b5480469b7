"""The queue and the lists of requests: filtered, sorted, in pages, as CSV, and walked through to reject several."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from django.conf import settings
from django.core.paginator import Paginator
from django.db import transaction
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from approvals.roles import Permission, may, needs
from audit.services import entry_append
from audit.tags import AuditTag
from core.canonical import parse
from core.lifecycle import State
from oms.ceremony_due import due_context, due_count
from oms.log_services import csv_cell
from oms.presenters import STATE_WORDS, summary_list
from oms.request_lists import QUEUE_TABS, ListForm, queue_rows, request_rows, sort_links, sorted_rows
from oms.selectors import may_reject, requests_visible
from oms.views import consent_link, page_context, page_user
from policies.proposals import proposals_waiting
from policies.selectors import policy_active

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import QuerySet
    from django.http import HttpRequest

    from approvals.models import User
    from oms.models import TransactionRequest

PAGE_ROWS = 25
CSV_ROWS = 10_000
REJECT_MOST = 25
_REFERENCE_MOST = 32
_COLUMNS = (
    "reference", "state", "amount_base_units", "asset", "wallet", "destination", "asker", "desk", "purpose",
    "asked_utc", "expires_utc", "why",
)  # fmt: skip


class _List:
    """One list as a request asks for it: rows, form, and the links that keep what was typed."""

    def __init__(self, request: HttpRequest, rows: QuerySet[TransactionRequest], show: str) -> None:
        self.sort = request.GET.get("sort", "")
        self.form = ListForm(policy_active(), request.GET)
        self.typed = self.form.typed()
        self.show = show
        self.rows = sorted_rows(self.form.narrowed(rows, now=timezone.now()), sort=self.sort)
        self._keep = {"show": show, **self.typed}

    def context(self, request: HttpRequest) -> dict[str, object]:
        """Return what the page of a list shows."""
        page = Paginator(self.rows, PAGE_ROWS).get_page(request.GET.get("page"))
        sorting = {"sort": self.sort} if self.sort else {}
        return {
            "page": page,
            "rows": summary_list(requests=page.object_list),
            "form": self.form,
            "show": self.show,
            "sort": self.sort,
            "sorts": sort_links(sort=self.sort, keep=self._keep),
            "narrowed": bool(self.typed),
            "query": urlencode({**self._keep, **sorting}),
        }


def _csv_lines(rows: QuerySet[TransactionRequest]) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(_COLUMNS)
    for number, one in enumerate(rows[: CSV_ROWS + 1].iterator()):
        if number == CSV_ROWS:
            writer.writerow([f"cut after {CSV_ROWS} rows: ask for less at once"])
        else:
            words = STATE_WORDS[State(one.state)][1]
            texts = (
                one.reference, words, str(one.amount), one.asset, one.wallet, one.destination, one.asker, one.desk,
                one.purpose, f"{one.created_at:%Y-%m-%d %H:%M:%S}", f"{one.expires_at:%Y-%m-%d %H:%M:%S}",
                one.sub_status,
            )  # fmt: skip
            writer.writerow([csv_cell(text) for text in texts])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


def _csv_answer(request: HttpRequest, asked: _List, name: str) -> StreamingHttpResponse:
    said: dict[str, object] = {"list": name, "show": asked.show, "filter": dict(asked.typed), "sort": asked.sort[:16]}
    with transaction.atomic():
        entry_append(actor=page_user(request).person_id, tag=AuditTag.LIST_EXPORTED, subject=name, payload=said)
    answer = StreamingHttpResponse(_csv_lines(asked.rows), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="countersign-{name}.csv"'
    return answer


def _queue(request: HttpRequest) -> _List:
    show = request.GET.get("show", "me")
    show = show if show in QUEUE_TABS else "me"
    return _List(request, queue_rows(user=page_user(request), show=show), show)


@never_cache
@require_GET
@needs(Permission.SEE_QUEUE)
def queue(request: HttpRequest) -> HttpResponse:
    """List what waits for this person's consent, or for anybody's, or is on its way, or over."""
    user = page_user(request)
    asked = _queue(request)
    tabs = [
        (name, words, queue_rows(user=user, show=name).count(), name == asked.show)
        for name, words in QUEUE_TABS.items()
    ]
    context = page_context(request, **asked.context(request), tabs=tabs)
    now = timezone.now()
    context["policies"] = proposals_waiting(person=user.person_id, now=int(now.timestamp()))
    context |= due_context(user=user, now=now)
    context["known"] = _waits(user)
    context["may_reject"] = may(user, Permission.DECIDE) and asked.show in {"me", "pending"}
    return render(request, "oms/queue.html", context)


def _waits(user: User) -> str:
    """Return how many cases, policies and ceremonies wait for somebody, as the page tells the polling."""
    now = timezone.now()
    cases = queue_rows(user=user, show="me").count()
    policies = len(proposals_waiting(person=user.person_id, now=int(now.timestamp())))
    return f"{cases}-{policies}-{due_count(user=user, now=now)}"


@never_cache
@require_GET
@needs(Permission.SEE_QUEUE)
def queue_status(request: HttpRequest) -> HttpResponse:
    """Answer the queue's polling: how much waits, so that the page can say that there is more."""
    waits = _waits(page_user(request))
    changed = waits != request.GET.get("known", "")
    numbers = [int(one) for one in waits.split("-")]
    return render(request, "oms/_queue_news.html", {"changed": changed, "waits": sum(numbers)})


@never_cache
@require_GET
@needs(Permission.SEE_QUEUE)
def queue_csv(request: HttpRequest) -> StreamingHttpResponse:
    """Hand out the queue's list as CSV; the export is an entry of the log."""
    return _csv_answer(request, _queue(request), "queue")


def _requests(request: HttpRequest) -> _List:
    show = "all" if request.GET.get("show") == "all" else "mine"
    return _List(request, request_rows(user=page_user(request), show=show), show)


@never_cache
@require_GET
@needs(Permission.SEE_DESK, Permission.SEE_ALL)
def request_list(request: HttpRequest) -> HttpResponse:
    """List the reader's own requests, or everything that they may see."""
    asked = _requests(request)
    return render(request, "oms/request_list.html", page_context(request, **asked.context(request), scope=asked.show))


@never_cache
@require_GET
@needs(Permission.SEE_DESK, Permission.SEE_ALL)
def request_csv(request: HttpRequest) -> StreamingHttpResponse:
    """Hand out the list as CSV; the export is an entry of the log."""
    return _csv_answer(request, _requests(request), "requests")


@never_cache
@require_GET
@needs(Permission.DECIDE)
def reject(request: HttpRequest) -> HttpResponse:
    """Walk through several cases to reject them, each with its own signature. Nothing like it exists to approve."""
    user = page_user(request)
    typed = dict.fromkeys(request.GET.getlist("case"))
    wanted = [one for one in typed if len(one) <= _REFERENCE_MOST and one.isalnum() and one.isascii()][:REJECT_MOST]
    found = {row.reference: row for row in requests_visible(user=user).filter(reference__in=wanted)}
    chosen = [found[one] for one in wanted if one in found and may_reject(user=user, request=found[one])]
    if not chosen:
        return redirect("oms:queue")
    rows = [
        {
            "summary": summary,
            "submit": reverse("oms:request_consent", args=[summary.request.reference]),
            "consent_request": consent_link(
                document=parse(summary.request.mandate_text.encode()),
                decision="reject",
                actor=user.person_id,
                claimed={},
            ),
        }
        for summary in summary_list(requests=chosen)
    ]
    context = page_context(request, rows=rows, consent_origin=settings.COUNTERSIGN_CONSENT_ORIGIN)
    context["left_out"] = len(typed) - len(chosen)
    return render(request, "oms/reject.html", context)
