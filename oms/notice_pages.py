"""The page on which people choose how they are told, and see whether it worked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import forms
from django.conf import settings
from django.contrib import messages
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from approvals.roles import needs
from oms.models import NoticeKind
from oms.notifications.causes import kinds_of
from oms.notifications.choices import choice_of, choice_set, notices_of
from oms.notifications.errors import WebhookRefusedError
from oms.notifications.webhook import URL_MOST
from oms.views import page_context, page_user

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

ROWS = 10
_UNPROCESSABLE = 422


class ChoiceForm(forms.Form):
    """How somebody wants to be told."""

    kinds = forms.MultipleChoiceField(
        required=False, choices=NoticeKind.choices, widget=forms.CheckboxSelectMultiple, label="Tell me when"
    )
    email = forms.EmailField(required=False, max_length=254, label="By e-mail to")
    webhook = forms.CharField(required=False, max_length=URL_MOST, label="By webhook to")


@never_cache
@require_http_methods(["GET", "POST"])
@needs()
def notices(request: HttpRequest) -> HttpResponse:
    """Show and keep one's own choice."""
    user = page_user(request)
    choice = choice_of(user=user)
    kept = {"kinds": sorted(kinds_of(choice)), "email": choice.email, "webhook": choice.webhook}
    form = ChoiceForm(request.POST if request.method == "POST" else None, initial=kept)
    key = ""
    if form.is_bound and form.is_valid():
        try:
            key = choice_set(user=user, **form.cleaned_data, demo=settings.COUNTERSIGN_DEMO)
        except WebhookRefusedError as error:
            form.add_error("webhook", str(error))
        else:
            messages.success(request, "Kept.")
            if not key:
                return redirect("oms:notices")
    status = _UNPROCESSABLE if form.errors else 200
    context = page_context(request, form=form, key=key, sent=notices_of(user=user)[:ROWS])
    return render(request, "oms/notices.html", context, status=status)
