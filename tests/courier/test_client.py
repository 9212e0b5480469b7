"""The courier's client against servers that do not behave."""

from __future__ import annotations

import shutil
import socket
import struct
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from courier.client import ANSWER_BYTES, Connection, CourierError, exchange
from courier.settings import CourierSettingError, broker_url, signer_sockets
from courier.tasks import carry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def place() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="cs-courier-"))
    yield folder / "s.sock"
    shutil.rmtree(folder)


@pytest.fixture
def serve(place: Path) -> Iterator[Callable[[Callable[[socket.socket], None]], str]]:
    """Serve one connection by a function, in a thread."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(place))
    listener.listen(1)
    threads: list[threading.Thread] = []

    def start(behave: Callable[[socket.socket], None]) -> str:
        def run() -> None:
            peer, _ = listener.accept()
            with peer:
                behave(peer)

        threads.append(threading.Thread(target=run, daemon=True))
        threads[-1].start()
        return str(place)

    yield start
    for thread in threads:
        thread.join(10)
    listener.close()


def framed(raw: bytes) -> bytes:
    return struct.pack(">I", len(raw)) + raw


def code_of(path: str, timeout: float = 5, **request: object) -> str:
    with pytest.raises(CourierError) as caught:
        exchange(path, {"v": 1, **request}, timeout)
    return caught.value.code


def test_it_carries_a_request_and_its_answer(serve: Callable[..., str]) -> None:
    seen: list[bytes] = []

    def echo(peer: socket.socket) -> None:
        seen.append(peer.recv(1000))
        # In pieces, as a stream may arrive.
        for byte in framed(b'{"v":1,"ok":true,"result":{}}'):
            peer.sendall(bytes([byte]))

    assert exchange(serve(echo), {"v": 1, "op": "status"}, 5) == {"v": 1, "ok": True, "result": {}}
    assert seen == [framed(b'{"v":1,"op":"status"}')]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"", "unreachable"),
        (b"\x00\x00", "unreachable"),
        (framed(b"{}")[:-1], "unreachable"),
        (framed(b"not json"), "answer"),
        (framed(b"[1]"), "answer"),
        (framed(b'{"a":1.5}'), "answer"),
        (struct.pack(">I", ANSWER_BYTES + 1), "oversize"),
    ],
)
def test_bad_answers_are_typed(serve: Callable[..., str], answer: bytes, code: str) -> None:
    def behave(peer: socket.socket) -> None:
        peer.recv(1000)
        peer.sendall(answer)

    assert code_of(serve(behave)) == code


def test_the_timeout_is_for_all_of_it(serve: Callable[..., str]) -> None:
    def drip(peer: socket.socket) -> None:
        peer.recv(1000)
        try:
            peer.sendall(struct.pack(">I", 1000))
            for _ in range(50):
                peer.sendall(b" ")
                time.sleep(0.1)
        except OSError:
            pass

    path = serve(drip)
    began = time.monotonic()
    assert code_of(path, 0.5) == "timeout"
    assert time.monotonic() - began < 1.5


def test_a_connection_that_was_dropped_between_two_requests_is_made_anew(serve: Callable[..., str]) -> None:
    dropped = threading.Event()

    def answer_once(peer: socket.socket) -> None:
        (length,) = struct.unpack(">I", peer.recv(4))
        peer.recv(length)
        peer.sendall(framed(b'{"ok":true}'))
        peer.close()
        dropped.set()

    serve(answer_once)
    connection = Connection(serve(answer_once), 5)
    for _ in range(2):
        assert connection.ask({"v": 1, "op": "status"}) == {"ok": True}
        assert dropped.wait(5)
        dropped.clear()
    connection.close()


def test_nobody_there(place: Path) -> None:
    assert code_of(str(place)) == "unreachable"
    place.write_text("")
    assert code_of(str(place)) == "unreachable"


def test_what_no_signer_reads_is_not_sent(place: Path) -> None:
    assert code_of(str(place), bundle="x" * 1_100_000) == "oversize"


def test_trouble_on_the_way_looks_like_a_signers_error(place: Path) -> None:
    sockets = {"hsm-1": str(place)}
    for signer, request, code in (
        ("hsm-1", {"v": 1}, "unreachable"),
        ("hsm-2", {"v": 1}, "unknown_signer"),
        (None, {"v": 1}, "unknown_signer"),
        ("hsm-1", "a string", "answer"),
    ):
        answer = carry(sockets, signer, request)
        assert answer["ok"] is False
        error = answer["error"]
        assert isinstance(error, dict)
        assert (error["code"], error["retry"]) == (code, True)


def test_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("COUNTERSIGN_BROKER_URL", raising=False)
    with pytest.raises(CourierSettingError):
        broker_url()
    (tmp_path / "broker").write_text("redis+socket:///run/redis.sock\n")
    monkeypatch.setenv("COUNTERSIGN_BROKER_URL_FILE", str(tmp_path / "broker"))
    assert broker_url() == "redis+socket:///run/redis.sock"
    monkeypatch.setenv("COUNTERSIGN_BROKER_URL_FILE", str(tmp_path / "nothing"))
    with pytest.raises(CourierSettingError, match="cannot be read"):
        broker_url()
    monkeypatch.setenv("COUNTERSIGN_SIGNER_SOCKETS", "hsm-1=/run/a.sock, hsm-2=/run/b.sock")
    assert signer_sockets() == {"hsm-1": "/run/a.sock", "hsm-2": "/run/b.sock"}
    for bad in ("", "hsm-1", "hsm-1=relative", "hsm-1=/a,hsm-1=/b"):
        monkeypatch.setenv("COUNTERSIGN_SIGNER_SOCKETS", bad)
        with pytest.raises(CourierSettingError):
            signer_sockets()
