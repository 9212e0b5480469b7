"""The socket under bad input: a typed answer, the connection closed, the signer alive, nothing signed."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from courier.client import CourierError, exchange
from signer.config import load_config
from signer.server import Server, listen
from signer.wire import OPERATIONS
from tests.signer.rig import Rig

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.signer.rig import Served


@pytest.fixture(scope="module")
def shared(template: Any) -> Iterator[tuple[Rig, Served]]:  # noqa: ANN401 - tests.signer.rig.Template
    """One signer for the whole table: that it still answers after each row is the point."""
    import shutil  # noqa: PLC0415
    import tempfile  # noqa: PLC0415
    from pathlib import Path  # noqa: PLC0415

    folder = Path(tempfile.mkdtemp(prefix="cs-server-"))
    rig = Rig(template, folder / "hsm-1")
    rig.pin()
    rig.set("[socket]\n", "[bounds]\nmessage_seconds = 1\nconnections = 4\n\n[socket]\n")
    with rig.served() as served:
        yield rig, served
    shutil.rmtree(folder)


@contextmanager
def connected(path: str, timeout: float = 10) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.settimeout(timeout)
        peer.connect(path)
        yield peer


def read_all(peer: socket.socket) -> dict[str, Any]:
    """Read one answer and expect the end of the connection after it."""
    raw = b""
    while chunk := peer.recv(65536):
        raw += chunk
    (length,) = struct.unpack(">I", raw[:4])
    assert len(raw) == 4 + length, "exactly one answer"
    answer: dict[str, Any] = json.loads(raw[4:])
    return answer


def framed(raw: bytes) -> bytes:
    return struct.pack(">I", len(raw)) + raw


BAD: dict[str, tuple[bytes, str]] = {
    "not JSON": (framed(b"\x00\x01\x02"), "malformed"),
    "not UTF-8": (framed(b'{"v":1,"op":"\xff"}'), "malformed"),
    "an array": (framed(b"[]"), "malformed"),
    "a float": (framed(b'{"v":1.0,"op":"status"}'), "malformed"),
    "a field twice": (framed(b'{"v":1,"v":1,"op":"status"}'), "malformed"),
    "nested deeper than anything": (framed(b"[" * 100_000), "malformed"),
    "no version": (framed(b'{"op":"status"}'), "malformed"),
    "version true": (framed(b'{"v":true,"op":"status"}'), "unsupported"),
    "unknown version": (framed(b'{"v":2,"op":"status"}'), "unsupported"),
    "unknown operation": (framed(b'{"v":1,"op":"export"}'), "unsupported"),
    "one field too many": (framed(b'{"v":1,"op":"status","force":true}'), "malformed"),
    "one field too few": (framed(b'{"v":1,"op":"sign"}'), "malformed"),
    "wrong schema": (framed(b'{"v":1,"op":"sign","bundle":{}}'), "malformed"),
    "a digest to sign": (framed(b'{"v":1,"op":"sign","digest":"0x00"}'), "malformed"),
    "another schema": (framed(b'{"v":1,"op":"control","order":{"kind":"sign"}}'), "malformed"),
    "no policy": (framed(b'{"v":1,"op":"policy","signed_policy":7}'), "malformed"),
    "over 1 MiB": (struct.pack(">I", 1024 * 1024 + 1) + b"x" * 1000, "too_large"),
    "4 GiB": (b"\xff\xff\xff\xff", "too_large"),
    "empty": (struct.pack(">I", 0), "too_large"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_gets_a_typed_answer(shared: tuple[Rig, Served], name: str) -> None:
    rig, served = shared
    before = (rig.state / "journal").read_bytes()
    raw, code = BAD[name]
    with connected(served.path) as peer:
        peer.sendall(raw)
        answer = read_all(peer)
    assert (answer["v"], answer["ok"], answer["error"]["code"]) == (1, False, code)
    assert answer["error"]["retry"] is False
    assert served.status()["signer"] == "hsm-1"
    assert (rig.state / "journal").read_bytes() == before


def test_half_a_message_gets_a_typed_answer(shared: tuple[Rig, Served]) -> None:
    _, served = shared
    with connected(served.path) as peer:
        peer.sendall(struct.pack(">I", 100) + b'{"v":1')
        peer.shutdown(socket.SHUT_WR)
        assert read_all(peer)["error"]["code"] == "malformed"
    assert served.status()


def test_a_slow_client_is_cut_off_and_holds_up_nobody(shared: tuple[Rig, Served]) -> None:
    _, served = shared
    with connected(served.path) as slow:
        began = time.monotonic()
        slow.sendall(struct.pack(">I", 1000))
        for _ in range(3):
            slow.sendall(b" ")
            assert served.ask({"v": 1, "op": "status"}, timeout=1)["ok"]
            time.sleep(0.1)
        # A byte now and then does not buy time: the deadline is for the whole message.
        try:
            while time.monotonic() - began < 5:
                slow.sendall(b" ")
                time.sleep(0.1)
        except OSError:
            pass
        assert read_all(slow)["error"]["code"] == "timeout"
        assert time.monotonic() - began < 3


def test_connections_are_bounded(shared: tuple[Rig, Served]) -> None:
    _, served = shared
    peers = []
    try:
        for _ in range(4):
            peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            peer.connect(served.path)
            peers.append(peer)
        time.sleep(0.1)
        with connected(served.path) as late:
            error = read_all(late)["error"]
        assert (error["code"], error["retry"]) == ("busy", True)
    finally:
        for peer in peers:
            peer.close()
    time.sleep(0.1)
    assert served.status()


def test_one_connection_carries_several_requests(shared: tuple[Rig, Served]) -> None:
    _, served = shared
    request = framed(b'{"v":1,"op":"status"}')
    with connected(served.path) as peer:
        peer.sendall(request * 20)
        with peer.makefile("rb") as stream:
            for _ in range(20):
                (length,) = struct.unpack(">I", stream.read(4))
                assert json.loads(stream.read(length))["ok"]


def test_a_refusal_is_typed_and_the_same_case_unforged_is_signed(shared: tuple[Rig, Served]) -> None:
    rig, served = shared
    good = rig.bundle()
    forged = good.to_json()
    forged["intent"]["value"] = "2000000000000"  # type: ignore[index]
    answer = served.ask({"v": 1, "op": "sign", "bundle": forged})
    assert (answer["ok"], answer["error"]["code"]) == (False, "intent_mismatch")
    answer = served.sign(good)
    assert answer["ok"]
    assert set(answer["result"]) == {"signer", "raw", "transaction_hash", "repeated"}
    assert served.sign(good)["result"] == answer["result"] | {"repeated": True}


def test_a_token_that_is_removed_in_flight_makes_the_case_wait(shared: tuple[Rig, Served]) -> None:
    rig, served = shared
    bundle = rig.bundle()
    tokens, away = rig.state / "tokens", rig.state / "away"
    tokens.rename(away)
    tokens.mkdir()
    answer = served.sign(bundle)
    assert (answer["error"]["code"], answer["error"]["retry"]) == ("hsm_unavailable", True)
    assert served.status()["signer"] == "hsm-1"
    tokens.rmdir()
    away.rename(tokens)
    end = time.monotonic() + 10
    while not (answer := served.sign(bundle))["ok"]:
        assert answer["error"]["code"] == "hsm_unavailable"
        assert time.monotonic() < end
        time.sleep(0.2)
    assert served.status()["lanes"][rig.world.wallet]["held"][str(bundle.attempt.nonce)] == bundle.intent.digest


def test_the_log_names_no_payload(shared: tuple[Rig, Served]) -> None:
    rig, served = shared
    bundle = rig.bundle()
    assert served.sign(bundle)["ok"]
    end = time.monotonic() + 10
    # The line is written when the answer is out already.
    while "op=sign" not in (log := served.log.read_text()):
        assert time.monotonic() < end, log
        time.sleep(0.02)
    assert bundle.intent.to not in log
    assert bundle.intent.digest not in log


def test_other_users_are_turned_away(rig: Rig) -> None:
    rig.set("allowed_uids = [0]", "allowed_uids = [54321]")
    with rig.served() as served:
        answer = served.ask({"v": 1, "op": "status"})
    assert answer["error"]["code"] == "forbidden"


def test_a_stale_socket_is_replaced_and_anything_else_is_not(rig: Rig) -> None:
    config = load_config(rig.state).socket
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(config.path))
    listen(config, 1).close()
    config.path.unlink()
    config.path.write_text("a file")
    with pytest.raises(Exception, match="no socket"):
        listen(config, 1)


def test_a_client_that_never_reads_does_not_fill_memory(rig: Rig) -> None:
    config = load_config(rig.state)
    with rig.service() as service:
        listener = listen(config.socket, 4)
        server = Server(listener, service, config.socket, config.bounds)
        # In a thread the loop cannot take over signals; that it can is tested in a process.
        asked = threading.Thread(target=_flood, args=(str(config.socket.path), server))
        asked.start()
        server.run()
        asked.join()
        listener.close()
        assert server.failure is None


def _flood(path: str, server: Server) -> None:
    try:
        with connected(path, timeout=0.5) as peer:
            request = framed(b'{"v":1,"op":"status"}') * 100
            try:
                for _ in range(200):
                    peer.sendall(request)
            except TimeoutError:
                assert max((len(c.outbox) for c in server._connections.values()), default=0) < 100_000  # noqa: SLF001
    finally:
        server.stop()


def test_every_operation_is_known() -> None:
    alone = {"sign", "control", "ceremony", "destroy", "policy", "challenge", "lease", "checkpoint", "status"}
    together = {"prepare", "reserve", "learn", "certificates", "join", "greet", "begin", "turn"}
    ceremonies = {"refresh", "generate", "backup", "drilled"}
    assert set(OPERATIONS) == alone | together | ceremonies


def test_the_client_types_its_own_trouble(tmp_path: Path) -> None:
    with pytest.raises(CourierError) as caught:
        exchange(str(tmp_path / "nobody.sock"), {"v": 1, "op": "status"}, 1)
    assert caught.value.code == "unreachable"
