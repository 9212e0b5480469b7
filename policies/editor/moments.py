"""Durations and moments as people type them: ``24h``, ``7d``, ``2027-02-19 11:00``. Pure: `now` is a parameter."""

from __future__ import annotations

import datetime as dt
import re

from policies.errors import RowValueError

_DURATION = re.compile(r"([0-9]{1,11})\s*(s|m|h|d|w)?")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_SHOWN = ((86_400, "d"), (3_600, "h"), (60, "m"))
_FORMATS = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d")
_LATEST = dt.datetime(9999, 12, 31, tzinfo=dt.UTC).timestamp()


def duration_read(text: str) -> int:
    """Read a duration such as ``90s``, ``30m``, ``24h``, ``7d`` or ``2w`` into seconds.

    Raises:
        RowValueError: It is none.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise RowValueError(f"{text[:40]!r} is no duration such as 90s, 30m, 24h or 7d")
    return int(match[1]) * _SECONDS[match[2] or "s"]


def duration_show(seconds: int) -> str:
    """Spell seconds in the largest unit that divides them; `duration_read` reads the same number."""
    for size, letter in _SHOWN:
        if seconds and seconds % size == 0:
            return f"{seconds // size}{letter}"
    return f"{seconds}s"


def moment_read(text: str, *, now: int) -> int:
    """Read a UTC time, or a duration from now on, into Unix seconds.

    Args:
        text: ``2027-02-19 11:00``, or a duration.
        now: Unix seconds.

    Raises:
        RowValueError: It is neither.
    """
    written = text.strip().removesuffix("UTC").strip()
    if _DURATION.fullmatch(written):
        return now + duration_read(written)
    for form in _FORMATS:
        try:
            return int(dt.datetime.strptime(written, form).replace(tzinfo=dt.UTC).timestamp())
        except (ValueError, OverflowError):
            continue
    raise RowValueError(f"{text[:40]!r} is neither a duration such as 90d nor a UTC time such as 2027-02-19 11:00")


def moment_show(seconds: int) -> str:
    """Spell Unix seconds as UTC time, exactly."""
    if not 0 <= seconds <= _LATEST:
        return str(seconds)
    return dt.datetime.fromtimestamp(seconds, tz=dt.UTC).strftime("%Y-%m-%d %H:%M:%S")
