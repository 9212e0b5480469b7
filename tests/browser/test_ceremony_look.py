"""A ceremony at the consoles with a party away, and a wallet's way to ceremonies, in Chromium, light and dark."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from core.documents.control import CeremonyKind
from core.records import CeremonyStep
from tests.browser.test_ceremony_journey import looked_at
from tests.browser.test_pages import go, site, software_sign_in  # noqa: F401 - `site` is a fixture
from tests.oms.test_ceremony_pages import rig  # noqa: F401 - a fixture

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.custody.ceremony_rig import Rig

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_drill_with_a_party_away(page: Page, site: str, rig: Rig) -> None:  # noqa: F811 - the fixtures
    rig.away = {"party-4"}
    made = rig.order(CeremonyKind.DRILL)
    rig.sweep(waits=60)
    software_sign_in(page, site, rig.users["olga"])
    go(page, f"{site}/ceremonies/{made.digest}/")
    expect(page.get_by_text("ceremony_export")).to_be_visible()
    expect(page.get_by_text("⚠ away")).to_be_visible()
    looked_at(page, "ceremony-console")
    copy = page.get_by_role("button", name="Copy command 1")
    copy.click()
    expect(
        page.get_by_role("button", name="Copied").or_(page.get_by_text("Selected: copy it yourself"))
    ).to_be_visible()
    expect(page.locator("dd time[data-relative]").first).to_contain_text("minutes)")
    rig.console(made.digest, CeremonyStep.DRILLED, "party-1")
    rig.sweep(waits=60)
    # The table follows by itself.
    expect(page.locator("#progress").get_by_text("✓ done")).to_have_count(5, timeout=10_000)
    go(page, f"{site}/wallets/{rig.wallet.id}/")
    expect(page.get_by_role("heading", name="Order a ceremony")).to_be_visible()
    looked_at(page, "wallet-ceremonies")
