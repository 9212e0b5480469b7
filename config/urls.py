"""Every address of the web tier."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

_to_sign_in = RedirectView.as_view(pattern_name="approvals:sign_in", query_string=True)

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("approvals.urls")),
    # The admin has no password page: whoever comes to it signs in with a security key like everybody else.
    path("admin/login/", login_not_required(_to_sign_in)),
    path("admin/", admin.site.urls),
    path("", include("oms.urls")),
]
