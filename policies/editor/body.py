"""A draft's text as a document whose rows are edited one by one. Pure: nothing is read from or written to anywhere.

Rows stay JSON values here, so that a row that somebody wrote wrongly by hand can still be shown and mended.
"""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
from typing import Any

from core.canonical import MAX_BYTES, parse
from core.documents.policy import Policy
from core.errors import DocumentError, EncodingError
from core.schema import Codec, Items
from policies.errors import DraftTextError

Body = dict[str, Any]
Row = dict[str, Any]

CODECS: dict[str, Codec] = {field.name: field.metadata["codec"] for field in dataclasses.fields(Policy)}
ORDERED = ("guards", "grants", "escalations", "limits")
"""Sections whose rows have a place of their own (`order`)."""
GENERAL = "general"
"""The fields that stand in no list, edited together."""
KEPT = (
    "header", "number", "previous", "profile", "institution", "consent", "people", "clients", "signers", "wallets",
    "controls", "witnesses", "witness_threshold", "attesters", "attester_threshold", "recovery",
    "recovery_threshold",
)  # fmt: skip
"""What a draft that starts empty keeps: who and with which keys. What may be done is left out."""


def body_revision(text: str) -> str:
    """Name a draft's text, so that whoever saves can say which one was looked at."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def body_read(text: str) -> Body:
    """Read a draft's text.

    Raises:
        DraftTextError: It is no JSON object; it can only be mended as a document.
    """
    try:
        value = parse(text.encode())
    except UnicodeEncodeError as error:
        raise DraftTextError("the draft holds half of a character") from error
    except EncodingError as error:
        cause = error.__cause__
        raise DraftTextError(f"the draft: {cause if isinstance(cause, EncodingError) else error}") from error
    if not isinstance(value, dict):
        raise DraftTextError("the draft: one JSON object expected, with the fields of a policy")
    return value


def body_write(body: Body) -> str:
    """Write a document as text that people can read, or without spaces where that would be too long.

    Raises:
        DraftTextError: It is longer than 1 MiB, nested deeper than 64, or holds what a policy cannot.
    """
    for indent, separators in ((2, (",", ": ")), (None, (",", ":"))):
        text = json.dumps(body, indent=indent, separators=separators, ensure_ascii=False)
        if len(text.encode(errors="surrogatepass")) <= MAX_BYTES:
            body_read(text)
            return text
    raise DraftTextError(f"the draft would be longer than {MAX_BYTES} bytes")


def body_empty(body: Body) -> Body:
    """Return a document with the people, keys and quorums of this one, and nothing that may be done."""
    return {name: copy.deepcopy(body[name]) if name in KEPT else [] for name, codec in CODECS.items() if name in body}


def single_of(body: Body, section: str) -> Row:
    """Return what the document has only once: `controls`, or for `GENERAL` the document itself."""
    value = body if section == GENERAL else body.get(section)
    return value if isinstance(value, dict) else {}


def single_put(body: Body, section: str, row: Row) -> Body:
    """Put back what the document has only once."""
    return {**body, **row} if section == GENERAL else {**body, section: row}


def rows_of(body: Body, section: str) -> list[Row]:
    """Return a section's rows; what is no object is shown as an empty row."""
    rows = body.get(section)
    return [row if isinstance(row, dict) else {} for row in rows] if isinstance(rows, list) else []


def row_problem(section: str, row: Row) -> str | None:
    """Say what is wrong with the shape of one row, naming the field; None when nothing is."""
    parts = [(f"{GENERAL}.{name}", CODECS[name], value) for name, value in row.items()] if section == GENERAL else []
    if section != GENERAL:
        codec = CODECS[section]
        parts = [(section, codec.codec if isinstance(codec, Items) else codec, row)]
    for at, codec, value in parts:
        try:
            codec.read(value, at)
        except DocumentError as error:
            return str(error)
    return None


