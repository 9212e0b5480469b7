"""Whether a demonstration can start: what an earlier one left is named, and nobody else's processes are."""

from __future__ import annotations

import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from demo.layout import ROOT
from demo.place import UnfitError, check_place, servers_left
from demo.services.processes import ServiceError, running

if TYPE_CHECKING:
    from pathlib import Path


def test_a_folder_that_is_not_there_yet_will_do(tmp_path: Path) -> None:
    check_place(tmp_path / "var" / "demo", ())


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UnfitError, match=f"port {port} is in use"):
            check_place(tmp_path, (port,))


def test_a_disk_that_is_full_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("demo.place._ROOM_BYTES", 2**70)
    with pytest.raises(UnfitError, match=r"[0-9]+ MB are free where .* lies"):
        check_place(tmp_path / "demo", ())


def test_a_server_that_was_left_is_named_with_the_command_that_ends_it(tmp_path: Path) -> None:
    base = tmp_path / "demo"
    root = base / "consent"
    root.mkdir(parents=True)
    (root / "config.json").write_text("{}")
    log = tmp_path / "log"
    command = [sys.executable, "-m", "consent", "serve", "--root", str(root), "--port", "0"]
    with running(command, ready=lambda: b"consent page" in log.read_bytes(), log=log, directory=ROOT) as server:
        assert servers_left(base) == {server.pid: "consent"}
        with pytest.raises(UnfitError, match=rf"left consent \({server.pid}\).*\n\n  kill {server.pid}$"):
            check_place(base, ())
        # Another folder's, although its name begins the same.
        assert servers_left(tmp_path / "dem") == {}
        check_place(tmp_path / "other", ())
    assert servers_left(base) == {}


def test_whoever_only_looks_into_the_folder_is_not_meant(tmp_path: Path) -> None:
    file = tmp_path / "web.log"
    file.touch()
    with subprocess.Popen(["tail", "-f", str(file)], cwd=tmp_path, start_new_session=True) as looks:
        try:
            assert servers_left(tmp_path) == {}
        finally:
            looks.terminate()


def test_it_is_told_as_what_the_demonstration_says() -> None:
    assert issubclass(UnfitError, ServiceError)
