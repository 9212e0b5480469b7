"""The Django app."""

from __future__ import annotations

from django.apps import AppConfig


class OmsConfig(AppConfig):
    """Transaction requests."""

    name = "oms"
    verbose_name = "Orders"

    def ready(self) -> None:
        """Listen to custody, which does not know us."""
        from custody.ports import on_job_change  # noqa: PLC0415 - apps are loaded only now
        from oms.workflow import job_followed  # noqa: PLC0415 - as above

        on_job_change(job_followed)
