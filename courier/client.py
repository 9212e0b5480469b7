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


class Connection:
    """A connection to one signer, made when it is first needed and kept while answers are in order."""

    def __init__(self, socket_path: str, timeout: float) -> None:
        """Remember where the signer listens.

        Args:
            socket_path: Its unix socket.
            timeout: Seconds for each request: connecting, sending and waiting.
        """
        self._path, self._timeout = socket_path, timeout
        self._socket: socket.socket | None = None

    def ask(self, request: dict[str, object]) -> dict[str, object]:
        """Ask the signer.

        Args:
            request: The request, with its version.

        Returns:
            The answer, whatever it says.

        Raises:
            CourierError: If there is none in time, or it is no JSON object. The connection is closed then.
        """
        raw = json.dumps(request, separators=(",", ":"), allow_nan=False).encode("ascii")
        if len(raw) > REQUEST_BYTES:
            raise CourierError("oversize", f"the request has {len(raw)} bytes, a signer reads {REQUEST_BYTES}")
        try:
            answer = self._exchange(_HEADER.pack(len(raw)) + raw, time.monotonic() + self._timeout)
        except TimeoutError as error:
            self.close()
            raise CourierError("timeout", f"no answer within {self._timeout:g} s") from error
        except OSError as error:
            self.close()
            raise CourierError("unreachable", f"the signer cannot be reached: {error.strerror or error}") from error
        except CoreError as error:
            self.close()
            raise CourierError("answer", f"the answer is not strict JSON: {error}") from error
        except CourierError:
            self.close()
            raise
        if not isinstance(answer, dict):
            self.close()
            raise CourierError("answer", "the answer is not an object")
        return answer

    def _exchange(self, frame: bytes, deadline: float) -> object:
        if self._socket is not None and _was_closed(self._socket):
            # A signer drops whoever says nothing for a while; nothing was sent yet, so nothing is said twice.
            self.close()
        if self._socket is None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            _wait_until(self._socket, deadline)
            self._socket.connect(self._path)
        _wait_until(self._socket, deadline)
        _send(self._socket, frame)
        (length,) = _HEADER.unpack(_receive(self._socket, _HEADER.size, deadline))
        if length > ANSWER_BYTES:
            raise CourierError("oversize", f"the answer has {length} bytes, at most {ANSWER_BYTES} are carried")
        return parse(_receive(self._socket, length, deadline), max_bytes=ANSWER_BYTES)

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def exchange(socket_path: str, request: dict[str, object], timeout: float) -> dict[str, object]:
    """Ask a signer once, as `Connection.ask`."""
    connection = Connection(socket_path, timeout)
    try:
        return connection.ask(request)
    finally:
        connection.close()


def _was_closed(peer: socket.socket) -> bool:
    """Whether the other end has ended a connection over which no answer is due, or sent what nobody asked for."""
    peer.settimeout(0)
    try:
        peer.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


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
