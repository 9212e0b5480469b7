"""Searching the log, a page at a time, the newest entries first.

Pages continue behind the last entry shown, never at a number of rows to skip. What has no index of its own (actor,
tag) is looked for in a bounded stretch; a page that ends there says so and is continued from there.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from django.db.models import Count, Min, Q

from audit.models import AuditEntry, AuditLeaf

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from django.db.models import QuerySet

PAGE_ROWS = 50
STRETCH = 100_000
"""So many entries are looked through for one page."""
COUNT_MOST = 1_000
_CHUNK = 1_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """An entry's place in the order of the search."""

    at_us: int
    seq: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Filter:
    """What is looked for. Empty fields ask nothing; times in microseconds, UTC, `to_us` itself left out."""

    actor: str = ""
    tag: str = ""
    severity: str = ""
    subjects: tuple[str, ...] | None = None
    from_us: int | None = None
    to_us: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Placed:
    """An entry and its index in the log; None while it waits."""

    entry: AuditEntry
    index: int | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Page:
    """Some entries, and behind which place there may be more.

    `looked`: the page ended because it had looked far enough, not because it was full.
    """

    rows: list[Placed]
    after: Place | None
    looked: bool


def _ordered(wanted: Filter, after: Place | None) -> QuerySet[AuditEntry]:
    rows = AuditEntry.objects.order_by("-at_us", "-seq")
    if wanted.from_us is not None:
        rows = rows.filter(at_us__gte=wanted.from_us)
    if wanted.to_us is not None:
        rows = rows.filter(at_us__lt=wanted.to_us)
    if after is not None:
        # The first condition lets an index start there; the second is exact.
        rows = rows.filter(at_us__lte=after.at_us).filter(Q(at_us__lt=after.at_us) | Q(seq__lt=after.seq))
    return rows


def _matching(rows: QuerySet[AuditEntry], wanted: Filter) -> QuerySet[AuditEntry]:
    if wanted.subjects is not None:
        rows = rows.filter(subject__in=wanted.subjects)
    named = {name: getattr(wanted, name) for name in ("actor", "tag", "severity") if getattr(wanted, name)}
    return rows.filter(**named)


def placed(*, entries: Sequence[AuditEntry]) -> list[Placed]:
    """Add to entries their places in the log."""
    numbers = [entry.pk for entry in entries]
    places = dict(AuditLeaf.objects.filter(entry_id__in=numbers).values_list("entry_id", "index"))
    return [Placed(entry=entry, index=places.get(entry.pk)) for entry in entries]


def _behind(found: Sequence[AuditEntry]) -> Place | None:
    """Return the place of the last entry whose time is one: SQLite stores whatever a tamperer puts there."""
    last = next((entry for entry in reversed(found) if type(entry.at_us) is int), None)
    return None if last is None else Place(at_us=last.at_us, seq=last.seq)


def entry_page(*, wanted: Filter, after: Place | None = None, most: int = PAGE_ROWS, stretch: int = STRETCH) -> Page:
    """Return the next entries that match.

    Args:
        wanted: What is looked for.
        after: Where the page before ended; None for the newest.
        most: So many rows at most.
        stretch: So many entries are looked through at most, unless an index leads to them.
    """
    rows = _ordered(wanted, after)
    floor = None
    if wanted.subjects is None and (wanted.actor or wanted.tag or wanted.severity):
        extent = rows[:stretch].aggregate(low=Min("at_us"), count=Count("pk"))
        floor = extent["low"] if extent["count"] == stretch else None
    if floor is not None:
        rows = rows.filter(at_us__gte=floor)
    found = list(_matching(rows, wanted)[: most + 1])
    more, found = len(found) > most, found[:most]
    if more:
        return Page(rows=placed(entries=found), after=_behind(found), looked=False)
    # Everything of that microsecond was looked at: the next page begins before it.
    behind_floor = None if floor is None else Place(at_us=floor, seq=0)
    return Page(rows=placed(entries=found), after=behind_floor, looked=floor is not None)


def entry_count(*, subjects: tuple[str, ...], most: int = COUNT_MOST) -> int:
    """Return how many entries are about these subjects; `most` + 1 stands for more than that."""
    return AuditEntry.objects.filter(subject__in=subjects).values("pk")[: most + 1].count()


def entry_stream(*, wanted: Filter, most: int) -> Iterator[Placed]:
    """Yield matching entries, the newest first, `most` at most."""
    after: Place | None = None
    while most > 0:
        page = entry_page(wanted=wanted, after=after, most=min(_CHUNK, most))
        yield from page.rows
        most -= len(page.rows)
        if page.after is None:
            return
        after = page.after


def case_entries(*, subjects: tuple[str, ...], most: int) -> list[Placed]:
    """Return what happened to the subjects of one case, in the order of the log; what waits comes last."""
    entries = list(AuditEntry.objects.filter(subject__in=subjects).order_by("seq")[:most])
    return sorted(placed(entries=entries), key=lambda one: (one.index is None, one.index or 0, one.entry.pk))


def consents_of(*, actor: str, tag: str, before: int | None = None, most: int = PAGE_ROWS) -> list[Placed]:
    """Return the entries of one tag in somebody's name, the newest first.

    Args:
        actor: Roster id.
        tag: The tag that the partial index is made for.
        before: Only entries with a smaller number.
        most: So many at most.
    """
    rows = AuditEntry.objects.filter(tag=tag, actor=actor).order_by("-seq")
    if before is not None:
        rows = rows.filter(seq__lt=before)
    return placed(entries=list(rows[:most]))
