"""What a witness has seen, kept so that it cannot be asked to forget: one row for each log, fsynced.

Reading what was seen, checking what continues it and writing it down are one transaction; the cosignature leaves
after the commit. Between two requests at once the second one meets what the first has written (C2SP tlog-witness).
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from core.witnessing import NOTHING, Seen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS seen
(origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, note BLOB NOT NULL)
"""
_SELECT = "SELECT size, root FROM seen WHERE origin = ?"
_UPSERT = (
    "INSERT INTO seen (origin, size, root, note) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (origin) DO UPDATE SET size = excluded.size, root = excluded.root, note = excluded.note"
)


class WitnessStore:
    """The witness's memory."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it.

        Raises:
            sqlite3.Error: If it cannot be used.
        """
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute(_SCHEMA)

    def seen(self, origin: str) -> Seen:
        """Return the largest log of this name that was signed."""
        row = self._connection.execute(_SELECT, (origin,)).fetchone()
        return NOTHING if row is None else Seen(size=row[0], root=row[1])

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Hold one transaction: durable when the block ends, unchanged if it raises."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def rows(self, statement: str, values: tuple[int | str, ...] = ()) -> list[tuple[Any, ...]]:
        """Read rows."""
        with self._lock:
            return self._connection.execute(statement, values).fetchall()

    def advance(self, origin: str, note: bytes, decide: Callable[[Seen], Seen]) -> None:
        """Replace what was seen by what `decide` makes of it; durable when this returns, unchanged if it raises."""
        with self.transaction() as connection:
            after = decide(self.seen(origin))
            connection.execute(_UPSERT, (origin, after.size, after.root, note))

    def notes(self) -> dict[str, bytes]:
        """Return the newest checkpoint of each log, as it was signed."""
        with self._lock:
            rows = self._connection.execute("SELECT origin, note FROM seen ORDER BY origin").fetchall()
        return {origin: bytes(note) for origin, note in rows}

    def close(self) -> None:
        """Let the file go."""
        self._connection.close()
