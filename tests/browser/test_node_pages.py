"""The pages of nodes and prices in a real Chromium, light and dark, held to WCAG 2.2 AA."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from chains.models import Asset, Chain, FeedKind, NodeChange, PriceFeed
from chains.node_services import disagreement_record, node_change_propose
from chains.nodes.agreement import Disagreement
from chains.price_services import price_observe
from chains.services import node_create
from chains.watch import nodes_sweep
from tests.browser.axe import violations
from tests.browser.test_pages import go, shoot, site, software_sign_in  # noqa: F401 - `site` is a fixture
from tests.factories.world import CHAIN, NATIVE
from tests.oms.conftest import desk  # noqa: F401 - a fixture

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.oms.conftest import Desk

pytestmark = pytest.mark.django_db(transaction=True)
ETHER = 2_500 * 10**8


def _troubled(now: dt.datetime) -> None:
    """A node that is dead, one that lied, and a change that waits."""
    node_create(actor="x", chain=CHAIN, label="dead", url="http://127.0.0.1:9", priority=20)
    liar = node_create(actor="x", chain=CHAIN, label="liar", url="http://127.0.0.1:9", priority=30)
    told = {"anvil": "block 11: 7", "liar": "block 11: <b>8</b>"}
    lie = Disagreement(question="the balance of a wallet", number=11, answers=told, liars=("liar",))
    disagreement_record(chain=Chain.objects.get(pk=CHAIN), disagreement=lie, now=now)
    settings: dict[str, object] = {
        "chain": CHAIN,
        "url": "https://node.example",
        "priority": 5,
        "enabled": True,
        "timeout_ms": 3000,
        "headers_file": "",
        "certificate_file": "",
        "key_file": "",
        "authority_file": "",
        "fingerprint": "ab" * 32,
    }
    node_change_propose(actor="user:otto", label=liar.label, settings=settings, restarts=True, now=now)
    nodes_sweep(now=now)


def _priced(now: dt.datetime) -> None:
    """Prices of half an hour, with a halt in the middle."""
    asset = Asset.objects.get(pk=NATIVE)
    for name in ("desk", "market"):
        PriceFeed.objects.create(
            asset=asset,
            name=name,
            family=name,
            kind=FeedKind.MANUAL,
            price=ETHER,
            entered_at=now - dt.timedelta(hours=1),
            expires_at=now + dt.timedelta(hours=1),
        )
    for minute in range(30, -1, -1):
        apart = 2 if minute == 15 else 1
        PriceFeed.objects.filter(name="market").update(price=ETHER * apart + minute * 10**8)
        price_observe(asset=asset, now=now - dt.timedelta(minutes=minute))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nodes_and_prices(page: Page, site: str, desk: Desk, scheme: str) -> None:  # noqa: F811 - the fixtures
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of the two that it knows
    rita = desk.users["rita"]
    rita.is_staff = rita.is_superuser = True
    rita.save()
    now = timezone.now()
    _troubled(now)
    _priced(now)
    software_sign_in(page, site, rita)
    go(page, f"{site}/nodes/")
    assert page.get_by_text("well", exact=False).count() > 0
    assert page.get_by_text("contradicted other nodes").count() > 0
    assert violations(page) == []
    shoot(page, f"nodes-{scheme}")
    page.get_by_role("button", name="Confirm").click()
    page.wait_for_load_state("networkidle")
    assert NodeChange.objects.get().status == "confirmed"
    go(page, f"{site}/nodes/new/")
    assert violations(page) == []
    shoot(page, f"node-new-{scheme}")
    go(page, f"{site}/prices/")
    assert page.locator(".chart canvas").count() == 1
    assert violations(page) == []
    shoot(page, f"prices-{scheme}")
    page.get_by_role("link", name="enter").first.click()
    page.get_by_label("Price in US dollars").fill("2,510.5")
    page.get_by_role("button", name="Enter").click()
    page.wait_for_load_state("networkidle")
    assert PriceFeed.objects.filter(price=251_050_000_000).count() == 1
    page.set_viewport_size({"width": 400, "height": 800})
    for name in ("nodes", "prices"):
        go(page, f"{site}/{name}/")
        assert page.evaluate("document.documentElement.scrollWidth") <= 400
