"""A proposal's pages in a real Chromium: checks, steps, signatures, signers; in light and dark."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from approvals.models import User
from policies.sweep import sweep_once
from tests.browser.test_pages import frank_page, go, site, software_sign_in
from tests.browser.test_replay import shoot_both, wide_enough
from tests.factories.proposals import draft_of, reported, signed_by
from tests.factories.succession import next_policy
from tests.oms.conftest import desk

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.oms.conftest import Desk

__all__ = ["desk", "frank_page", "site"]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.anvil
def test_a_draft_is_proposed_and_followed(frank_page: Page, site: str, desk: Desk) -> None:
    page, adam = frank_page, desk.users["adam"]
    User.objects.filter(pk=adam.pk).update(is_staff=True, is_superuser=True)
    adam.refresh_from_db()
    software_sign_in(page, site, adam)
    unready = draft_of(next_policy(desk.world, institution="Not yet"), adam)
    go(page, site + reverse("admin:policies_draft_propose", args=[unready.pk]))
    expect(page.get_by_role("button", name="Propose", exact=True)).to_be_disabled()
    shoot_both(page, "proposal-checks")
    draft = reported(next_policy(desk.world, institution="Example Bank 2"), adam)
    go(page, site + reverse("admin:policies_draft_propose", args=[draft.pk]))
    page.get_by_role("button", name="Propose", exact=True).click()
    page.locator("[data-status=proposed]").wait_for()
    version = draft.versions.get()
    signed_by(desk.world, version, desk.users, "adam")
    expect(page.get_by_role("cell", name="approve")).to_be_visible(timeout=10_000)
    shoot_both(page, "proposal-open")
    signed_by(desk.world, version, desk.users, "anna")
    sweep_once(now=version.stored_at.__class__.now(tz=version.stored_at.tzinfo))
    expect(page.locator("[data-status=signed]")).to_contain_text("away", timeout=10_000)
    assert wide_enough(page)
    shoot_both(page, "proposal-signed")
    go(page, site + reverse("oms:policy", args=[version.digest]))
    expect(page.get_by_role("heading", name="What changes, as this server reads it")).to_be_visible()
    shoot_both(page, "proposal-reading")
