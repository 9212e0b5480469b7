"""One row of conditions as it is typed: shown from a condition, and read back into the same one. Pure, exact.

Every value is text until it is read: what is wrong stays exactly as it was typed.
"""

from __future__ import annotations

import dataclasses
import json
import re
from typing import TYPE_CHECKING, Any

from core.canonical import parse
from core.documents.policy import Condition, ConditionOp
from core.errors import CoreError
from core.schema import UINT256_MAX, read_struct, write_struct
from core.timewindow import window_problem
from policies.editor.fields import ARGUMENT, MANY, Kind, field_find, kind_of, operators_of
from policies.editor.moments import duration_read, duration_show
from policies.errors import RowValueError
from policies.units import NATIVE_DECIMALS, USD_DECIMALS, units_read, units_show

if TYPE_CHECKING:
    from collections.abc import Callable

    from policies.editor.book import Book

_SEPARATORS = re.compile(r"[\s,;]+")
_BPS_DECIMALS = 2
_MOST_BYTES = 64 * 1024


@dataclasses.dataclass(kw_only=True)
class TypedRow:
    """What stands in a row's boxes. `tree`: the row is edited as a structured text, in `raw`."""

    field: str = ""
    op: str = ""
    negated: bool = False
    tree: bool = False
    raw: str = ""
    chosen: tuple[str, ...] = ()
    other: str = ""
    unit: str = ""
    zone: str = ""
    days: tuple[str, ...] = ()
    start: str = ""
    end: str = ""
    errors: list[str] = dataclasses.field(default_factory=list)

    @property
    def kind(self) -> Kind | None:
        """The widget for the value; None until field and operator are chosen."""
        if self.tree or not self.field or self.op not in operators_of(self.field):
            return None
        return kind_of(self.field, ConditionOp(self.op))

    @property
    def many(self) -> bool:
        """Whether several values can be chosen."""
        return self.op in MANY


def plain_units(amount: int, decimals: int) -> str:
    """Spell base units as whole units without grouping, as people type them."""
    return units_show(amount, decimals=decimals).replace(",", "")


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or str(int(text)) != text or int(text) > UINT256_MAX:
        raise ValueError(text)
    return int(text)


def _decimals(row: TypedRow, book: Book) -> int:
    if row.kind is Kind.USD:
        return USD_DECIMALS
    if row.kind is Kind.NATIVE:
        return NATIVE_DECIMALS
    if row.kind is Kind.AMOUNT and row.unit:
        unit = book.unit(row.unit)
        if unit is None:
            raise RowValueError("its unit is an asset that this draft does not name")
        return unit.decimals
    return 0


# ------------------------------------------------------------------------------------------------ shown


def typed_tree(condition: Condition, *, negated: bool = False) -> TypedRow:
    """Show a condition of any depth as structured text."""
    return TypedRow(tree=True, negated=negated, raw=json.dumps(_short(condition), indent=2, ensure_ascii=False))


def _short(condition: Condition) -> dict[str, object]:
    """Write a condition without the fields that say nothing."""
    written = write_struct(dataclasses.replace(condition, parts=()), "condition")
    short = {name: value for name, value in written.items() if value not in (None, [])}
    if condition.parts:
        short["parts"] = [_short(part) for part in condition.parts]
    return short


def _shown(condition: Condition, book: Book, unit: str) -> TypedRow:
    row = TypedRow(field=condition.field or "", op=str(condition.op), unit=unit)
    kind, values = row.kind, condition.values
    if kind in (Kind.FLAG, Kind.CHOICE):
        row.chosen = values
    elif kind is Kind.LISTED:
        known = {value for value, _ in book.options(row.field)}
        row.chosen = tuple(value for value in values if value in known)
        row.other = "\n".join(value for value in values if value not in known)
    elif kind is Kind.TEXT:
        row.other = "\n".join(values) if row.many else "".join(values)
    elif kind is Kind.WINDOW:
        row.zone, days, row.start, row.end = values
        row.days = tuple(days.split(","))
    elif kind is Kind.FLOOR:
        row.chosen, row.other = values[:1], plain_units(_number(values[1]), _BPS_DECIMALS)
    elif kind is Kind.DURATION:
        row.other = "\n".join(duration_show(_number(value)) for value in values)
    elif kind is not Kind.NOTHING:
        row.other = "\n".join(plain_units(_number(value), _decimals(row, book)) for value in values)
    return row


def typed_of(condition: Condition, book: Book, *, negated: bool = False, unit: str = "") -> TypedRow:
    """Show a comparison in boxes, or as structured text where boxes would not give the same one back.

    Args:
        condition: What the row holds.
        book: The draft's lists.
        negated: Whether the row must not hold.
        unit: The asset in whose units an amount is shown; base units without one.
    """
    try:
        row = _shown(condition, book, unit if book.unit(unit) else "")
        if not condition.parts and row.kind is not None and typed_read(row, book) == condition:
            return dataclasses.replace(row, negated=negated)
    except (RowValueError, ValueError):
        pass
    return typed_tree(condition, negated=negated)


