"""`countersign-fsck`: re-verifies an audit log from its stored records alone.

Reads a SQLite file, a PostgreSQL database or an export; imports nothing of the server. Exit codes: 0 the log holds,
1 it does not (the first bad entry is named), 2 it could not be read or the command line is wrong.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sqlite3
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from core.canonical import parse
from core.errors import EncodingError
from core.hashchain import ORIGIN, Break, Entry, Finding, Verified, verify_chain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HOLDS, BROKEN, UNREADABLE = 0, 1, 2
_COLUMNS = tuple(field.name for field in dataclasses.fields(Entry))
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM audit_entry ORDER BY seq"  # noqa: S608 - column names of our own dataclass
_SELECT_HEAD = "SELECT seq, hash FROM audit_head"
_BATCH = 2000
_HASH_LENGTH = 64
_MAX_LINE = 4 * 1024 * 1024


class UnreadableError(Exception):
    """The log cannot be read at all."""


def _entry(row: Sequence[object] | dict[str, object]) -> Entry:
    values = row if isinstance(row, dict) else dict(zip(_COLUMNS, row, strict=True))
    if set(values) != set(_COLUMNS):
        msg = "a record does not have an entry's fields"
        raise UnreadableError(msg)
    numbers = ("seq", "at_us")
    if not all(type(values[n]) is (int if n in numbers else str) for n in _COLUMNS):
        msg = f"record {values.get('seq')!r} holds a value of another type than was written"
        raise UnreadableError(msg)
    return Entry(**cast("dict[str, Any]", values))


def read_export(path: Path) -> Iterator[Entry]:
    """Yield the entries of an export, one JSON line each.

    Raises:
        UnreadableError: If it is not one.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                value = parse(line, max_bytes=_MAX_LINE)
                if not isinstance(value, dict):
                    msg = f"line {number} is not an entry"
                    raise UnreadableError(msg)
                yield _entry(value)
    except (OSError, EncodingError) as error:
        raise UnreadableError(str(error)) from error


def read_sqlite(path: Path) -> tuple[Iterator[Entry], tuple[int, str] | None]:
    """Return the entries and the head record of a SQLite file, opened read-only.

    Raises:
        UnreadableError: If there is no such log.
    """
    if not path.is_file():
        msg = f"no such file: {path}"
        raise UnreadableError(msg)
    try:
        # immutable=0: the log may be in use, so SQLite's own locking is kept.
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        connection.execute("BEGIN")
        head = connection.execute(_SELECT_HEAD).fetchone()
        rows = connection.execute(_SELECT)
    except sqlite3.Error as error:
        raise UnreadableError(str(error)) from error
    return map(_entry, rows), head


def read_postgresql(url: str) -> tuple[Iterator[Entry], tuple[int, str] | None]:
    """Return the entries and the head record of a PostgreSQL database, in one read-only snapshot.

    Raises:
        UnreadableError: If there is no such log.
    """
    import psycopg  # noqa: PLC0415 - whoever checks a file or an export needs no database driver

    try:
        connection = psycopg.connect(url)
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        head = connection.execute(_SELECT_HEAD).fetchone()
        cursor = connection.cursor(name="fsck")
        cursor.itersize = _BATCH
        cursor.execute(_SELECT)
    except psycopg.Error as error:
        raise UnreadableError(str(error)) from error
    return map(_entry, cursor), (None if head is None else (int(head[0]), str(head[1])))


def check_head(result: Verified, head: tuple[int, str] | None) -> Verified:
    """Compare a chain that holds with the database's own head record: finds a tail that was cut carelessly."""
    expected = (result.entries, result.head)
    if result.broken is not None or head == expected or (head is None and expected == (0, ORIGIN)):
        return result
    shown = "there is none" if head is None else f"it names entry {head[0]}"
    finding = Finding.CUT if head is not None and head[0] > result.entries else Finding.NO_HEAD
    detail = f"{result.entries} entries are here; of the head record, {shown}"
    return dataclasses.replace(result, broken=Break(seq=result.entries + 1, finding=finding, detail=detail))


def _known(text: str) -> tuple[int, str]:
    number, _, digest = text.partition(":")
    if not number.isdigit() or len(digest) != _HASH_LENGTH:
        msg = "NUMBER:HASH expected"
        raise argparse.ArgumentTypeError(msg)
    return int(number), digest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--database", metavar="FILE_OR_URL", help="a SQLite file, or postgresql://…")
    source.add_argument("--export", metavar="FILE", type=Path, help="what `manage.py audit_export` wrote")
    parser.add_argument("--head", metavar="NUMBER:HASH", type=_known, help="an entry that was noted elsewhere")
    parser.add_argument("--json", action="store_true", help="print one JSON line")


def verify(arguments: argparse.Namespace) -> Verified:
    """Read and verify what the command line names.

    Raises:
        UnreadableError: If it cannot be read.
    """
    if arguments.export is not None:
        return verify_chain(read_export(arguments.export), known=arguments.head)
    url = str(arguments.database)
    if url.startswith(("postgresql://", "postgres://")):
        entries, head = read_postgresql(url)
    else:
        entries, head = read_sqlite(Path(url.removeprefix("sqlite:///")))
    return check_head(verify_chain(entries, known=arguments.head), head)


def run(arguments: argparse.Namespace) -> int:
    """Verify, print, and return the exit code."""
    try:
        result = verify(arguments)
    except UnreadableError as error:
        sys.stderr.write(f"cannot be read: {error}\n")
        return UNREADABLE
    broken = result.broken
    if arguments.json:
        answer: dict[str, object] = {"audit": "verified" if broken is None else "broken", "entries": result.entries}
        answer["head"] = result.head
        if broken is not None:
            answer |= {"first_bad": broken.seq, "looks": broken.finding.value, "detail": broken.detail}
        sys.stdout.write(json.dumps(answer) + "\n")
    elif broken is None:
        sys.stdout.write(f"verified: {result.entries} entries, head {result.head}\n")
        if arguments.head is None:
            sys.stdout.write("no head from elsewhere was given: a log rewritten whole would look the same\n")
    else:
        sys.stdout.write(f"BROKEN at entry {broken.seq}: {broken.finding.value}; {broken.detail}\n")
        sys.stdout.write(f"{result.entries} entries before it hold\n")
    return HOLDS if broken is None else BROKEN


def main(argv: Sequence[str] | None = None) -> int:
    """Run `countersign-fsck`."""
    parser = argparse.ArgumentParser(prog="countersign-fsck", description="Re-verify an audit log.")
    add_arguments(parser)
    return run(parser.parse_args(argv))
