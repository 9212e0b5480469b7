"""A draft's document, edited row by row: order, copies, undo, sizes; moments and zones as people type them."""

from __future__ import annotations

import dataclasses
import json
import zoneinfo
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.canonical import MAX_BYTES
from core.documents.policy import ConditionOp, Policy, Property, Zone, ZoneOffset
from core.policy_check import validate
from core.timewindow import zone_offset
from policies.comparison import policy_comparison
from policies.difference import policy_difference
from policies.drafts import draft_read, successor_text
from policies.editor.body import (
    body_empty,
    body_read,
    body_revision,
    body_write,
    ordered,
    row_copy,
    row_move,
    row_put,
    row_remove,
    row_restore,
)
from policies.editor.moments import duration_read, duration_show, moment_read, moment_show
from policies.editor.problems import problem_places
from policies.editor.zones import zone_names, zone_offsets
from policies.errors import DraftTextError, RowValueError
from tests.factories.world import DAY, NOW, World, compare

if TYPE_CHECKING:
    from policies.editor.body import Body

WORLD = World()
TEXT = successor_text(active=WORLD.policy, now=NOW)


def body() -> Body:
    """Return a draft with four grants."""
    found = body_read(TEXT)
    for _ in range(3):
        found = row_put(found, "grants", None, row_copy(found, "grants", 0))
    return found


def orders(found: Body, section: str = "grants") -> list[tuple[str, int]]:
    return [(found[section][i]["id"], found[section][i]["order"]) for i in ordered(found, section)]


def problems(found: Body) -> tuple[str, ...]:
    return draft_read(text=body_write(found), active=WORLD.policy).problems


@given(moves=st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=20))
@settings(max_examples=50)
def test_moving_never_lets_two_rules_have_one_place(moves: list[tuple[int, bool]]) -> None:
    found = body()
    names = {name for name, _ in orders(found)}
    for index, up in moves:
        found = row_move(found, "grants", index, up=up)
    places = [place for _, place in orders(found)]
    assert len(set(places)) == len(places)
    assert {name for name, _ in orders(found)} == names
    assert problems(found) == ()


def test_moving_exchanges_two_places_and_leaves_the_others() -> None:
    before = orders(body())
    after = orders(row_move(body(), "grants", 1, up=True))
    assert [name for name, _ in after] == [before[1][0], before[0][0], *(name for name, _ in before[2:])]
    assert [place for _, place in after] == [place for _, place in before]
    assert orders(row_move(body(), "grants", 0, up=True)) == before
    assert orders(row_move(body(), "grants", 3, up=False)) == before


def test_moving_sets_apart_what_shared_a_place() -> None:
    found = body()
    found["grants"][1]["order"] = found["grants"][0]["order"] = "x"
    moved = row_move(found, "grants", 1, up=True)
    assert sorted(row["order"] for row in moved["grants"]) == [1, 2, 3, 4]


def test_a_removed_row_is_put_back_where_it_was() -> None:
    found = body()
    row = found["limits"][2]
    assert row_restore(row_remove(found, "limits", 2), "limits", 2, row) == found
    # Somebody took its place meanwhile: two rules of one place are never written.
    taken = row_remove(found, "limits", 2)
    taken = row_put(taken, "limits", None, {**row, "id": "other"})
    again = row_restore(taken, "limits", 2, row)
    places = [limit["order"] for limit in again["limits"]]
    assert len(set(places)) == len(places)


def test_a_copy_has_a_name_and_a_place_of_its_own() -> None:
    copied = row_copy(body(), "grants", 0)
    assert copied["id"] == "listed-5"
    assert copied["order"] == 10_004
    found = row_put(body(), "grants", None, copied)
    assert problems(found) == ()
    assert row_copy(found, "grants", 0)["id"] == "listed-6"


