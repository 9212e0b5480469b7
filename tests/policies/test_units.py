"""Whole units in, base units out, exactly; and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.schema import UINT256_MAX
from policies.units import units_read, units_show
from policies.words import duration_words


@pytest.mark.parametrize(
    ("text", "decimals", "amount"),
    [
        ("0", 18, 0),
        ("1", 0, 1),
        ("0.25", 6, 250_000),
        ("1_500.50", 2, 150_050),
        ("1.10", 1, 11),
        (str(UINT256_MAX), 0, UINT256_MAX),
    ],
)
def test_it_reads_exactly(text: str, decimals: int, amount: int) -> None:
    assert units_read(text, decimals=decimals) == amount


@pytest.mark.parametrize(
    ("text", "decimals"),
    [
        ("", 18), ("-1", 18), ("1e3", 18), (".5", 18), ("1.", 18), ("01", 18), ("1,5", 18), ("٣", 18), ("nan", 18),
        ("0.001", 2), (str(UINT256_MAX + 1), 0), ("1" * 200, 0), ("2" * 78, 18),
    ],
)  # fmt: skip
def test_it_refuses_the_rest(text: str, decimals: int) -> None:
    with pytest.raises(ValueError, match=r"."):
        units_read(text, decimals=decimals)


@given(st.integers(min_value=0, max_value=UINT256_MAX), st.integers(min_value=0, max_value=77))
def test_what_is_shown_reads_back(amount: int, decimals: int) -> None:
    assert units_read(units_show(amount, decimals=decimals).replace(",", ""), decimals=decimals) == amount


def test_durations_are_said_in_the_largest_unit() -> None:
    words = [duration_words(seconds) for seconds in (0, 1, 90, 3_600, 86_400, 90_000)]
    assert words == ["0 seconds", "1 seconds", "90 seconds", "1 hour", "1 day", "25 hours"]
