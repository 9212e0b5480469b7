"""App configuration."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """The immutable log."""

    name = "audit"
    verbose_name = "Audit log"
    default_auto_field = "django.db.models.BigAutoField"
