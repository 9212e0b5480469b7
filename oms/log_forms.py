"""The form of the auditor's search. Times are UTC; what cannot be understood is said, never guessed."""

from __future__ import annotations

import datetime as dt

from django import forms

from audit.evidence import microseconds
from audit.models import Severity
from audit.search import Place
from audit.tags import AuditTag

_FORMATS = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M"]
_EXAMPLE = "2026-11-21 14:30"
_MOST_DIGITS = 18
_YEARS = (1970, 9000)


def _time(label: str, help_text: str, *, required: bool = False) -> forms.DateTimeField:
    widget = forms.DateTimeInput(attrs={"placeholder": _EXAMPLE})
    return forms.DateTimeField(
        label=label, help_text=help_text, input_formats=_FORMATS, widget=widget, required=required
    )


def _sane(at: dt.datetime | None) -> dt.datetime | None:
    if at is not None and not _YEARS[0] <= at.year <= _YEARS[1]:
        raise forms.ValidationError(f"Years go from {_YEARS[0]} to {_YEARS[1]}.")
    return at


class PeriodForm(forms.Form):
    """From when to when."""

    begin = _time("From (UTC)", "The first moment that counts.", required=True)
    end = _time("Before (UTC)", "The first moment that counts no more; it has to be over.", required=True)

    def __init__(self, data: object = None) -> None:
        """Take what was typed."""
        super().__init__(data)  # type: ignore[arg-type]  # a QueryDict or None
        for name, field in self.fields.items():
            field.widget.attrs |= {"autocomplete": "off", "aria-describedby": f"{name}-notes"}

    def clean_begin(self) -> dt.datetime | None:
        """Refuse years that no calendar has."""
        return _sane(self.cleaned_data["begin"])

    def clean_end(self) -> dt.datetime | None:
        """Refuse years that no calendar has."""
        return _sane(self.cleaned_data["end"])

    def clean(self) -> dict[str, object]:
        """Refuse a period that ends before it begins."""
        begin, end = self.cleaned_data.get("begin"), self.cleaned_data.get("end")
        if begin is not None and end is not None and begin >= end:
            self.add_error("end", "This is not after the beginning.")
        return self.cleaned_data

    def bound_us(self, name: str) -> int | None:
        """Return one of the two times in microseconds."""
        at = self.cleaned_data.get(name)
        return None if at is None else microseconds(at)


class LogForm(PeriodForm):
    """What is looked for. Every field may stay empty."""

    begin = _time("From (UTC)", f"Written like {_EXAMPLE}.")
    end = _time("Before (UTC)", "This moment itself is left out.")
    actor = forms.CharField(
        label="Actor", max_length=128, required=False, help_text="A person's id, or system:… exactly as shown."
    )
    subject = forms.CharField(
        label="Subject", max_length=128, required=False, help_text="A digest or an id, exactly as shown."
    )
    case = forms.CharField(
        label="Case",
        max_length=100,
        required=False,
        help_text="A request's reference or the digest of its intent: everything about the case.",
    )
    tag = forms.ChoiceField(
        label="What happened",
        required=False,
        choices=[("", "Anything"), *((tag.value, tag.value) for tag in AuditTag)],
    )
    severity = forms.ChoiceField(
        label="Severity", required=False, choices=[("", "Any"), *((one.value, one.value) for one in Severity)]
    )
    field_order = ("begin", "end", "actor", "tag", "severity", "subject", "case")

    def clean_case(self) -> str:
        """Take a digest also in the groups in which pages show it."""
        return "".join(self.cleaned_data["case"].split()).lower()

    def typed(self) -> dict[str, str]:
        """Return what was asked for, as text; what asks nothing is left out."""
        values = {name: self.cleaned_data.get(name) for name in self.fields}
        return {
            name: value.isoformat() if isinstance(value, dt.datetime) else str(value)
            for name, value in values.items()
            if value
        }


def place_read(text: str) -> Place | None:
    """Read where a page begins, as `place_write` wrote it; None for anything else."""
    at_us, _, seq = text.partition("-")
    if not all(part.isascii() and part.isdigit() and len(part) <= _MOST_DIGITS for part in (at_us, seq)):
        return None
    return Place(at_us=int(at_us), seq=int(seq))


def place_write(place: Place) -> str:
    """Write where the next page begins."""
    return f"{place.at_us}-{place.seq}"
