"""Sessions end: after a quarter of an hour without a person, after a working day, and when somebody ends them."""

from __future__ import annotations

import datetime as dt
import time
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.models import AnonymousUser
from django.urls import Resolver404, resolve

from approvals.models import SecurityKey
from approvals.session_services import EndedWhy, session_end, session_get, session_refused, session_seen

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse

    from approvals.models import PersonSession

OPENED, SEEN, PROVED, WHY = "opened_at", "seen_at", "proved_at", "why_ended"
_SEEN_STEP_SECONDS = 30
"""How often a session row is written for mere presence."""


def session_begin(request: HttpRequest, *, now: int) -> None:
    """Start the clocks of a fresh session."""
    request.session[OPENED] = request.session[SEEN] = request.session[PROVED] = now


def _is_poll(request: HttpRequest) -> bool:
    """Whether a page asks by itself. The server's own list says so: a client's header could claim anything."""
    try:
        name = resolve(request.path_info).view_name
    except Resolver404:
        return False
    return name in getattr(settings, "COUNTERSIGN_POLL_VIEWS", ())


def _verdict(request: HttpRequest, record: PersonSession | None, now: int) -> EndedWhy | None:
    """Return why a session may not go on, or None."""
    opened, seen = request.session.get(OPENED), request.session.get(SEEN)
    key = getattr(request.user, "otp_device", None)
    # A session that did not begin by a security key has no clocks and no record, and is none of ours.
    if record is None or not isinstance(opened, int) or not isinstance(seen, int) or not isinstance(key, SecurityKey):
        return EndedWhy.NO_KEY
    if record.user_id != request.user.pk or record.key_id != key.pk:
        return EndedWhy.NO_KEY
    if record.ended_at is not None:
        return EndedWhy(record.ended_why)
    if key.locked or not key.confirmed:
        return EndedWhy.KEY_LOCKED
    if not opened <= now < opened + settings.COUNTERSIGN_SESSION_MOST_SECONDS:
        return EndedWhy.OLD
    return None if seen <= now < seen + settings.COUNTERSIGN_SESSION_IDLE_SECONDS else EndedWhy.IDLE


class SessionLimitMiddleware:
    """Ends sessions that are idle, old, replaced or revoked, and those that no security key opened."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Look at the clocks before anything else looks at the person."""
        user = request.user
        if user.is_authenticated:
            now = int(time.time())
            record = session_get(session_key=request.session.session_key)
            why = _verdict(request, record, now)
            if why is not None:
                self._close(request, record, why, now)
            elif record is not None and not _is_poll(request) and now - request.session[SEEN] >= _SEEN_STEP_SECONDS:
                request.session[SEEN] = now
                session_seen(session=record, now=dt.datetime.fromtimestamp(now, tz=dt.UTC))
        return self.get_response(request)

    @staticmethod
    def _close(request: HttpRequest, record: PersonSession | None, why: EndedWhy, now: int) -> None:
        user = request.user
        if user.is_authenticated:
            if record is None:
                session_refused(person=user.person_id, why=why)
            else:
                at = dt.datetime.fromtimestamp(now, tz=dt.UTC)
                session_end(session=record, why=why, actor=user.person_id, now=at)
        logout(request)
        request.user = AnonymousUser()
        request.session[WHY] = why.value
