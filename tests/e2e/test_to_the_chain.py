"""From a form in Chromium to a mined transaction: real pages, consent origin, signer, token and node."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from demo.institution import web_origin
from demo.site import site_running
from demo.telling import Teller

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from tests.browser.fixtures import ConsoleGuard

EXCHANGE = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("ports"), pytest.mark.timeout(300)]


def sign_in(browser: Browser, guard: ConsoleGuard, person: str) -> Page:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.on("console", guard.on_console)
    context.on("weberror", guard.on_error)
    page = context.new_page()
    page.goto(f"{web_origin()}/sign-in/")
    page.select_option("#demo-person", label=person)
    page.click("#use-demo-key")
    page.wait_for_url(lambda url: "/sign-in" not in url)
    return page


def sign(page: Page, button: str) -> None:
    """Open the consent page, sign there with the demo's software key, and wait until it is taken."""
    with page.expect_popup() as popup:
        page.click("[data-open]")
    consent = popup.value
    consent.check("input[type=checkbox]")
    consent.click(f"button:has-text('{button}')")
    page.wait_for_url(re.compile(r"/requests/[0-9a-f]{32}/$"))


def test_a_request_is_asked_approved_signed_and_mined(
    state: Path, browser: Browser, console_guard: ConsoleGuard
) -> None:
    with contextlib.ExitStack() as stack:
        institution, _ = stack.enter_context(site_running(state, full=False, tell=Teller()))
        tessa = sign_in(browser, console_guard, "tessa")
        tessa.goto(f"{web_origin()}/requests/new/")
        tessa.select_option("[name=listed]", label=f"Exchange deposit · {EXCHANGE}")
        tessa.fill("[name=amount]", "2.5")
        tessa.fill("[name=purpose]", "Collateral")
        tessa.click("button.main[type=submit]")
        sign(tessa, "Ask")
        reference = tessa.url.rstrip("/").rpartition("/")[2]
        for officer in ("rita", "ravi"):
            page = sign_in(browser, console_guard, officer)
            page.goto(f"{web_origin()}/queue/{reference}/")
            sign(page, "Approve")
        expect(tessa.get_by_text("Confirmed").first).to_be_visible(timeout=40_000)
        balance = int(institution.node.call("eth_getBalance", EXCHANGE, "latest"), 16)
        assert balance % 10**18 == 5 * 10**17
