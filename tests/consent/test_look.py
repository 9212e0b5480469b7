"""The stylesheet's colours: WCAG 2.2 AA contrast in both schemes, computed from the file itself."""

from __future__ import annotations

import re

import pytest

from consent.release import STATIC

_TEXT = 4.5
_PAIRS = [
    ("ink", "ground"),
    ("ink", "card"),
    ("quiet", "card"),
    ("quiet", "ground"),
    ("accent", "card"),
    ("accent-ink", "accent"),
    ("bar-ink", "bar"),
    ("good", "good-ground"),
    ("good", "card"),
    ("bad", "bad-ground"),
    ("bad", "card"),
    ("warn", "warn-ground"),
    ("warn", "card"),
    ("ink", "bad-ground"),
    ("ink", "warn-ground"),
]


def _schemes() -> dict[str, dict[str, str]]:
    light, dark = re.findall(r":root \{(.*?)\}", (STATIC / "style.css").read_text(), re.DOTALL)
    read = [dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block)) for block in (light, dark)]
    return {"light": read[0], "dark": read[1]}


def _luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_enough_contrast(scheme: str) -> None:
    colours = _schemes()[scheme]
    for front, back in _PAIRS:
        high, low = sorted((_luminance(colours[front]), _luminance(colours[back])), reverse=True)
        ratio = (high + 0.05) / (low + 0.05)
        assert ratio >= _TEXT, f"{front} on {back}: {ratio:.2f}"
