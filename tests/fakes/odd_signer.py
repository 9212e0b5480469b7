"""Something that listens where a signer should: it refuses, answers garbage, or says nothing."""

from __future__ import annotations

import socketserver
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Self

from signer import wire

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType


class OddSigner:
    """Listens on a unix socket, in a thread of the test.

    `answers` gives the bytes to send back to each request's; none, and the connection is closed without any.
    """

    def __init__(self, answers: Callable[[bytes], bytes]) -> None:
        self.directory = tempfile.TemporaryDirectory(prefix="cs-odd-")
        self.path = str(Path(self.directory.name) / "s")
        self.asked = threading.Event()
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                header = self.rfile.read(wire.HEADER.size)
                raw = self.rfile.read(wire.HEADER.unpack(header)[0])
                outer.asked.set()
                self.wfile.write(answers(raw))

        self._server = socketserver.ThreadingUnixStreamServer(self.path, Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self.directory.cleanup()


def refusing(_: bytes) -> bytes:
    """Refuse whatever is asked."""
    return wire.frame(wire.failure("policy_invalid", "not this one", retry=False))


def garbling(_: bytes) -> bytes:
    """Answer what is no answer."""
    return wire.frame({"v": 1, "ok": True, "result": {"policy": 7, "steps": "all", "accepted": ["yes"]}})


class Silence:
    """Says nothing, and only once all the others have been asked: nobody had to wait for it."""

    def __init__(self, others: Callable[[], list[threading.Event]]) -> None:
        self._others = others
        self.outlasted = False

    def __call__(self, _: bytes) -> bytes:
        """Wait for the others, then hang up."""
        self.outlasted = all(other.wait(60) for other in self._others())
        return b""
