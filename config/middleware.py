"""Headers that every answer carries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import Http404

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse

# Everything that a page needs is served from its own origin; what is not named here is refused by the browser.
_CONTENT_SECURITY = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "font-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
)
_PERMISSIONS = (
    "publickey-credentials-get=(self)",
    "publickey-credentials-create=(self)",
    "camera=()",
    "geolocation=()",
    "microphone=()",
    "payment=()",
    "usb=()",
)
CONTENT_SECURITY_POLICY = "; ".join(_CONTENT_SECURITY)
PERMISSIONS_POLICY = ", ".join(_PERMISSIONS)


class BrowserPolicyMiddleware:
    """Sets the browser's policy on every answer, errors and static files included.

    No view can loosen it: a page that needs more than this is a page that does something else.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request with the policy attached."""
        response = self.get_response(request)
        response["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        response["Permissions-Policy"] = PERMISSIONS_POLICY
        return response


class PlainPathMiddleware:
    """Knows no address with a NUL in it: nothing of ours has one, and PostgreSQL takes no text that does."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer what can be looked up at all."""
        if "\0" in request.path:
            raise Http404
        return self.get_response(request)
