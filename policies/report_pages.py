"""What the pages of both kinds of report share: who may ask for one, and how far the newest is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.exceptions import PermissionDenied
from django.shortcuts import get_object_or_404, render

from policies.models import PolicyDraft, ReportState
from policies.selectors import report_list

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from core.documents.policy import EvidenceKind
    from policies.models import PolicyReport

_STOP_POLLING = 286
"""What tells htmx to stop asking."""
_OPEN = (ReportState.QUEUED.value, ReportState.RUNNING.value)


def reported_draft(request: HttpRequest, pk: int) -> PolicyDraft:
    """Return the draft whose report is looked at, or asked for.

    Raises:
        PermissionDenied: A report takes a process and minutes: whoever only looks does not ask for one.
    """
    needed = "change" if request.method == "POST" else "view"
    if not request.user.has_perm(f"policies.{needed}_policydraft"):
        raise PermissionDenied
    return get_object_or_404(PolicyDraft, pk=pk)


def is_open(report: PolicyReport | None) -> bool:
    """Whether a report is still being made."""
    return report is not None and report.state in _OPEN


def report_status(request: HttpRequest, pk: int, kind: EvidenceKind) -> HttpResponse:
    """Answer a page's polling: how far it is, and at the end that the page should be read again."""
    report = report_list(draft=reported_draft(request, pk), kind=kind).first()
    going = is_open(report)
    response = render(
        request,
        "admin/policies/_report_progress.html",
        {"report": report, "open": going},
        status=200 if going else _STOP_POLLING,
    )
    if not going:
        response["HX-Refresh"] = "true"
    return response
