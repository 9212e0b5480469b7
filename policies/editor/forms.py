"""What the forms of all sections share: fields in the policy's own spellings, and a row as their result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator

from core.errors import CoreError
from core.names import checksum_address
from policies.editor.body import row_problem
from policies.editor.moments import duration_read, duration_show, moment_read, moment_show
from policies.errors import PolicyAppError, RowValueError
from policies.units import units_read

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import QueryDict

    from policies.editor.body import Row
    from policies.editor.book import Book, Options
    from policies.editor.conditions import Conditions
    from policies.editor.seats import Seats

_SLUG = RegexValidator(
    r"\A[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?\Z",
    "Lower-case letters, digits, dots, dashes and underscores only, at most 64, with a letter or digit at both ends.",
)
_CHAIN = RegexValidator(r"\Aeip155:[1-9][0-9]{0,15}\Z", "A CAIP-2 chain expected, for instance eip155:1.")


def slug_field(label: str, help_text: str = "", *, required: bool = True) -> forms.CharField:
    """Ask for an id."""
    return forms.CharField(
        label=label, help_text=help_text, required=required, max_length=64, validators=[_SLUG], widget=_plain()
    )


def label_field(label: str, help_text: str = "", *, most: int = 80, required: bool = True) -> forms.CharField:
    """Ask for words that people read."""
    return forms.CharField(label=label, help_text=help_text, max_length=most, required=required, widget=_plain())


def chain_field() -> forms.CharField:
    """Ask for a chain; `RowForm` offers those that the draft knows."""
    return forms.CharField(
        label="Chain", max_length=24, validators=[_CHAIN], widget=_plain(), help_text="CAIP-2, for instance eip155:1."
    )


def _plain() -> forms.TextInput:
    return forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"})


def mono(*, rows: int = 0) -> forms.Widget:
    """Draw a box for what machines read."""
    attrs = {"autocomplete": "off", "spellcheck": "false", "class": "mono"}
    return forms.Textarea(attrs={**attrs, "rows": rows, "cols": 80}) if rows else forms.TextInput(attrs=attrs)


class DurationField(forms.CharField):
    """A duration such as ``24h``; cleaned to seconds."""

    def to_python(self, value: Any) -> Any:  # noqa: ANN401 - Django's signature
        """Read seconds."""
        text = super().to_python(value)
        return _valid(lambda: duration_read(text)) if text else None

    def prepare_value(self, value: Any) -> Any:  # noqa: ANN401 - Django's signature
        """Show seconds in the largest unit."""
        return duration_show(value) if isinstance(value, int) else value


class MomentField(forms.CharField):
    """A UTC time, or a duration from now on; cleaned to the text, which `RowForm.moment` reads."""

    def prepare_value(self, value: Any) -> Any:  # noqa: ANN401 - Django's signature
        """Show Unix seconds as UTC time."""
        return moment_show(value) if isinstance(value, int) else value


class AddressField(forms.CharField):
    """An address; one in mixed case must carry the right checksum, so that a slip is noticed."""

    def __init__(self, *, label: str, help_text: str = "", required: bool = True) -> None:
        super().__init__(label=label, help_text=help_text, required=required, max_length=64, widget=mono())

    def to_python(self, value: Any) -> str:  # noqa: ANN401 - Django's signature
        """Read the EIP-55 spelling."""
        text = super().to_python(value)
        if not text:
            return ""
        checked = _valid(lambda: checksum_address(text))
        if text not in (checked, "0x" + checked[2:].lower()):
            raise ValidationError(f"The checksum does not fit: mistyped, or meant {checked}.")
        return str(checked)


class UnitsField(forms.CharField):
    """A number of whole units, kept as the text that it is; `RowForm.units` reads it exactly."""

    def __init__(self, *, label: str, help_text: str = "", required: bool = True) -> None:
        widget = forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"})
        super().__init__(label=label, help_text=help_text, required=required, max_length=160, widget=widget)


def _valid(read: Callable[[], Any]) -> Any:  # noqa: ANN401 - what is read
    try:
        return read()
    except (RowValueError, CoreError) as error:
        raise ValidationError(str(error)) from error


class RowForm(forms.Form):
    """A form for one row. What it comes to stands in `value` once it is valid.

    `conditions` and `quorums` are drawn after the plain fields; each says by itself what is wrong with its rows.
    """

    section: ClassVar[str]
    template_name_of_row: ClassVar[str] = "admin/policies/draft/row.html"

    def __init__(
        self,
        data: QueryDict | None = None,
        *,
        book: Book,
        row: Row | None,
        now: int,
        typed: QueryDict | None = None,
    ) -> None:
        self.book, self.row, self.now = book, row, now
        self.value: Row = {}
        self.conditions: Conditions | None = None
        self.quorums: list[Seats] = []
        initial = self.shown(row) if row is not None else self.fresh()
        if typed is not None:
            initial = {
                name: typed.getlist(name) if isinstance(field, forms.MultipleChoiceField) else typed.get(name)
                for name, field in self.base_fields.items()
            }
        super().__init__(data, initial=initial, label_suffix="")
        self.arrange()
        self.draw(data if data is not None else typed)

    def shown(self, row: Row) -> dict[str, Any]:
        """Return the boxes' contents for a row; by default those of the same names."""
        return {name: row.get(name) for name in self.base_fields if not isinstance(row.get(name), dict)}

    def fresh(self) -> dict[str, Any]:
        """Return the boxes' contents for a new row."""
        return {}

    def arrange(self) -> None:
        """Fill lists of choices from the draft."""
        if "chain" in self.fields and self.book.chains:
            self.fields["chain"].help_text = f"CAIP-2; this draft knows {', '.join(c for c, _ in self.book.chains)}."
            if not self.initial.get("chain"):
                self.initial["chain"] = self.book.chains[0][0]

    def draw(self, data: QueryDict | None) -> None:
        """Prepare conditions and quorums, from what was typed or from the row."""

    def build(self) -> Row:
        """Return the row. Raises `RowValueError` where something cannot be read."""
        raise NotImplementedError

    def blocks(self) -> None:
        """Read conditions and quorums, so that all of their errors show even where a plain field is wrong."""

    def clean(self) -> dict[str, Any]:
        """Build the row, and hold it against the policy's own codec."""
        cleaned = super().clean() or {}
        wrong = False
        try:
            self.blocks()
        except RowValueError as error:
            self.add_error(None, ValidationError(list(error.problems)))
            wrong = True
        if wrong or self.errors:
            return cleaned
        try:
            self.value = self.build()
        except (PolicyAppError, CoreError) as error:
            self.add_error(None, str(error))
            return cleaned
        problem = row_problem(self.section, self.value)
        if problem is not None:
            field = problem.removeprefix(f"{self.section}.").partition(":")[0].partition("[")[0]
            self.add_error(field if field in self.fields else None, problem)
        return cleaned

    def choices(self, name: str, options: Options, *, empty: str | None = None) -> None:
        """Fill a list of choices; what the row holds and the draft does not name stays to be seen, and is refused."""
        field = self.fields[name]
        if not isinstance(field, forms.ChoiceField):
            raise TypeError(name)
        listed = list(dict(options).items())
        field.choices = ([("", empty)] if empty is not None else []) + listed

    def chosen(self, name: str) -> list[str]:
        """Return what is marked in a list: what the row had in its order, then what is new."""
        had = (self.row or {}).get(name)
        marked: list[str] = self.cleaned_data[name]
        before = [value for value in had if value in marked] if isinstance(had, list) else []
        return before + [value for value in marked if value not in before]

    def moment(self, name: str) -> int:
        """Read a `MomentField`.

        Raises:
            RowValueError: It is neither a time nor a duration.
        """
        try:
            return moment_read(self.cleaned_data[name], now=self.now)
        except RowValueError as error:
            raise RowValueError(f"{self.fields[name].label}: {error}") from error

    def units(self, name: str, decimals: int) -> int:
        """Read a `UnitsField`, exactly.

        Raises:
            RowValueError: It is no number, or has more places than the unit.
        """
        try:
            return units_read(self.cleaned_data[name], decimals=decimals)
        except ValueError as error:
            raise RowValueError(f"{self.fields[name].label}: {error}") from error
