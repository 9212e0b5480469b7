"""The pages on which one row of a draft, or a part that there is only once, is written."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods

from policies.editor.body import (
    next_order,
    row_copy,
    row_put,
    rows_of,
    single_of,
    single_put,
)
from policies.editor.opened import blocking_problems
from policies.editor.pages import (
    draft_begin,
    editor_rows,
    editor_start,
    find_section,
    forget_removed,
    open_draft,
    page_context,
    page_user,
)
from policies.editor.problems import row_name
from policies.errors import DraftConflictError, DraftTextError
from policies.row_words import count_words
from policies.services.drafts import draft_edit

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse, HttpResponseBase
    from django.urls import URLPattern

    from policies.editor.body import Body, Row
    from policies.editor.forms import RowForm
    from policies.editor.opened import OpenDraft
    from policies.editor.sections import Section

    View = Callable[..., HttpResponseBase]

SAVE, SAVE_AND_ADD = "save", "save-and-add"


@dataclasses.dataclass(kw_only=True)
class _Place:
    """Where what is typed belongs: a row by its index, a new row (None), or what there is only once."""

    opened: OpenDraft
    section: Section
    index: int | None

    @property
    def row(self) -> Row | None:
        """What stands there now."""
        if self.section.single:
            return single_of(self.opened.body, self.section.key)
        return None if self.index is None else rows_of(self.opened.body, self.section.key)[self.index]

    @property
    def target(self) -> int | None:
        """The index that the row will have."""
        if self.section.single:
            return None
        return self.opened.count(self.section.key) if self.index is None else self.index

    @property
    def url(self) -> str:
        """The address that it is posted to."""
        arguments: list[Any] = [self.opened.draft.pk, self.section.key]
        if self.section.single:
            return reverse("admin:policies_draft_section", args=arguments)
        if self.index is None:
            return reverse("admin:policies_draft_row_add", args=arguments)
        return reverse("admin:policies_draft_row", args=[*arguments, self.index])

    def put(self, body: Body, row: Row) -> Body:
        """Return the document with the row in its place."""
        if self.section.single:
            return single_put(body, self.section.key, row)
        return row_put(body, self.section.key, self.index, row)


@require_http_methods(["GET", "POST"])
def editor_section(request: HttpRequest, pk: int, key: str) -> HttpResponse:
    """Show a section: its rows, or the one form of what there is only once."""
    if not find_section(key).single:
        return editor_rows(request, pk, key)
    return _edit(request, pk, key, None)


@require_http_methods(["GET", "POST"])
def editor_row(request: HttpRequest, pk: int, key: str, index: int) -> HttpResponse:
    """Show a row's form, and save it."""
    return _edit(request, pk, key, index)


@require_http_methods(["GET", "POST"])
def editor_row_add(request: HttpRequest, pk: int, key: str) -> HttpResponse:
    """Show the form of a new row, perhaps filled with a copy of another, and add it."""
    if find_section(key).single:
        raise Http404
    return _edit(request, pk, key, None)


def _edit(request: HttpRequest, pk: int, key: str, index: int | None) -> HttpResponse:
    opened, section = open_draft(request, pk), find_section(key)
    forget_removed(request)
    place = _Place(opened=opened, section=section, index=index)
    if opened.unreadable:
        messages.error(request, "The draft cannot be read. Mend it as a document first.")
        return redirect("admin:policies_draft_editor", pk)
    if request.method == "POST":
        return _posted(request, place)
    if index is not None and (section.single or index >= opened.count(key)):
        raise Http404
    return _show(request, place, _form(place, row=place.row or _copied(request, place)))


def _copied(request: HttpRequest, place: _Place) -> Row | None:
    wanted = request.GET.get("copy", "")
    if not (wanted.isascii() and wanted.isdigit()) or len(wanted) > 5:  # noqa: PLR2004 - a row's number
        return None
    try:
        return row_copy(place.opened.body, place.section.key, int(wanted))
    except DraftTextError as error:
        raise Http404 from error


def _form(place: _Place, *, row: Row | None, **given: Any) -> RowForm:  # noqa: ANN401 - `data` or `typed`
    form = place.section.form(book=place.opened.book, row=row, now=int(time.time()), **given)
    if place.section.ordered and row is None and "typed" not in given:
        form.initial["order"] = next_order(place.opened.body, place.section.key)
    return form