@pytest.mark.parametrize("index", [-1, 4, 99])
def test_a_row_that_is_not_there_is_refused(index: int) -> None:
    with pytest.raises(DraftTextError, match="there is no row"):
        row_put(body(), "grants", index, {})
    with pytest.raises(DraftTextError, match="there is no row"):
        row_remove(body(), "grants", index)
    with pytest.raises(DraftTextError, match="there is no row"):
        row_move(body(), "grants", index, up=True)
    with pytest.raises(DraftTextError, match="there is no row"):
        row_copy(body(), "grants", index)


def test_more_rows_than_a_section_takes_are_refused() -> None:
    full = {**body(), "recovery": [{}] * 16}
    with pytest.raises(DraftTextError, match="at most 16 rows"):
        row_put(full, "recovery", None, {})


def test_empty_keeps_who_takes_part_and_nothing_that_may_be_done() -> None:
    empty = body_empty(body())
    reading = draft_read(text=body_write(empty), active=WORLD.policy)
    assert reading.problems == ()
    assert reading.policy is not None
    kept, emptied = reading.policy, ("assets", "prices", "addresses", "guards", "grants", "escalations", "limits")
    assert all(getattr(kept, name) == () for name in emptied)
    for name in ("people", "clients", "signers", "wallets", "controls", "consent", "recovery", "recovery_threshold"):
        assert getattr(kept, name) == getattr(WORLD.policy, name)


def test_a_large_draft_is_written_without_spaces_and_one_too_large_is_refused() -> None:
    label = "x" * 80
    entry = body()["addresses"][0]
    grown = {**body(), "addresses": [{**entry, "id": f"a{i}", "reason": label * 3} for i in range(2200)]}
    text = body_write(grown)
    assert "\n" not in text
    assert body_read(text) == grown
    many = {**body(), "addresses": [{**entry, "reason": label * 3} for _ in range(3000)]}
    with pytest.raises(DraftTextError, match=f"longer than {MAX_BYTES} bytes"):
        body_write(many)


def test_a_draft_nested_too_deep_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(70):
        deep = {"parts": [deep]}
    with pytest.raises(DraftTextError, match="nested deeper than 64"):
        body_write({**body(), "guards": [deep]})


@pytest.mark.parametrize("text", ["", "[]", "3", '{"a": 1.5}', '{"a": "\ud800"}', "[" * 100_000, "{" * 10])
def test_what_is_no_document_says_so(text: str) -> None:
    with pytest.raises(DraftTextError, match="the draft"):
        body_read(text)


def test_every_text_has_a_revision_of_its_own() -> None:
    assert body_revision("a") != body_revision("b")
    assert len(body_revision("\ud800")) == 64


def test_each_problem_leads_to_its_row() -> None:
    found = body()
    found["grants"][1]["when"]["parts"][0]["field"] = "destination.nice"
    found["limits"][0]["most"] = "0"
    found["limits"][2]["order"] = found["limits"][1]["order"]
    found["prices"][1]["usd_e8"] = "0"
    found["controls"]["cancel"]["seats"] = []
    found["number"] = 7
    places = {(p.section, p.index) for p in problem_places(found, problems(found))}
    assert places >= {("grants", 1), ("limits", 0), ("limits", None), ("prices", 1), ("controls", None), (None, None)}
    found["people"][3]["desk"] = "Not A Slug"
    (shape,) = problem_places(found, problems(found))
    assert (shape.section, shape.index) == ("people", 3)


# ------------------------------------------------------------------------------------ durations and moments


@given(seconds=st.integers(0, 10**9))
def test_a_duration_reads_back_as_the_same_seconds(seconds: int) -> None:
    assert duration_read(duration_show(seconds)) == seconds


