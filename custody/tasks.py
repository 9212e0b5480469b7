"""Celery: the same sweep, from beat every few seconds and at once when something was handed over."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from custody.worker import sweeps_load


@shared_task(name="custody.sweep", ignore_result=True)
def sweep() -> None:
    """Advance what is due."""
    for sweep_once in sweeps_load():
        sweep_once(now=timezone.now())
