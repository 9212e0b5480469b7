"""The Django app."""

from __future__ import annotations

from django.apps import AppConfig


class ApprovalsConfig(AppConfig):
    """People and their consents."""

    name = "approvals"
    verbose_name = "People and approvals"
