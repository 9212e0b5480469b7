"""From what feeds say to one price, or to none: one vote for each independent family, and bounds on each of them.

Fewer votes than the minimum, votes too far apart, or a jump since the last price: no price. Nothing is guessed, and
nothing is carried over: whoever needs a price waits, or takes a case to people.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.schema import UINT256_MAX

if TYPE_CHECKING:
    from collections.abc import Iterable

BPS = 10_000
PRICE_DECIMALS = 8
"""Prices are whole numbers of 10^-8 US dollars for one whole unit of the asset."""
FUTURE_MOST_SECONDS = 60
"""How far ahead of us a feed's clock may be."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Quote:
    """What one feed said.

    Attributes:
        feed: Its name.
        family: Who is behind it; feeds of one family share one vote.
        price: 10^-8 US dollars for one unit.
        at: When the feed says that this was so, Unix seconds.
        heartbeat: Seconds for which such a quote is fresh.
    """

    feed: str
    family: str
    price: int
    at: int
    heartbeat: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class PriceRules:
    """What makes a price.

    Attributes:
        families_least: Independent families that have to give a fresh quote.
        deviation_most_bps: How far a vote may be from the middle one, basis points.
        jump_most_bps: How far the price may be from the last one, basis points.
        jump_seconds: For how long after the last price that bound holds.
    """

    families_least: int = 2
    deviation_most_bps: int = 200
    jump_most_bps: int = 2_000
    jump_seconds: int = 3_600


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verdict:
    """A price, or the reason why there is none.

    Attributes:
        price: 10^-8 US dollars; None is a halt.
        at: When it was decided, Unix seconds.
        families: Whose votes it rests on.
        left_out: Feeds that did not count, each with the reason.
        reason: Why there is no price; empty where there is one.
    """

    price: int | None
    at: int
    families: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]
    reason: str


def bps_apart(price: int, other: int) -> int:
    """Return how far apart two prices are, in basis points of the smaller one, rounded up."""
    low, high = sorted((price, other))
    return UINT256_MAX if low <= 0 else -(-(high - low) * BPS // low)


def middle(prices: list[int]) -> int:
    """Return the middle price; of two middle ones the mean, rounded down."""
    ordered, half = sorted(prices), len(prices) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) // 2


def _fault(quote: Quote, now: int) -> str:
    if not 0 < quote.price <= UINT256_MAX:
        return "is no positive price"
    if quote.at > now + FUTURE_MOST_SECONDS:
        return "is dated ahead of time"
    if now - quote.at > quote.heartbeat:
        return f"is {now - quote.at} s old, {quote.heartbeat} s are fresh"
    return ""


def price_decide(quotes: Iterable[Quote], *, rules: PriceRules, now: int, last: Verdict | None = None) -> Verdict:
    """Decide what the price is, or that there is none.

    Args:
        quotes: What the feeds said; a feed that failed is simply not among them.
        rules: What makes a price.
        now: Unix seconds.
        last: The last verdict that had a price.
    """
    votes: dict[str, list[int]] = {}
    left_out: list[tuple[str, str]] = []
    for quote in quotes:
        fault = _fault(quote, now)
        if fault:
            left_out.append((quote.feed, fault))
        else:
            votes.setdefault(quote.family, []).append(quote.price)

    def verdict(price: int | None, reason: str = "") -> Verdict:
        families = tuple(sorted(votes))
        return Verdict(price=price, at=now, families=families, left_out=tuple(left_out), reason=reason)

    least = max(1, rules.families_least)
    if len(votes) < least:
        return verdict(None, f"{len(votes)} independent sources are fresh, {least} are needed")
    by_family = {family: middle(prices) for family, prices in votes.items()}
    price = middle(list(by_family.values()))
    apart = {family: bps_apart(vote, price) for family, vote in by_family.items()}
    far = max(apart, key=lambda family: apart[family])
    if apart[far] > rules.deviation_most_bps:
        return verdict(None, f"{far} is {apart[far]} bps from the middle, {rules.deviation_most_bps} are allowed")
    if last is not None and last.price is not None and now - last.at <= rules.jump_seconds:
        jump = bps_apart(price, last.price)
        if jump > rules.jump_most_bps:
            return verdict(None, f"the price jumped by {jump} bps, {rules.jump_most_bps} are allowed")
    return verdict(price)
