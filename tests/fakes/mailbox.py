"""A mail server on loopback that takes messages or says no, and a webhook that writes down what comes."""

from __future__ import annotations

import http.server
import socketserver
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Mail(socketserver.StreamRequestHandler):
    """As much SMTP (RFC 5321) as a client needs to hand over a message."""

    def handle(self) -> None:
        """Talk to one client."""
        server = self.server
        assert isinstance(server, Mailbox)
        self._say("220 ready")
        taking = False
        lines: list[str] = []
        for raw in self.rfile:
            line = raw.decode().rstrip("\r\n")
            if taking and line != ".":
                lines.append(line)
            elif taking:
                taking = False
                server.messages.append("\n".join(lines))
                self._say("250 taken")
            elif line.upper().startswith("DATA"):
                taking = not server.refuses
                self._say("554 no" if server.refuses else "354 go on")
            elif line.upper().startswith("QUIT"):
                self._say("221 bye")
                return
            else:
                self._say("250 well")

    def _say(self, words: str) -> None:
        self.wfile.write(f"{words}\r\n".encode())


class Mailbox(socketserver.ThreadingTCPServer):
    """A mail server."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Mail)
        self.messages: list[str] = []
        self.refuses = False

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])


class Hook(http.server.ThreadingHTTPServer):
    """A webhook."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Post)
        self.status = 204
        self.got: list[tuple[str, dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}/hook?who=rita"


class _Post(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, Hook)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server.got.append((self.path, dict(self.headers), body))
        self.send_response(server.status)
        if server.status in {301, 302, 307}:
            self.send_header("Location", server.url)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *words: object) -> None:
        """Say nothing."""


Server = TypeVar("Server", Mailbox, Hook)


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """Run a server in a thread."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
