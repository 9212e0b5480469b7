"""Sessions end: after a quarter of an hour without a person, and after a working day in any case."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.models import AnonymousUser
from django.urls import Resolver404, resolve

from approvals.services import session_closed

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse

IDLE_SECONDS = 15 * 60
ABSOLUTE_SECONDS = 8 * 60 * 60
OPENED, SEEN, WHY = "opened_at", "seen_at", "why_ended"
_SEEN_STEP_SECONDS = 30
"""How often a session row is written for mere presence."""


def session_begin(request: HttpRequest, *, now: int) -> None:
    """Start the clocks of a fresh session."""
    request.session[OPENED] = now
    request.session[SEEN] = now


def _is_poll(request: HttpRequest) -> bool:
    """Whether a page asks by itself. The server's own list says so: a client's header could claim anything."""
    try:
        name = resolve(request.path_info).view_name
    except Resolver404:
        return False
    return name in getattr(settings, "COUNTERSIGN_POLL_VIEWS", ())


def _has_ended(request: HttpRequest, now: int) -> bool:
    opened, seen = request.session.get(OPENED), request.session.get(SEEN)
    # A session that did not begin by a security key has no clocks, and is none of ours.
    if not isinstance(opened, int) or not isinstance(seen, int):
        return True
    return not (opened <= now < opened + ABSOLUTE_SECONDS and seen <= now < seen + IDLE_SECONDS)


class SessionLimitMiddleware:
    """Ends sessions that are idle or old, and those that no security key opened."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Look at the clocks before anything else looks at the person."""
        user = request.user
        if user.is_authenticated:
            now = int(time.time())
            verified = getattr(user, "is_verified", None)
            if _has_ended(request, now) or verified is None or not verified():
                session_closed(person=user.person_id, expired=True)
                logout(request)
                request.user = AnonymousUser()
                request.session[WHY] = "expired"
            elif not _is_poll(request) and now - request.session[SEEN] >= _SEEN_STEP_SECONDS:
                request.session[SEEN] = now
        return self.get_response(request)
