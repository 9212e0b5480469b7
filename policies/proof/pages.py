"""The page of a proof, under its draft: ask for one, watch it, read it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from django.contrib import admin
from django.shortcuts import redirect, render
from django.urls import path
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from approvals.models import User
from core.documents.policy import EvidenceKind
from policies.drafts import draft_read
from policies.editor.steps import draft_tabs
from policies.errors import PolicyAppError
from policies.models import PolicyDraft, ReportState
from policies.proof.findings import BARRING, CheckState
from policies.report_pages import is_open, report_status, reported_draft
from policies.selectors import policy_active, report_list
from policies.services.reports import report_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern

    from core.documents.policy import Policy
    from policies.draft_pages import View
    from policies.models import PolicyReport

_UNPROCESSABLE = 422
_EARLIER_SHOWN = 10
_WORDS = {
    CheckState.PROVEN.value: ("✓", "Proven", "good"),
    CheckState.INFORMATION.value: ("i", "To know", "info"),
    CheckState.WARNING.value: ("!", "Warning", "warn"),
    CheckState.FAILED.value: ("✗", "Failed", "bad"),
    CheckState.UNKNOWN.value: ("?", "Not answered", "bad"),
}


def _result(report: PolicyReport | None) -> dict[str, object] | None:
    """Return a report as its page shows it, or None while there is nothing to show."""
    if report is None or report.state != ReportState.DONE.value:
        return None
    body = json.loads(report.body)
    for check in body["checks"]:
        check["mark"], check["verdict"], check["tone"] = _WORDS[check["state"]]
        check["barring"] = CheckState(check["state"]) in BARRING
    taken = (report.finished_at - report.asked_at).total_seconds() if report.finished_at is not None else 0
    return {"body": body, "barring": [check for check in body["checks"] if check["barring"]], "taken": f"{taken:.1f}"}


def _context(request: HttpRequest, draft: PolicyDraft, error: str) -> dict[str, object]:
    reports = list(report_list(draft=draft, kind=EvidenceKind.PROOF)[:_EARLIER_SHOWN])
    chosen = request.GET.get("report")
    shown = next((one for one in reports if str(one.pk) == chosen), reports[0] if reports else None)
    policy: Policy | None = draft_read(text=draft.body, active=policy_active()).policy
    return {
        **admin.site.each_context(request),
        "title": f"Proof: {draft.title}",
        "draft": draft,
        "tabs": draft_tabs(draft.pk),
        "tab": "proof",
        "is_nav_sidebar_enabled": False,
        "error": error,
        "report": shown,
        "open": is_open(reports[0] if reports else None),
        "newest": reports[0] if reports else None,
        "result": _result(shown),
        "stale": shown is not None and (policy is None or policy.content_digest != shown.content),
        "reports": reports,
        "stated": len(policy.properties) if policy is not None else None,
        "opts": PolicyDraft._meta,  # noqa: SLF001 - what admin templates are given
    }


@never_cache
@require_http_methods(["GET", "POST"])
def draft_proof(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the newest proof of a draft; posted, ask for one."""
    draft = reported_draft(request, pk)
    error = ""
    if request.method == "POST":
        try:
            by = request.user if isinstance(request.user, User) else None
            report_request(draft=draft, kind=EvidenceKind.PROOF, options={}, by=by, now=timezone.now())
        except PolicyAppError as refused:
            error = str(refused)
        else:
            return redirect("admin:policies_draft_proof", draft.pk)
    status = _UNPROCESSABLE if error else 200
    return render(request, "admin/policies/proof.html", _context(request, draft, error), status=status)


@never_cache
@require_GET
def draft_proof_status(request: HttpRequest, pk: int) -> HttpResponse:
    """Answer the page's polling: how far it is, and at the end that the page should be read again."""
    return report_status(request, pk, EvidenceKind.PROOF)


def proof_paths(wrap: Callable[[View], View]) -> list[URLPattern]:
    """Return the addresses of a draft's proof.

    Args:
        wrap: The admin's own `admin_view`.
    """
    return [
        path("<int:pk>/proof/", wrap(draft_proof), name="policies_draft_proof"),
        path("<int:pk>/proof/status/", wrap(draft_proof_status), name="policies_draft_proof_status"),
    ]
