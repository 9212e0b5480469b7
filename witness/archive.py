"""What people handed to a witness, and how far it saw each signer's journal: in its own file, fsynced.

A document and what follows from it are one transaction. Nothing in here was kept unverified.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.witnessing import NOTHING, Seen

if TYPE_CHECKING:
    from collections.abc import Callable

    from witness.store import WitnessStore

SCHEMA = """
CREATE TABLE IF NOT EXISTS document
(number INTEGER PRIMARY KEY AUTOINCREMENT, digest TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, at INTEGER NOT NULL,
 body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS record (sequence INTEGER PRIMARY KEY, line BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS journal_seen
(signer TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, ceremonies TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS alarm (number INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, words TEXT NOT NULL)
"""
ALARMS_KEPT = 100
PAGE_BYTES = 512 * 1024
_PAGE_MOST = 64


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kept:
    """One document as it was handed in: `number` is the order of arrival, `at` Unix seconds, `body` its JSON."""

    number: int
    digest: str
    kind: str
    at: int
    body: bytes


@dataclasses.dataclass(frozen=True, kw_only=True)
class JournalSeen:
    """How far a signer's journal was seen, and the ceremonies that started it anew so far: each does it once."""

    seen: Seen
    ceremonies: tuple[str, ...]


UNSEEN = JournalSeen(seen=NOTHING, ceremonies=())


class Archive:
    """Documents, the witness's own records of them, and signers' journals."""

    def __init__(self, store: WitnessStore) -> None:
        """Use the witness's file; makes the tables."""
        self._store = store
        with store.transaction() as connection:
            for statement in SCHEMA.split(";"):
                connection.execute(statement)

    def documents(self) -> list[Kept]:
        """Return everything that was handed in, in order."""
        rows = self._store.rows("SELECT number, digest, kind, at, body FROM document ORDER BY number")
        return [Kept(number=n, digest=d, kind=k, at=at, body=bytes(body)) for n, d, k, at, body in rows]

    def page(self, after: int) -> list[Kept]:
        """Return the documents after a number: a few, and not more bytes than one answer holds."""
        rows = self._store.rows(
            "SELECT number, digest, kind, at, body FROM document WHERE number > ? ORDER BY number LIMIT ?",
            (after, _PAGE_MOST),
        )
        page: list[Kept] = []
        size = 0
        for number, digest, kind, at, body in rows:
            size += len(body)
            if page and size > PAGE_BYTES:
                break
            page.append(Kept(number=number, digest=digest, kind=kind, at=at, body=bytes(body)))
        return page

    def lines(self) -> list[bytes]:
        """Return the witness's own records, in order."""
        return [bytes(line) for (line,) in self._store.rows("SELECT line FROM record ORDER BY sequence")]

    def keep(self, *, digest: str, kind: str, at: int, body: bytes, line: bytes | None) -> None:
        """Keep a document with the record that follows from it, durably, both or neither."""
        with self._store.transaction() as connection:
            connection.execute(
                "INSERT INTO document (digest, kind, at, body) VALUES (?, ?, ?, ?)", (digest, kind, at, body)
            )
            if line is not None:
                connection.execute("INSERT INTO record (line) VALUES (?)", (line,))

    def advance(self, signer: str, decide: Callable[[JournalSeen], JournalSeen]) -> None:
        """Replace what was seen of a journal by what `decide` makes of it; unchanged if it raises."""
        with self._store.transaction() as connection:
            row = connection.execute(
                "SELECT size, root, ceremonies FROM journal_seen WHERE signer = ?", (signer,)
            ).fetchone()
            before = UNSEEN
            if row is not None:
                before = JournalSeen(seen=Seen(size=row[0], root=bytes(row[1])), ceremonies=tuple(row[2].split()))
            after = decide(before)
            connection.execute(
                "INSERT INTO journal_seen (signer, size, root, ceremonies) VALUES (?, ?, ?, ?) ON CONFLICT (signer)"
                " DO UPDATE SET size = excluded.size, root = excluded.root, ceremonies = excluded.ceremonies",
                (signer, after.seen.size, after.seen.root, " ".join(after.ceremonies)),
            )

    def alarm(self, *, at: int, words: str) -> None:
        """Keep an alarm; the oldest go."""
        with self._store.transaction() as connection:
            connection.execute("INSERT INTO alarm (at, words) VALUES (?, ?)", (at, words))
            connection.execute(
                "DELETE FROM alarm WHERE number <= (SELECT max(number) FROM alarm) - ?", (ALARMS_KEPT,)
            )

    def alarms(self) -> list[tuple[int, str]]:
        """Return the newest alarms, the newest first: when (Unix seconds), and what."""
        return list(self._store.rows("SELECT at, words FROM alarm ORDER BY number DESC"))
