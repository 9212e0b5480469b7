"""Run the courier of one signer: ``python -m courier --signer hsm-1``, under a user of its own."""

from __future__ import annotations

import argparse
import logging
import sys
from typing import TYPE_CHECKING

from courier.settings import CourierSettingError, signer_sockets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from celery import Celery

EXIT_SETTINGS = 78
"""EX_CONFIG."""


def bar_django() -> None:
    """Make Django unimportable here. Celery's messaging library loads parts of it wherever it is installed."""
    modules: dict[str, object] = sys.modules  # type: ignore[assignment]
    modules["django"] = None


def prepare(signer: str) -> tuple[Celery, str]:
    """Make the worker's app and name its queue.

    Args:
        signer: The signer's roster id.

    Raises:
        CourierSettingError: If broker or socket are not set.
    """
    sockets = signer_sockets()
    if signer not in sockets:
        raise CourierSettingError(f"no socket is configured for signer {signer}")
    bar_django()
    from courier.app import make_app, queue_of  # noqa: PLC0415 - after Django is barred
    from courier.tasks import register  # noqa: PLC0415 - as above

    app = make_app()
    register(app, {signer: sockets[signer]})
    return app, queue_of(signer)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve one signer's queue until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m courier", description="Carries cases to one signer's socket")
    parser.add_argument("--signer", required=True, help="the signer's roster id; its queue is courier.<id>")
    options = parser.parse_args(arguments)
    # Celery would print each answer, signed bytes included, before custody has stored them.
    logging.getLogger("celery.app.trace").setLevel(logging.WARNING)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    try:
        app, queue = prepare(options.signer)
    except CourierSettingError as error:
        sys.stderr.write(f"courier: {error}\n")
        return EXIT_SETTINGS
    _work(app, queue, options.signer)
    return 0


def _work(app: Celery, queue: str, signer: str) -> None:
    # One process and one request at a time, as the signer itself: nothing to fork, nothing to share.
    app.worker_main(
        [
            *("worker", "--pool", "solo", "--concurrency", "1", "--loglevel", "INFO"),
            *("--queues", queue, "--hostname", f"courier-{signer}@countersign"),
            *("--without-gossip", "--without-mingle", "--without-heartbeat"),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
