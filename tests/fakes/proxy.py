"""A node between us and the real node: it passes everything on, and for chosen methods lies, delays or drops."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections import Counter
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from types import TracebackType


class Lie(Enum):
    """How a call is mistreated. The first three pass it on to the real node before."""

    SILENT_AFTER_ACCEPT = "silent_after_accept"
    DROP_AFTER_ACCEPT = "drop_after_accept"
    HALF_AFTER_ACCEPT = "half_after_accept"
    DROP = "drop"
    HTML = "html"
    HALF = "half"
    HUGE = "huge"
    TRICKLE = "trickle"
    ANSWER = "answer"
    STATUS_500 = "status_500"
    TRUNCATED = "truncated"
    EMPTY = "empty"
    DEEP = "deep"
    FLOOD = "flood"
    REDIRECT = "redirect"
    EDIT = "edit"
    """`answer` is called with the real node's result and returns what is told instead."""


_PASSES_ON = {Lie.SILENT_AFTER_ACCEPT, Lie.DROP_AFTER_ACCEPT, Lie.HALF_AFTER_ACCEPT}
JSON = "application/json"
FLOOD_BYTES = 5 * 10**9
_HALF = b'{"jsonrpc":"2.0","id":1,"resu'
_BODIES = {
    Lie.HALF: (200, JSON, _HALF),
    Lie.HALF_AFTER_ACCEPT: (200, JSON, _HALF),
    Lie.HTML: (200, "text/html", b"<html><body>502 Bad Gateway</body></html>"),
    Lie.STATUS_500: (500, JSON, b"{}"),
    Lie.EMPTY: (200, JSON, b""),
    Lie.DEEP: (200, JSON, b'{"jsonrpc":"2.0","id":1,"result":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    Lie.HUGE: (200, JSON, b'{"jsonrpc":"2.0","id":1,"result":"0x' + b"0" * (9 * 1024 * 1024) + b'"}'),
}


class LyingNode:
    """The proxy. `lie(method, how)` from then on; `times` bounds how often."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.calls: Counter[str] = Counter()
        self.flooded_bytes = 0
        self._lies: dict[str, tuple[Lie, object, int]] = {}
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                try:
                    outer.serve(self, body)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True  # the client gave up, as it should

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def lie(self, method: str, how: Lie, *, answer: object = None, times: int = 10**9) -> None:
        """Mistreat a method; with `Lie.ANSWER`, `answer` is the JSON-RPC body without its id."""
        with self._lock:
            self._lies[method] = (how, answer, times)

    def behave(self) -> None:
        """Pass everything on again."""
        with self._lock:
            self._lies.clear()

    def _lie_for(self, method: str) -> tuple[Lie, object] | None:
        with self._lock:
            self.calls[method] += 1
            how, answer, times = self._lies.get(method, (None, None, 0))
            if how is None or times < 1:
                return None
            self._lies[method] = (how, answer, times - 1)
            return how, answer

    def _forward(self, body: bytes) -> bytes:
        request = urllib.request.Request(  # noqa: S310 - our own loopback address
            self.upstream, data=body, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310 - as above
            answer: bytes = response.read()
        return answer

    def _made_up(self, body: bytes, answer: object) -> bytes:
        told: dict[str, Any] = {"jsonrpc": "2.0", "id": json.loads(body)["id"]}
        if callable(answer):
            told = json.loads(self._forward(body))
            told["result"] = answer(told.get("result"))
        elif isinstance(answer, dict):
            told |= answer
        return json.dumps(told).encode()

    def _flood(self, handler: BaseHTTPRequestHandler) -> None:
        """Announce 5 GB and send them, until the client has had enough."""
        handler.send_response(200)
        handler.send_header("Content-Length", str(FLOOD_BYTES))
        handler.end_headers()
        part = b"0" * (256 * 1024)
        for _ in range(FLOOD_BYTES // len(part)):
            handler.wfile.write(part)
            self.flooded_bytes += len(part)

    def serve(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        """Answer one call."""
        call: dict[str, Any] = json.loads(body)
        lie = self._lie_for(call["method"])
        if lie is None:
            _write(handler, self._forward(body))
            return
        self._mistreat(handler, body, *lie)
        # Whoever gets no whole answer here finds the connection closed.
        handler.close_connection = lie[0] not in (Lie.ANSWER, Lie.EDIT)

    def _mistreat(self, handler: BaseHTTPRequestHandler, body: bytes, how: Lie, answer: object) -> None:
        if how in _PASSES_ON:
            self._forward(body)
        if how is Lie.SILENT_AFTER_ACCEPT:
            time.sleep(3)
        elif how is Lie.TRICKLE:
            _trickle(handler)
        elif how is Lie.TRUNCATED:
            _write(handler, _HALF, length=1000)
        elif how is Lie.FLOOD:
            self._flood(handler)
        elif how is Lie.REDIRECT:
            _redirect(handler, self.upstream)
        elif how in (Lie.EDIT, Lie.ANSWER):
            _write(handler, self._made_up(body, answer))
        elif how in _BODIES:
            status, kind, told = _BODIES[how]
            _write(handler, told, status=status, kind=kind)


def _write(
    handler: BaseHTTPRequestHandler, body: bytes, *, status: int = 200, kind: str = JSON, length: int | None = None
) -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    handler.end_headers()
    handler.wfile.write(body)


def _redirect(handler: BaseHTTPRequestHandler, target: str) -> None:
    handler.send_response(307)
    handler.send_header("Location", target)
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def _trickle(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    for _ in range(100):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.1)
    handler.close_connection = True
