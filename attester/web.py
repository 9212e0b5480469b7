"""The attester's face: ``POST /attest`` in JSON, on loopback or behind a proxy with TLS; bounded, typed answers."""

from __future__ import annotations

import json
import logging
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from attester.errors import NotAttestedError
from attester.service import REQUEST_BYTES
from core.schema import write_struct

if TYPE_CHECKING:
    from collections.abc import Callable

    from attester.service import Attester

_SECONDS = 10
_LENGTH_MOST = 15
log = logging.getLogger("attester")


class Server(ThreadingHTTPServer):
    """Serves one attester; `clock` is its own."""

    daemon_threads = True
    request_queue_size = 32

    def __init__(self, address: tuple[str, int], attester: Attester, clock: Callable[[], float]) -> None:
        """Listen, and do not serve yet."""
        super().__init__(address, Handler)
        self.attester = attester
        self.clock = clock


class Handler(BaseHTTPRequestHandler):
    """One request; whatever it holds, the answer is JSON with a status."""

    server: Server

    timeout = _SECONDS
    server_version, sys_version = "countersign-attester", ""

    def do_POST(self) -> None:
        """Answer a question."""
        length = self.headers.get("Content-Length", "")
        digits = length.isascii() and length.isdigit() and len(length) <= _LENGTH_MOST
        if self.path != "/attest":
            self._answer(404, {"error": "no such place"})
        elif not digits or int(length) > REQUEST_BYTES:
            self._answer(400, {"error": f"a body of at most {REQUEST_BYTES // 1024} KiB is expected"})
        else:
            self._attest(self.rfile.read(int(length)))

    def do_GET(self) -> None:
        """Say who this is."""
        known = self.path == "/status"
        self._answer(200 if known else 404, {"name": self.server.attester.config.name} if known else {"error": "?"})

    def _attest(self, body: bytes) -> None:
        try:
            signed = self.server.attester.attest(body, now=int(self.server.clock()))
        except NotAttestedError as error:
            self._answer(error.status, {"error": str(error)})
        except Exception:
            # Nothing of it leaves: the place is in this attester's own log.
            log.exception("a question failed")
            self._answer(500, {"error": "this attester could not answer"})
        else:
            self._answer(200, {"attestation": write_struct(signed, "attestation")})

    def _answer(self, status: int, value: dict[str, object]) -> None:
        body = json.dumps(value).encode("ascii")
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Log through our own logger."""
        log.info(format, *args)


def make_server(attester: Attester, host: str, port: int, clock: Callable[[], float] = time.time) -> Server:
    """Return a server that listens and does not serve yet."""
    return Server((host, port), attester, clock)