def next_order(body: Body, section: str) -> int:
    """Return the place after the last rule of a section."""
    orders = [row.get("order") for row in rows_of(body, section)]
    return 1 + max((order for order in orders if isinstance(order, int)), default=0)


def ordered(body: Body, section: str) -> list[int]:
    """Return the rows' indexes in the order in which they are asked."""
    rows = rows_of(body, section)
    if section not in ORDERED:
        return list(range(len(rows)))
    places = [row.get("order") for row in rows]
    return sorted(
        range(len(rows)), key=lambda i: (place if isinstance(place := places[i], int) else len(rows) + 1, i)
    )


def _changed(body: Body, section: str, rows: list[Row]) -> Body:
    return {**body, section: rows}


def row_put(body: Body, section: str, index: int | None, row: Row) -> Body:
    """Put a row in the place of another, or at the end.

    Raises:
        DraftTextError: There is no such row, or no room for one more.
    """
    rows = rows_of(body, section)
    codec = CODECS[section]
    if index is None:
        if isinstance(codec, Items) and len(rows) >= codec.most:
            raise DraftTextError(f"{section}: at most {codec.most} rows")
        return _changed(body, section, [*rows, row])
    _present(rows, section, index)
    return _changed(body, section, [*rows[:index], row, *rows[index + 1 :]])


def row_remove(body: Body, section: str, index: int) -> Body:
    """Take a row out.

    Raises:
        DraftTextError: There is no such row.
    """
    rows = rows_of(body, section)
    _present(rows, section, index)
    return _changed(body, section, [*rows[:index], *rows[index + 1 :]])


def row_restore(body: Body, section: str, index: int, row: Row) -> Body:
    """Put a removed row back where it was; a place that was taken meanwhile stays taken."""
    rows = rows_of(body, section)
    taken = {other.get("order") for other in rows}
    if section in ORDERED and row.get("order") in taken:
        row = {**row, "order": next_order(body, section)}
    return _changed(body, section, [*rows[:index], row, *rows[index:]])


def row_copy(body: Body, section: str, index: int) -> Row:
    """Return a copy of a row under a name and at a place of its own, to be changed before it is added.

    Raises:
        DraftTextError: There is no such row.
    """
    rows = rows_of(body, section)
    _present(rows, section, index)
    copied = copy.deepcopy(rows[index])
    if isinstance(copied.get("id"), str) and section not in ("assets", "wallets"):
        copied["id"] = _free_name(body, copied["id"])
    if section in ORDERED:
        copied["order"] = next_order(body, section)
    return copied


def row_move(body: Body, section: str, index: int, *, up: bool) -> Body:
    """Exchange a rule's place with its neighbour's. Places that two rules share are set apart at the same time.

    Raises:
        DraftTextError: There is no such row.
    """
    rows = rows_of(body, section)
    _present(rows, section, index)
    line = ordered(body, section)
    at = line.index(index)
    to = at - 1 if up else at + 1
    if not 0 <= to < len(line):
        return body
    places = [rows[i].get("order") for i in line]
    numbers = [place for place in places if isinstance(place, int)]
    if len(set(numbers)) != len(line):
        places = list(range(1, len(line) + 1))
    line[at], line[to] = line[to], line[at]
    moved = list(rows)
    for place, i in zip(places, line, strict=True):
        moved[i] = {**rows[i], "order": place}
    return _changed(body, section, moved)


def _present(rows: list[Row], section: str, index: int) -> None:
    if not 0 <= index < len(rows):
        raise DraftTextError(f"{section}: there is no row {index + 1} any more")


def _free_name(body: Body, name: str) -> str:
    """Return a name like this one that no row has; names of rules and limits are shared by four sections."""
    taken = {row.get("id") for section in CODECS for row in rows_of(body, section)}
    stem = name[:56]
    return next(found for number in range(2, len(taken) + 3) if (found := f"{stem}-{number}") not in taken)
