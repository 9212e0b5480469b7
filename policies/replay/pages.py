"""The page of a replay, under its draft: ask for one, watch it, read it."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

from django import forms
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
from policies.replay.report import period_of, period_options
from policies.report_pages import is_open, report_status, reported_draft
from policies.selectors import decision_count, policy_active, report_list
from policies.services.reports import report_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern

    from policies.draft_pages import View
    from policies.models import PolicyReport

_UNPROCESSABLE = 422
_EARLIER_SHOWN = 10
_CHANGES = (
    ("newly_allowed", "Newly allowed", "Denied by the active policy, allowed by the draft."),
    ("newly_denied", "Newly denied", "Allowed by the active policy, denied by the draft."),
    ("other_quorum", "Other quorum", "Allowed by both, under other people."),
    ("other_grant", "Other grant", "Allowed by both under the same people, by another rule."),
)
_WINDOWS = {
    "recorded": ("Recorded windows", "Limits were as full as they really were at the time."),
    "counterfactual": (
        "Counterfactual windows",
        "Limits were as full as each policy would itself have filled them: only what it allows counts.",
    ),
}


class PeriodForm(forms.Form):
    """Which decisions to compare; empty is open."""

    since = forms.DateField(
        required=False, label="From (UTC)", widget=forms.DateInput(attrs={"type": "date"}), help_text="included"
    )
    until = forms.DateField(
        required=False, label="Until (UTC)", widget=forms.DateInput(attrs={"type": "date"}), help_text="not included"
    )

    def options(self) -> dict[str, object]:
        """Return the period as a report's options.

        Raises:
            ReportRefusedError: It ends before it begins.
        """
        days = (self.cleaned_data[name] for name in ("since", "until"))
        since, until = (
            None if day is None else dt.datetime.combine(day, dt.time(), dt.UTC).isoformat() for day in days
        )
        return period_options(period_of({"since": since, "until": until}))


def _result(report: PolicyReport | None) -> dict[str, object] | None:
    """Return a report as its page shows it, or None while there is nothing to show."""
    if report is None or report.state != ReportState.DONE.value:
        return None
    body = json.loads(report.body)
    for example in (example for found in body["windows"] for example in found["examples"]):
        example["at"] = dt.datetime.fromtimestamp(example["time"], tz=dt.UTC)
    body["windows"] = [
        {
            "name": found["windows"],
            "title": _WINDOWS[found["windows"]][0],
            "help": _WINDOWS[found["windows"]][1],
            "allowed_before": found["allowed_before"],
            "allowed_after": found["allowed_after"],
            "changes": [
                {
                    "title": title,
                    "help": text,
                    "count": found["changes"][name],
                    "examples": [example for example in found["examples"] if example["change"] == name],
                }
                for name, title, text in _CHANGES
            ],
        }
        for found in body["windows"]
    ]
    return {"body": body, "same": not any(sum(c["count"] for c in w["changes"]) for w in body["windows"])}


def _context(request: HttpRequest, draft: PolicyDraft, form: PeriodForm) -> dict[str, object]:
    reports = list(report_list(draft=draft, kind=EvidenceKind.REPLAY)[:_EARLIER_SHOWN])
    chosen = request.GET.get("report")
    shown = next((r for r in reports if str(r.pk) == chosen), reports[0] if reports else None)
    policy = draft_read(text=draft.body, active=policy_active()).policy
    return {
        **admin.site.each_context(request),
        "title": f"Replay: {draft.title}",
        "draft": draft,
        "tabs": draft_tabs(draft.pk),
        "tab": "replay",
        "is_nav_sidebar_enabled": False,
        "form": form,
        "report": shown,
        "open": is_open(shown),
        "result": _result(shown),
        "stale": shown is not None and (policy is None or policy.content_digest != shown.content),
        "reports": reports,
        "history": decision_count(),
        "opts": PolicyDraft._meta,  # noqa: SLF001 - what admin templates are given
    }


@never_cache
@require_http_methods(["GET", "POST"])
def draft_replay(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the newest replay of a draft; posted, ask for one."""
    draft = reported_draft(request, pk)
    form = PeriodForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            by = request.user if isinstance(request.user, User) else None
            report_request(draft=draft, kind=EvidenceKind.REPLAY, options=form.options(), by=by, now=timezone.now())
        except PolicyAppError as error:
            form.add_error(None, str(error))
        else:
            return redirect("admin:policies_draft_replay", draft.pk)
    status = _UNPROCESSABLE if form.is_bound else 200
    return render(request, "admin/policies/replay.html", _context(request, draft, form), status=status)


@never_cache
@require_GET
def draft_replay_status(request: HttpRequest, pk: int) -> HttpResponse:
    """Answer the page's polling: how far it is, and at the end that the page should be read again."""
    return report_status(request, pk, EvidenceKind.REPLAY)


def replay_paths(wrap: Callable[[View], View]) -> list[URLPattern]:
    """Return the addresses of a draft's replay.

    Args:
        wrap: The admin's own `admin_view`.
    """
    return [
        path("<int:pk>/replay/", wrap(draft_replay), name="policies_draft_replay"),
        path("<int:pk>/replay/status/", wrap(draft_replay_status), name="policies_draft_replay_status"),
    ]
