"""The conditions of a rule on a form: groups of typed rows, shown, posted, stepped and read."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import TYPE_CHECKING

from core.documents.policy import Condition, ConditionOp
from core.errors import CoreError
from core.schema import read_struct, write_struct
from core.timewindow import WEEKDAYS
from policies.editor.fields import (
    ARGUMENT,
    OPERATOR_WORDS,
    UNIT_FIELDS,
    Kind,
    attested_amounts,
    field_find,
    field_groups,
    field_option,
    operators_of,
)
from policies.editor.groups import ConditionRow, groups_of, tree_of
from policies.editor.typed import TypedRow, typed_of, typed_read
from policies.errors import RowValueError

if TYPE_CHECKING:
    from django.http import QueryDict

    from policies.editor.book import Book, Options
    from policies.editor.fields import FieldOption

TREE_FIELD = "tree:"
"""What the list of fields calls a condition that holds conditions."""
MOST_ROWS = 64
_LAYOUT = re.compile(r"[0-9]{1,2}(?:,[0-9]{1,2}){0,63}")
_STEP = re.compile(r"(add-row|remove-row|add-group):([0-9]{0,2})(?::([0-9]{1,2}))?")


@dataclasses.dataclass(frozen=True, kw_only=True)
class RowView:
    """One row as the template draws it. `name` begins the names of its boxes."""

    name: str
    group: int
    index: int
    row: TypedRow
    field: FieldOption | None
    operators: Options
    options: tuple[tuple[str, str, bool], ...]
    units: Options
    zones: Options
    days: tuple[tuple[str, bool], ...]

    @property
    def kind(self) -> str:
        """The widget's name."""
        return "tree" if self.row.tree else str(self.row.kind or "")

    @property
    def argument(self) -> str | None:
        """The place of the argument that the row looks at; None where it looks at another field."""
        return self.row.field.removeprefix(ARGUMENT) if self.row.field.startswith(ARGUMENT) else None


class Conditions:
    """Groups of typed rows. All rows of a group hold; any of the groups will do."""

    def __init__(self, book: Book, groups: list[list[TypedRow]], *, prefix: str = "when") -> None:
        self.book, self.groups, self.prefix = book, groups, prefix

    @classmethod
    def shown(cls, value: object, book: Book, *, start_with_row: bool) -> Conditions:
        """Show a condition's JSON; nothing becomes one open row, or none where a rule may do without."""
        if value is None:
            return cls(book, [[TypedRow()]] if start_with_row else [])
        try:
            condition = read_struct(Condition, value, "when")
        except CoreError as error:
            raw = json.dumps(value, indent=2, ensure_ascii=False)
            return cls(book, [[TypedRow(tree=True, raw=raw, errors=[str(error)])]])
        return cls(book, [_typed_group(group, book) for group in groups_of(condition)])

    @classmethod
    def posted(cls, data: QueryDict, book: Book, *, prefix: str = "when") -> Conditions:
        """Take what was typed. Boxes that are missing are empty; a layout that nobody drew is one open row."""
        layout = data.get(f"{prefix}-layout", "")
        counts = [int(count) for count in layout.split(",")] if _LAYOUT.fullmatch(layout) else []
        if layout and not counts:
            counts = [1]
        groups = [
            [_posted_row(data, f"{prefix}-{g}-{r}") for r in range(min(count, MOST_ROWS))]
            for g, count in enumerate(counts)
        ]
        return cls(book, groups, prefix=prefix)

    @property
    def layout(self) -> str:
        """How many rows each group has, for the hidden box that says which boxes there are."""
        return ",".join(str(len(group)) for group in self.groups)

    def step(self, name: str) -> bool:
        """Add or remove a row or a group, as a button says; whether the button was one of these."""
        match = _STEP.fullmatch(name)
        if match is None:
            return False
        what, group = match[1], int(match[2] or 0)
        if what == "add-group" and len(self.groups) < MOST_ROWS:
            self.groups.append([TypedRow()])
        elif what == "add-row" and group < len(self.groups) and len(self.groups[group]) < MOST_ROWS:
            self.groups[group].append(TypedRow())
        elif (
            what == "remove-row" and group < len(self.groups) and match[3] and int(match[3]) < len(self.groups[group])
        ):
            del self.groups[group][int(match[3])]
            if not self.groups[group]:
                del self.groups[group]
        return True

    def read(self) -> Condition | None:
        """Read all rows; None when there are none.

        Raises:
            RowValueError: Some row cannot be read. Each such row says why by itself.
        """
        groups: list[tuple[ConditionRow, ...]] = []
        wrong = []
        for g, group in enumerate(self.groups):
            rows = []
            for r, row in enumerate(group):
                try:
                    rows.append(ConditionRow(condition=typed_read(row, self.book), negated=row.negated))
                except RowValueError as error:
                    row.errors = [str(error)]
                    wrong.append(f"condition {g + 1}.{r + 1}: {error}")
            groups.append(tuple(rows))
        if wrong:
            raise RowValueError(*wrong)
        return tree_of(tuple(groups)) if groups else None

    def value(self) -> object:
        """Return all rows as the policy's JSON, or None.

        Raises:
            RowValueError: Some row cannot be read.
        """
        condition = self.read()
        return None if condition is None else write_struct(condition, "when")

    def views(self) -> list[list[RowView]]:
        """Return the rows as the template draws them."""
        return [[self._view(row, g, r) for r, row in enumerate(group)] for g, group in enumerate(self.groups)]

    def fields(self) -> tuple[tuple[str, tuple[FieldOption, ...]], ...]:
        """Return the fields to choose from."""
        return field_groups()

    def _view(self, row: TypedRow, group: int, index: int) -> RowView:
        field = field_find(row.field)
        return RowView(
            name=f"{self.prefix}-{group}-{index}",
            group=group,
            index=index,
            row=row,
            field=None if field is None else field_option(row.field, field),
            operators=tuple((str(op), OPERATOR_WORDS[op]) for op in operators_of(row.field)),
            options=_options(row, self.book),
            units=(("", "base units"), *((unit.id, unit.symbol) for unit in self.book.units)),
            zones=_with(self.book.zones, row.zone),
            days=tuple((day, day in row.days) for day in WEEKDAYS),
        )


