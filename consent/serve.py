"""A small static server for demonstrations and tests, on the loopback interface only.

Production serves the same files and headers from a host of its own (see README.md). There is no path to traverse:
the page's files are listed once at the start, and anything else is not found.
"""

from __future__ import annotations

from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from consent.pin import EARLIER, PINS, POLICY
from consent.release import STATIC

if TYPE_CHECKING:
    from pathlib import Path

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
_JSON = "application/json; charset=utf-8"
INSTALLED = ("config.json", PINS, POLICY, EARLIER, "demo-keys.json")
"""What two people put on this host; everything else comes with the release."""
_CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS = {
    "Content-Security-Policy": _CONTENT_POLICY,
    "Permissions-Policy": "publickey-credentials-get=(self), publickey-credentials-create=(self), camera=(), "
    "microphone=(), geolocation=(), usb=(), payment=()",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    # The answer goes to the window that opened this one: any stricter value takes `window.opener` away (measured).
    "Cross-Origin-Opener-Policy": "unsafe-none",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_TIMEOUT = 15


class ConsentServer(ThreadingHTTPServer):
    """Serves the page from the release and five JSON files from `root`."""

    daemon_threads = True

    def __init__(self, root: Path, port: int) -> None:
        """Bind to 127.0.0.1.

        Args:
            root: The folder with what `INSTALLED` names.
            port: TCP port; 0 for a free one.
        """
        self.pages = {
            "/" + path.relative_to(STATIC).as_posix(): path for path in STATIC.rglob("*") if path.suffix in _TYPES
        }
        self.pages["/"] = self.pages["/index.html"]
        self.installed = {f"/{name}": root / name for name in INSTALLED}
        super().__init__(("127.0.0.1", port), _Handler)

    @property
    def port(self) -> int:
        """The port that was bound."""
        return int(self.server_address[1])


class _Handler(BaseHTTPRequestHandler):
    server: ConsentServer
    protocol_version = "HTTP/1.1"
    timeout = _TIMEOUT

    def do_GET(self) -> None:
        """Answer with one file."""
        self._answer(body=True)

    def do_HEAD(self) -> None:
        """Answer with the headers of one file."""
        self._answer(body=False)

    def _answer(self, *, body: bool) -> None:
        path = urlsplit(self.path).path
        page, installed = self.server.pages.get(path), self.server.installed.get(path)
        if page is not None:
            self._send(HTTPStatus.OK, _TYPES[page.suffix], page.read_bytes(), body=body)
        elif installed is not None and installed.is_file():
            self._send(HTTPStatus.OK, _JSON, installed.read_bytes(), body=body)
        elif installed is not None:
            # Known, and not installed: said without an error in the browser's console.
            self._send(HTTPStatus.NO_CONTENT, _JSON, b"", body=False)
        else:
            self._send(HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", b"There is no such page.\n", body=body)

    def _send(self, status: HTTPStatus, kind: str, data: bytes, *, body: bool) -> None:
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        if status is not HTTPStatus.NO_CONTENT:
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body:
            self.wfile.write(data)

    def version_string(self) -> str:
        """Say nothing about versions."""
        return "consent"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Log nothing: requests say nothing about what is signed, and an idle connection is no error."""
