"""By keys alone, at a glance, in the look that one chose: what a person with a case in front of them needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.test_pages import go, site, software_sign_in  # noqa: F401 - `site` is a fixture
from tests.oms.conftest import desk  # noqa: F401 - a fixture

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.oms.conftest import Desk

pytestmark = pytest.mark.django_db(transaction=True)
_MOST_TABS = 60


def focused(page: Page) -> str:
    """Return what has the focus, as text."""
    text = page.evaluate("(at => at === document.body ? '' : at.innerText || at.id)(document.activeElement)")
    return str(text).strip()


def tab_to(page: Page, words: str) -> None:
    """Press Tab until something with these words has the focus, and see that one can see it."""
    for _ in range(_MOST_TABS):
        page.keyboard.press("Tab")
        if words in focused(page):
            break
    assert words in focused(page), f"{words} is not reached by Tab"
    ring = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert ring != "none"


def test_a_case_is_opened_and_signed_for_by_keys_alone(page: Page, site: str, desk: Desk) -> None:  # noqa: F811 - the fixtures
    desk.ask()
    software_sign_in(page, site, desk.users["rita"])
    go(page, f"{site}/queue/")
    page.keyboard.press("Tab")
    assert focused(page) == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    tab_to(page, "Review")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Review and sign").wait_for()
    page.wait_for_load_state("networkidle")
    # Nothing that signs has the focus by itself.
    assert "Review and sign" not in focused(page)
    tab_to(page, "Review and sign")
    with page.expect_popup() as popup:
        page.keyboard.press("Enter")
    popup.value.close()


def test_a_plain_case_fits_one_screen(page: Page, site: str, desk: Desk) -> None:  # noqa: F811 - the fixtures
    desk.ask()
    software_sign_in(page, site, desk.users["rita"])
    page.get_by_role("link", name="Review").first.click()
    page.get_by_role("heading", name="Decision").wait_for()
    for part in ("h1", ".sentence", "dl.facts", "#consent", ".notice.good", "aside .panel:last-child"):
        box = page.locator(part).first.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 800, part
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280


def test_the_look_that_somebody_chose_stays(page: Page, site: str, desk: Desk) -> None:  # noqa: F811 - the fixtures
    page.emulate_media(color_scheme="light")
    software_sign_in(page, site, desk.users["rita"])
    assert page.locator("html.light").count() == 1
    page.get_by_label("Light or dark").select_option("dark")
    go(page, f"{site}/queue/")
    assert page.locator("html.dark").count() == 1
    page.get_by_label("Light or dark").select_option("system")
    assert page.locator("html.light").count() == 1


def test_nothing_is_told_by_colour_alone(page: Page, site: str, desk: Desk) -> None:  # noqa: F811 - the fixtures
    desk.ask()
    software_sign_in(page, site, desk.users["rita"])
    for address in ("/", "/queue/", "/requests/?show=all"):
        go(page, site + address)
        marks = page.locator(".badge, .notice, .chip")
        texts = marks.all_inner_texts()
        assert texts
        assert all(text.strip() for text in texts)
        # What is good, alarming or wrong says so with a sign or a word besides.
        bad = page.locator(".badge.bad, .badge.warn, .notice.bad").all_inner_texts()
        assert all("⚠" in text or "✗" in text or len(text.split()) > 1 or text.isalpha() for text in bad)
