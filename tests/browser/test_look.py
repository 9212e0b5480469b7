"""Every page of the site, as everybody who may open it: no complaint, no barrier, light and dark, keys alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from approvals.models import User
from audit.models import AuditEntry
from oms.models import TransactionRequest
from policies.models import PolicyVersion
from policies.services import draft_start
from tests.browser.axe import violations
from tests.browser.test_pages import go, site, software_sign_in  # noqa: F401 - `site` is a fixture
from tests.browser.walk import addresses, is_page
from tests.oms.conftest import desk  # noqa: F401 - a fixture
from tests.soak import SOAK

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.oms.conftest import Desk

ADMIN = "/admin/"

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]


def _arguments() -> dict[str, dict[str, object]]:
    request = TransactionRequest.objects.latest("pk")
    version = PolicyVersion.objects.latest("pk")
    draft = draft_start(version=version, by=User.objects.get(person_id="adam"))
    arguments: dict[str, dict[str, object]] = {
        "": {"reference": request.reference, "seq": AuditEntry.objects.latest("seq").pk},
        "oms:request_by_intent": {"digest": request.intent_digest},
        "oms:policy": {"digest": version.digest},
        "oms:wallet": {"account": request.wallet},
        "oms:node_change": {"label": "anvil"},
        "approvals:person": {"person_id": "tessa"},
        "admin:app_list": {"app_label": "policies"},
        "admin:policies_draft": {"pk": draft.pk, "key": "grants", "index": 0},
        "admin:policies_policydraft": {"object_id": draft.pk},
        "admin:policies_policyversion": {"object_id": version.pk},
        "admin:oms_transactionrequest": {"object_id": request.pk},
        "admin:approvals_user": {"object_id": User.objects.get(person_id="rita").pk},
        "admin:audit_auditentry": {"object_id": AuditEntry.objects.latest("seq").pk},
    }
    return arguments


def _kind(page: Page, address: str) -> str:
    """Return what a page looks like: itself on the site; in the admin its shape, whichever table it shows."""
    shape = page.locator("body").get_attribute("class") or ""
    words = [word for word in shape.split() if not word.startswith(("app-", "model-"))]
    return " ".join(["admin", *words]) if address.startswith(ADMIN) and words else address


def _walk(page: Page, site: str, looked_at: set[str]) -> int:  # noqa: F811 - the fixture
    """Open every page; look closely at each kind once, and at every page of all in a soak."""
    barriers: list[str] = []
    shown = 0
    for address in addresses(_arguments()):
        if (address in looked_at and not SOAK) or not is_page(page, site + address):
            continue
        shown += 1
        page.emulate_media(color_scheme="light")
        go(page, site + address)
        kind = _kind(page, address)
        if kind in looked_at and not SOAK:
            continue
        looked_at |= {kind, address}
        barriers += [f"{address}: {one}" for one in violations(page)]
        page.emulate_media(color_scheme="dark")
        page.locator("html.dark").wait_for()
        barriers += [f"{address} (dark): {one}" for one in violations(page, "color-contrast")]
    assert barriers == [], "\n".join(barriers)
    return shown


def test_every_page_is_quiet_and_without_barriers(
    page: Page,
    site: str,  # noqa: F811 - the fixture
    desk: Desk,  # noqa: F811 - the fixture
) -> None:
    desk.ask()
    looked_at: set[str] = set()
    # The operator sees most; of the others' pages, those that the operator does not see.
    shown = 0
    for name in ("olga", "tessa", "rita"):
        page.context.clear_cookies()
        software_sign_in(page, site, desk.users[name])
        shown += _walk(page, site, looked_at)
    assert shown >= 12


def test_every_page_of_the_admin_is_quiet_and_without_barriers(page: Page, site: str, desk: Desk) -> None:  # noqa: F811 - the fixtures
    User.objects.filter(person_id="adam").update(is_staff=True, is_superuser=True)
    desk.ask()
    software_sign_in(page, site, User.objects.get(person_id="adam"))
    assert _walk(page, site, set()) >= 50


def test_the_sign_in_page_and_what_is_not_there(page: Page, site: str) -> None:  # noqa: F811 - the fixture
    go(page, f"{site}/sign-in/")
    assert violations(page) == []
    assert page.evaluate("getComputedStyle(document.body).colorScheme") in {"light", "light dark"}
