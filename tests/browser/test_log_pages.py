"""The pages about the log in a real Chromium, light and dark; `page` fails on any violation and any console error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from core.documents.consent import Decision
from tests.audit.signed_log import sign
from tests.browser.test_pages import go, shoot, site, software_sign_in  # noqa: F401 - `site` is a fixture
from tests.oms.conftest import desk  # noqa: F401 - a fixture

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

    from tests.oms.conftest import Desk

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_log_is_read_and_proven(
    page: Page,
    site: str,  # noqa: F811 - the fixture
    desk: Desk,  # noqa: F811 - the fixture
    scheme: str,
    tmp_path: Path,
) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of the two that it knows
    rita = desk.users["rita"]
    rita.is_staff = True
    rita.save()
    rita.user_permissions.set(Permission.objects.filter(codename="view_auditentry"))
    request = desk.ask()
    desk.decide(request, "rita", Decision.APPROVE)
    sign(at=timezone.now())
    software_sign_in(page, site, rita)
    go(page, f"{site}/log/")
    page.get_by_label("Case").fill(request.reference)
    page.get_by_role("button", name="Search").click()
    page.wait_for_load_state("networkidle")
    page.locator("details.log-payload").first.locator("summary").click()
    assert page.get_by_text("witnessed by 2").count() > 3
    assert page.get_by_text("your time").count() > 3
    shoot(page, f"log-{scheme}")
    go(page, f"{site}/log/?actor=nobody")
    shoot(page, f"log-empty-{scheme}")
    go(page, f"{site}/log/evidence/")
    shoot(page, f"log-evidence-{scheme}")
    go(page, f"{site}/requests/{request.reference}/log/")
    shoot(page, f"log-case-{scheme}")
    go(page, f"{site}/receipts/")
    shoot(page, f"receipts-{scheme}")
    with page.expect_download() as download:
        page.get_by_role("link", name="Receipt of").first.click()
    file = tmp_path / "receipt.json"
    download.value.save_as(file)
    assert b"countersign.receipt.v1" in file.read_bytes()
    page.set_viewport_size({"width": 400, "height": 800})
    go(page, f"{site}/log/")
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    shoot(page, f"log-narrow-{scheme}")
