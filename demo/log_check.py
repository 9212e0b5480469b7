"""The audit log, verified from its records in a new process; then with one row changed, which must be found."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from demo.layout import ROOT
from demo.services.processes import ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from demo.layout import Layout
    from demo.telling import Teller

_SECONDS = 60
_BROKEN = 1
_TARGET = (
    'SELECT e.seq, e.payload, l."index" FROM audit_entry e JOIN audit_leaf l ON l.entry_id = e.seq'
    " WHERE e.tag = 'oms:request:asked' ORDER BY e.seq LIMIT 1"
)
_CHANGED = '{"desk":"desk-b"}'


def _password(environment: dict[str, str]) -> str:
    return Path(environment["COUNTERSIGN_DATABASE_PASSWORD_FILE"]).read_text(encoding="ascii").strip()


def _fsck(layout: Layout, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    url = environment.get("COUNTERSIGN_DATABASE_URL")
    own = dict(os.environ)
    if url is not None:
        own["PGPASSWORD"] = _password(environment)
    return subprocess.run(
        [sys.executable, "-m", "witness", "fsck", "--database", url or str(layout.web / "countersign.sqlite3")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
        env=own,
    )


@contextmanager
def _sqlite_row_changed(file: Path) -> Iterator[int]:
    """Change a row as somebody with the file can: the triggers are dropped for the moment, as they can be."""
    triggers = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit_entry'"

    def write(payload: str, seq: int) -> None:
        with closing(sqlite3.connect(file, timeout=20, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            kept = connection.execute(triggers).fetchall()
            for name, _ in kept:
                connection.execute(f'DROP TRIGGER "{name}"')
            connection.execute("UPDATE audit_entry SET payload = ? WHERE seq = ?", (payload, seq))
            for _, sql in kept:
                connection.execute(sql)
            connection.execute("COMMIT")

    with closing(sqlite3.connect(file, timeout=20)) as connection:
        seq, payload, index = connection.execute(_TARGET).fetchone()
    write(_CHANGED, seq)
    try:
        yield index
    finally:
        write(payload, seq)


@contextmanager
def _postgresql_row_changed(url: str, password: str) -> Iterator[int]:
    """Change a row as a superuser can: the triggers are switched off for the session, as they can be."""

    def write(payload: str, seq: int) -> None:
        with psycopg.connect(url, password=password) as connection:
            connection.execute("SET session_replication_role = replica")
            connection.execute("UPDATE audit_entry SET payload = %s WHERE seq = %s", (payload, seq))

    with psycopg.connect(url, password=password) as connection:
        row = connection.execute(_TARGET).fetchone()
    if row is None:
        raise ServiceError("the log holds no request")
    write(_CHANGED, row[0])
    try:
        yield row[2]
    finally:
        write(row[1], row[0])


def log_check(layout: Layout, environment: dict[str, str], tell: Teller) -> str:
    """Verify the log, change one row as the tables' owner can, see that it is found, and put the row back.

    Raises:
        ServiceError: If the log does not hold, or the change is not found.
    """
    tell.chapter("The log")
    whole = _fsck(layout, environment)
    if whole.returncode != 0:
        raise ServiceError(f"the log does not hold: {whole.stdout}{whole.stderr}")
    tell.step("countersign-fsck, in a process of its own: " + whole.stdout.strip().splitlines()[0])
    url = environment.get("COUNTERSIGN_DATABASE_URL")
    changed = (
        _sqlite_row_changed(layout.web / "countersign.sqlite3")
        if url is None
        else _postgresql_row_changed(url, _password(environment))
    )
    with changed as index:
        found = _fsck(layout, environment)
    if found.returncode != _BROKEN or f"leaf {index}:" not in found.stdout:
        raise ServiceError(f"leaf {index} was changed and fsck said: {found.stdout}{found.stderr}")
    tell.step(f"leaf {index} changed by a superuser: {found.stdout.strip().splitlines()[0]}")
    if _fsck(layout, environment).returncode != 0:
        raise ServiceError("the log does not hold after the row was put back")
    return "verified"
