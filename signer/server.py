"""The unix socket: one thread, many connections, hard bounds. Whoever connects is measured, never trusted.

One loop reads, answers and writes, so a slow peer costs nobody else anything, and journal and token are never used
by two requests at once. A frame that is not in order gets a typed answer, then its connection is closed.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import selectors
import shutil
import signal
import socket
import stat
import struct
import time
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from core.errors import CoreError, JournalError, Refusal, RefusedError
from signer import wire
from signer.errors import (
    ConfigError,
    Fault,
    HsmError,
    JournalWriteError,
    RequestError,
    ShareFileError,
    SignerError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from core.canonical import Json
    from signer.config import Bounds, SocketConfig

log = logging.getLogger("signer")

_CREDENTIALS = struct.Struct("3i")
_READ_BYTES = 64 * 1024
_TICK_SECONDS = 0.5
_STOP_SECONDS = 2.0


@dataclasses.dataclass
class Connection:
    """One peer. `deadline`: by when its message has to be complete, or its answer taken."""

    socket: socket.socket
    uid: int
    pid: int
    deadline: float
    inbox: bytearray = dataclasses.field(default_factory=bytearray)
    outbox: bytearray = dataclasses.field(default_factory=bytearray)
    closing: bool = False
    requests: int = 0


class Answering(Protocol):
    """What a role does with its requests."""

    failpoint: Callable[[str], None]

    def handle(self, request: Json, *, now: int) -> Json:
        """Carry out one request whose outer shape was accepted, at `now` (Unix seconds)."""

    def settle(self) -> None:
        """Make durable what may wait until an answer is out."""


class Server:
    """Serves one role until it is asked to stop or the journal fails."""

    def __init__(self, listener: socket.socket, service: Answering, config: SocketConfig, bounds: Bounds) -> None:
        """Take over a listening socket.

        Args:
            listener: Bound, listening, non-blocking.
            service: What answers.
            config: Whose connections are accepted.
            bounds: Sizes, times and numbers.
        """
        self._listener = listener
        self._service = service
        self._allowed = config.allowed_uids
        self._bounds = bounds
        self._selector = selectors.DefaultSelector()
        self._connections: dict[int, Connection] = {}
        self._stopping = False
        self.failure: Exception | None = None

    def stop(self) -> None:
        """Ask the loop to end: answers that are due are still sent."""
        self._stopping = True

    def run(self) -> None:
        """Serve until `stop`, or until the journal fails (`failure` then says how)."""
        with _wakeup(self) as wakeup:
            self._selector.register(self._listener, selectors.EVENT_READ)
            self._selector.register(wakeup, selectors.EVENT_READ)
            while not self._stopping:
                self._turn(wakeup, _TICK_SECONDS)
            self._selector.unregister(self._listener)
            end = time.monotonic() + _STOP_SECONDS
            while any(c.outbox for c in self._connections.values()) and time.monotonic() < end:
                self._turn(wakeup, 0.05)
            for connection in list(self._connections.values()):
                self._drop(connection)
            self._selector.close()

    def _turn(self, wakeup: socket.socket, wait: float) -> None:
        for key, events in self._selector.select(wait):
            if key.fileobj is self._listener:
                self._accept()
            elif key.fileobj is wakeup:
                wakeup.recv(64)
            else:
                self._serve(cast("Connection", key.data), events)
        # The answers are out; now the signature records that they repeat from become durable.
        self._settle()
        now = time.monotonic()
        for connection in [c for c in self._connections.values() if now > c.deadline]:
            self._late(connection)

    def _accept(self) -> None:
        try:
            peer, _ = self._listener.accept()
        except OSError:
            return
        peer.settimeout(0)
        raw = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        pid, uid, _ = _CREDENTIALS.unpack(raw)
        connection = Connection(peer, uid, pid, time.monotonic() + self._bounds.message_seconds)
        self._connections[peer.fileno()] = connection
        self._selector.register(peer, selectors.EVENT_READ, connection)
        if uid not in self._allowed:
            self._refuse(connection, RequestError(Fault.FORBIDDEN, f"user {uid} may not talk to this signer"))
        elif len(self._connections) > self._bounds.connections:
            self._refuse(connection, RequestError(Fault.BUSY, "too many connections", retry=True))

    def _serve(self, connection: Connection, events: int) -> None:
        try:
            if events & selectors.EVENT_WRITE:
                self._flush(connection)
                self._consume(connection)
            if events & selectors.EVENT_READ and not connection.closing:
                self._read(connection)
        except OSError:
            # The peer is gone. What it asked for is journalled and will be repeated when somebody asks again.
            self._drop(connection)

    def _read(self, connection: Connection) -> None:
        chunk = connection.socket.recv(_READ_BYTES)
        if not chunk:
            if connection.inbox:
                self._refuse(connection, RequestError(Refusal.MALFORMED, "half a message"))
            else:
                connection.closing = True
                self._flush(connection)
            return
        connection.inbox += chunk
        self._consume(connection)

    def _consume(self, connection: Connection) -> None:
        """Answer every whole message, but none before its predecessor's answer has been taken."""
        while not connection.closing and not connection.outbox and len(connection.inbox) >= wire.HEADER.size:
            (length,) = wire.HEADER.unpack_from(connection.inbox)
            if not 1 <= length <= self._bounds.message_bytes:
                self._refuse(connection, wire.too_large(self._bounds.message_bytes))
                return
            end = wire.HEADER.size + length
            if len(connection.inbox) < end:
                return
            raw = bytes(connection.inbox[wire.HEADER.size : end])
            del connection.inbox[:end]
            self._answer(connection, raw)

    def _answer(self, connection: Connection, raw: bytes) -> None:
        began = time.perf_counter()
        op, code = "?", "ok"
        try:
            request = wire.read_request(raw, message_bytes=self._bounds.message_bytes)
            op = str(request["op"])
            # The signer's clock, read once for each request, here at the edge and nowhere below.
            answer = wire.success(self._service.handle(request, now=int(time.time())))
        except Exception as error:  # noqa: BLE001 - whatever a request makes of us, the peer gets a typed answer
            found = self._typed(error)
            answer = wire.failure(found.code, found.message, retry=found.retry)
            code = str(found.code)
            # What could be parsed and was refused leaves the stream in step; what could not does not.
            connection.closing = not isinstance(error, (RefusedError, HsmError))
        self._service.failpoint("signer.before_answer")
        connection.requests += 1
        connection.deadline = time.monotonic() + self._bounds.message_seconds
        self._send(connection, answer)
        spent_ms = (time.perf_counter() - began) * 1000
        log.info("op=%s uid=%d pid=%d answer=%s ms=%.2f", op, connection.uid, connection.pid, code, spent_ms)

    def _typed(self, error: Exception) -> RequestError:
        """Say an error in the wire's words; the unexpected stays nameless there and is logged here."""
        if isinstance(error, RequestError):
            return error
        if isinstance(error, RefusedError):
            return RequestError(str(error.code), error.message, retry=error.code in wire.RETRIED)
        if isinstance(error, (JournalError, JournalWriteError)):
            # Memory, file and token may disagree: only a new start, which compares them, can tell.
            self._fail(error)
            return RequestError(Fault.JOURNAL_UNAVAILABLE, "the journal failed; the signer stops", retry=True)
        if isinstance(error, (HsmError, ConfigError, ShareFileError)):
            log.error("token: %s: %s", type(error).__name__, error)
            return RequestError(Fault.HSM_UNAVAILABLE, "the token cannot sign now", retry=True)
        if isinstance(error, CoreError):
            return RequestError(Refusal.MALFORMED, str(error)[:500])
        # The place and the kind only: a message could carry a payload.
        at = traceback.extract_tb(error.__traceback__)[-1]
        log.error("unexpected %s at %s:%s", type(error).__name__, Path(at.filename).name, at.lineno)
        return RequestError(Fault.INTERNAL, "the signer could not decide")

    def _refuse(self, connection: Connection, error: RequestError) -> None:
        log.info("op=- uid=%d pid=%d answer=%s", connection.uid, connection.pid, error.code)
        connection.closing = True
        connection.inbox.clear()
        self._send(connection, wire.failure(error.code, error.message, retry=error.retry))

    def _send(self, connection: Connection, answer: Json) -> None:
        connection.outbox += wire.frame(answer)
        try:
            self._flush(connection)
        except OSError:
            self._drop(connection)

    def _flush(self, connection: Connection) -> None:
        """Write what the peer takes now; the rest waits for the selector."""
        if connection.outbox:
            try:
                sent = connection.socket.send(connection.outbox)
            except BlockingIOError:
                sent = 0
            del connection.outbox[:sent]
        if connection.outbox:
            self._selector.modify(connection.socket, selectors.EVENT_WRITE, connection)
        elif connection.closing:
            self._drop(connection)
        elif connection.socket.fileno() in self._connections:
            self._selector.modify(connection.socket, selectors.EVENT_READ, connection)

    def _late(self, connection: Connection) -> None:
        if connection.inbox and not connection.closing:
            seconds = self._bounds.message_seconds
            self._refuse(connection, RequestError(Fault.TIMEOUT, f"no whole message within {seconds:g} s"))
        self._drop(connection)

    def _drop(self, connection: Connection) -> None:
        connection.closing = True
        if self._connections.pop(connection.socket.fileno(), None) is not None:
            self._selector.unregister(connection.socket)
            connection.socket.close()

    def _settle(self) -> None:
        try:
            self._service.settle()
        except SignerError as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        log.critical("stopping: %s: %s", type(error).__name__, error)
        self.failure = error
        self._stopping = True


