"""The Django app."""

from __future__ import annotations

from django.apps import AppConfig


class PoliciesConfig(AppConfig):
    """The policy engine for admins, and the web tier's decisions."""

    name = "policies"
    verbose_name = "Policies"
