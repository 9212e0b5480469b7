"""Reads a page's row form as a browser would send it, so that tests post what people would."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

from django.http import QueryDict

if TYPE_CHECKING:
    from django.test import Client

Boxes = dict[str, list[str]]
_UNCHECKED = frozenset({"checkbox", "radio"})
_BUTTONS = frozenset({"submit", "button", "image", "reset"})


class _FormReader(HTMLParser):
    """Collects the boxes of the form with the id `row-form`, or of everything where there is no form."""

    def __init__(self, form: str | None) -> None:
        super().__init__()
        self.boxes: Boxes = {}
        self._form, self._inside = form, form is None
        self._select: tuple[str, bool] | None = None
        self._options: list[tuple[str, bool]] = []
        self._area: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag == "form" and self._form is not None:
            self._inside = named.get("id") == self._form
        if not self._inside:
            return
        name, kind = named.get("name"), named.get("type", "text")
        if tag == "input" and name and kind not in _BUTTONS and (kind not in _UNCHECKED or "checked" in named):
            self._add(name, named.get("value") or "")
        if tag == "select" and name:
            self._select, self._options = (name, "multiple" in named), []
        if tag == "option" and self._select:
            self._options.append((named.get("value") or "", "selected" in named))
        if tag == "textarea" and name:
            self._area = name
            self._add(name, "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = self._form is None
        if tag == "textarea":
            self._area = None
        if tag == "select" and self._select:
            name, many = self._select
            chosen = [value for value, selected in self._options if selected]
            if not many and not chosen and self._options:
                chosen = [self._options[0][0]]
            # A list of one value sends the last of those that are marked.
            for value in chosen if many else chosen[-1:]:
                self._add(name, value)
            self._select = None

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            # The first line break in an area is the markup's, not the text's (HTML, section 13.2.6.4.7).
            first = not self.boxes[self._area][-1]
            self.boxes[self._area][-1] += data.removeprefix("\n") if first else data

    def _add(self, name: str, value: str) -> None:
        self.boxes.setdefault(name, []).append(value)


def form_boxes(page: str, *, form: str | None = "row-form") -> Boxes:
    """Return the boxes of a page's form with what stands in them."""
    reader = _FormReader(form)
    reader.feed(page)
    return reader.boxes


def as_query(boxes: Boxes) -> QueryDict:
    """Return boxes as a view sees them."""
    query = QueryDict(mutable=True)
    for name, values in boxes.items():
        query.setlist(name, values)
    return query


def open_form(client: Client, address: str) -> Boxes:
    """Open a row's page and return its boxes."""
    answer = client.get(address)
    assert answer.status_code == 200, address
    return form_boxes(answer.content.decode())


def filled(boxes: Boxes, **typed: Any) -> Boxes:  # noqa: ANN401 - a text or a list of texts
    """Return boxes with some of them typed over; dashes in names are written as double underscores."""
    changed = {
        name.replace("__", "-"): value if isinstance(value, list) else [str(value)] for name, value in typed.items()
    }
    return boxes | changed
