"""Asking witnesses over HTTP: bounded answers, short waits. What they say is checked by whoever it is for."""

from __future__ import annotations

import logging
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import TYPE_CHECKING, cast

from django.conf import settings

from core.canonical import MAX_BYTES, canonical, parse
from core.errors import CoreError
from custody.errors import CustodyError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.canonical import Json

SECONDS = 3.0
OK = 200
_ANSWER_BYTES = 4 * MAX_BYTES
_logger = logging.getLogger(__name__)


class WitnessSilentError(CustodyError):
    """A witness gave no usable answer."""


def witness_urls() -> Mapping[str, str]:
    """Return the configured witnesses: name and address."""
    urls: Mapping[str, str] = settings.COUNTERSIGN_WITNESSES
    return urls


def witness_ask(*, url: str, path: str, body: Mapping[str, object] | None = None) -> tuple[int, Json]:
    """Ask a witness; return the status and the JSON object that it answered.

    Args:
        url: The witness's address.
        path: What is asked, with its query.
        body: JSON to post; None: get.

    Raises:
        WitnessSilentError: If there is no usable answer in time.
    """
    raw = None if body is None else canonical(dict(body))
    request = urllib.request.Request(url.rstrip("/") + path, data=raw)  # noqa: S310 - settings name it, and the reader of settings takes http(s) only
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310 - as above
            status, told = int(answer.status), answer.read(_ANSWER_BYTES)
    except urllib.error.HTTPError as error:
        status, told = error.code, _read(error)
    except (OSError, ValueError, HTTPException) as error:
        raise WitnessSilentError(f"cannot be reached: {error}") from error
    try:
        value = parse(told, max_bytes=_ANSWER_BYTES)
    except CoreError as error:
        raise WitnessSilentError(f"answered {status} without JSON") from error
    if not isinstance(value, dict):
        raise WitnessSilentError(f"answered {status} without an object")
    return status, cast("Json", value)


def _read(error: urllib.error.HTTPError) -> bytes:
    try:
        with error:
            return error.read(_ANSWER_BYTES)
    except (OSError, HTTPException) as broken:
        raise WitnessSilentError(f"answered {error.code} and nothing more") from broken


def refusal_words(answer: Mapping[str, object]) -> str:
    """Return why a witness refused, in its own words, fit to be shown."""
    error = answer.get("error")
    message = error.get("message") if isinstance(error, dict) else None
    text = message if isinstance(message, str) else "no reason"
    return "".join(c if c.isprintable() else " " for c in text)[:200]


def document_hand_in(*, document: Mapping[str, object]) -> int:
    """Hand a signed document to every configured witness, so that no signer goes on without it; how many took it.

    One that is away is skipped: people can hand it in themselves, with `countersign-hand` or by page.

    Args:
        document: A signed policy, a halt, a resume, a veto or a rejection, as JSON.
    """
    taken = 0
    for name, url in witness_urls().items():
        try:
            status, answer = witness_ask(url=url, path="/documents", body=document)
        except WitnessSilentError as error:
            _logger.warning("witness %s: %s", name, error)
            continue
        taken += status == OK
        if status != OK:
            _logger.warning("witness %s takes no document: %s", name, refusal_words(answer))
    return taken
