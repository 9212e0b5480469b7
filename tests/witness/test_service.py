"""The witness over its socket: it cosigns what continues all that it saw, across crashes and races."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from core.checkpoint import Cosignature, cosignatures, parse_signed_checkpoint
from core.witnessing import Addition
from tests.witness.logs import Log
from witness.serve import init, watch
from witness.service import STORE_FILE, Witness, WitnessConfigError, init_state, load_config
from witness.store import WitnessStore
from witness.web import make_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = 1_790_000_000
LOG = Log()


class Asker:
    """Talks to a witness as a log does."""

    def __init__(self, url: str, public: bytes) -> None:
        self.url = url
        self.public = public

    def post(self, body: bytes, path: str = "/add-checkpoint") -> tuple[int, bytes]:
        request = urllib.request.Request(self.url + path, data=body, method="POST")  # noqa: S310 - our own loopback server
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - as above
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def get(self, origin: str) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(f"{self.url}/checkpoint?origin={origin}", timeout=10) as answer:  # noqa: S310 - as above
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def add(self, addition: Addition) -> tuple[int, bytes]:
        return self.post(addition.to_bytes())


@contextmanager
def serving(state: Path) -> Iterator[Asker]:
    config = load_config(state)
    store = WitnessStore(state / STORE_FILE)
    server = make_server(Witness(config, store), "127.0.0.1", 0, clock=lambda: NOW)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield Asker(f"http://127.0.0.1:{server.server_address[1]}", config.key.public_key().public_bytes_raw())
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        store.close()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "witness"
    init_state(folder, "w-1", {LOG.origin: LOG.public})
    return folder


@pytest.fixture
def asker(state: Path) -> Iterator[Asker]:
    with serving(state) as made:
        yield made


def test_it_cosigns_a_log_that_grows(asker: Asker) -> None:
    for old, size in ((0, 3), (3, 3), (3, 8), (8, 21)):
        status, line = asker.add(LOG.addition(old, size))
        assert status == 200
        signed = parse_signed_checkpoint(LOG.signed(size).to_bytes() + line)
        assert cosignatures(signed, {"w-1": asker.public}) == (Cosignature(witness="w-1", time=NOW),)
    status, note = asker.get(LOG.origin)
    assert (status, note) == (200, LOG.signed(21).to_bytes())
    assert asker.get("nobody")[0] == 404


def test_it_says_what_it_saw_last(asker: Asker) -> None:
    assert asker.add(LOG.addition(0, 8))[0] == 200
    assert asker.add(LOG.addition(0, 9)) == (409, b"8\n")
    assert asker.add(LOG.addition(3, 9)) == (409, b"8\n")
    assert asker.add(LOG.addition(9, 9)) == (409, b"8\n")
    assert asker.add(LOG.addition(8, 9))[0] == 200


def test_it_refuses_a_log_that_forgot_or_lies(asker: Asker) -> None:
    assert asker.add(LOG.addition(0, 8))[0] == 200
    # Rolled back.
    assert asker.add(LOG.addition(8, 5))[0] == 400
    assert asker.add(LOG.addition(5, 5))[0] == 409
    # Another history: of the same size, longer, and with another's proof.
    assert asker.add(LOG.addition(8, 8, "other"))[0] == 409
    assert asker.add(LOG.addition(8, 12, "other"))[0] == 422
    honest = LOG.addition(8, 12)
    forged = Addition(old=8, proof=honest.proof, signed=LOG.signed(12, "other"))
    assert asker.add(forged)[0] == 422
    assert asker.add(Addition(old=8, proof=(), signed=honest.signed))[0] == 422
    assert asker.add(Addition(old=8, proof=(*honest.proof, bytes(32)), signed=honest.signed))[0] == 422
    assert asker.add(honest)[0] == 200


def test_it_knows_only_its_logs_and_their_keys(asker: Asker) -> None:
    assert asker.add(Log("countersign/other/log").addition(0, 3))[0] == 404
    assert asker.add(Log(seed=7).addition(0, 3))[0] == 403


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"old 0\n\n",
        b"old -1\n\n" + LOG.signed(3).to_bytes(),
        b"old 00\n\n" + LOG.signed(3).to_bytes(),
        b"old 0\nnot base64!\n\n" + LOG.signed(3).to_bytes(),
        b"old 0\nAAAA\n\n" + LOG.signed(3).to_bytes(),
        b"old 0\n" + b"A" * 43 + b"=\n" * 64 + b"\n\n" + LOG.signed(3).to_bytes(),
        LOG.addition(0, 3).to_bytes() + b"tail",
        b"\xff" * 100,
        b"x" * 70_000,
    ],
)
def test_what_is_malformed_is_refused_and_changes_nothing(asker: Asker, body: bytes) -> None:
    assert asker.post(body)[0] == 400
    assert asker.get(LOG.origin)[0] == 404


def test_a_request_without_an_end_holds_up_nobody(asker: Asker) -> None:
    host, port = asker.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as slow:
        slow.sendall(b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 5000\r\n\r\nold")
        assert asker.add(LOG.addition(0, 3))[0] == 200
    assert asker.post(b"", path="/elsewhere")[0] == 404


def test_of_two_histories_at_once_only_one_is_cosigned(asker: Asker) -> None:
    assert asker.add(LOG.addition(0, 5))[0] == 200
    tree = LOG.tree(5)
    honest, other = LOG.addition(5, 9), Log()
    # A fork after leaf 5: both continue what was seen, and they contradict each other.
    forked = Log()
    leaves = [tree.node(0, number) for number in range(5)]
    from core.checkpoint import Checkpoint, SignedCheckpoint, log_signature  # noqa: PLC0415 - only a fork needs them
    from core.merkle import Tree, leaf_hash  # noqa: PLC0415 - as above

    fork = Tree([*leaves, *(leaf_hash(b"fork%d" % number) for number in range(4))])
    checkpoint = Checkpoint(origin=other.origin, size=9, root=fork.root())
    line = log_signature(checkpoint, forked.public, forked.key.sign(checkpoint.note()))
    lie = Addition(
        old=5,
        proof=tuple(fork.consistency(5)),
        signed=SignedCheckpoint(checkpoint=checkpoint, signatures=(line,)),
    )
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(asker.add, [honest, lie] * 8))
    granted = {line for status, line in answers if status == 200}
    assert len(granted) == 1
    assert {status for status, _ in answers} <= {200, 409}


def test_it_remembers_across_a_restart_and_a_kill(state: Path) -> None:
    def start() -> tuple[subprocess.Popen[str], Asker]:
        command = [sys.executable, "-m", "witness", "serve", "--state", str(state), "--port", "0"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert process.stdout is not None
        port = process.stdout.readline().strip().rpartition(":")[2]
        return process, Asker(f"http://127.0.0.1:{port}", b"")

    for number, (old, size) in enumerate(((0, 4), (4, 6), (6, 20))):
        process, asker = start()
        try:
            if old:
                assert asker.add(LOG.addition(0, size)) == (409, f"{old}\n".encode())
            assert asker.add(LOG.addition(old, size))[0] == 200
        finally:
            process.send_signal(signal.SIGKILL if number % 2 else signal.SIGTERM)
            assert process.wait(90) == (-signal.SIGKILL if number % 2 else 0)
            assert process.stdout is not None
            process.stdout.close()


def test_init_prints_the_key_that_the_policy_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--state", str(tmp_path / "w"), "--name", "w-9", "--log", f"{LOG.origin}={LOG.public.hex()}"]
    assert init(arguments) == 0
    name, _, public = capsys.readouterr().out.strip().partition("=")
    config = load_config(tmp_path / "w")
    assert (name, public) == ("w-9", config.key.public_key().public_bytes_raw().hex())
    assert stat.S_IMODE((tmp_path / "w" / "key").stat().st_mode) == 0o400
    assert init(arguments) == 2
    assert "already" in capsys.readouterr().err


def test_a_log_is_watched_once_its_name_is_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The policy names the witness's key and the log's name holds the policy's digest: the key comes first."""
    state = tmp_path / "w"
    assert init(["--state", str(state), "--name", "w-9"]) == 0
    public = capsys.readouterr().out.strip().partition("=")[2]
    with pytest.raises(WitnessConfigError, match="no log is watched"):
        load_config(state)
    wanted = ["--state", str(state), "--log", f"{LOG.origin}={LOG.public.hex()}"]
    assert watch(wanted) == 0
    assert watch(wanted) == 0
    assert watch(["--state", str(state), "--log", f"other/log={'ab' * 32}"]) == 0
    config = load_config(state)
    assert config.logs == {LOG.origin: LOG.public, "other/log": b"\xab" * 32}
    assert config.key.public_key().public_bytes_raw().hex() == public


