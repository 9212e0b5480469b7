"""What whoever owns the database can do to the audit log: change one entry, or write all of it anew.

Triggers and roles do not stop an owner. What a change leaves behind is put back when the block ends.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import psycopg

from core.auditlog import ORIGIN, chain_link, entry_bytes, entry_leaf, entry_mac
from core.merkle import Frontier
from demo.services.processes import ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

Statement = tuple[str, tuple[Any, ...]]
_TRIGGERS = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name LIKE 'audit!_%' ESCAPE '!'"
_LEAVES = (
    "SELECT e.seq, e.at_us, e.actor, e.session, e.tag, e.subject, e.severity, e.payload, e.mac,"
    ' l."index", l.leaf, l.chain FROM audit_leaf l JOIN audit_entry e ON e.seq = l.entry_id ORDER BY l."index"'
)
_CHECKPOINTS = "SELECT size, root, chain FROM audit_checkpoint ORDER BY size"
_SET_ENTRY = "UPDATE audit_entry SET payload = %s, mac = %s WHERE seq = %s"
_SET_LEAF = 'UPDATE audit_leaf SET leaf = %s, chain = %s WHERE "index" = %s'
_SET_CHECKPOINT = "UPDATE audit_checkpoint SET root = %s, chain = %s WHERE size = %s"
_SET_TREE = "UPDATE audit_tree SET chain = %s, edge = %s"
_FORGED = '{"number":1,"signed_by":["mallory"]}'
"""Of the first entry: by whom the first policy was signed."""


class Superuser:
    """Whoever holds the database file, or the password of the cluster's owner."""

    def __init__(self, *, file: Path | None = None, url: str = "", password: str = "") -> None:
        """Take a SQLite file, or the address of a PostgreSQL database with its owner's password."""
        self._file, self._url, self._password = file, url, password

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Read."""
        if self._file is not None:
            with closing(sqlite3.connect(self._file, timeout=20)) as connection:
                return connection.execute(statement).fetchall()
        with psycopg.connect(self._url, password=self._password) as session:
            return session.execute(statement.encode()).fetchall()

    def write(self, statements: Sequence[Statement]) -> None:
        """Write in one transaction, without the triggers that would refuse it."""
        if self._file is not None:
            self._write_file(self._file, statements)
            return
        with psycopg.connect(self._url, password=self._password) as session:
            session.execute("SET session_replication_role = replica")
            for statement, values in statements:
                session.execute(statement.encode(), values)

    @staticmethod
    def _write_file(file: Path, statements: Sequence[Statement]) -> None:
        with closing(sqlite3.connect(file, timeout=20, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            kept = connection.execute(_TRIGGERS).fetchall()
            for name, _ in kept:
                connection.execute(f'DROP TRIGGER "{name}"')
            for statement, values in statements:
                connection.execute(statement.replace("%s", "?"), values)
            for _, sql in kept:
                connection.execute(sql)
            connection.execute("COMMIT")

    @contextmanager
    def one_changed(self) -> Iterator[int]:
        """Change one entry and nothing else; give the index of its leaf.

        Raises:
            ServiceError: If the log is empty.
        """
        seq, *_, payload, mac, index = _target(self.rows(_LEAVES))[:10]
        self.write([(_SET_ENTRY, (_FORGED, mac, seq))])
        try:
            yield index
        finally:
            self.write([(_SET_ENTRY, (payload, mac, seq))])

    @contextmanager
    def all_rewritten(self, key: bytes) -> Iterator[int]:
        """Change one entry and compute everything anew that the database holds: code, leaves, links, roots, tree.

        Args:
            key: The application's key, which whoever owns the web server has too.

        Raises:
            ServiceError: If the log is empty.
        """
        leaves, checkpoints = self.rows(_LEAVES), self.rows(_CHECKPOINTS)
        tree = self.rows("SELECT chain, edge FROM audit_tree")[0]
        seq, *_, payload, mac, index = _target(leaves)[:10]
        self.write([*_anew(leaves, checkpoints, key)])
        try:
            yield index
        finally:
            back: list[Statement] = [(_SET_ENTRY, (payload, mac, seq)), (_SET_TREE, tree)]
            back += [(_SET_LEAF, (leaf, chain, index)) for *_, index, leaf, chain in leaves]
            back += [(_SET_CHECKPOINT, (root, chain, size)) for size, root, chain in checkpoints]
            self.write(back)


def _target(leaves: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
    """Return the first entry's row: every checkpoint covers it, and every anchor."""
    if not leaves:
        raise ServiceError("the log is empty")
    return leaves[0]


def _anew(
    leaves: Sequence[tuple[Any, ...]], checkpoints: Sequence[tuple[Any, ...]], key: bytes
) -> Iterator[Statement]:
    """Yield what makes the forged log hold by itself: each hash is right, and over another history."""
    forged = _target(leaves)[0]
    frontier, chain = Frontier(), ORIGIN
    sizes = {size for size, _, _ in checkpoints}
    for seq, at_us, actor, session, tag, subject, severity, payload, _, index, *_ in leaves:
        raw = entry_bytes(
            at_us=at_us,
            actor=actor,
            session=session,
            tag=tag,
            subject=subject,
            severity=severity,
            payload=_FORGED if seq == forged else payload,
        )
        if seq == forged:
            yield _SET_ENTRY, (_FORGED, entry_mac(key, raw), seq)
        leaf = entry_leaf(raw)
        chain = chain_link(chain, leaf)
        frontier.append(leaf)
        yield _SET_LEAF, (leaf.hex(), chain.hex(), index)
        if frontier.size in sizes:
            yield _SET_CHECKPOINT, (frontier.root().hex(), chain.hex(), frontier.size)
    yield _SET_TREE, (chain.hex(), "\n".join(hashed.hex() for hashed in frontier.complete))
