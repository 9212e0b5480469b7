"""How the web tier is served. In embedded mode its one process also runs the worker, as a thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gunicorn.workers.base import Worker  # type: ignore[import-untyped]  # it publishes no types

workers = 1
threads = 8
worker_class = "gthread"
timeout = 60
graceful_timeout = 10
accesslog = None


def post_worker_init(worker: Worker) -> None:  # noqa: ARG001 - gunicorn's signature
    """Start the sweeps where no Celery runs them."""
    from django.conf import settings  # noqa: PLC0415 - the application is loaded only now

    if settings.EMBEDDED:
        from custody.worker import WorkerThread  # noqa: PLC0415 - as above

        WorkerThread().start()
