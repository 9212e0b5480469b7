"""Pages about the log: the auditor's search, a case's whole life, receipts, and evidence packages."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from approvals.roles import Permission, needs
from audit.errors import AuditError, EvidenceError, ProofMissingError, TreeBrokenError
from audit.evidence import evidence_find
from audit.models import Severity
from audit.receipts import receipt_get
from audit.search import COUNT_MOST, PAGE_ROWS, Filter, entry_count, entry_page
from audit.selectors import head_get
from audit.tags import AuditTag
from oms.errors import RequestMissingError
from oms.log_consents import case_differences
from oms.log_forms import LogForm, PeriodForm, place_read, place_write
from oms.log_selectors import (
    CASE_ROWS,
    case_log,
    consent_rows,
    consents_unlogged,
    log_rows,
    reads_log,
    receipt_entry,
    subjects_of,
)
from oms.log_services import CSV_ROWS, EVIDENCE_LEAVES, csv_lines, evidence_zip, log_note
from oms.selectors import request_get
from oms.views import page_context, page_user

if TYPE_CHECKING:
    from approvals.models import User

_UNPROCESSABLE, _CONFLICT = 422, 409
_COMPARED = 200
_MOST_SEQ = 2**63 - 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Asked:
    """What somebody looks for, and what the page says about the case that they named."""

    wanted: Filter
    count: int | None = None
    unknown_case: bool = False

    @property
    def count_words(self) -> str:
        """How many there are, where that is cheap to know."""
        if self.count is None:
            return ""
        return f"more than {COUNT_MOST:,}" if self.count > COUNT_MOST else f"{self.count:,}"


def _auditor(request: HttpRequest) -> User:
    user = page_user(request)
    if not reads_log(user=user):
        raise PermissionDenied
    return user


def _asked(form: LogForm) -> _Asked:
    data = form.cleaned_data
    subjects: tuple[str, ...] | None = (data["subject"],) if data["subject"] else None
    unknown = False
    if data["case"]:
        of_case, known = subjects_of(text=data["case"])
        unknown = not known
        subjects = of_case if subjects is None else tuple(set(subjects) & set(of_case))
    wanted = Filter(
        actor=data["actor"],
        tag=data["tag"],
        severity=data["severity"],
        subjects=subjects,
        from_us=form.bound_us("begin"),
        to_us=form.bound_us("end"),
    )
    narrowed = any((wanted.actor, wanted.tag, wanted.severity, wanted.from_us, wanted.to_us))
    count = entry_count(subjects=subjects) if subjects is not None and not narrowed else None
    return _Asked(wanted=wanted, count=count, unknown_case=unknown)


@never_cache
@require_GET
@needs(Permission.READ_LOG)
def log(request: HttpRequest) -> HttpResponse:
    """Search the whole log."""
    user, form = _auditor(request), LogForm(request.GET)
    if not form.is_valid():
        return render(request, "oms/log.html", page_context(request, form=form), status=_UNPROCESSABLE)
    asked, typed = _asked(form), form.typed()
    after = place_read(request.GET.get("after", ""))
    page = entry_page(wanted=asked.wanted, after=after)
    rows = log_rows(found=page.rows, user=user)
    log_note(user=user, tag=AuditTag.LOG_VIEWED, said={"asked": typed, "rows": len(rows)})
    query = urlencode({name: form.data[name] for name in form.fields if form.data.get(name)})
    context = page_context(
        request,
        form=form,
        rows=rows,
        asked=asked,
        looked=page.looked,
        older=page.after and urlencode({"after": place_write(page.after)}),
        newest=after is None,
        query=query,
        head=head_get(),
        csv_rows=CSV_ROWS,
    )
    return render(request, "oms/log.html", context)


@never_cache
@require_GET
@needs(Permission.READ_LOG)
def log_csv(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    """Export what matches."""
    user, form = _auditor(request), LogForm(request.GET)
    if not form.is_valid():
        return render(request, "oms/log.html", page_context(request, form=form), status=_UNPROCESSABLE)
    asked = _asked(form)
    log_note(user=user, tag=AuditTag.LOG_EXPORTED, said={"as": "csv", "asked": form.typed()})
    answer = StreamingHttpResponse(csv_lines(wanted=asked.wanted), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="countersign-log.csv"'
    return answer


@never_cache
@require_http_methods(["GET", "POST"])
@needs(Permission.READ_LOG)
def evidence(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    """Stream an evidence package of a period."""
    user = _auditor(request)
    form = PeriodForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        begin, end, now = form.bound_us("begin"), form.bound_us("end"), timezone.now()
        try:
            found = evidence_find(from_us=begin or 0, to_us=end or 0, now=now)
            if found.last - found.first > EVIDENCE_LEAVES:
                raise EvidenceError(f"that is more than {EVIDENCE_LEAVES:,} entries: use `manage.py audit_evidence`")
        except AuditError as error:
            form.add_error(None, f"No package can be made: {error}.")
        else:
            said: dict[str, object] = {"as": "evidence", "first": found.first, "last": found.last}
            log_note(user=user, tag=AuditTag.LOG_EXPORTED, said=said | {"from_us": begin, "to_us": end})
            answer = StreamingHttpResponse(evidence_zip(evidence=found, now=now), content_type="application/zip")
            answer["Content-Disposition"] = 'attachment; filename="countersign-evidence.zip"'
            return answer
    status = _UNPROCESSABLE if form.errors else 200
    return render(request, "oms/log_evidence.html", page_context(request, form=form), status=status)


@never_cache
@require_GET
@needs(Permission.SEE_DESK, Permission.SEE_ALL)
def case_log_page(request: HttpRequest, reference: str) -> HttpResponse:
    """Show a case's whole life to whoever may see the request."""
    user = page_user(request)
    try:
        found = request_get(user=user, reference=reference)
    except RequestMissingError as error:
        raise Http404(str(error)) from error
    rows = case_log(request=found, user=user)
    log_note(user=user, tag=AuditTag.LOG_VIEWED, said={"asked": {"case": found.reference}, "rows": len(rows)})
    context = page_context(request, found=found, rows=rows[:CASE_ROWS], more=len(rows) > CASE_ROWS, most=CASE_ROWS)
    context["differences"] = case_differences(request=found)
    return render(request, "oms/log_case.html", context)


