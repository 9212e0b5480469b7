"""Which session an entry is written in: set once for each request, read when an entry is written."""

from __future__ import annotations

from contextvars import ContextVar
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponseBase

_CHARACTERS = 16
_SESSION: ContextVar[str] = ContextVar("audit_session", default="")


def session_current() -> str:
    """Return the name of the session that is being served; empty outside of one."""
    return _SESSION.get()


def session_name(key: str) -> str:
    """Return what the log calls a session: part of a hash, since the key itself would let its reader in."""
    return sha256(b"countersign-session\n" + key.encode()).hexdigest()[:_CHARACTERS]


class AuditSessionMiddleware:
    """Names the session for every entry that the request writes. Stands behind Django's session middleware."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Name the session while the request is served."""
        key = request.session.session_key
        token = _SESSION.set(session_name(key) if key else "")
        try:
            return self._get_response(request)
        finally:
            _SESSION.reset(token)
