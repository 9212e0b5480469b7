"""A private PostgreSQL cluster: own data folder, unix socket only, under an account without rights."""

from __future__ import annotations

import re
import secrets
import shutil
import signal
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import psycopg

from demo.services.processes import ServiceError, give, primary_group, running, unprivileged_user

if TYPE_CHECKING:
    from collections.abc import Iterator

OWNER = "countersign"
_BINARIES = Path("/usr/lib/postgresql")


@dataclass(frozen=True)
class Cluster:
    """A cluster that runs."""

    socket_dir: Path
    owner: str
    password_file: Path
    pid: int

    def url(self, database: str, *, user: str | None = None) -> str:
        """Address a database as `COUNTERSIGN_DATABASE_URL` wants it; the password stays in its file."""
        return f"postgresql://{user or self.owner}@/{database}?host={quote(str(self.socket_dir))}"

    def run(self, *statements: str, database: str = "postgres") -> None:
        """Run statements as the cluster's owner, each on its own: some refuse to be in a transaction."""
        with psycopg.connect(
            host=str(self.socket_dir),
            user=self.owner,
            dbname=database,
            password=self.password_file.read_text(encoding="ascii"),
            autocommit=True,
        ) as connection:
            for statement in statements:
                connection.execute(statement.encode())


@contextmanager
def postgres(directory: Path | None = None, *, durable: bool = True) -> Iterator[Cluster]:
    """Run a cluster for as long as the block lasts.

    Args:
        directory: Where it lives; kept afterwards, and used again when it exists. By default a temporary folder.
        durable: Whether what is committed is on the disk, whatever becomes of the machine. Tests do without: a server
            that is killed loses nothing either way.
    """
    base = directory or Path(tempfile.mkdtemp(prefix="countersign-pg-"))
    user = unprivileged_user()
    try:
        password_file = _prepare(base, user)
        data, sockets = base / "data", base / "socket"
        command: list[str | Path] = [
            _binary("postgres"),
            "-D",
            data,
            "-k",
            sockets,
            "-c",
            "listen_addresses=",
            "-c",
            f"fsync={'on' if durable else 'off'}",
        ]
        with running(
            command,
            ready=lambda: _answers(sockets),
            log=base / "postgres.log",
            user=user,
            # Fast shutdown: sessions are ended, the data is written.
            stop_signal=signal.SIGINT,
        ) as process:
            yield Cluster(socket_dir=sockets, owner=OWNER, password_file=password_file, pid=process.pid)
    finally:
        if directory is None:
            shutil.rmtree(base, ignore_errors=True)


def _prepare(base: Path, user: str | None) -> Path:
    """Make the folders and the cluster, unless they are there; return the file with the owner's password."""
    data, sockets, password_file = base / "data", base / "socket", base / "password"
    base.mkdir(parents=True, exist_ok=True)
    # Others pass through to the socket; the data and the password stay shut.
    base.chmod(0o755)
    if (data / "PG_VERSION").exists():
        return password_file
    for folder in (data, sockets):
        folder.mkdir(exist_ok=True)
        give(folder, user)
    data.chmod(0o700)
    sockets.chmod(0o755)
    password_file.touch(mode=0o600)
    password_file.write_text(secrets.token_urlsafe(32), encoding="ascii")
    handed_over = sockets / "password"
    handed_over.touch(mode=0o600)
    handed_over.write_text(password_file.read_text(encoding="ascii"), encoding="ascii")
    give(handed_over, user)
    try:
        _initdb(data, password=handed_over, user=user)
    finally:
        handed_over.unlink()
    return password_file


def _initdb(data: Path, *, password: Path, user: str | None) -> None:
    command = [_binary("initdb"), "-D", data, "-U", OWNER, f"--pwfile={password}", "--auth=scram-sha-256"]
    result = subprocess.run(
        [*map(str, command), "--encoding=UTF8", "--locale=C", "--no-sync"],
        capture_output=True,
        text=True,
        check=False,
        user=user,
        group=primary_group(user),
        extra_groups=[] if user else None,
        cwd="/",
    )
    if result.returncode != 0:
        raise ServiceError(f"initdb failed: {result.stderr.strip()}")


def _answers(sockets: Path) -> bool:
    command = [str(_binary("pg_isready")), "-q", "-h", str(sockets)]
    return subprocess.run(command, check=False).returncode == 0


def _binary(name: str) -> Path:
    """Find a server binary: Debian keeps them off PATH, one folder for each major version; the newest wins."""
    found = [file for file in _BINARIES.glob(f"*/bin/{name}") if re.fullmatch(r"\d+", file.parts[-3])]
    if found:
        return max(found, key=lambda file: int(file.parts[-3]))
    on_path = shutil.which(name)
    if on_path is None:
        raise ServiceError(f"PostgreSQL's {name} is not installed: run bin/setup full")
    return Path(on_path)
