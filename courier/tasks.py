"""The one task of a courier: carry a request to the signer, carry its answer back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from courier.client import CourierError, exchange
from courier.settings import EXCHANGE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from celery import Celery

TASK = "courier.exchange"


def carry(
    sockets: Mapping[str, str], signer_id: object, request: object, timeout: float = EXCHANGE_SECONDS
) -> dict[str, object]:
    """Carry one request; trouble on the way comes back in the shape of a signer's own error, to be tried again.

    Args:
        sockets: Where the signers of this courier listen.
        signer_id: Whom to ask.
        request: The frame.
        timeout: Seconds for all of it.
    """
    if not isinstance(signer_id, str) or signer_id not in sockets:
        return _trouble("unknown_signer", "this courier knows no such signer")
    if not isinstance(request, dict):
        return _trouble("answer", "a request is an object")
    try:
        return exchange(sockets[signer_id], request, timeout)
    except CourierError as error:
        return _trouble(error.code, error.message)


def _trouble(code: str, message: str) -> dict[str, object]:
    return {"v": 1, "ok": False, "error": {"code": code, "message": message, "retry": True}}


def register(app: Celery, sockets: Mapping[str, str]) -> None:
    """Give an app the task."""

    def carry_task(signer_id: object, request: object) -> dict[str, object]:
        return carry(sockets, signer_id, request)

    app.task(name=TASK)(carry_task)
