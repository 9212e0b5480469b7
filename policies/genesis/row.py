"""One row of a description: typed readers that name the row, and refuse fields that nobody reads."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

from core.errors import CoreError
from core.names import checksum_address
from core.schema import write_struct

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_DURATION = re.compile(r"([0-9]{1,9})\s*(s|m|h|d)?")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_NAMES = ("id", "label", "symbol", "asset")


class RowError(ValueError):
    """A row cannot be read; the message names it."""


class Row:
    """A table of the description, called `name` in messages."""

    def __init__(self, name: str, value: object) -> None:
        if not isinstance(value, dict):
            raise RowError(f"{name}: a table expected")
        named = next((value[key] for key in _NAMES if isinstance(value.get(key), str)), None)
        self.name = f"{name} ({named})" if named else name
        self._value: dict[str, object] = value
        self._read: set[str] = set()

    def fail(self, key: str, what: str) -> RowError:
        """Return the error that names this row and a field."""
        return RowError(f"{self.name}.{key}: {what}")

    def raw(self, key: str) -> Any:  # noqa: ANN401 - whatever was written
        """Return a field as it was written, or None."""
        self._read.add(key)
        return self._value.get(key)

    def text(self, key: str, default: str | None = None) -> str:
        """Return a text; without a default it must be there."""
        value = self.raw(key)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or not value:
            raise self.fail(key, "a text expected")
        return value

    def quantity(self, key: str) -> str:
        """Return a number as it was written, as text or as a number."""
        value = self.raw(key)
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise self.fail(key, "a number expected, for instance 20 or 0.25")
        return str(value)

    def integer(self, key: str, default: int | None = None) -> int:
        """Return a whole number."""
        value = self.raw(key)
        if value is None and default is not None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self.fail(key, "a whole number expected")
        return int(value)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts; missing is empty."""
        value = self.raw(key)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.fail(key, "a list of texts expected")
        return tuple(value)

    def seconds(self, key: str, default: str | None = None) -> int:
        """Return a duration such as ``24h`` in seconds."""
        value = self.raw(key)
        written = default if value is None else value
        match = _DURATION.fullmatch(str(written)) if isinstance(written, str | int) else None
        if match is None or isinstance(written, bool):
            raise self.fail(key, "a duration expected, for instance 90s, 30m, 24h or 7d")
        return int(match[1]) * _SECONDS[match[2] or "s"]

    def address(self, key: str) -> str:
        """Return an address; one in mixed case must carry the right checksum, so that a slip is noticed."""
        value = self.text(key)
        try:
            checked = checksum_address(value)
        except CoreError as error:
            raise self.fail(key, str(error)) from error
        if value not in (checked, "0x" + checked[2:].lower()):
            raise self.fail(key, f"the checksum does not fit: mistyped, or meant {checked}")
        return checked

    def hexed(self, key: str) -> bytes | None:
        """Return bytes that are written as ``0x`` and hex, or None where there are none."""
        value = self.raw(key)
        if value is None:
            return None
        if not isinstance(value, str) or re.fullmatch(r"0x(?:[0-9a-fA-F]{2})+", value, re.ASCII) is None:
            raise self.fail(key, "0x and hex digits expected")
        return bytes.fromhex(value[2:])

    def finish(self) -> None:
        """Refuse fields that nothing reads: a misspelt limit is no limit."""
        odd = sorted(set(self._value) - self._read)
        if odd:
            raise RowError(f"{self.name}: no such field: {', '.join(odd)}")


class Sections:
    """The description's tables, and all problems found in them."""

    def __init__(self, table: dict[str, object]) -> None:
        self._table = table
        self._read: set[str] = set()
        self.problems: list[str] = []

    def one(self, section: str, build: Callable[[Row], T]) -> T | None:
        """Build from one table, or None with its problem noted."""
        self._read.add(section)
        return self._build(section, self._table.get(section, {}), build)

    def many(self, section: str, build: Callable[[Row], T]) -> tuple[T, ...]:
        """Build a document's row from each table of a list; those that fail are noted and left out."""
        self._read.add(section)
        rows = self._table.get(section, [])
        if not isinstance(rows, list):
            self.problems.append(f"{section}: a list of tables expected: [[{section}]]")
            return ()
        built = (self._build(f"{section}[{index}]", row, build) for index, row in enumerate(rows))
        return tuple(row for row in built if row is not None)

    def top(self) -> Row:
        """Return the fields that stand in no table."""
        plain = {key: value for key, value in self._table.items() if not isinstance(value, dict | list)}
        self._read |= set(plain)
        return Row("description", plain)

    def finish(self) -> None:
        """Note sections that nothing reads."""
        self.problems.extend(f"{name}: no such section" for name in sorted(set(self._table) - self._read))

    def _build(self, name: str, value: object, build: Callable[[Row], T]) -> T | None:
        try:
            row = Row(name, value)
            built = build(row)
            row.finish()
            # The document's own codecs, here where the row still has its name.
            write_struct(built, row.name)
        except (RowError, CoreError) as error:
            self.problems.append(str(error))
            return None
        except ValueError as error:
            self.problems.append(f"{name}: {error}")
            return None
        return built