@never_cache
@require_GET
@needs()
def receipts(request: HttpRequest) -> HttpResponse:
    """List every consent in the reader's own name, as the log and as the server have it."""
    user = page_user(request)
    text = request.GET.get("before", "")
    before = int(text) if text.isascii() and text.isdigit() and int(text[:20]) <= _MOST_SEQ else None
    rows = consent_rows(user=user, before=before, most=PAGE_ROWS + 1)
    context = page_context(
        request,
        rows=rows[:PAGE_ROWS],
        older=rows[PAGE_ROWS - 1].row.entry.pk if len(rows) > PAGE_ROWS else None,
        newest=before is None,
        unlogged=consents_unlogged(user=user, most=_COMPARED),
    )
    return render(request, "oms/log_receipts.html", context)


@never_cache
@require_GET
@needs()
def receipt(request: HttpRequest, seq: int) -> HttpResponse:
    """Hand out the receipt of one entry."""
    user = page_user(request)
    entry = receipt_entry(user=user, seq=seq) if seq <= _MOST_SEQ else None
    if entry is None:
        raise Http404("There is no such entry, or it is somebody else's.")
    try:
        found = receipt_get(seq=seq)
        raw = found.to_bytes()
    except ProofMissingError as error:
        return render(request, "oms/log_no_receipt.html", page_context(request, why=str(error)), status=_CONFLICT)
    except TreeBrokenError as error:
        said: dict[str, object] = {"seq": str(seq), "why": str(error)}
        log_note(user=user, tag=AuditTag.RECEIPT_FAILED, said=said, severity=Severity.CRITICAL)
        context = page_context(request, why=str(error), broken=True)
        return render(request, "oms/log_no_receipt.html", context, status=_CONFLICT)
    log_note(user=user, tag=AuditTag.RECEIPT_ISSUED, said={"leaf": found.index, "size": found.signed.checkpoint.size})
    answer = HttpResponse(raw, content_type="application/json")
    answer["Content-Disposition"] = f'attachment; filename="countersign-receipt-{found.index}.json"'
    return answer
