"""The two ways to a signer: the courier called directly (embedded), or the courier's own queue (full).

Custody does not import the courier: the settings name it, as they name its sockets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from celery.app import app_or_default
from celery.exceptions import CeleryError
from celery.exceptions import TimeoutError as CeleryTimeoutError
from django.conf import settings
from django.utils.module_loading import import_string
from kombu.exceptions import OperationalError

from core.canonical import MAX_BYTES, canonical
from core.errors import EncodingError
from custody.errors import SignerAnswerError, SignerWaitsError
from custody.ports import signer_socket

if TYPE_CHECKING:
    from collections.abc import Callable

TIMEOUT_SECONDS = 10.0
DEFAULT_EXCHANGE = "courier.client.exchange"
COURIER_TASK = "courier.exchange"


def _timeout_seconds() -> float:
    return float(getattr(settings, "COUNTERSIGN_SIGNER_TIMEOUT_SECONDS", TIMEOUT_SECONDS))


class SocketSignerPort:
    """Embedded: the courier's function, in this worker's own thread."""

    def request(self, signer_id: str, frame: dict[str, object]) -> dict[str, object]:
        """Ask over the signer's unix socket.

        Raises:
            SignerWaitsError: If there is no answer.
        """
        path: str = getattr(settings, "COUNTERSIGN_COURIER_EXCHANGE", DEFAULT_EXCHANGE)
        exchange = cast("Callable[[str, dict[str, object], float], dict[str, object]]", import_string(path))
        try:
            return exchange(signer_socket(signer_id), frame, _timeout_seconds())
        except SignerWaitsError:
            raise
        except Exception as error:  # the courier is no part of us: whatever it raises, the case waits
            code = str(getattr(error, "code", "courier"))
            raise SignerWaitsError(code, f"signer {signer_id}: {error}") from error


class QueueSignerPort:
    """Full: a task on the queue of the signer's courier, which runs without Django and without our database."""

    def __init__(self) -> None:
        """Take the app of the thread that made this: others ask through it as well."""
        self._app = app_or_default()

    def request(self, signer_id: str, frame: dict[str, object]) -> dict[str, object]:
        """Ask over the courier's queue, and wait for its answer.

        Raises:
            SignerWaitsError: If there is no answer in time. The message expires with the wait.
        """
        timeout_seconds = _timeout_seconds()
        try:
            pending = self._app.send_task(
                COURIER_TASK,
                args=[signer_id, frame],
                queue=f"courier.{signer_id}",
                expires=timeout_seconds,
                retry=False,
            )
            # Courier workers are others than ours, so waiting for them cannot wait for ourselves. Said for this call:
            # Celery's switch for it is the whole process's, and several threads ask.
            answer: object = pending.get(timeout=timeout_seconds, disable_sync_subtasks=False)
            pending.forget()
        except CeleryTimeoutError as error:
            raise SignerWaitsError("unreachable", f"signer {signer_id}: no answer in time") from error
        except (CeleryError, OperationalError, OSError) as error:
            raise SignerWaitsError("courier", f"signer {signer_id}: {type(error).__name__}") from error
        except Exception as error:  # what the courier's task raised comes back as whatever it was
            raise SignerWaitsError("courier", f"signer {signer_id}: {type(error).__name__}: {error}") from error
        if not isinstance(answer, dict):
            raise SignerAnswerError("answer", f"signer {signer_id}: not an object")
        return _strict(signer_id, answer)


def _strict(signer_id: str, answer: dict[str, object]) -> dict[str, object]:
    """Return what came over a queue if it is what a socket could have brought: a broker's JSON takes more.

    Raises:
        SignerAnswerError: For floats, numbers beyond 2^53, halves of surrogate pairs, deep nesting, or too much.
    """
    try:
        size = len(canonical(answer))
    except (EncodingError, RecursionError) as error:
        raise SignerAnswerError("answer", f"signer {signer_id}: not strict JSON: {error}") from error
    if size > MAX_BYTES:
        raise SignerAnswerError("answer", f"signer {signer_id}: {size} bytes, at most {MAX_BYTES} are read")
    return answer
