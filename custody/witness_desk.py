"""Passing on to witnesses what people signed. The witness verifies it for itself; this only carries."""

from __future__ import annotations

import dataclasses
import urllib.error
import urllib.request

from core.canonical import parse
from core.errors import CoreError

MOST_BYTES = 1024 * 1024
_ANSWER_BYTES = 64 * 1024
_SECONDS = 10
_TAKEN = 200
_TOLD_MOST = 400


@dataclasses.dataclass(frozen=True, kw_only=True)
class Handed:
    """What became of a document at one witness. `taken`: None where nobody answered. `told`: in its own words."""

    witness: str
    taken: bool | None
    told: str


def _line(value: object) -> str:
    """Return somebody else's words in one harmless line."""
    return "".join(c if c.isprintable() else " " for c in str(value))[:_TOLD_MOST]


def _told(value: object) -> str:
    if not isinstance(value, dict):
        return "an answer that cannot be read"
    error, taken = value.get("error"), value.get("taken")
    if isinstance(error, dict):
        return _line(error.get("message", ""))
    rows = [row for row in taken if isinstance(row, dict)] if isinstance(taken, list) else []
    shown = [f"{row.get('kind')} {row.get('digest')}{'' if row.get('new') else ' (known already)'}" for row in rows]
    return _line("; ".join(shown)) or "taken"


def document_hand_in(*, witness: str, url: str, raw: bytes) -> Handed:
    """Hand one document to one witness. Waits for its answer: not inside a database transaction.

    Args:
        witness: Its name, for whoever reads the result.
        url: Where it answers; from the settings, http or https.
        raw: The document, JSON.
    """
    request = urllib.request.Request(url.rstrip("/") + "/documents", data=raw, method="POST")  # noqa: S310 - settings name it, and their reader takes http(s) only
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 - as above
            status, body = int(answer.status), answer.read(_ANSWER_BYTES)
    except urllib.error.HTTPError as error:
        with error:
            status, body = error.code, error.read(_ANSWER_BYTES)
    except (OSError, ValueError) as error:
        return Handed(witness=witness, taken=None, told=_line(f"it cannot be reached: {error}"))
    try:
        value: object = parse(body, max_bytes=_ANSWER_BYTES)
    except CoreError:
        value = None
    return Handed(witness=witness, taken=status == _TAKEN, told=_told(value))
