"""The replay of a draft and the explanation of a decision in a real Chromium, in light and dark."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from core.documents.policy import Policy
from policies.drafts import draft_text, successor_text
from policies.models import PolicyReport
from policies.reports import report_run
from policies.services import draft_save
from policies.services.reports import report_claim
from tests.browser.test_pages import frank_page, go, shoot, site, software_sign_in
from tests.oms.conftest import desk

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from policies.models import PolicyDraft
    from tests.oms.conftest import Desk

__all__ = ["desk", "frank_page", "site"]
pytestmark = pytest.mark.django_db(transaction=True)


def shoot_both(page: Page, name: str) -> None:
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme)
        shoot(page, f"{name}-{scheme}")


def wide_enough(page: Page) -> bool:
    """Whether nothing is wider than the screen."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


def drafted(desk: Desk) -> PolicyDraft:
    policy = Policy.from_bytes(successor_text(active=desk.world.policy, now=desk.world.now).encode())
    lower = tuple(dataclasses.replace(one, most=one.most // 20) for one in policy.limits)
    draft = dataclasses.replace(policy, limits=lower)
    return draft_save(draft=None, title="Lower limits", body=draft_text(policy=draft), by=desk.users["adam"])


@pytest.mark.anvil
def test_a_draft_is_replayed_and_a_case_is_looked_into(frank_page: Page, site: str, desk: Desk) -> None:
    for amount in ("2.5", "3", "21"):
        desk.ask(desk.preview(amount_text=amount).mandate)
    adam = desk.users["adam"]
    adam.is_staff = adam.is_superuser = True
    adam.save()
    software_sign_in(frank_page, site, adam)
    page = frank_page
    address = site + reverse("admin:policies_draft_replay", args=[drafted(desk).pk])
    go(page, address)
    shoot_both(page, "replay-start")
    page.get_by_role("button", name="Replay history").click()
    expect(page.get_by_text("Waiting to be started.")).to_be_visible()
    shoot_both(page, "replay-waiting")
    report_claim(now=timezone.now())
    made = report_run(report=PolicyReport.objects.get())
    # The page reads itself again when its report is done.
    expect(page.get_by_text(made.digest)).to_be_visible()
    page.wait_for_load_state("networkidle")
    shoot_both(page, "replay-done")
    assert wide_enough(page)
    recorded = page.locator("[data-windows=recorded]")
    expect(recorded.get_by_role("row", name="Newly denied")).to_contain_text("2")
    recorded.locator("details a").first.click()
    page.wait_for_load_state("networkidle")
    page.locator("details.tree > summary").click()
    page.locator("details.tree-rule:has-text('Transfers to the whitelist') > summary").first.click()
    expect(page.get_by_text("destination.listed is true").last).to_be_visible()
    shoot_both(page, "explanation")
    assert wide_enough(page)
