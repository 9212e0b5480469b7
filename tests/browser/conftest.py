"""A page that fails the test when it complains, in the machine's own Chromium."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.fixtures import browser_context_args, browser_type_launch_args, chromium_args

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import ConsoleMessage, Page, Request

__all__ = ["browser_context_args", "browser_type_launch_args", "chromium_args"]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what stands in this folder."""
    for item in items:
        if "browser" in item.path.parent.parts:
            item.add_marker(pytest.mark.browser)


@pytest.fixture
def page(page: Page, tmp_path: Path) -> Iterator[Page]:
    """A page on which no script fails, no policy is violated and nothing is missing."""
    complaints: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            complaints.append(f"{message.type}: {message.text}")

    def failed(request: Request) -> None:
        # Leaving a page cancels what it still loads: that is no missing part.
        if request.failure != "net::ERR_ABORTED":
            complaints.append(f"failed: {request.url} {request.failure}")

    page.on("console", listen)
    page.on("pageerror", lambda error: complaints.append(f"script: {error}"))
    page.on("requestfailed", failed)
    yield page
    if complaints:
        page.screenshot(path=tmp_path / "complaint.png")
    assert not complaints
