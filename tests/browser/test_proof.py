"""The proof of a draft in a real Chromium, in light and dark: what does not hold is shown as a case."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from core.documents.policy import ConditionOp, Demand, Policy, Property
from policies.drafts import draft_text, successor_text
from policies.models import PolicyReport
from policies.reports import report_run
from policies.services import draft_save
from policies.services.reports import report_claim
from tests.browser.test_pages import frank_page, go, site, software_sign_in
from tests.browser.test_replay import shoot_both, wide_enough
from tests.factories.world import compare, every
from tests.oms.conftest import desk

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from policies.models import PolicyDraft
    from tests.oms.conftest import Desk

__all__ = ["desk", "frank_page", "site"]
pytestmark = pytest.mark.django_db(transaction=True)


def drafted(desk: Desk) -> PolicyDraft:
    policy = Policy.from_bytes(successor_text(active=desk.world.policy, now=desk.world.now).encode())
    transfer = every(
        compare("call.kind", ConditionOp.EQ, "token_transfer"),
        compare("usd", ConditionOp.GE, str(20_000 * 10**8)),
    )
    properties = tuple(
        Property(
            id=f"large-{count}",
            label=f"Large transfers take {count}",
            when=transfer,
            demand=Demand(approvers=count, sites=0, seats=()),
        )
        for count in (3, 4)
    )
    higher = tuple(dataclasses.replace(one, most=one.most * 2) for one in policy.limits)
    draft = dataclasses.replace(policy, properties=properties, limits=higher)
    return draft_save(draft=None, title="Higher limits", body=draft_text(policy=draft), by=desk.users["adam"])


def test_a_draft_is_proven_and_what_does_not_hold_is_shown(frank_page: Page, site: str, desk: Desk) -> None:
    adam = desk.users["adam"]
    adam.is_staff = adam.is_superuser = True
    adam.save()
    software_sign_in(frank_page, site, adam)
    page = frank_page
    go(page, site + reverse("admin:policies_draft_proof", args=[drafted(desk).pk]))
    expect(page.get_by_text("Nothing has been proven about this draft yet")).to_be_visible()
    shoot_both(page, "proof-start")
    page.get_by_role("button", name="Prove it").click()
    expect(page.get_by_text("Waiting to be started.")).to_be_visible()
    shoot_both(page, "proof-waiting")
    report_claim(now=timezone.now())
    made = report_run(report=PolicyReport.objects.get())
    # The page reads itself again when its report is done.
    expect(page.get_by_text(made.digest)).to_be_visible()
    page.wait_for_load_state("networkidle")
    expect(page.get_by_text("This draft cannot be proposed:")).to_be_visible()
    expect(page.locator("[data-check='property:large-3']")).to_have_attribute("data-state", "proven")
    failed = page.locator("[data-check='property:large-4']")
    expect(failed).to_contain_text("would be allowed with")
    failed.locator("summary").click()
    expect(failed.get_by_text("Asked by")).to_be_visible()
    expect(page.locator("[data-check='weaker']")).to_have_attribute("data-state", "information")
    shoot_both(page, "proof-done")
    assert wide_enough(page)
    page.set_viewport_size({"width": 390, "height": 844})
    assert wide_enough(page)
