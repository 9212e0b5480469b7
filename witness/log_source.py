"""Where a log's stored records are read from: a SQLite file, a PostgreSQL database, or an export.

A source is described by plain text, so that each process of `countersign-fsck` opens its own.
"""

from __future__ import annotations

import dataclasses
import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from core.canonical import parse
from core.errors import EncodingError

if TYPE_CHECKING:
    from collections.abc import Iterator

Row = tuple[Any, ...]
"""Index, leaf and link (hex), then the entry's fields in the order of `ENTRY_FIELDS`, all None where it is gone."""

ENTRY_FIELDS = ("seq", "at_us", "actor", "session", "tag", "subject", "severity", "payload", "mac")
_ENTRY = ", ".join(f"e.{name}" for name in ENTRY_FIELDS)
_ROWS = (
    f'SELECT l."index", l.leaf, l.chain, {_ENTRY} FROM audit_leaf l'  # noqa: S608 - names of our own columns
    ' LEFT JOIN audit_entry e ON e.seq = l.entry_id WHERE l."index" >= {first} AND l."index" < {end}'
    ' ORDER BY l."index"'
)
_TREE = "SELECT size, chain FROM audit_tree"
_COUNTS = 'SELECT count(*), coalesce(max("index"), -1) FROM audit_leaf'
_UNPLACED = (
    "SELECT min(e.seq), count(*) FROM audit_entry e"
    " WHERE NOT EXISTS (SELECT 1 FROM audit_leaf l WHERE l.entry_id = e.seq)"
    " AND NOT EXISTS (SELECT 1 FROM audit_pending p WHERE p.entry_id = e.seq)"
)
_WAITING = "SELECT count(*) FROM audit_pending"
_CHECKPOINTS = "SELECT size, root, chain FROM audit_checkpoint ORDER BY size"
_SIGNATURES = "SELECT checkpoint_id, line FROM audit_signature ORDER BY id"
REQUEST_MOVED = "oms:request:moved"
_MOVES = (
    'SELECT l."index", e.subject, e.payload FROM audit_entry e LEFT JOIN audit_leaf l ON l.entry_id = e.seq'  # noqa: S608 - a tag of our own
    f" WHERE e.tag = '{REQUEST_MOVED}' ORDER BY e.seq"
)
_STATES = "SELECT intent_digest, state FROM oms_request"
_AT_ONCE = 1 << 14
_MAX_LINE = 4 * 1024 * 1024


class UnreadableError(Exception):
    """The log cannot be read at all."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class StoredCheckpoint:
    """A checkpoint as it is stored, with the signature lines under it."""

    size: object
    root: object
    chain: object
    lines: tuple[object, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Extent:
    """What a log says of itself, besides its leaves.

    `unplaced`: the first entry that has no place and does not wait for one, and how many there are.
    """

    leaves: int
    last: int
    tree: tuple[object, object] | None
    waiting: int
    unplaced: tuple[int, int] | None
    checkpoints: tuple[StoredCheckpoint, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class StoredStates:
    """What there is to replay, of one moment.

    `moves`: index of the leaf (None while the entry waits), subject and payload of each step of a request, in order.
    `table`: intent digest and state of each request as the table has it.
    """

    moves: list[tuple[object, object, object]]
    table: list[tuple[object, object]]


class LogSource(Protocol):
    """A log that can be read in stretches."""

    def extent(self) -> Extent:
        """Return what the log says of itself."""

    def rows(self, first: int, count: int) -> Iterator[Row]:
        """Yield leaves from index `first` on, in order, `count` places at most; what is gone is left out."""

    def states(self) -> StoredStates | None:
        """Return the requests' states and steps; None where this source holds no requests."""


def _extent(fetch: Any) -> Extent:  # noqa: ANN401 - a function of either driver
    lines: dict[object, list[object]] = {}
    for size, line in fetch(_SIGNATURES):
        lines.setdefault(size, []).append(line)
    ((leaves, last),) = fetch(_COUNTS)
    ((first, unplaced),) = fetch(_UNPLACED)
    tree = fetch(_TREE)
    return Extent(
        leaves=leaves,
        last=last,
        tree=tuple(tree[0]) if tree else None,
        waiting=fetch(_WAITING)[0][0],
        unplaced=(first, unplaced) if unplaced else None,
        checkpoints=tuple(
            StoredCheckpoint(size=size, root=root, chain=chain, lines=tuple(lines.get(size, ())))
            for size, root, chain in fetch(_CHECKPOINTS)
        ),
    )