@contextmanager
def _wakeup(server: Server) -> Iterator[socket.socket]:
    """End the loop on SIGTERM or SIGINT, also while it waits."""
    read, write = socket.socketpair()
    read.settimeout(0)
    write.settimeout(0)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    descriptor = signal.set_wakeup_fd(write.fileno(), warn_on_full_buffer=False)
    for number in before:
        signal.signal(number, lambda *_: server.stop())
    try:
        yield read
    finally:
        signal.set_wakeup_fd(descriptor)
        for number, handler in before.items():
            signal.signal(number, handler)
        read.close()
        write.close()


def listen(config: SocketConfig, backlog: int) -> socket.socket:
    """Listen, and only then appear under the final name, so that whoever sees the socket is answered.

    A stale socket of ours is replaced; that it is stale follows from the state folder's lock.

    Raises:
        ConfigError: If the place is taken by something else, or the group is unknown.
    """
    path = config.path
    if path.is_symlink() or (path.exists() and not stat.S_ISSOCK(path.stat().st_mode)):
        raise ConfigError(f"{path}: is there and is no socket")
    draft = path.with_name(f"{path.name}.draft")
    draft.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(str(draft))
        if config.group is not None:
            shutil.chown(draft, group=config.group)
        draft.chmod(config.mode)
        listener.settimeout(0)
        listener.listen(backlog)
        draft.rename(path)
    except (OSError, LookupError) as error:
        listener.close()
        raise ConfigError(f"{path}: {error}") from error
    finally:
        os.umask(before)
    return listener
