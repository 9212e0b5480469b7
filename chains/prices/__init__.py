"""Prices: what feeds say, and what enough independent ones agree on. Plain Python; integers of 10⁻⁸ US dollars."""

from chains.prices.consensus import PriceRules, Quote, Verdict, price_decide
from chains.prices.feeds import AggregatorFeed, FeedReading, ManualFeed, SignedFeed

__all__ = [
    "AggregatorFeed",
    "FeedReading",
    "ManualFeed",
    "PriceRules",
    "Quote",
    "SignedFeed",
    "Verdict",
    "price_decide",
]
