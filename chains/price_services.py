"""Asking an asset's feeds, deciding on its price, keeping both; and prices that people enter."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError
from django.db import transaction

from audit.alarms import alarm_clear, alarm_raise
from audit.models import Severity
from audit.services import entry_append
from audit.tags import AuditTag
from chains.errors import ChainsError, PriceError
from chains.guards import outside_transaction
from chains.models import Asset, FeedKind, PriceFeed, PriceObservation, PriceRule
from chains.nodes.endpoint import Endpoint
from chains.prices import (
    AggregatorFeed,
    FeedReading,
    ManualFeed,
    PriceRules,
    Quote,
    SignedFeed,
    Verdict,
    price_decide,
)
from chains.reads import pool_open, secret_file
from chains.services import SYSTEM
from core.canonical import canonical
from core.names import checksum_address
from core.schema import UINT256_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable

INTERVAL = dt.timedelta(seconds=60)
MANUAL_MOST = dt.timedelta(days=7)
_TIMEOUT_SECONDS = 5.0


def _seconds(at: dt.datetime | None) -> int:
    return 0 if at is None else int(at.timestamp())


def _read(feed: PriceFeed, now: int) -> FeedReading:
    """Ask one feed; whatever goes wrong is a reading without a quote."""
    try:
        if feed.kind == FeedKind.AGGREGATOR:
            aggregator = AggregatorFeed(
                name=feed.name, family=feed.family, address=checksum_address(feed.contract), heartbeat=feed.heartbeat
            )
            return aggregator.read(pool_open(chain=feed.asset.chain_id), now=now)
        if feed.kind == FeedKind.SIGNED:
            endpoint = Endpoint(
                label=feed.name,
                url=feed.url,
                chain_id=0,
                timeout_seconds=_TIMEOUT_SECONDS,
                headers_file=secret_file(feed.headers_file),
            )
            key = bytes.fromhex(feed.public_key)
            return SignedFeed(
                name=feed.name,
                family=feed.family,
                endpoint=endpoint,
                public_key=key,
                asset=feed.asset_id,
                heartbeat=feed.heartbeat,
            ).read()
    except ChainsError as error:
        return FeedReading(feed=feed.name, quote=None, problem=str(error))
    if feed.price is None:
        return FeedReading(feed=feed.name, quote=None, problem="nobody has entered one")
    entered, expires = _seconds(feed.entered_at), _seconds(feed.expires_at)
    return ManualFeed(name=feed.name, family=feed.family, price=feed.price, at=entered, expires=expires).read(now=now)


def _rules(asset: Asset) -> PriceRules:
    rule = PriceRule.objects.filter(asset=asset).first() or PriceRule(asset=asset)
    return PriceRules(
        families_least=rule.families_least,
        deviation_most_bps=rule.deviation_most_bps,
        jump_most_bps=rule.jump_most_bps,
        jump_seconds=rule.jump_seconds,
    )


def _last(asset: Asset) -> Verdict | None:
    """Return the last price, to hold a jump against."""
    row = PriceObservation.objects.filter(asset=asset, price__isnull=False).first()
    if row is None:
        return None
    return Verdict(price=row.price, at=_seconds(row.at), families=(), left_out=(), reason="")


def _told(readings: Iterable[FeedReading], verdict: Verdict) -> dict[str, object]:
    left_out = dict(verdict.left_out)

    def words(quote: Quote | None, problem: str, feed: str) -> dict[str, object]:
        if quote is None:
            return {"problem": problem}
        return {"at": quote.at, "family": quote.family, "price": str(quote.price), "problem": left_out.get(feed, "")}

    return {reading.feed: words(reading.quote, reading.problem, reading.feed) for reading in readings}


def price_observe(*, asset: Asset, now: dt.datetime) -> PriceObservation:
    """Ask all of an asset's feeds and keep what the price is, or that there is none, with an alarm.

    Args:
        asset: With its feeds.
        now: The current time.

    Raises:
        InsideTransactionError: Inside a database transaction.
    """
    outside_transaction(f"feeds of {asset} asked")
    seconds = int(now.timestamp())
    feeds = PriceFeed.objects.select_related("asset__chain").filter(asset=asset, enabled=True)
    readings = [_read(feed, seconds) for feed in feeds]
    quotes = [reading.quote for reading in readings if reading.quote is not None]
    verdict = price_decide(quotes, rules=_rules(asset), now=seconds, last=_last(asset))
    with transaction.atomic():
        kept = PriceObservation.objects.create(
            asset=asset,
            at=now,
            price=verdict.price,
            reason=verdict.reason[:280],
            families=", ".join(verdict.families)[:400],
            readings=canonical(_told(readings, verdict)).decode(),
        )
        if verdict.price is None:
            alarm_raise(
                tag=AuditTag.PRICE_HALTED,
                severity=Severity.ALARM,
                subject=asset.caip19,
                message=f"There is no price of {asset.symbol}: {verdict.reason}",
                payload={"readings": _told(readings, verdict)},
                actor=SYSTEM,
            )
        else:
            alarm_clear(
                tag=AuditTag.PRICE_HALTED, subject=asset.caip19, message="there is a price again", actor=SYSTEM
            )
    return kept


@transaction.atomic
def price_enter(*, actor: str, feed_id: int, price: int, expires_at: dt.datetime, now: dt.datetime) -> PriceFeed:
    """Enter a price by hand. It counts as its family's vote, until it expires.

    Args:
        actor: Who enters it.
        feed_id: A feed of the manual kind.
        price: 10^-8 US dollars for one unit.
        expires_at: Until when it counts, at most seven days on.
        now: The current time.

    Raises:
        PriceError: If there is no such feed.
        ValidationError: If the price is none, or the expiry is not within reach.
    """
    feed = PriceFeed.objects.select_for_update().filter(pk=feed_id, kind=FeedKind.MANUAL).first()
    if feed is None:
        raise PriceError("there is no such feed that people enter prices for")
    if not 0 < price <= UINT256_MAX:
        raise ValidationError({"price": "A price above zero is expected."})
    if not now < expires_at <= now + MANUAL_MOST:
        raise ValidationError({"expires_at": "A time within the next seven days is expected."})
    feed.price, feed.entered_at, feed.expires_at = price, now, expires_at
    feed.save(update_fields=["price", "entered_at", "expires_at"])
    entry_append(
        actor=actor,
        tag=AuditTag.PRICE_ENTERED,
        subject=feed.asset_id,
        payload={"expires": _seconds(expires_at), "feed": feed.name, "price": str(price)},
        severity=Severity.WARNING,
    )
    return feed


def feed_record_change(*, actor: str, asset: Asset, what: str, payload: dict[str, object]) -> None:
    """Write the audit entry of a change to an asset's feeds or rule, in its transaction. No addresses in it."""
    entry_append(
        actor=actor,
        tag=AuditTag.PRICE_FEED_CHANGED,
        subject=asset.caip19,
        payload={"what": what, **payload},
        severity=Severity.WARNING,
    )


def prices_sweep(*, now: dt.datetime) -> int:
    """Observe the price of each asset that has feeds and was not observed for a while; return 0: nothing gets due.

    Args:
        now: The current time.
    """
    for asset in Asset.objects.select_related("chain").filter(feeds__enabled=True).distinct():
        newest = PriceObservation.objects.filter(asset=asset).first()
        if newest is None or now - newest.at >= INTERVAL:
            price_observe(asset=asset, now=now)
    return 0