class SqliteSource:
    """A SQLite file, opened read-only; SQLite's own locking is kept, since the log may be in use."""

    def __init__(self, path: Path) -> None:
        """Name the file."""
        self._path = path

    def _open(self) -> sqlite3.Connection:
        if not self._path.is_file():
            raise UnreadableError(f"no such file: {self._path}")
        connection = sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro", uri=True)
        connection.text_factory = _text
        return connection

    def extent(self) -> Extent:
        """Return what the log says of itself."""
        try:
            with closing(self._open()) as connection:
                connection.execute("BEGIN")
                return _extent(lambda statement: connection.execute(statement).fetchall())
        except sqlite3.Error as error:
            raise UnreadableError(str(error)) from error

    def rows(self, first: int, count: int) -> Iterator[Row]:
        """Yield leaves."""
        try:
            with closing(self._open()) as connection:
                yield from connection.execute(_ROWS.format(first=first, end=first + count))
        except sqlite3.Error as error:
            raise UnreadableError(str(error)) from error

    def states(self) -> StoredStates | None:
        """Return the requests' states and steps."""
        try:
            with closing(self._open()) as connection:
                connection.execute("BEGIN")
                if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'oms_request'").fetchall():
                    return None
                return StoredStates(
                    moves=connection.execute(_MOVES).fetchall(), table=connection.execute(_STATES).fetchall()
                )
        except sqlite3.Error as error:
            raise UnreadableError(str(error)) from error


def _text(raw: bytes) -> str | bytes:
    """Return text, or the bytes that are none: a tampered value is looked at, not stumbled over."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


class PostgresqlSource:
    """A PostgreSQL database, read in read-only snapshots."""

    def __init__(self, url: str, *, keep: bool = False) -> None:
        """Name the database; `keep`: read all stretches over one connection, which costs as much as many rows."""
        self._url = url
        self._keep = keep
        self._kept: Any = None

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        if not self._keep:
            with self._open() as connection:
                yield connection
            return
        if self._kept is None:
            self._kept = self._open()
            self._kept.autocommit = True
        yield self._kept

    def _open(self) -> Any:  # noqa: ANN401 - psycopg is imported only where a database is read
        import psycopg  # noqa: PLC0415 - whoever checks a file or an export needs no database driver

        try:
            connection = psycopg.connect(self._url)
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
        except psycopg.Error as error:
            raise UnreadableError(str(error)) from error
        return connection

    def extent(self) -> Extent:
        """Return what the log says of itself."""
        import psycopg  # noqa: PLC0415 - as above

        try:
            with self._open() as connection:
                return _extent(lambda statement: connection.execute(statement).fetchall())
        except psycopg.Error as error:
            raise UnreadableError(str(error)) from error

    def rows(self, first: int, count: int) -> Iterator[Row]:
        """Yield leaves."""
        import psycopg  # noqa: PLC0415 - as above

        try:
            with self._connected() as connection, connection.cursor(binary=True) as cursor:
                for start in range(first, first + count, _AT_ONCE):
                    cursor.execute(_ROWS.format(first=start, end=min(start + _AT_ONCE, first + count)))
                    yield from cursor
        except psycopg.Error as error:
            raise UnreadableError(str(error)) from error

    def states(self) -> StoredStates | None:
        """Return the requests' states and steps."""
        import psycopg  # noqa: PLC0415 - as above

        try:
            with self._open() as connection:
                if connection.execute("SELECT to_regclass('oms_request')").fetchone() == (None,):
                    return None
                return StoredStates(
                    moves=connection.execute(_MOVES).fetchall(), table=connection.execute(_STATES).fetchall()
                )
        except psycopg.Error as error:
            raise UnreadableError(str(error)) from error


