"""The Celery app. A task only cuts latency: the sweeper finds all work in the database (see the ADRs)."""

from __future__ import annotations

import os
from importlib import import_module

from celery import Celery
from celery.signals import worker_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("countersign")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_init.connect
def _nodes_load(**_said: object) -> None:
    """Load what asks nodes before there is work: the pool's processes inherit it. Beat and commands need none."""
    import_module("chains.nodes.provider")