def _typed_group(group: tuple[ConditionRow, ...], book: Book) -> list[TypedRow]:
    named = {
        row.condition.field: row.condition.values[0]
        for row in group
        if row.condition.op is ConditionOp.EQ and len(row.condition.values) == 1
    }
    return [
        typed_of(
            row.condition,
            book,
            negated=row.negated,
            unit=named.get(UNIT_FIELDS.get(row.condition.field or "", ""), ""),
        )
        for row in group
    ]


def _posted_row(data: QueryDict, name: str) -> TypedRow:
    field = data.get(f"{name}-field", "")
    if field == ARGUMENT:
        field += data.get(f"{name}-path", "").strip()
    row = TypedRow(
        field="" if field == TREE_FIELD else field,
        op=data.get(f"{name}-op", ""),
        negated=bool(data.get(f"{name}-not")),
        tree=field == TREE_FIELD,
        raw=data.get(f"{name}-raw", ""),
        chosen=tuple(value for value in data.getlist(f"{name}-chosen") if value),
        other=data.get(f"{name}-other", ""),
        unit=data.get(f"{name}-unit", ""),
        zone=data.get(f"{name}-zone", ""),
        days=tuple(data.getlist(f"{name}-days")),
        start=data.get(f"{name}-start", "").strip(),
        end=data.get(f"{name}-end", "").strip(),
    )
    operators = operators_of(row.field)
    # Another field was chosen: its own first operator, instead of one that it does not take.
    if operators and row.op not in operators:
        row.op = str(operators[0])
    return row


def _with(options: Options, chosen: str) -> Options:
    known = not chosen or chosen in {value for value, _ in options}
    return options if known else (*options, (chosen, f"{chosen[:80]} (not in this draft)"))


def _options(row: TypedRow, book: Book) -> tuple[tuple[str, str, bool], ...]:
    """Return the values to choose from, chosen ones first and in their order, so that reading them keeps it."""
    if row.kind is Kind.FLAG:
        known: dict[str, str] = {"true": "yes", "false": "no"}
    elif row.kind is Kind.FLOOR:
        known = {name: name for name in attested_amounts()}
    else:
        known = dict(book.options(row.field))
    chosen = [(value, known.get(value, f"{value[:80]} (not in this draft)"), True) for value in row.chosen]
    return (*chosen, *((value, label, False) for value, label in known.items() if value not in row.chosen))