_RECORDS = {
    "leaf": {"index", "leaf", "chain", *ENTRY_FIELDS},
    "waiting": {*ENTRY_FIELDS},
    "checkpoint": {"size", "root", "chain", "lines"},
    "request": {"intent", "state"},
    "end": {"size", "chain", "requests"},
}
"""The kinds of record of an export, and what each holds."""


def _is_record(value: dict[str, Any]) -> bool:
    """Whether this is a record with all that its kind holds and nothing else; older ends say nothing of requests."""
    kind = value.get("kind")
    if not isinstance(kind, str) or kind not in _RECORDS:
        return False
    return set(value) in (_RECORDS[kind] | {"kind"}, (_RECORDS[kind] | {"kind"}) - {"requests"})


class ExportSource:
    """What `manage.py audit_export` wrote: JSON lines, the leaves first and in order."""

    def __init__(self, path: Path) -> None:
        """Name the file."""
        self._path = path

    def _lines(self) -> Iterator[dict[str, Any]]:
        try:
            with self._path.open("rb") as file:
                for number, line in enumerate(file, start=1):
                    try:
                        value = parse(line, max_bytes=_MAX_LINE)
                    except EncodingError as error:
                        raise UnreadableError(f"line {number}: {error}") from error
                    if not isinstance(value, dict) or not _is_record(value):
                        raise UnreadableError(f"line {number} is no record of a log")
                    yield value
        except OSError as error:
            raise UnreadableError(str(error)) from error

    def extent(self) -> Extent:
        """Return what the log says of itself."""
        leaves, last, waiting, tree, ended = 0, -1, 0, None, False
        checkpoints = []
        for value in self._lines():
            kind = value["kind"]
            if ended:
                raise UnreadableError("there is a record after the end")
            if kind == "leaf":
                leaves, last = leaves + 1, value["index"] if type(value.get("index")) is int else last + 1
            elif kind == "waiting":
                waiting += 1
            elif kind == "checkpoint":
                found = tuple(value.get(name) for name in ("size", "root", "chain"))
                lines = value.get("lines")
                checkpoints.append(
                    StoredCheckpoint(
                        size=found[0],
                        root=found[1],
                        chain=found[2],
                        lines=tuple(lines or ()) if isinstance(lines, list) else (),
                    )
                )
            elif kind == "end":
                ended, tree = True, (value.get("size"), value.get("chain"))
        if not ended:
            raise UnreadableError("the export has no end: it was cut, or is still being written")
        return Extent(
            leaves=leaves, last=last, tree=tree, waiting=waiting, unplaced=None, checkpoints=tuple(checkpoints)
        )

    def rows(self, first: int, count: int) -> Iterator[Row]:
        """Yield leaves."""
        for value in self._lines():
            if value["kind"] != "leaf" or not first <= int(value.get("index", -1)) < first + count:
                continue
            yield (
                value.get("index"),
                value.get("leaf"),
                value.get("chain"),
                *(value.get(name) for name in ENTRY_FIELDS),
            )

    def states(self) -> StoredStates | None:
        """Return the requests' states and steps."""
        moves: list[tuple[object, object, object]] = []
        table: list[tuple[object, object]] = []
        told = False
        for value in self._lines():
            if value["kind"] in ("leaf", "waiting") and value.get("tag") == REQUEST_MOVED:
                moves.append((value.get("index"), value.get("subject"), value.get("payload")))
            elif value["kind"] == "request":
                table.append((value.get("intent"), value.get("state")))
            elif value["kind"] == "end":
                told = value.get("requests") is True
        return StoredStates(moves=moves, table=table) if told else None


def source_of(text: str, *, keep: bool = False) -> LogSource:
    """Return the source that a text names: ``export:FILE``, a PostgreSQL URL, or a SQLite file.

    Args:
        text: What names it.
        keep: Hold a database's connection for as long as the process lives.
    """
    if text.startswith("export:"):
        return ExportSource(Path(text.removeprefix("export:")))
    if text.startswith(("postgresql://", "postgres://")):
        return PostgresqlSource(text, keep=keep)
    return SqliteSource(Path(text.removeprefix("sqlite:///")))
