"""A fresh touch of one's security key before what is sensitive.

Which addresses are, the settings say (`COUNTERSIGN_STEP_UP_VIEWS`): the apps beside this one need not know of it, and
no page can forget. Reading is free; whatever is sent there within five minutes of the last touch goes through.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponseRedirect, JsonResponse
from django.urls import reverse

from approvals.sessions import PROVED

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse

AGAIN = (
    "Touch your security key once more for this: it is sensitive. Nothing was changed yet; send it again afterwards."
)
_FORM_ADDRESSES = ("add", "change")


def proved_recently(request: HttpRequest, *, now: int) -> bool:
    """Whether this session's person touched their key within the time that the settings name."""
    proved = request.session.get(PROVED)
    return isinstance(proved, int) and proved <= now < proved + settings.COUNTERSIGN_STEP_UP_SECONDS


def step_up_address(path: str) -> str:
    """Return the page that asks for a touch and leads back."""
    return f"{reverse('approvals:step_up')}?{urlencode({'next': path})}"


class StepUpMiddleware:
    """Stands in front of sensitive views."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request."""
        return self._get_response(request)

    def process_view(
        self,
        request: HttpRequest,
        view: Callable[..., HttpResponse],  # noqa: ARG002 - Django's signature
        args: tuple[Any, ...],  # noqa: ARG002 - as above
        kwargs: dict[str, Any],  # noqa: ARG002 - as above
    ) -> HttpResponse | None:
        """Ask for a touch, or let the view have it."""
        match = request.resolver_match
        name = "" if match is None else match.view_name
        if name not in settings.COUNTERSIGN_STEP_UP_VIEWS or not request.user.is_authenticated:
            return None
        sends = request.method not in ("GET", "HEAD", "OPTIONS")
        # A form that is opened asks at once: what people type should not be lost to a question afterwards.
        opens = name.startswith("admin:") and name.endswith(_FORM_ADDRESSES)
        if not (sends or opens) or proved_recently(request, now=int(time.time())):
            return None
        if "application/json" in request.headers.get("Accept", ""):
            body = {"type": "about:blank", "title": "Touch your key", "status": 403, "detail": AGAIN}
            return JsonResponse(body, status=403, content_type="application/problem+json")
        if sends:
            messages.warning(request, AGAIN)
        return HttpResponseRedirect(step_up_address(_page_of(request) if sends else request.get_full_path()))


def _page_of(request: HttpRequest) -> str:
    """Return the page from which something was sent: addresses that only take are no place to lead back to."""
    came = urlsplit(request.headers.get("Referer", ""))
    here = f"{came.scheme}://{came.netloc}" == settings.COUNTERSIGN_WEB_ORIGIN
    return f"{came.path}?{came.query}" if here and came.query else came.path if here else request.path
