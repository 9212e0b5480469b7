"""A private Redis: a broker on a unix socket, never on a port, with nothing worth keeping in it."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from redis import Redis
from redis.exceptions import RedisError

from demo.services.processes import ServiceError, give, running, unprivileged_user

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Broker:
    """A Redis that runs."""

    socket: Path
    pid: int

    @property
    def url(self) -> str:
        """Its address, as Celery spells it."""
        return f"redis+socket://{self.socket}"


@contextmanager
def redis(directory: Path | None = None, *, socket_mode: str = "700") -> Iterator[Broker]:
    """Run a broker for as long as the block lasts.

    Args:
        directory: Where its socket lies. By default a temporary folder.
        socket_mode: Who may connect; the demo's workers run under accounts of their own.
    """
    program = shutil.which("redis-server")
    if program is None:
        raise ServiceError("redis-server is not installed: run bin/setup full")
    base = directory or Path(tempfile.mkdtemp(prefix="countersign-redis-"))
    base.mkdir(parents=True, exist_ok=True)
    base.chmod(0o755)
    home = base / "redis"
    home.mkdir(exist_ok=True)
    home.chmod(0o755)
    user = unprivileged_user()
    give(home, user)
    socket = home / "redis.sock"
    command: list[str | Path] = [program, "--port", "0", "--dir", home]
    command += ["--unixsocket", socket, "--unixsocketperm", socket_mode]
    # The database is the outbox; a broker that forgets loses no work.
    command += ["--save", "", "--appendonly", "no", "--daemonize", "no"]
    try:
        with running(command, ready=lambda: _answers(socket), log=base / "redis.log", user=user) as process:
            yield Broker(socket=socket, pid=process.pid)
    finally:
        if directory is None:
            shutil.rmtree(base, ignore_errors=True)


def _answers(socket: Path) -> bool:
    client = Redis(unix_socket_path=str(socket))
    try:
        return bool(client.ping())
    except RedisError:
        return False
    finally:
        client.close()
