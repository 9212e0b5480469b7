"""Time windows in zones: on which weekdays, from when to when, by the wall clock there.

A window that passes midnight belongs to the day on which it starts. Zones are data of the policy (`Zone`), so that
no two hosts disagree about summer time; what a zone does not cover is unknown.
"""

from __future__ import annotations

import dataclasses
import re
from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.documents.policy import Zone

UTC = "UTC"
"""The one zone that a policy needs not name."""
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MINUTE = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_DAY_MINUTES = 1440
_DAY_SECONDS = 86_400
_PARTS = 4
# 1970-01-01 was a Thursday.
_EPOCH_WEEKDAY = 3


@dataclasses.dataclass(frozen=True)
class Window:
    """Minutes of the local day, `start` inclusive and `end` exclusive; `days` are weekdays, Monday is 0."""

    zone: str
    days: frozenset[int]
    start: int
    end: int

    def holds(self, local: int) -> bool:
        """Whether a local time (Unix seconds plus the zone's offset) lies in the window."""
        weekday = (local // _DAY_SECONDS + _EPOCH_WEEKDAY) % 7
        minute = local // 60 % _DAY_MINUTES
        if self.start < self.end:
            return weekday in self.days and self.start <= minute < self.end
        if minute >= self.start:
            return weekday in self.days
        return minute < self.end and (weekday - 1) % 7 in self.days


def window_problem(values: Sequence[str]) -> str | None:
    """Say what is wrong with a window's values (zone, days, from, to); None if nothing is."""
    if len(values) != _PARTS:
        return "takes a zone, weekdays, from and to"
    _, days, start, end = values
    named = days.split(",")
    if any(day not in WEEKDAYS for day in named):
        return f"weekdays are some of {','.join(WEEKDAYS)}, not {days[:60]!r}"
    if named != sorted(set(named), key=WEEKDAYS.index):
        return "names each weekday once, in the order of the week"
    if _MINUTE.fullmatch(start) is None or (_MINUTE.fullmatch(end) is None and end != "24:00"):
        return f"from and to are times such as 22:00, to at most 24:00, not {start[:20]!r} and {end[:20]!r}"
    return "never opens: it ends when it starts" if start == end else None


def window_read(values: Sequence[str]) -> Window | None:
    """Read a window's values, or None where they are no window."""
    if window_problem(values) is not None:
        return None
    zone, days, start, end = values
    return Window(zone, frozenset(WEEKDAYS.index(day) for day in days.split(",")), _minute(start), _minute(end))


def _minute(text: str) -> int:
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes)


def zone_offset(zone: Zone, now: int) -> int | None:
    """Return a zone's offset from UTC in minutes at `now` (Unix seconds), or None before its table begins."""
    place = bisect_right([offset.since for offset in zone.offsets], now)
    return zone.offsets[place - 1].minutes if place else None


def zones_now(zones: Sequence[Zone], now: int) -> frozenset[str]:
    """Return the fact `time.zones`: ``Europe/Zurich=60`` for each zone whose offset is known now."""
    offsets = ((zone.name, zone_offset(zone, now)) for zone in zones)
    return frozenset(f"{name}={minutes}" for name, minutes in offsets if minutes is not None)


def offset_of(zone: str, known: frozenset[str]) -> int | None:
    """Return a zone's offset in minutes from the fact `time.zones`; None if it is not there, or there twice."""
    if zone == UTC:
        return 0
    found = [text.partition("=")[2] for text in known if text.partition("=")[0] == zone]
    if len(found) != 1 or re.fullmatch(r"-?[0-9]{1,3}", found[0]) is None:
        return None
    return int(found[0])
