"""The witness's face: HTTP with the statuses of C2SP tlog-witness. Bounded input; whatever comes, a typed answer.

``POST /add-checkpoint`` answers with a cosignature line, 409 with the size it saw last, 422 where the proof does not
hold. ``GET /checkpoint?origin=NAME`` gives the newest note that it signed, for auditors. ``POST /documents`` takes
what people signed, ``GET /documents?after=N`` gives it on, ``POST /lease`` leases, ``GET /status`` says where it
stands; these four speak JSON: ``{"error": {"status", "message"}}`` where they refuse.
"""

from __future__ import annotations

import json
import logging
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from core.errors import CoreError, WitnessError
from core.schema import write_struct
from core.witnessing import BAD_REQUEST, UNKNOWN_LOG, parse_addition
from witness.desk import DOCUMENT_BYTES, LEASE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.canonical import Json
    from core.documents.lease import SignedLease
    from witness.service import Witness

_NOTE_BYTES = 64 * 1024
_MOST = {"/add-checkpoint": _NOTE_BYTES, "/documents": DOCUMENT_BYTES, "/lease": LEASE_BYTES}
_TEXT, _JSON = "text/plain; charset=utf-8", "application/json"
_FAILED = 500
_NUMBER_MOST = 15
_SECONDS = 10
log = logging.getLogger("witness")


class Server(ThreadingHTTPServer):
    """Serves one witness; `clock` is its own."""

    daemon_threads = True
    request_queue_size = 32

    def __init__(self, address: tuple[str, int], witness: Witness, clock: Callable[[], float]) -> None:
        """Listen, and do not serve yet."""
        super().__init__(address, Handler)
        self.witness = witness
        self.clock = clock


class Handler(BaseHTTPRequestHandler):
    """One request; whatever it holds, the answer is a status of the protocol."""

    server: Server

    timeout = _SECONDS
    server_version, sys_version = "countersign-witness", ""

    def do_POST(self) -> None:
        """Answer add-checkpoint, documents and lease."""
        path, length = urlsplit(self.path).path, self.headers.get("Content-Length", "")
        if path not in _MOST:
            self._answer(UNKNOWN_LOG, b"no such place\n")
            return
        digits = length.isascii() and length.isdigit() and len(length) <= _NUMBER_MOST
        if not digits or int(length) > _MOST[path]:
            most = f"a body of at most {_MOST[path] // 1024} KiB, with its length, is expected\n"
            self._answer(BAD_REQUEST, most.encode())
            return
        body = self.rfile.read(int(length))
        if path == "/add-checkpoint":
            self._add(body)
        elif path == "/documents":
            self._say(lambda: self.server.witness.desk.hand_in(body, now=int(self.server.clock())))
        else:
            self._say(lambda: write_struct(self._lease(body), "lease"))

    def _lease(self, body: bytes) -> SignedLease:
        return self.server.witness.desk.lease(body, now=int(self.server.clock()))

    def _add(self, body: bytes) -> None:
        try:
            line = self.server.witness.cosign(parse_addition(body), now=int(self.server.clock()))
        except WitnessError as error:
            self._answer(error.status, f"{error}\n".encode())
        else:
            self._answer(200, line)

    def do_GET(self) -> None:
        """Answer with the newest note, with documents, or with where this witness stands."""
        parts = urlsplit(self.path)
        asked = parse_qs(parts.query)
        if parts.path == "/documents":
            after = asked.get("after", ["0"])[0]
            if not after.isascii() or not after.isdigit() or len(after) > _NUMBER_MOST:
                self._answer(BAD_REQUEST, b"after: a number is expected\n")
            else:
                self._say(lambda: self.server.witness.desk.documents(int(after)))
        elif parts.path == "/status":
            self._say(lambda: self.server.witness.desk.status(now=int(self.server.clock())))
        else:
            note = self.server.witness.note(asked.get("origin", [""])[0]) if parts.path == "/checkpoint" else None
            self._answer(UNKNOWN_LOG if note is None else 200, note or b"nothing signed\n")

    def _say(self, decide: Callable[[], Json]) -> None:
        status, message = 200, ""
        value: Json = {}
        try:
            value = decide()
        except WitnessError as error:
            status, message = error.status, str(error)
        except CoreError as error:
            status, message = BAD_REQUEST, str(error)[:400]
        except Exception:
            # Nothing of it leaves: the place is in this witness's own log.
            log.exception("a request failed")
            status, message = _FAILED, "this witness could not decide"
        if message:
            value = {"error": {"status": status, "message": message}}
        self._answer(status, json.dumps(value).encode("ascii") + b"\n", _JSON)

    def _answer(self, status: int, body: bytes, kind: str = _TEXT) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Log through our own logger."""
        log.info(format, *args)


def make_server(witness: Witness, host: str, port: int, clock: Callable[[], float] = time.time) -> Server:
    """Return a server that listens and does not serve yet."""
    return Server((host, port), witness, clock)
