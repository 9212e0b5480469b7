"""The page on which a draft is proposed: what stands in the way, then where the proposal stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from approvals.models import User
from policies.editor.steps import draft_tabs
from policies.errors import PolicyAppError
from policies.models import PolicyDraft, PolicyVersion
from policies.proposal_checks import proposal_read
from policies.proposals import ProposalView, proposal_view
from policies.services.proposals import draft_renew, proposal_make, proposal_withdraw

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern

    from policies.draft_pages import View

_STOP_POLLING = 286
_PAGES = {"replay": "admin:policies_draft_replay", "proof": "admin:policies_draft_proof"}


def _user(request: HttpRequest, permission: str) -> User:
    if not isinstance(request.user, User) or not request.user.has_perm(permission):
        raise PermissionDenied
    return request.user


def _latest(draft: PolicyDraft) -> PolicyVersion | None:
    versions = PolicyVersion.objects.select_related("proposed_by", "previous").filter(draft=draft)
    return versions.order_by("-pk").first()


def _shown(draft: PolicyDraft) -> ProposalView | None:
    version = _latest(draft)
    return None if version is None else proposal_view(version=version, now=int(timezone.now().timestamp()))


def _act(request: HttpRequest, draft: PolicyDraft, user: User) -> str:
    """Do what was asked for; returns what to tell."""
    action, now = request.POST.get("action", ""), timezone.now()
    if action == "propose":
        proposal_make(draft=draft, by=user, now=now)
        return "Proposed. Its quorum signs it at the consent origin now."
    if action == "renew":
        draft_renew(draft=draft, by=user, now=now)
        return "Renewed: a new id and a lifetime from now. Have it replayed and proven again."
    if action == "withdraw":
        version = _latest(draft)
        proposal_withdraw(digest="" if version is None else version.digest, by=user, now=now)
        return "Withdrawn."
    raise PermissionDenied


@never_cache
@require_http_methods(["GET", "POST"])
def draft_propose(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a draft's checks and its proposal; posted, propose, renew or withdraw."""
    user = _user(request, f"policies.{'change' if request.method == 'POST' else 'view'}_policydraft")
    draft = get_object_or_404(PolicyDraft, pk=pk)
    if request.method == "POST":
        try:
            messages.success(request, _act(request, draft, user))
        except PolicyAppError as error:
            messages.error(request, str(error))
        return redirect("admin:policies_draft_propose", draft.pk)
    shown = _shown(draft)
    reading = None
    if shown is None or not shown.open:
        reading = proposal_read(draft=draft, now=int(timezone.now().timestamp()))
    context = {
        **admin.site.each_context(request),
        "title": f"Propose: {draft.title}",
        "opts": PolicyDraft._meta,  # noqa: SLF001 - what admin templates are given
        "draft": draft,
        "tabs": draft_tabs(draft.pk),
        "tab": "propose",
        "is_nav_sidebar_enabled": False,
        "reading": reading,
        "pages": _PAGES,
        "checks": [] if reading is None else [(check, _PAGES.get(check.name)) for check in reading.checks],
        "proposal": shown,
        "mine": shown is not None and shown.version.proposed_by_id == user.pk,
        "may_change": user.has_perm("policies.change_policydraft"),
        "now": timezone.now(),
    }
    return render(request, "admin/policies/propose.html", context)


@never_cache
@require_GET
def draft_propose_status(request: HttpRequest, pk: int) -> HttpResponse:
    """Answer the page's polling with where the proposal stands."""
    user = _user(request, "policies.view_policydraft")
    draft = get_object_or_404(PolicyDraft, pk=pk)
    shown = _shown(draft)
    is_open = shown is not None and shown.open
    response = render(
        request,
        "admin/policies/_proposal.html",
        {
            "proposal": shown,
            "now": timezone.now(),
            "mine": shown is not None and shown.version.proposed_by_id == user.pk,
            "draft": draft,
        },
        status=200 if is_open else _STOP_POLLING,
    )
    if not is_open:
        response["HX-Refresh"] = "true"
    return response


def propose_paths(wrap: Callable[[View], View]) -> list[URLPattern]:
    """Return the addresses of a draft's proposal.

    Args:
        wrap: The admin's own `admin_view`.
    """
    return [
        path("<int:pk>/propose/", wrap(draft_propose), name="policies_draft_propose"),
        path("<int:pk>/propose/status/", wrap(draft_propose_status), name="policies_draft_propose_status"),
    ]
