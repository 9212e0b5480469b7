"""What somebody sees who opens the site for the first time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from pytest_django.live_server_helper import LiveServer


@pytest.mark.django_db(transaction=True)
def test_a_stranger_is_asked_to_sign_in(page: Page, live_server: LiveServer) -> None:
    # WebAuthn knows no addresses, only names; the whole suite therefore says localhost.
    page.goto(live_server.url)
    assert page.url.startswith(f"{live_server.url}/sign-in/")
    assert page.title()
    assert page.evaluate("window.isSecureContext")
