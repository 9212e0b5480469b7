"""One 2-of-3 key and one 3-of-5 key for the session; a group of its own, freshly pinned, for each test."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.party.rig import Founded, Group, found

if TYPE_CHECKING:
    from collections.abc import Iterator


def _founded(threshold: int, parties: int) -> Iterator[Founded]:
    base = Path(tempfile.mkdtemp(prefix="cs-found-"))
    yield found(base, threshold, parties)
    shutil.rmtree(base)


@pytest.fixture(scope="session")
def two_of_three() -> Iterator[Founded]:
    yield from _founded(2, 3)


@pytest.fixture(scope="session")
def three_of_five() -> Iterator[Founded]:
    yield from _founded(3, 5)


@pytest.fixture
def base() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="cs-party-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def small(two_of_three: Founded, base: Path) -> Group:
    return Group(two_of_three, base)


@pytest.fixture
def large(three_of_five: Founded, base: Path) -> Group:
    return Group(three_of_five, base)
