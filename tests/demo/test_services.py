"""The servers of the demo start on their own sockets, answer, and are gone afterwards."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import psycopg
import pytest
from redis import Redis

from demo.services.anvil import anvil
from demo.services.postgres import postgres
from demo.services.processes import ServiceError, running
from demo.services.redis import redis

if TYPE_CHECKING:
    from pathlib import Path


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_postgres_keeps_its_data_when_it_is_given_a_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    # An account without rights has to reach it, and pytest's own folders are shut.
    with postgres() as cluster:
        cluster.run("CREATE TABLE kept (id int)", "CREATE DATABASE other")
        password = cluster.password_file.read_text()
        with psycopg.connect(
            host=str(cluster.socket_dir), user=cluster.owner, dbname="other", password=password
        ) as connection:
            assert connection.execute("SHOW fsync").fetchone() == ("on",)
            assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(host=str(cluster.socket_dir), user=cluster.owner, dbname="other", password="guess")
    assert gone(cluster.pid)
    assert not cluster.socket_dir.exists()
    assert tmp_path_factory.getbasetemp().exists()


def test_redis_listens_on_its_socket_only() -> None:
    with redis() as broker, Redis(unix_socket_path=str(broker.socket), decode_responses=True) as client:
        assert client.config_get("port") == {"port": "0"}
    assert gone(broker.pid)
    assert not broker.socket.exists()


@pytest.mark.anvil
def test_anvil_answers_for_its_chain() -> None:
    with anvil(chain_id=4242) as node:
        assert int(node.call("eth_chainId"), 16) == 4242
        assert node.url.startswith("http://127.0.0.1:")
        with pytest.raises(ServiceError, match="eth_nothing"):
            node.call("eth_nothing")
    assert gone(node.pid)


def test_a_server_that_dies_at_once_tells_why(tmp_path: Path) -> None:
    command = ["/bin/sh", "-c", "echo no room >&2; exit 3"]
    with (
        pytest.raises(ServiceError, match="ended with 3: no room"),
        running(command, ready=lambda: False, log=tmp_path / "log"),
    ):
        pytest.fail("it never answered")


def test_a_server_that_does_not_listen_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("demo.services.processes._STOP_S", 0.2)
    command = ["/bin/sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"]
    with running(command, ready=lambda: True, log=tmp_path / "log") as process:
        pass
    assert process.returncode in {-signal.SIGTERM, -signal.SIGKILL}
