"""A consent host, a case page on another origin, and a world whose policy names that host."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.fixtures import (
    browser_context_args,
    browser_type_launch_args,
    chromium_args,
    console_guard,
    virtual_key,
)
from tests.consent.house import House, consent_host, opener

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

    from tests.consent.house import Picture
    from tests.factories.world import World

__all__ = [
    "browser_context_args",
    "browser_type_launch_args",
    "chromium_args",
    "console_guard",
    "virtual_key",
]


@pytest.fixture(scope="session")
def opener_origin() -> Iterator[str]:
    """The case page's origin."""
    with opener() as origin:
        yield origin


@pytest.fixture
def house(tmp_path: Path, opener_origin: str) -> Iterator[House]:
    """A consent host where nothing is pinned yet."""
    with consent_host(tmp_path, opener_origin) as host:
        yield host


@pytest.fixture
def now() -> int:
    """The real time: the page reads the browser's clock."""
    return int(time.time())


@pytest.fixture
def world(house: House, now: int) -> World:
    """An institution whose policy is pinned at the host."""
    made = house.world(now=now)
    house.pin(made)
    return made


@pytest.fixture
def picture(request: pytest.FixtureRequest) -> Picture:
    """Keep a screenshot of a state, if CONSENT_PICTURES names a folder."""
    folder = os.environ.get("CONSENT_PICTURES")

    def take(page: Page, name: str) -> None:
        if folder is not None:
            page.screenshot(path=Path(folder) / f"{request.node.name.partition('[')[0]}-{name}.png")

    return take
