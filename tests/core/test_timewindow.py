"""Time windows by the wall clock of a place, compared with the IANA database minute by minute."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.conditions import evaluate
from core.documents.policy import Condition, ConditionOp, Zone, ZoneOffset
from core.timewindow import WEEKDAYS, offset_of, window_problem, window_read, zone_offset, zones_now
from policies.editor.zones import zone_offsets
from tests.factories.world import compare
from tests.soak import bounded

YEAR = 365 * 86_400
START = 1_798_761_600  # 2027-01-01 00:00 UTC
ZURICH = "Europe/Zurich"
WORKDAYS = "mon,tue,wed,thu,fri"


def zone(name: str) -> Zone:
    rows = zone_offsets(name, start=START, end=START + YEAR)
    return Zone(name=name, offsets=tuple(ZoneOffset(since=r["since"], minutes=r["minutes"]) for r in rows))


ZONES = {name: zone(name) for name in (ZURICH, "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata")}


def within(name: str, days: str, start: str, end: str) -> Condition:
    return compare("time.now", ConditionOp.WITHIN, name, days, start, end)


def holds(condition: Condition, now: int) -> bool | None:
    return evaluate(condition, {"time.now": now, "time.zones": zones_now(tuple(ZONES.values()), now)})


def minute_of(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def by_the_calendar(name: str, days: str, start: str, end: str, now: int) -> bool:
    """Walk back from a moment to see whether its wall clock lies in a window that began today or yesterday."""
    local = dt.datetime.fromtimestamp(now, tz=ZoneInfo(name))
    minute, today = local.hour * 60 + local.minute, local.date()
    named = days.split(",")
    begins, ends = minute_of(start), minute_of(end)
    for day, shift in ((today, 0), (today - dt.timedelta(days=1), 1440)):
        if WEEKDAYS[day.weekday()] in named:
            until = ends if begins < ends else ends + 1440
            if begins <= minute + shift < until:
                return True
    return False


TIMES = st.builds(lambda h, m: f"{h:02}:{m:02}", st.integers(0, 23), st.sampled_from([0, 1, 29, 30, 59]))
DAYS = st.sets(st.sampled_from(WEEKDAYS), min_size=1).map(lambda days: ",".join(sorted(days, key=WEEKDAYS.index)))
# Near the changes of the clocks (and their local nights) as well as anywhere in the year.
CHANGES = [offset.since for one in ZONES.values() for offset in one.offsets[1:]]
MOMENTS = st.integers(START, START + YEAR - 86_400) | st.builds(
    lambda change, away: change + away, st.sampled_from(CHANGES), st.integers(-90_000, 90_000)
)


@bounded(600)
@given(st.sampled_from(sorted(ZONES)), DAYS, TIMES, TIMES | st.just("24:00"), MOMENTS)
def test_a_window_is_open_exactly_when_the_calendar_of_the_place_says_so(
    name: str, days: str, start: str, end: str, now: int
) -> None:
    if start == end:
        assert holds(within(name, days, start, end), now) is None
    else:
        assert holds(within(name, days, start, end), now) is by_the_calendar(name, days, start, end, now)


NIGHT = within(ZURICH, "fri", "22:00", "06:00")


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2027-03-26T20:59:59", False),  # Friday 21:59:59 in Zurich
        ("2027-03-26T21:00:00", True),
        ("2027-03-27T04:59:59", True),  # Saturday 05:59:59, still Friday's window
        ("2027-03-27T05:00:00", False),
        ("2027-03-27T21:00:00", False),  # Saturday's own night is not named
        ("2027-03-26T03:00:00", False),  # Friday morning belongs to Thursday's night
    ],
)
def test_a_window_that_passes_midnight_belongs_to_the_day_on_which_it_starts(moment: str, expected: bool) -> None:  # noqa: FBT001 - a table
    now = int(dt.datetime.fromisoformat(moment + "+00:00").timestamp())
    assert holds(NIGHT, now) is expected


def test_the_night_of_the_change_has_its_own_length() -> None:
    saturday = within(ZURICH, "sat", "22:00", "06:00")
    # From Saturday 22:00 (21:00 UTC in winter, 20:00 in summer) minute by minute.
    spring, autumn = ("2027-03-27T21:00", "2027-10-30T20:00")
    lengths = []
    for begin in (spring, autumn):
        first = int(dt.datetime.fromisoformat(begin + "+00:00").timestamp())
        assert holds(saturday, first - 1) is False
        lengths.append(sum(1 for minute in range(12 * 60) if holds(saturday, first + minute * 60)))
    assert lengths == [7 * 60, 9 * 60]


def test_what_the_table_does_not_cover_is_unknown() -> None:
    late = Zone(name=ZURICH, offsets=(ZoneOffset(since=START, minutes=60),))
    assert (zone_offset(late, START - 1), zone_offset(late, START)) == (None, 60)
    office = within(ZURICH, WORKDAYS, "08:00", "18:00")
    assert evaluate(office, {"time.now": START, "time.zones": zones_now((late,), START - 1)}) is None
    assert evaluate(office, {"time.now": START}) is None
    assert evaluate(office, {"time.zones": zones_now((late,), START)}) is None
    assert evaluate(office, {"time.now": "soon", "time.zones": zones_now((late,), START)}) is None
    assert evaluate(within("UTC", WORKDAYS, "00:00", "24:00"), {"time.now": START}) is True


@pytest.mark.parametrize("known", ["Europe/Zurich", "Europe/Zurich=", "Europe/Zurich=x", "Europe/Zurich=1.5"])
def test_an_offset_that_is_none_is_unknown(known: str) -> None:
    assert offset_of(ZURICH, frozenset({known})) is None


def test_two_offsets_of_one_zone_are_none() -> None:
    assert offset_of(ZURICH, frozenset({f"{ZURICH}=60", f"{ZURICH}=120"})) is None
    assert offset_of(ZURICH, frozenset({f"{ZURICH}=-60", "Europe/Zuric=1"})) == -60


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ((ZURICH, WORKDAYS, "08:00"), "takes a zone, weekdays, from and to"),
        ((ZURICH, "", "08:00", "18:00"), "weekdays are some of"),
        ((ZURICH, "monday", "08:00", "18:00"), "weekdays are some of"),
        ((ZURICH, "tue,mon", "08:00", "18:00"), "in the order of the week"),
        ((ZURICH, "mon,mon", "08:00", "18:00"), "each weekday once"),
        ((ZURICH, WORKDAYS, "8:00", "18:00"), "times such as"),
        ((ZURICH, WORKDAYS, "08:60", "18:00"), "times such as"),
        ((ZURICH, WORKDAYS, "24:00", "18:00"), "times such as"),
        ((ZURICH, WORKDAYS, "08:00", "24:01"), "times such as"),
        ((ZURICH, WORKDAYS, "08:00\n", "18:00"), "times such as"),
        ((ZURICH, WORKDAYS, "08:00", "08:00"), "never opens"),
    ],
)
def test_what_is_no_window_is_named_and_unknown(values: tuple[str, ...], problem: str) -> None:
    assert problem in (window_problem(values) or "")
    assert window_read(values) is None
    assert evaluate(compare("time.now", ConditionOp.WITHIN, *values), {"time.now": START}) is None
