"""Settings, URLs and the Celery app: the top of the house. It knows every app, and no app knows it."""

from __future__ import annotations

# Whoever imports the settings gets the app that `shared_task` binds to; without it a dispatch goes nowhere.
from config.celery import app as celery_app

__all__ = ["celery_app"]
