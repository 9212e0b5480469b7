"""Releasing requests that are held."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from approvals.roles import Permission, needs
from oms.errors import RequestMissingError, RequestRefusedError
from oms.holds import hold_release
from oms.selectors import request_get
from oms.views import page_user

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse


@require_POST
@needs(Permission.RUN)
def request_release(request: HttpRequest, reference: str) -> HttpResponse:
    """Let a held request go on."""
    user = page_user(request)
    try:
        found = request_get(user=user, reference=reference)
        hold_release(actor=f"user:{user.get_username()}", reference=found.reference, now=timezone.now())
    except RequestMissingError as error:
        messages.error(request, str(error))
        return redirect("oms:requests")
    except RequestRefusedError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, "Released. It goes to its signer as soon as it is approved and simulated again.")
    return redirect("oms:request", reference)
