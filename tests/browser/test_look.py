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

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.oms.conftest import Desk

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


def _walk(page: Page, site: str, *, least: int) -> None:  # noqa: F811 - the fixture
    barriers: list[str] = []
    shown = 0
    for address in addresses(_arguments()):
        if not is_page(page, site + address):
            continue
        shown += 1
        page.emulate_media(color_scheme="light")
        go(page, site + address)
        barriers += [f"{address}: {one}" for one in violations(page)]
        page.emulate_media(color_scheme="dark")
        page.locator("html.dark").wait_for()
        barriers += [f"{address} (dark): {one}" for one in violations(page, "color-contrast")]
    assert barriers == [], "\n".join(barriers)
    assert shown >= least


@pytest.mark.parametrize(("name", "least"), [("tessa", 6), ("rita", 6), ("olga", 5)])
def test_every_page_is_quiet_and_without_barriers(
    page: Page,
    site: str,  # noqa: F811 - the fixture
    desk: Desk,  # noqa: F811 - the fixture
    name: str,
    least: int,
) -> None:
    desk.ask()
    software_sign_in(page, site, desk.users[name])
    _walk(page, site, least=least)


def test_every_page_of_the_admin_is_quiet_and_without_barriers(page: Page, site: str, desk: Desk) -> None:  # noqa: F811 - the fixtures
    User.objects.filter(person_id="adam").update(is_staff=True, is_superuser=True)
    desk.ask()
    software_sign_in(page, site, User.objects.get(person_id="adam"))
    _walk(page, site, least=50)


def test_the_sign_in_page_and_what_is_not_there(page: Page, site: str) -> None:  # noqa: F811 - the fixture
    go(page, f"{site}/sign-in/")
    assert violations(page) == []
    assert page.evaluate("getComputedStyle(document.body).colorScheme") in {"light", "light dark"}
