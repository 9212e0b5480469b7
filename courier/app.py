"""The Celery app of couriers: no Django, no database, JSON only, deaf to remote control."""

from __future__ import annotations

from celery import Celery

from courier.settings import broker_url


def queue_of(signer_id: str) -> str:
    """Return the queue of a signer's courier; each signer has its own."""
    return f"courier.{signer_id}"


def make_app() -> Celery:
    """Make the app from the environment.

    Raises:
        CourierSettingError: If the broker is not named.
    """
    # Answers go back over the same Redis.
    broker = broker_url()
    # No fixups: with DJANGO_SETTINGS_MODULE in the environment Celery's own would load Django into this process.
    app = Celery("courier", broker=broker, backend=broker, fixups=[], set_as_current=False)
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        result_serializer="json",
        result_accept_content=["json"],
        # An answer is kept as long as somebody could wait for it; the signer repeats what it signed anyway.
        result_expires=600,
        task_ignore_result=False,
        # Carrying a request twice is harmless, losing one only costs time: acknowledged when it is done.
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        task_create_missing_queues=True,
        # Whoever owns the broker could otherwise stop or reconfigure this process with a message.
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        broker_transport_options={"visibility_timeout": 600},
        enable_utc=True,
    )
    return app
