"""The Django app."""

from __future__ import annotations

from django.apps import AppConfig


class CustodyConfig(AppConfig):
    """Wallets and signing jobs."""

    name = "custody"
    verbose_name = "Custody"
