"""Every page in a real Chromium, signed in as a person does; `page` fails on any violation and any console error."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse
from django.utils import timezone

from approvals.models import SecurityKey, User
from approvals.services import demo_key_enrol, ticket_create
from core.documents.consent import Decision
from tests.factories.world import LISTED
from tests.oms.conftest import desk  # noqa: F401 - a fixture

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import BrowserContext, Page
    from pytest_django import Settings
    from pytest_django.live_server_helper import LiveServer

    from tests.oms.conftest import Desk

pytestmark = pytest.mark.django_db(transaction=True)
_SHOTS = os.environ.get("SCREENSHOTS")


def shoot(page: Page, name: str) -> None:
    """Keep a picture, where somebody asked for pictures."""
    if _SHOTS:
        page.screenshot(path=Path(_SHOTS) / f"{name}.png", full_page=True, animations="disabled")


def go(page: Page, address: str) -> None:
    """Open a page, its scripts and styles."""
    page.goto(address)


@pytest.fixture
def site(live_server: LiveServer, settings: Settings) -> str:
    """The site at its own origin, as a demonstration."""
    settings.COUNTERSIGN_WEB_ORIGIN = live_server.url
    settings.COUNTERSIGN_DEMO = True
    return str(live_server.url)


# What Chromium says by itself of what is meant: RS256 is not offered, and a form that cannot be accepted is a 422.
MEANT = ("pubKeyCredParams is missing", "status of 422")


@pytest.fixture
def frank_page(context: BrowserContext) -> Iterator[Page]:
    """A page as `page`, for the tests that expect one of these."""
    complaints: list[str] = []
    page = context.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type != "log" else None)
    yield page
    assert [text for text in complaints if not any(meant in text for meant in MEANT)] == []


def software_sign_in(page: Page, site: str, user: User) -> None:
    demo_key_enrol(user=user)
    go(page, f"{site}/sign-in/")
    page.get_by_label("Person").select_option(label=user.person_id)
    shoot(page, "sign-in-demo")
    page.get_by_role("button", name="Use software key").click()
    page.wait_for_url(lambda url: "/sign-in/" not in url)
    page.wait_for_load_state("networkidle")


@pytest.fixture
def authenticator(frank_page: Page) -> Any:  # noqa: ANN401 - Playwright's session
    """A virtual hardware key in the browser."""
    session = frank_page.context.new_cdp_session(frank_page)
    session.send("WebAuthn.enable", {"enableUI": False})
    options = {
        "protocol": "ctap2",
        "ctap2Version": "ctap2_1",
        "transport": "usb",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return session


@pytest.mark.usefixtures("authenticator")
def test_a_security_key_is_enrolled_by_link_and_signs_in(frank_page: Page, site: str) -> None:
    page = frank_page
    user = User.objects.create_user("tessa", display_name="Tessa Trader")
    token = ticket_create(user=user, actor="system:test", now=timezone.now())
    link = site + reverse("approvals:enrol", args=[token])
    go(page, link)
    shoot(page, "enrol")
    page.get_by_role("button", name="Enrol this key").click()
    page.wait_for_url(f"{site}/sign-in/")
    page.get_by_role("button", name="Use security key").click()
    page.wait_for_url(f"{site}/")
    key = SecurityKey.objects.get(user=user)
    assert key.sign_count > 0
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(f"{site}/sign-in/")


def test_a_traders_pages(page: Page, site: str, desk: Desk) -> None:  # noqa: F811 - the fixture
    go(page, f"{site}/")
    shoot(page, "sign-in")
    software_sign_in(page, site, desk.users["tessa"])
    go(page, f"{site}/requests/")
    shoot(page, "requests-empty")
    go(page, f"{site}/requests/new/")
    shoot(page, "new-request")
    page.get_by_label("Amount").fill("1.23456789")
    page.get_by_label("Destination", exact=True).select_option(value=LISTED)
    page.get_by_label("Purpose").fill("Collateral for the weekend")
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("heading", name="Preview", exact=True).wait_for()
    page.wait_for_load_state("networkidle")
    page.get_by_text("Every rule and what it came to").click()
    shoot(page, "preview")
    page.get_by_role("button", name="Change it").click()
    assert page.get_by_label("Amount").input_value() == "1.23456789"
    request = desk.ask()
    go(page, f"{site}/requests/")
    page.get_by_role("link", name=request.reference[:8]).click()
    page.get_by_role("heading", name="Timeline").wait_for()
    shoot(page, "request")
    with page.expect_response(lambda response: response.url.endswith("/status/")):
        desk.decide(request, "rita", Decision.REJECT, "The invoice names another address")
    page.get_by_text("The invoice names another address").first.wait_for()
    shoot(page, "request-rejected")
    go(page, f"{site}/requests/")
    shoot(page, "requests")


def test_a_bad_form_says_what_to_do(frank_page: Page, site: str, desk: Desk) -> None:  # noqa: F811 - the fixture
    page = frank_page
    software_sign_in(page, site, desk.users["tessa"])
    go(page, f"{site}/requests/new/")
    page.get_by_label("Amount").fill("1,5")
    page.get_by_label("Or another address").fill(LISTED.lower())
    page.get_by_role("button", name="Preview").click()
    page.get_by_text("What you typed is still here").wait_for()
    shoot(page, "new-request-wrong")
    assert page.get_by_label("Amount").input_value() == "1,5"


def test_an_officers_pages(page: Page, site: str, desk: Desk) -> None:  # noqa: F811 - the fixture
    software_sign_in(page, site, desk.users["rita"])
    shoot(page, "queue-empty")
    request = desk.ask()
    go(page, f"{site}/queue/")
    shoot(page, "queue")
    page.get_by_role("link", name="Review").click()
    page.get_by_role("button", name="Review and sign").wait_for()
    page.get_by_text("Every rule and what it came to").click()
    shoot(page, "case")
    desk.decide(request, "ravi")
    page.reload()
    page.get_by_text("Approved by ravi").wait_for()
    shoot(page, "case-half")


@pytest.mark.parametrize("scheme", ["dark"])
def test_the_dark_and_the_narrow_page(page: Page, site: str, desk: Desk, scheme: Any) -> None:  # noqa: F811, ANN401 - the fixture; Playwright's literal
    desk.ask()
    page.emulate_media(color_scheme=scheme)
    software_sign_in(page, site, desk.users["rita"])
    page.get_by_role("link", name="Review").click()
    page.get_by_role("heading", name="Case").wait_for()
    shoot(page, "case-dark")
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    shoot(page, "case-narrow")


def test_the_admin(page: Page, site: str, desk: Desk) -> None:  # noqa: F811 - the fixture
    User.objects.filter(person_id="adam").update(is_staff=True, is_superuser=True)
    desk.ask()
    software_sign_in(page, site, User.objects.get(person_id="adam"))
    go(page, f"{site}/admin/")
    shoot(page, "admin")
    for label in (
        "audit/auditentry",
        "approvals/user",
        "approvals/securitykey",
        "approvals/consentrecord",
        "chains/chain",
        "chains/node",
        "chains/asset",
        "custody/wallet",
        "custody/job",
        "oms/transactionrequest",
        "policies/policyversion",
        "policies/policydraft",
        "policies/decision",
    ):
        go(page, f"{site}/admin/{label}/")
        shoot(page, "admin-" + label.replace("/", "-"))
        rows = page.locator("#result_list tbody th a")
        if rows.count():
            rows.first.click()
            page.locator("#content").wait_for()
            shoot(page, "admin-" + label.replace("/", "-") + "-one")