# ------------------------------------------------------------------------------------------------- read


def _listed(row: TypedRow, book: Book) -> tuple[str, ...]:
    options = {value for value, _ in book.options(row.field)}
    odd = [value for value in row.chosen if value not in options]
    if odd:
        raise RowValueError(f"{row.field}: {odd[0][:60]!r} is not in this draft")
    others = tuple(part for part in _SEPARATORS.split(row.other) if part) if row.kind is Kind.LISTED else ()
    return row.chosen + others


def _amounts(row: TypedRow, book: Book) -> tuple[str, ...]:
    if row.kind is Kind.DURATION:
        return tuple(str(duration_read(part)) for part in _SEPARATORS.split(row.other) if part)
    decimals = _decimals(row, book)
    try:
        return tuple(str(units_read(part, decimals=decimals)) for part in _SEPARATORS.split(row.other) if part)
    except ValueError as error:
        raise RowValueError(f"{row.field}: {error}") from error


def _window(row: TypedRow) -> tuple[str, ...]:
    if not row.zone:
        raise RowValueError("choose the time zone")
    if not row.days:
        raise RowValueError("choose at least one weekday")
    values = row.zone, ",".join(row.days), row.start, row.end
    problem = window_problem(values)
    if problem is not None:
        raise RowValueError(f"the window {problem}")
    return values


def _floor(row: TypedRow) -> tuple[str, ...]:
    if not row.chosen:
        raise RowValueError("choose the attested amount that it is held against")
    try:
        return row.chosen[0], str(units_read(row.other, decimals=_BPS_DECIMALS))
    except ValueError as error:
        raise RowValueError(f"the tolerance in percent: {error}") from error


def _texts(row: TypedRow) -> tuple[str, ...]:
    text = row.other.strip()
    if row.many:
        return tuple(part for part in _SEPARATORS.split(text) if part)
    return (text,) if text else ()


def _values(row: TypedRow, book: Book) -> tuple[str, ...]:
    kind = row.kind
    if kind in (Kind.CHOICE, Kind.LISTED):
        return _listed(row, book)
    plain: dict[Kind | None, Callable[[TypedRow], tuple[str, ...]]] = {
        Kind.NOTHING: lambda _: (),
        Kind.WINDOW: _window,
        Kind.FLOOR: _floor,
        # Nothing chosen is posted as the empty text: a document that says that is shown as text.
        Kind.FLAG: lambda flag: tuple(value for value in flag.chosen if value),
        Kind.TEXT: _texts,
    }
    return plain[kind](row) if kind in plain else _amounts(row, book)


def _check_chosen(row: TypedRow) -> None:
    if not row.field:
        raise RowValueError("choose a field")
    if row.field == ARGUMENT:
        raise RowValueError("say which argument: 0 for the first, 2.0 for the first part of the third")
    if field_find(row.field) is None:
        raise RowValueError(f"unknown field {row.field[:60]!r}")
    if row.op not in operators_of(row.field):
        raise RowValueError(f"{row.field} does not take {row.op[:40]!r}" if row.op else "choose how it is compared")


def typed_read(row: TypedRow, book: Book) -> Condition:
    """Read what was typed into a condition, without the row's own `not`.

    Raises:
        RowValueError: Saying what is wrong with it.
    """
    if row.tree:
        return _tree(row.raw)
    _check_chosen(row)
    values = _values(row, book)
    if not values and row.kind is not Kind.NOTHING:
        raise RowValueError(f"{row.field}: choose or type a value")
    if len(values) > 1 and not row.many and row.kind not in (Kind.WINDOW, Kind.FLOOR):
        raise RowValueError(f"{row.field}: one value only")
    return _condition({"op": row.op, "field": row.field, "values": list(values), "parts": []})


def _condition(value: object) -> Condition:
    try:
        return read_struct(Condition, value, "condition")
    except CoreError as error:
        raise RowValueError(str(error)) from error


def _filled(value: object, at: str = "condition") -> object:
    """Add the fields that may be left out of structured text."""
    if not isinstance(value, dict):
        raise RowValueError(f'{at}: an object such as {{"op": "any", "parts": […]}} expected')
    filled: dict[str, Any] = {"field": None, "values": [], **value}
    parts = value.get("parts", [])
    if not isinstance(parts, list):
        raise RowValueError(f"{at}.parts: a list expected")
    filled["parts"] = [_filled(part, f"{at}.parts[{i}]") for i, part in enumerate(parts)]
    return filled


def _tree(text: str) -> Condition:
    if not text.strip():
        raise RowValueError('write the condition, for instance {"op": "any", "parts": […]}')
    try:
        return _condition(_filled(parse(text.encode(errors="replace"), max_bytes=_MOST_BYTES)))
    except CoreError as error:
        cause = error.__cause__
        if isinstance(cause, json.JSONDecodeError):
            raise RowValueError(f"line {cause.lineno}, column {cause.colno}: {cause.msg}") from error
        raise RowValueError(str(cause if isinstance(cause, CoreError) else error)) from error