@pytest.mark.parametrize(
    ("log", "problem"),
    [(f"{LOG.origin}={'ab' * 32}", "watched with another key"), (f"No Log={'ab' * 32}", "name")],
)
def test_what_cannot_be_watched_changes_nothing(
    state: Path, capsys: pytest.CaptureFixture[str], log: str, problem: str
) -> None:
    assert watch(["--state", str(state), "--log", log]) == 2
    assert problem in capsys.readouterr().err
    assert load_config(state).logs == {LOG.origin: LOG.public}
    assert watch(["--state", str(state / "nowhere"), "--log", log]) == 2


@pytest.mark.parametrize("damage", ["mode", "key", "settings", "nothing"])
def test_a_folder_that_does_not_fit_stops_the_start(state: Path, damage: str) -> None:
    key = state / "key"
    key.chmod(0o600)
    if damage == "key":
        key.write_text("zz")
        key.chmod(0o400)
    elif damage == "settings":
        key.chmod(0o400)
        (state / "witness.json").write_text('{"name": 5}')
    elif damage == "nothing":
        key.unlink()
    command = [sys.executable, "-m", "witness", "serve", "--state", str(state), "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30, env=os.environ.copy())
    assert done.returncode == 2
    assert done.stderr.startswith("witness: ")
    assert "Traceback" not in done.stderr