def _posted(request: HttpRequest, place: _Place) -> HttpResponse:
    step = request.POST.get("step", SAVE)
    changed = request.POST.get("revision", "") != place.opened.revision or not _is_called(request, place)
    if changed:
        _find_again(request, place)
    if place.index is not None and (place.section.single or place.index >= place.opened.count(place.section.key)):
        raise Http404
    if step not in (SAVE, SAVE_AND_ADD):
        form = _form(place, row=place.row, typed=request.POST)
        if form.conditions is not None:
            form.conditions.step(step)
        # The page keeps the revision that it came with: what others saved shows when this is saved.
        return _show(request, place, form, revision=request.POST.get("revision", ""))
    form = _form(place, row=place.row, data=request.POST)
    if not form.is_valid():
        return _show(request, place, form)
    try:
        body = place.put(place.opened.body, form.value)
        blocking, elsewhere = blocking_problems(place.opened, body, place.section.key, place.target)
    except DraftTextError as error:
        blocking, elsewhere = [f"{error}. Nothing was saved."], 0
    for problem in blocking:
        form.add_error(None, problem)
    if changed:
        form.add_error(None, _conflict_words(place))
    if blocking or changed:
        return _show(request, place, form)
    return _save(request, place, form, elsewhere)


def _is_called(request: HttpRequest, place: _Place) -> bool:
    """Whether the row at this address is the one that the page was drawn for."""
    rows = rows_of(place.opened.body, place.section.key)
    if place.section.single or place.index is None or place.index >= len(rows):
        return place.section.single or place.index is None
    return row_name(place.section.key, rows[place.index]) == request.POST.get("called", "")


def _find_again(request: HttpRequest, place: _Place) -> None:
    """After somebody else saved: find the row by what it was called; gone, what was typed becomes a new row."""
    if place.section.single or place.index is None:
        return
    called = request.POST.get("called", "")
    rows = rows_of(place.opened.body, place.section.key)
    place.index = next((i for i, row in enumerate(rows) if row_name(place.section.key, row) == called), None)


def _conflict_words(place: _Place) -> str:
    draft = place.opened.draft
    adds = place.index is None and not place.section.single
    gone = " The row is not in the draft now: saving again adds it." if adds else ""
    return (
        f"Somebody saved the draft after you opened this page (the last time at {draft.updated_at:%H:%M:%S} UTC)."
        f" Nothing of what you typed is lost; it is below, and not saved yet.{gone}"
        " Look at the present row, then save again to put yours in its place."
    )


def _save(request: HttpRequest, place: _Place, form: RowForm, elsewhere: int) -> HttpResponse:
    section, draft_id = place.section, place.opened.draft.pk
    name = section.title if section.single else row_name(section.key, form.value)
    words = f"{section.title} saved" if section.single else f"{section.title}: {name} saved"
    try:
        draft_edit(
            draft_id=draft_id,
            revision=place.opened.revision,
            edit=lambda body: place.put(body, form.value),
            by=page_user(request),
            change=words[:200],
        )
    except DraftConflictError:
        form.add_error(None, _conflict_words(place))
        return _show(request, place, form, revision="")
    except DraftTextError as error:
        form.add_error(None, f"{error}. Nothing was saved.")
        return _show(request, place, form)
    messages.success(request, f"{words}.")
    if elsewhere:
        messages.warning(
            request, f"This leaves {count_words(elsewhere, 'new problem')} in other rows; see the start page."
        )
    if request.POST.get("step") == SAVE_AND_ADD and not section.single:
        return redirect("admin:policies_draft_row_add", draft_id, section.key)
    return redirect("admin:policies_draft_section", draft_id, section.key)


def _show(request: HttpRequest, place: _Place, form: RowForm, *, revision: str | None = None) -> HttpResponse:
    section, row = place.section, place.row
    called = "" if row is None or section.single else row_name(section.key, row)
    title = section.title if section.single else f"Change {called}" if called else f"Add {section.one}"
    context = page_context(request, place.opened, title) | {
        "section": section,
        "form": form,
        "called": called,
        "revision": place.opened.revision if revision is None else revision,
        "action": place.url,
        "adds": not section.single and place.index is None,
    }
    return render(request, "admin/policies/draft/row.html", context)


def editor_paths(wrap: Callable[[View], View]) -> list[URLPattern]:
    """Return the addresses of the editor's pages.

    Args:
        wrap: The admin's own `admin_view`.
    """
    rows = "<int:pk>/editor/<slug:key>/"
    return [
        path("start/", wrap(draft_begin), name="policies_draft_begin"),
        path("<int:pk>/editor/", wrap(editor_start), name="policies_draft_editor"),
        path(rows, wrap(editor_section), name="policies_draft_section"),
        path(f"{rows}add/", wrap(editor_row_add), name="policies_draft_row_add"),
        path(f"{rows}<int:index>/", wrap(editor_row), name="policies_draft_row"),
    ]
