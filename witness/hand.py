"""`countersign-hand SOCKET FILE …`: hands what people signed to a signer directly, past every server of ours.

A file holds a signed policy, a halt, a resume or a veto; or a rejection or withdrawal as the consent page saves it,
which is a veto of one. The signer's host has to let this user open the socket.
Exit codes: 0 the signer took all of them, 1 it refused one, 2 unreadable, unreachable, or a wrong command line.
"""

from __future__ import annotations

import argparse
import socket
import struct
import sys
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Hand every file over; return the exit code."""
    parser = argparse.ArgumentParser(prog="countersign-hand", description=__doc__)
    parser.add_argument("socket", type=Path)
    parser.add_argument("files", type=Path, nargs="+")
    options = parser.parse_args(arguments)
    code = TAKEN
    for path in options.files:
        try:
            with path.open("rb") as file:
                request = request_of(parse(file.read(_MOST_BYTES + 1), max_bytes=_MOST_BYTES))
            answer = exchange(options.socket, request)
        except (OSError, CoreError) as error:
            _say(f"UNREADABLE {path.name}: {error}")
            return UNUSABLE
        if answer.get("ok") is True:
            _say(f"taken   {path.name}: {canonical(answer['result']).decode('ascii', 'replace')}")
        else:
            _say(f"REFUSED {path.name}: {canonical(answer.get('error', {})).decode('ascii', 'replace')}")
            code = REFUSED
    return code