@given(seconds=st.integers(0, 10**11))
def test_a_moment_reads_back_as_the_same_second(seconds: int) -> None:
    assert moment_read(moment_show(seconds), now=0) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("24h", NOW + DAY), ("7d", NOW + 7 * DAY), (" 2w ", NOW + 14 * DAY), ("90", NOW + 90), ("0s", NOW),
     ("2027-02-19 11:00", 1_803_034_800), ("2027-02-19 11:00 UTC", 1_803_034_800), ("2027-02-19", 1_802_995_200)],
)  # fmt: skip
def test_a_moment_is_a_duration_from_now_or_a_time(text: str, seconds: int) -> None:
    assert moment_read(text, now=NOW) == seconds


@pytest.mark.parametrize(
    "text", ["", "soon", "1.5h", "-3d", "2027-02-30", "1e9", "9" * 30 + "d", "\u0661h", "24h" * 5000]
)
def test_what_is_neither_is_refused(text: str) -> None:
    with pytest.raises(RowValueError, match="neither a duration"):
        moment_read(text, now=NOW)


# ------------------------------------------------------------------------------------------------- zones


@pytest.mark.parametrize(
    "name", ["Europe/Zurich", "America/New_York", "Asia/Tokyo", "Australia/Lord_Howe", "Asia/Kolkata"]
)
def test_a_zones_offsets_are_the_databases_all_year(name: str) -> None:
    offsets = zone_offsets(name, start=NOW, end=NOW + 365 * DAY)
    zone = Zone(name=name, offsets=tuple(ZoneOffset(**offset) for offset in offsets))
    place = zoneinfo.ZoneInfo(name)
    moments = [
        *range(NOW, NOW + 365 * DAY, 7_200),
        *(o["since"] for o in offsets),
        *(o["since"] - 1 for o in offsets[1:]),
    ]
    for at in moments:
        there = datetime.fromtimestamp(at, tz=UTC).astimezone(place).utcoffset()
        assert there is not None
        assert zone_offset(zone, at) == there.total_seconds() // 60


def test_a_zone_row_is_accepted_by_the_policy() -> None:
    row = {"name": "Europe/Zurich", "offsets": zone_offsets("Europe/Zurich", start=NOW, end=NOW + 365 * DAY)}
    policy = Policy.from_json(row_put(body(), "zones", None, row))
    assert validate(policy) == ["zone Europe/Zurich: no time window uses it"]


def test_unknown_zones_are_refused_and_endless_ones_bounded() -> None:
    for name in ("Europe/Atlantis", "", "../../etc/passwd", "UTC", "x" * 10_000):
        with pytest.raises(RowValueError, match="no time zone"):
            zone_offsets(name, start=NOW, end=NOW + DAY)
    assert "Europe/Zurich" in zone_names()
    assert len(zone_offsets("Asia/Tokyo", start=NOW, end=10**11)) == 1
    assert 1 < len(zone_offsets("Europe/Zurich", start=NOW, end=10**11)) <= 64


def test_bodies_are_json_that_people_can_read() -> None:
    text = body_write(body())
    assert text.startswith('{\n  "header": {')
    assert json.loads(text) == body()


def test_zones_and_properties_are_part_of_every_difference() -> None:
    zone = Zone(name="Europe/Zurich", offsets=(ZoneOffset(since=0, minutes=60),))
    stated = Property(id="p1", label="Never", when=compare("usd", ConditionOp.GE, "1"), demand=None)
    before = WORLD.policy
    after = dataclasses.replace(before, zones=(zone,), properties=(stated,))
    sentences = {found.title: found.sentences for found in policy_difference(before=before, after=after)}
    assert sentences["Time zones"][0].startswith("Added Europe/Zurich")
    assert sentences["Properties"][0].startswith("Added p1 (Never)")
    sides = {found.title: found.rows for found in policy_comparison(before=before, after=after)}
    assert [row.mark for title in ("Time zones", "Properties") for row in sides[title]] == ["added", "added"]
    assert sides["Properties"][0].after.startswith("whatever meets usd is at least")
    (removed,) = next(
        found.rows for found in policy_comparison(before=after, after=before) if found.title == "Time zones"
    )
    assert (removed.mark, removed.after) == ("removed", "")
