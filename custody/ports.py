"""What custody needs of others without knowing them: somebody who listens to jobs, and a way to its signers."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Protocol, cast

from django.conf import settings
from django.utils.module_loading import import_string

from custody.errors import SignerWaitsError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from core.custody_lifecycle import JobEvent, JobState

DEFAULT_SIGNER_PORT = "custody.signer_ports.SocketSignerPort"


@dataclasses.dataclass(frozen=True, kw_only=True)
class JobChange:
    """A job has moved. `code` and `message` say why, where something went wrong."""

    intent_digest: str
    event: JobEvent
    state: JobState
    code: str
    message: str
    now: dt.datetime


class SignerPort(Protocol):
    """Carries one frame to a signer and its answer back. Not trusted: answers are checked like any other input."""

    def request(self, signer_id: str, frame: dict[str, object]) -> dict[str, object]:
        """Ask a signer.

        Raises:
            SignerWaitsError: If there is no answer.
        """


_listeners: list[Callable[[JobChange], None]] = []


def on_job_change(listener: Callable[[JobChange], None]) -> None:
    """Register who is told of every job change, inside the same database transaction (in `AppConfig.ready`)."""
    if listener not in _listeners:
        _listeners.append(listener)


def job_change_announce(change: JobChange) -> None:
    """Tell the listeners. One that fails takes the transaction down with it: no half-told change."""
    for listener in _listeners:
        listener(change)


def signer_port() -> SignerPort:
    """Return the configured way to the signers."""
    path: str = getattr(settings, "COUNTERSIGN_SIGNER_PORT", DEFAULT_SIGNER_PORT)
    return cast("SignerPort", import_string(path)())


def signer_socket(signer_id: str) -> str:
    """Return where a signer listens.

    Raises:
        SignerWaitsError: If the settings do not know it.
    """
    sockets: dict[str, str] = getattr(settings, "COUNTERSIGN_SIGNER_SOCKETS", {})
    if signer_id not in sockets:
        code = "unknown_signer"
        raise SignerWaitsError(code, f"no socket is configured for signer {signer_id}")
    return sockets[signer_id]
