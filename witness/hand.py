"""`countersign-hand PLACE FILE …`: hands what people signed to a signer or a witness, past every server of ours.

PLACE is a signer's socket, or a witness's address (http or https). A file holds a signed policy, a halt, a resume or
a veto; or a rejection or withdrawal as the consent page saves it, which is a veto of one; to a witness also the
ceremony that starts a signer's journal anew, with its consents. Signers sign nothing until they know what witnesses
know, so one host that listens is enough; the signer's own host has to let this user open the socket.
Exit codes: 0 all of them were taken, 1 one was refused, 2 unreadable, unreachable, or a wrong command line.
"""

from __future__ import annotations

import argparse
import socket
import struct
import sys
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, cast

from core.canonical import canonical, parse
from core.documents.control import CONTROL_ORDER
from core.documents.policy import SignedPolicy
from core.errors import CoreError, DocumentError
from core.schema import read_struct

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.canonical import Json

TAKEN, REFUSED, UNUSABLE = 0, 1, 2
_MOST_BYTES = 1024 * 1024
_SECONDS = 30.0
_TAKEN = 200
_LENGTH = struct.Struct(">I")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def request_of(value: object) -> dict[str, object]:
    """Return the request that hands a document over, in the wire form of the signer's socket.

    Args:
        value: A signed policy (``policy``, ``consents``), an order (``kind``) or a consent (``statement``), as JSON.

    Raises:
        CoreError: If it is none of them.
    """
    if not isinstance(value, dict):
        message = "a signed policy, a halt, a resume, a veto or a rejection is expected"
        raise DocumentError(message)
    if "statement" in value:
        value = {"kind": "veto", "consents": [value]}
    if "policy" in value:
        read_struct(SignedPolicy, value, "signed_policy")
        return {"v": 1, "op": "policy", "signed_policy": value}
    CONTROL_ORDER.read(value, "order")
    return {"v": 1, "op": "control", "order": value}


def exchange(path: Path, request: dict[str, object]) -> Json:
    """Send one request to a signer and return its answer.

    Args:
        path: The signer's unix socket.
        request: As `request_of` makes it.

    Raises:
        OSError: If nobody answers.
        CoreError: If the answer is none.
    """
    raw = canonical(request)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_SECONDS)
        connection.connect(str(path))
        connection.sendall(_LENGTH.pack(len(raw)) + raw)
        with connection.makefile("rb") as answers:
            head = answers.read(_LENGTH.size)
            if len(head) != _LENGTH.size:
                message = "the signer closed the connection"
                raise ConnectionError(message)
            (length,) = _LENGTH.unpack(head)
            return cast("Json", parse(answers.read(min(length, _MOST_BYTES)), max_bytes=_MOST_BYTES))


def hand_to_witness(url: str, value: object) -> tuple[bool, Json]:
    """Hand one document to a witness.

    Args:
        url: Where it answers; http or https.
        value: The document, as JSON.

    Returns:
        Whether it took the document, and its answer.

    Raises:
        OSError: If nobody answers.
        CoreError: If the answer is none.
    """
    request = urllib.request.Request(url.rstrip("/") + "/documents", data=canonical(value), method="POST")  # noqa: S310 - `is_witness` has looked
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 - as above
            status, raw = int(answer.status), answer.read(_MOST_BYTES)
    except urllib.error.HTTPError as error:
        with error:
            status, raw = error.code, error.read(_MOST_BYTES)
    return status == _TAKEN, cast("Json", parse(raw, max_bytes=_MOST_BYTES))


def is_witness(place: str) -> bool:
    """Whether a place is a witness's address and no socket."""
    return place.startswith(("http://", "https://"))


def _hand(place: str, value: object) -> tuple[bool, object]:
    if is_witness(place):
        taken, told = hand_to_witness(place, value)
        return taken, told if taken else told.get("error", {})
    answer = exchange(Path(place), request_of(value))
    return (True, answer["result"]) if answer.get("ok") is True else (False, answer.get("error", {}))


def main(arguments: Sequence[str] | None = None) -> int:
    """Hand every file over; return the exit code."""
    parser = argparse.ArgumentParser(prog="countersign-hand", description=__doc__)
    parser.add_argument("place", metavar="PLACE", help="a signer's socket, or a witness's address")
    parser.add_argument("files", type=Path, nargs="+")
    options = parser.parse_args(arguments)
    code = TAKEN
    for path in options.files:
        try:
            with path.open("rb") as file:
                value = parse(file.read(_MOST_BYTES + 1), max_bytes=_MOST_BYTES)
            taken, told = _hand(options.place, value)
        except (OSError, CoreError, ValueError, HTTPException) as error:
            _say(f"UNREADABLE {path.name}: {error}")
            return UNUSABLE
        words = canonical(told).decode("ascii", "replace")
        _say(f"taken   {path.name}: {words}" if taken else f"REFUSED {path.name}: {words}")
        if not taken:
            code = REFUSED
    return code
