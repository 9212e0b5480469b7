"""The editor's pages that show a draft: its start page and its sections, with what can be done to rows there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from approvals.models import User
from policies.editor.body import row_move, row_remove, row_restore, rows_of
from policies.editor.opened import OpenDraft
from policies.editor.problems import row_name
from policies.editor.sections import PARTS, SECTIONS
from policies.editor.steps import draft_steps, draft_tabs
from policies.errors import DraftConflictError, DraftTextError
from policies.models import PolicyDraft
from policies.selectors import policy_active, version_active
from policies.services.drafts import draft_edit, draft_start, draft_start_empty

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse

    from policies.editor.body import Body
    from policies.editor.opened import TableRow
    from policies.editor.sections import Section

UNDO = "policies.editor.undo"
"""In the session: the row that was removed last, while its section is still on the screen."""
_ROWS_ON_A_PAGE = 100
_ACTION = re.compile(r"(up|down|remove):([0-9]{1,5})")
_MOST_FILTER = 80


def page_user(request: HttpRequest) -> User:
    """Return who asks, or refuse."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


def open_draft(request: HttpRequest, pk: int) -> OpenDraft:
    """Open a draft for somebody who may look at it, and for a POST only for somebody who may change it."""
    user = page_user(request)
    may_change = user.has_perm("policies.change_policydraft")
    if not may_change and (request.method == "POST" or not user.has_perm("policies.view_policydraft")):
        raise PermissionDenied
    draft = get_object_or_404(PolicyDraft.objects.select_related("author"), pk=pk)
    return OpenDraft(draft, policy_active())


def find_section(key: str) -> Section:
    """Return a section by its name in addresses."""
    if key not in SECTIONS:
        raise Http404
    return SECTIONS[key]


def page_context(request: HttpRequest, opened: OpenDraft, title: str, tab: str = "editor") -> dict[str, Any]:
    """Return what every page of a draft shows around its own part."""
    menu = [
        (
            part.title,
            [(section, opened.count(section.key), len(opened.problems_of(section.key))) for section in part.sections],
        )
        for part in PARTS
    ]
    return {
        **admin.site.each_context(request),
        "title": title,
        "opts": PolicyDraft._meta,  # noqa: SLF001 - Django's own name for it
        "opened": opened,
        "draft": opened.draft,
        "tabs": draft_tabs(opened.draft.pk),
        "tab": tab,
        "menu": menu,
        "may_change": page_user(request).has_perm("policies.change_policydraft"),
        "is_nav_sidebar_enabled": False,
    }


def forget_removed(request: HttpRequest) -> None:
    """Let go of a removed row: whoever looks at something else has left it."""
    request.session.pop(UNDO, None)


@require_http_methods(["GET"])
def editor_start(request: HttpRequest, pk: int) -> HttpResponse:
    """Show where the draft stands, what is wrong with it, and what it would change."""
    opened = open_draft(request, pk)
    forget_removed(request)
    context = page_context(request, opened, opened.draft.title)
    return render(request, "admin/policies/draft/start.html", context | {"steps": draft_steps(opened)})


@require_POST
def draft_begin(request: HttpRequest) -> HttpResponse:
    """Start a draft from the version in force, with or without what it says."""
    user = page_user(request)
    if not user.has_perm("policies.add_policydraft"):
        raise PermissionDenied
    version = version_active()
    if version is None:
        messages.error(request, "No policy is in force yet: the first one is made with manage.py at the console.")
        return redirect("admin:policies_policydraft_changelist")
    begin = draft_start_empty if request.POST.get("from") == "empty" else draft_start
    draft = begin(version=version, by=user)
    messages.success(request, f"Draft '{draft.title}' was started.")
    return redirect("admin:policies_draft_editor", draft.pk)


@require_http_methods(["GET", "POST"])
def editor_rows(request: HttpRequest, pk: int, key: str) -> HttpResponse:
    """Show a section's rows, and move, remove or restore one."""
    opened, section = open_draft(request, pk), find_section(key)
    if request.method == "POST":
        return _act(request, opened, section)
    removed = request.session.get(UNDO)
    if not isinstance(removed, dict) or (removed.get("draft"), removed.get("section")) != (pk, key):
        forget_removed(request)
        removed = None
    wanted = request.GET.get("q", "")[:_MOST_FILTER]
    rows = [row for row in opened.table(section) if _is_wanted(row, wanted)]
    page = Paginator(rows, _ROWS_ON_A_PAGE).get_page(request.GET.get("page"))
    context = page_context(request, opened, section.title)
    context |= {
        "section": section,
        "page": page,
        "wanted": wanted,
        "removed": None if removed is None else row_name(key, removed["row"]),
        "section_problems": [p.text for p in opened.problems if p.section == key and p.index is None],
        "filterable": opened.count(key) > _ROWS_ON_A_PAGE or bool(wanted),
    }
    return render(request, "admin/policies/draft/section.html", context)


def _is_wanted(row: TableRow, wanted: str) -> bool:
    return wanted.lower() in f"{row.name} {row.words}".lower()


def _act(request: HttpRequest, opened: OpenDraft, section: Section) -> HttpResponse:
    here = redirect("admin:policies_draft_section", opened.draft.pk, section.key)
    action = request.POST.get("action", "")
    match = _ACTION.fullmatch(action)
    removed = request.session.get(UNDO)
    if action == "undo" and isinstance(removed, dict):
        if (removed.get("draft"), removed.get("section")) == (opened.draft.pk, section.key):
            words = f"{section.title}: {row_name(section.key, removed['row'])} put back"
            edit = _restoring(section.key, removed)
            if save_change(request, opened, edit, words, revision=request.POST.get("revision", "")):
                forget_removed(request)
        return here
    rows = rows_of(opened.body, section.key)
    if match is None or int(match[2]) >= len(rows):
        messages.error(request, "There is no such row any more. Nothing was changed.")
        return here
    index, name = int(match[2]), row_name(section.key, rows[int(match[2])])
    if match[1] == "remove":
        words = f"{section.title}: {name} removed"
        edit = _removing(section.key, index)
    else:
        words = f"{section.title}: {name} moved {match[1]}"
        edit = _moving(section.key, index, up=match[1] == "up")
    if save_change(request, opened, edit, words, revision=request.POST.get("revision", "")):
        forget_removed(request)
        if match[1] == "remove":
            request.session[UNDO] = {
                "draft": opened.draft.pk, "section": section.key, "index": index, "row": rows[index]
            }  # fmt: skip
    return here


def _removing(section: str, index: int) -> Callable[[Body], Body]:
    return lambda body: row_remove(body, section, index)


def _moving(section: str, index: int, *, up: bool) -> Callable[[Body], Body]:
    return lambda body: row_move(body, section, index, up=up)


def _restoring(section: str, removed: dict[str, Any]) -> Callable[[Body], Body]:
    return lambda body: row_restore(body, section, removed["index"], removed["row"])


def save_change(
    request: HttpRequest, opened: OpenDraft, edit: Callable[[Body], Body], words: str, *, revision: str
) -> bool:
    """Save one change to rows and say so; whether it was saved."""
    try:
        draft_edit(draft_id=opened.draft.pk, revision=revision, edit=edit, by=page_user(request), change=words[:200])
    except DraftConflictError as error:
        messages.error(request, f"{error} Nothing was changed; this is the draft as it is now.")
        return False
    except DraftTextError as error:
        messages.error(request, f"{error}. Nothing was changed.")
        return False
    messages.success(request, f"{words}.")
    return True
