"""The Django app."""

from __future__ import annotations

from django.apps import AppConfig


class ChainsConfig(AppConfig):
    """Chains, nodes and assets."""

    name = "chains"
    verbose_name = "Chains"
