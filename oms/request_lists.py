"""Lists of requests: what people may filter and sort by, for pages and CSV alike. Visibility is the selectors'."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django import forms

from core.lifecycle import FINAL, State
from oms.presenters import STATE_WORDS
from oms.selectors import requests_of, requests_visible, requests_waiting
from policies.units import units_read

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from django.db.models import QuerySet

    from approvals.models import User
    from core.documents.policy import Policy
    from oms.models import TransactionRequest

SORTS: dict[str, tuple[str, str]] = {
    "expires": ("Expires", "expires_at"),
    "asked": ("Asked", "created_at"),
    "moved": ("Moved", "moved_at"),
    "amount": ("Amount", "amount"),
    "asker": ("Asked by", "asker"),
    "desk": ("Desk", "desk"),
    "state": ("State", "state"),
    "wallet": ("From", "wallet"),
}
AGES = {"1": "1 hour", "24": "1 day", "168": "1 week", "720": "30 days"}
_WORD_MOST = 100
_ANY = ("", "Any")


def _choices(values: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [_ANY, *values]


class ListForm(forms.Form):
    """What a list is narrowed to. An empty field narrows nothing."""

    state = forms.ChoiceField(required=False)
    wallet = forms.ChoiceField(required=False)
    asset = forms.ChoiceField(required=False)
    at_least = forms.CharField(
        required=False,
        max_length=_WORD_MOST,
        label="At least",
        help_text="In the asset's units; choose an asset too.",
    )
    desk = forms.CharField(required=False, max_length=64)
    asker = forms.CharField(required=False, max_length=64, label="Asked by")
    age = forms.ChoiceField(required=False, label="Asked within")

    def __init__(self, policy: Policy | None, typed: Mapping[str, Any]) -> None:
        super().__init__(data=typed, auto_id="filter_%s")
        self._decimals = {one.id: one.decimals for one in policy.assets} if policy else {}
        options: dict[str, list[tuple[str, str]]] = {
            "state": [(state.value, STATE_WORDS[state][1]) for state in State],
            "wallet": [(one.id, one.label) for one in policy.wallets] if policy else [],
            "asset": [(one.id, one.symbol) for one in policy.assets] if policy else [],
            "age": list(AGES.items()),
        }
        for name, values in options.items():
            field = self.fields[name]
            if isinstance(field, forms.ChoiceField):
                field.choices = _choices(values)

    def clean(self) -> dict[str, Any]:
        """Read the amount in the units of the asset beside it."""
        data = super().clean() or {}
        text, asset = data.get("at_least", ""), data.get("asset", "")
        data["base_units"] = None
        if text and asset not in self._decimals:
            self.add_error("at_least", "Choose an asset: an amount has no meaning without one.")
        elif text:
            try:
                data["base_units"] = units_read(text.replace(",", ""), decimals=self._decimals[asset])
            except ValueError as error:
                self.add_error("at_least", str(error))
        if any("\x00" in value for value in data.values() if isinstance(value, str)):
            raise forms.ValidationError("What was typed holds a character that is none.")
        return data

    def narrowed(self, rows: QuerySet[TransactionRequest], *, now: dt.datetime) -> QuerySet[TransactionRequest]:
        """Narrow a list; to nothing, if what was typed cannot be read: the form says where."""
        if not self.is_valid():
            return rows.none()
        data = self.cleaned_data
        for name in ("state", "wallet", "asset", "desk", "asker"):
            if data[name]:
                rows = rows.filter(**{name: data[name]})
        if data["base_units"] is not None:
            rows = rows.filter(amount__gte=data["base_units"])
        if data["age"]:
            rows = rows.filter(created_at__gte=now - dt.timedelta(hours=int(data["age"])))
        return rows

    def typed(self) -> dict[str, str]:
        """Return what was typed and is not empty, for links and for the log."""
        return {name: value for name in self.fields if (value := str(self.data.get(name, "")))}


def sorted_rows(rows: QuerySet[TransactionRequest], *, sort: str) -> QuerySet[TransactionRequest]:
    """Sort a list by one of `SORTS`, `-` in front for the other way round; anything else keeps its order."""
    known = SORTS.get(sort.removeprefix("-"))
    if known is None:
        return rows
    return rows.order_by(("-" if sort.startswith("-") else "") + known[1], "-pk")


QUEUE_TABS = {"me": "For me", "pending": "All that wait", "open": "On their way", "over": "Over"}


def queue_rows(*, user: User, show: str) -> QuerySet[TransactionRequest]:
    """Return one of the queue's lists, by its name in `QUEUE_TABS`."""
    visible = requests_visible(user=user)
    if show == "me":
        return visible.filter(pk__in=[row.pk for row in requests_waiting(user=user)]).order_by("expires_at")
    final = [state.value for state in FINAL]
    if show == "pending":
        return visible.filter(state=State.PENDING).order_by("expires_at")
    if show == "open":
        return visible.exclude(state__in=[*final, State.PENDING.value, State.REQUESTED.value])
    return visible.filter(state__in=final)


def request_rows(*, user: User, show: str) -> QuerySet[TransactionRequest]:
    """Return somebody's own requests, or everything that they may see."""
    return requests_visible(user=user) if show == "all" else requests_of(user=user)


def sort_links(*, sort: str, keep: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return for each column where a click leads, and how it is sorted now."""
    links = {}
    for name in SORTS:
        now = {name: "ascending", f"-{name}": "descending"}.get(sort, "")
        following = f"-{name}" if sort == name else name
        links[name] = {"query": urlencode({**keep, "sort": following}), "now": now}
    return links
