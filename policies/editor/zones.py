"""A time zone's offsets as data, computed from the IANA database when a policy is drafted."""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from functools import cache

from policies.errors import RowValueError

_NAME = re.compile(r"[A-Za-z]+(?:[/_+-][A-Za-z0-9]+)*")
_STEP = 6 * 3_600
"""No zone has changed its clocks twice within six hours."""
_BEFORE = 86_400
_MOST_OFFSETS = 64
_FURTHEST = 20 * 365 * 86_400
_AREAS = frozenset(
    {"Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific"}
)


@cache
def zone_names() -> tuple[str, ...]:
    """Return the places of the IANA database on this host whose names a policy can hold."""
    return tuple(
        sorted(
            name
            for name in zoneinfo.available_timezones()
            if name.partition("/")[0] in _AREAS and _NAME.fullmatch(name) is not None
        )
    )


def _minutes(zone: zoneinfo.ZoneInfo, at: int) -> int:
    offset = dt.datetime.fromtimestamp(at, tz=zone).utcoffset()
    seconds = 0 if offset is None else int(offset.total_seconds())
    if seconds % 60:
        raise RowValueError(f"{zone.key} is not whole minutes away from UTC")
    return seconds // 60


def zone_offsets(name: str, *, start: int, end: int) -> list[dict[str, int]]:
    """Return a zone's offsets between two moments, as the policy's rows.

    Args:
        name: An IANA name of `zone_names`.
        start: Unix seconds; the first offset holds from a day before.
        end: Unix seconds; changes after it are left out.

    Raises:
        RowValueError: The zone is not known, or the span holds more changes than a policy takes.
    """
    if name not in zone_names():
        raise RowValueError(f"{name[:64]!r} is no time zone of the IANA database")
    zone = zoneinfo.ZoneInfo(name)
    since = max(0, start - _BEFORE)
    offsets = [{"since": since, "minutes": _minutes(zone, since)}]
    last = min(max(end, since), since + _FURTHEST)
    for at in range(since + _STEP, last + _STEP, _STEP):
        if _minutes(zone, at) == offsets[-1]["minutes"]:
            continue
        low, high = at - _STEP, at
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if _minutes(zone, middle) == offsets[-1]["minutes"] else (low, middle)
        if len(offsets) >= _MOST_OFFSETS:
            raise RowValueError(f"{name} changes its clocks more than {_MOST_OFFSETS} times until the policy ends")
        offsets.append({"since": high, "minutes": _minutes(zone, high)})
    return offsets
