"""The Django app."""

from __future__ import annotations

from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate


def _groups(sender: AppConfig, **_more: object) -> None:
    # Django makes permissions app by app: only after the last one are all of them there.
    if sender is list(apps.get_app_configs())[-1]:
        from approvals.access import groups_write  # noqa: PLC0415 - models are not loaded before

        groups_write()


class ApprovalsConfig(AppConfig):
    """People and their consents."""

    name = "approvals"
    verbose_name = "People and approvals"

    def ready(self) -> None:
        """Have `migrate` end with the groups of the roles: no migration can count on permissions being there."""
        post_migrate.connect(_groups, dispatch_uid="approvals.groups")
