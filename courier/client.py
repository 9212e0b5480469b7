"""One request to a signer's unix socket, one answer back.

Frames: 4 bytes length (big-endian) and one JSON object, as `signer.wire` describes. What the answer *means* is not
the courier's business; whoever asked checks it.
"""

from __future__ import annotations

import json
import socket
import struct
import time

from core.canonical import parse
from core.errors import CoreError

REQUEST_BYTES = 1024 * 1024
"""The most that a signer reads."""
ANSWER_BYTES = 1024 * 1024
_HEADER = struct.Struct(">I")


class CourierError(Exception):
    """The signer gave no answer, or none that can be carried. Whether it signed is not known: ask again."""

    def __init__(self, code: str, message: str) -> None:
        """Keep a code for machines.

        Args:
            code: `unreachable`, `timeout`, `oversize` or `answer`.
            message: One sentence without payload.
        """
        super().__init__(message)
        self.code = code
        self.message = message


def exchange(socket_path: str, request: dict[str, object], timeout: float) -> dict[str, object]:
    """Ask a signer.

    Args:
        socket_path: Where it listens.
        request: The request, with its version.
        timeout: Seconds for all of it: connecting, sending and waiting.

    Returns:
        The answer, whatever it says.

    Raises:
        CourierError: If there is none in time, or it is no JSON object.
    """
    raw = json.dumps(request, separators=(",", ":"), allow_nan=False).encode("ascii")
    if len(raw) > REQUEST_BYTES:
        raise CourierError("oversize", f"the request has {len(raw)} bytes, a signer reads {REQUEST_BYTES}")
    deadline = time.monotonic() + timeout
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            _wait_until(connection, deadline)
            connection.connect(socket_path)
            _send(connection, _HEADER.pack(len(raw)) + raw)
            (length,) = _HEADER.unpack(_receive(connection, _HEADER.size, deadline))
            if length > ANSWER_BYTES:
                raise CourierError("oversize", f"the answer has {length} bytes, at most {ANSWER_BYTES} are carried")
            answer = parse(_receive(connection, length, deadline), max_bytes=ANSWER_BYTES)
    except TimeoutError as error:
        raise CourierError("timeout", f"no answer within {timeout:g} s") from error
    except OSError as error:
        raise CourierError("unreachable", f"the signer cannot be reached: {error.strerror or error}") from error
    except CoreError as error:
        raise CourierError("answer", f"the answer is not strict JSON: {error}") from error
    if not isinstance(answer, dict):
        raise CourierError("answer", "the answer is not an object")
    return answer


def _wait_until(connection: socket.socket, deadline: float) -> None:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    connection.settimeout(left)


def _send(connection: socket.socket, raw: bytes) -> None:
    try:
        connection.sendall(raw)
    except BrokenPipeError:
        # A signer that refuses early closes early: its typed answer is still there to be read.
        return


def _receive(connection: socket.socket, size: int, deadline: float) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        _wait_until(connection, deadline)
        chunk = connection.recv(min(size - len(parts), 64 * 1024))
        if not chunk:
            raise CourierError("unreachable", "the signer closed the connection without a whole answer")
        parts += chunk
    return bytes(parts)
