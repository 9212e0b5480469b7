"""Wallets and cancels in a real Chromium, light and dark; `page` fails on any violation and any console error."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from custody.models import BalancePoint
from custody.reconcile import wallet_reconcile
from custody.selectors import wallet_list
from tests.browser.test_pages import go, shoot, site, software_sign_in  # noqa: F401 - `site` is a fixture
from tests.oms.conftest import desk  # noqa: F401 - a fixture
from tests.oms.test_cancels import stuck  # noqa: F401 - a fixture

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from oms.models import TransactionRequest
    from tests.oms.conftest import Desk

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_wallets_and_a_cancel_are_shown(
    page: Page,
    site: str,  # noqa: F811 - the fixture
    desk: Desk,  # noqa: F811 - the fixture
    stuck: TransactionRequest,  # noqa: F811 - the fixture
    scheme: str,
) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of the two that it knows
    (wallet,) = wallet_list()
    wallet_reconcile(wallet=wallet, now=timezone.now())
    last = BalancePoint.objects.get()
    for back in range(1, 9):
        BalancePoint.objects.create(
            wallet=wallet,
            asset=last.asset,
            block_number=-back,
            block_hash=last.block_hash,
            block_time=last.block_time - dt.timedelta(days=back),
            amount=last.amount - back * 7 * 10**18,
        )
    desk.node.call("anvil_setBalance", wallet.address, hex(400 * 10**18))
    desk.node.call("anvil_mine", "0x1")
    wallet_reconcile(wallet=wallet, now=timezone.now())
    software_sign_in(page, site, desk.users["rita"])
    go(page, f"{site}/wallets/")
    page.get_by_role("link", name="Treasury Hot").wait_for()
    shoot(page, f"wallets-{scheme}")
    go(page, f"{site}/wallets/{wallet.caip10}/")
    page.locator(".chart canvas").first.wait_for()
    shoot(page, f"wallet-{scheme}")
    go(page, f"{site}/requests/{stuck.reference}/cancel/")
    shoot(page, f"cancel-{scheme}")
    page.get_by_label("Reason").fill("the chain is busy")
    page.get_by_role("button", name="Propose").click()
    page.get_by_role("button", name="Review and sign").wait_for()
    shoot(page, f"cancel-proposed-{scheme}")
