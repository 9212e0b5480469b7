"""What a page becomes that stumbled over a damaged row: itself without the row, or one that says what is damaged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import Http404, HttpResponse, JsonResponse
from django.template.loader import render_to_string

from oms.damage import STUMBLES, damage_alarm, damage_find
from oms.hidden import hide_requests
from oms.presenters import detail_of
from oms.selectors import seats_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

    from oms.damage import Damaged
    from oms.models import TransactionRequest

_CONFLICT = 409
_TOLD_MOST = 5


def _read(request: TransactionRequest) -> None:
    """Read of a request what pages show of it."""
    seats_of(request=request)
    detail_of(request=request)


class DamagedRowsMiddleware:
    """Answers for views that stumbled over a row which was edited past the application."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer, and forget afterwards what was left aside."""
        try:
            return self._get_response(request)
        finally:
            hide_requests(frozenset())

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Find out whether a row is to blame; None where it is not, and the failure stays what it is."""
        if not isinstance(exception, STUMBLES) or request.resolver_match is None:
            return None
        named = request.resolver_match.kwargs
        reference, digest = str(named.get("reference", "")), str(named.get("digest", ""))
        found = damage_find(read=_read, reference=reference, digest=digest)
        if not found:
            return None
        damage_alarm(found=found)
        about = any(one.request_id is None or one.key == reference for one in found)
        if about or request.method not in {"GET", "HEAD"}:
            return _said(request, found)
        return self._again(request, found)

    def _again(self, request: HttpRequest, found: list[Damaged]) -> HttpResponse | None:
        """Make the page once more, without the damaged rows."""
        match = request.resolver_match
        if match is None:
            return None
        hide_requests(frozenset(one.request_id for one in found if one.request_id is not None))
        names = ", ".join(one.key for one in found[:_TOLD_MOST])
        more = f" and {len(found) - _TOLD_MOST} more" if len(found) > _TOLD_MOST else ""
        messages.error(request, f"Damaged and left out here: request {names}{more}. An alarm was raised.")
        try:
            answer: HttpResponse = match.func(request, *match.args, **match.kwargs)
        except (Http404, *STUMBLES):
            return _said(request, found)
        return answer


def _said(request: HttpRequest, found: list[Damaged]) -> HttpResponse:
    if request.path.startswith("/api/"):
        detail = "; ".join(f"the stored {one.what} {one.key} is damaged" for one in found[:_TOLD_MOST])
        problem = {"type": "about:blank", "title": "Conflict", "status": _CONFLICT, "detail": detail}
        return JsonResponse(problem, status=_CONFLICT, content_type="application/problem+json")
    # Without the request: what stands around a page reads the policy, which may be what is damaged.
    return HttpResponse(render_to_string("oms/damaged.html", {"found": found[:_TOLD_MOST]}), status=_CONFLICT)
