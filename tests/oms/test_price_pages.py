"""Prices in rows and pages: observed, kept, halted with an alarm, entered by people."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils import timezone

from approvals.models import User
from audit.models import AuditAlarm, AuditEntry
from chains.models import Asset, FeedKind, PriceFeed, PriceObservation, PriceRule
from chains.price_services import price_enter, price_observe, prices_sweep
from chains.selectors import price_now
from chains.services import asset_create, chain_create, node_create
from core.schema import UINT256_MAX
from tests.chains.contracts import deploy, transact
from tests.sign_in import signed_in

if TYPE_CHECKING:
    from django.test import Client

    from demo.services.anvil import Node as Anvil

pytestmark = pytest.mark.django_db
CHAIN = "eip155:31337"
NATIVE = f"{CHAIN}/slip44:60"
ETHER = 2_500 * 10**8


@pytest.fixture
def asset() -> Asset:
    chain_create(actor="x", caip2=CHAIN, name="Dev", native_symbol="ETH", confirmation_depth=1)
    return asset_create(actor="x", caip19=NATIVE, symbol="ETH", name="Ether", decimals=18)


@pytest.fixture
def operator() -> Client:
    return signed_in(User.objects.create_superuser("otto", display_name="Otto", password="only-in-tests"))


def _manual(asset: Asset, name: str, price: int | None = ETHER) -> PriceFeed:
    now = timezone.now()
    return PriceFeed.objects.create(
        asset=asset,
        name=name,
        family=name,
        kind=FeedKind.MANUAL,
        price=price,
        entered_at=now,
        expires_at=now + dt.timedelta(hours=1),
    )


@pytest.mark.anvil
def test_a_contract_and_a_desk_make_a_price_and_halt_when_they_part(
    asset: Asset, anvil_node: Anvil, operator: Client
) -> None:
    owner = anvil_node.call("eth_accounts")[8]
    contract = deploy(anvil_node, owner, "MockAggregatorV3", [8, "ETH / USD", ETHER])
    node_create(actor="x", chain=CHAIN, label="n", url=anvil_node.url)
    PriceFeed.objects.create(
        asset=asset, name="main", family="chain", kind=FeedKind.AGGREGATOR, contract=contract, heartbeat=10**9
    )
    _manual(asset, "desk")
    assert price_observe(asset=asset, now=timezone.now()).price == ETHER
    assert "2,500 USD" in operator.get(reverse("oms:prices")).content.decode()
    transact(anvil_node, owner, contract, "setAnswer(int256,uint256)", ETHER * 2, 1_700_000_000)
    halted = price_observe(asset=asset, now=timezone.now())
    assert halted.price is None
    assert "from the middle" in halted.reason
    assert AuditAlarm.objects.filter(tag="chains:price:halted", closed_us__isnull=True).count() == 1
    page = operator.get(reverse("oms:prices")).content.decode()
    assert "✗ no price" in page
    assert "5,000 USD" in page  # what the feed said is shown all the same
    transact(anvil_node, owner, contract, "setAnswer(int256,uint256)", ETHER, 1_700_000_000)
    assert price_observe(asset=asset, now=timezone.now()).price == ETHER
    assert not AuditAlarm.objects.filter(tag="chains:price:halted", closed_us__isnull=True).exists()
    assert PriceObservation.objects.count() == 3


def test_nodes_that_are_away_are_a_reading_and_no_error(asset: Asset) -> None:
    node_create(actor="x", chain=CHAIN, label="n", url="http://127.0.0.1:9")
    PriceFeed.objects.create(
        asset=asset, name="main", family="chain", kind=FeedKind.AGGREGATOR, contract="0x" + "11" * 20
    )
    PriceFeed.objects.create(
        asset=asset, name="web", family="web", kind=FeedKind.SIGNED, url="http://127.0.0.1:9", public_key="11" * 32
    )
    _manual(asset, "desk", price=None)
    found = price_observe(asset=asset, now=timezone.now())
    assert found.price is None
    assert found.reason == "0 independent sources are fresh, 2 are needed"
    for words in ("named a newest block", "cannot be read", "nobody has entered one"):
        assert words in found.readings


def test_the_sweep_observes_at_its_interval(asset: Asset) -> None:
    _manual(asset, "one")
    _manual(asset, "two")
    now = timezone.now()
    for seconds in (0, 30, 61):
        prices_sweep(now=now + dt.timedelta(seconds=seconds))
    assert [row.price for row in PriceObservation.objects.all()] == [ETHER, ETHER]
    assert price_now(asset=asset, now=now + dt.timedelta(seconds=62)) is not None
    assert price_now(asset=asset, now=now + dt.timedelta(seconds=600)) is None


def test_a_price_of_any_size_is_kept_exactly(asset: Asset) -> None:
    PriceRule.objects.create(asset=asset, families_least=1)
    _manual(asset, "desk", price=UINT256_MAX)
    assert price_observe(asset=asset, now=timezone.now()).price == UINT256_MAX
    assert PriceObservation.objects.get().price == UINT256_MAX


def test_entering_a_price(asset: Asset, operator: Client) -> None:
    feed = _manual(asset, "desk", price=None)
    address = reverse("oms:price_enter", args=[feed.pk])
    assert operator.get(address).status_code == 200
    assert operator.post(address, {"price": "2,500.25", "hours": "2"}).status_code == 302
    feed.refresh_from_db()
    assert feed.price == 250_025_000_000
    entry = AuditEntry.objects.get(tag="chains:price:entered")
    assert (entry.actor, entry.subject) == ("user:otto", NATIVE)


@pytest.mark.parametrize(
    "wrong",
    [
        {"price": "0"},
        {"price": "-1"},
        {"price": "1e9"},
        {"price": "1.123456789"},
        {"price": "9" * 79},
        {"price": ""},
        {"price": "NaN"},
        {"hours": "0"},
        {"hours": "169"},
        {"hours": "text"},
        {"hours": "9" * 40},
    ],
)
def test_odd_prices_get_a_plain_answer(asset: Asset, operator: Client, wrong: dict[str, str]) -> None:
    feed = _manual(asset, "desk", price=None)
    address = reverse("oms:price_enter", args=[feed.pk])
    answer = operator.post(address, {"price": "5", "hours": "1"} | wrong)
    assert answer.status_code == 422
    assert 'class="errors"' in answer.content.decode()
    feed.refresh_from_db()
    assert feed.price is None


def test_only_manual_feeds_and_only_operators(asset: Asset, operator: Client) -> None:
    feed = PriceFeed.objects.create(
        asset=asset, name="main", family="chain", kind=FeedKind.AGGREGATOR, contract="0x" + "11" * 20
    )
    assert operator.get(reverse("oms:price_enter", args=[feed.pk])).status_code == 404
    assert operator.get(reverse("oms:price_enter", args=[10**9])).status_code == 404
    trader = signed_in(User.objects.create_user("tess", display_name="Tess"))
    assert trader.get(reverse("oms:prices")).status_code == 403
    now = timezone.now()
    with pytest.raises(ValidationError):
        price_enter(
            actor="x", feed_id=_manual(asset, "desk").pk, price=1, expires_at=now + dt.timedelta(days=8), now=now
        )


def test_feeds_and_rules_changed_in_the_admin_are_recorded(asset: Asset, admin_client: Client) -> None:
    fields = {
        "asset": asset.pk,
        "name": "web",
        "family": "web",
        "kind": "signed",
        "heartbeat": "60",
        "enabled": "on",
        "contract": "",
        "url": "https://feed.example/secret",
        "public_key": "11" * 32,
        "headers_file": "",
    }
    assert admin_client.post(reverse("admin:chains_pricefeed_add"), fields).status_code == 302
    rule = {
        "asset": asset.pk,
        "families_least": "1",
        "deviation_most_bps": "50",
        "jump_most_bps": "50",
        "jump_seconds": "5",
    }
    assert admin_client.post(reverse("admin:chains_pricerule_add"), rule).status_code == 302
    entries = AuditEntry.objects.filter(tag="chains:price:feed_changed")
    assert entries.count() == 2
    assert not any("secret" in entry.payload for entry in entries)
    for odd in ({"url": "ftp://x"}, {"public_key": ""}, {"kind": "aggregator"}, {"headers_file": "../x"}):
        answer = admin_client.post(reverse("admin:chains_pricefeed_add"), fields | {"name": "other"} | odd)
        assert answer.status_code == 200, odd
    assert PriceFeed.objects.count() == 1
