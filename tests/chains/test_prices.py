"""Prices from feeds: freshness, votes, bounds; real aggregators, a signed feed over HTTP, prices of people."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from chains.errors import NoQuorumError
from chains.nodes.endpoint import Endpoint
from chains.prices import AggregatorFeed, ManualFeed, PriceRules, Quote, SignedFeed, Verdict, price_decide
from chains.prices.consensus import bps_apart, middle
from chains.prices.feeds import FEED_MOST_BYTES, statement_bytes
from core.schema import UINT256_MAX
from tests.chains.cluster import cluster_of
from tests.chains.contracts import deploy, transact
from tests.fakes.proxy import Lie

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chains.prices import FeedReading
    from tests.chains.cluster import Cluster

NOW = 1_700_000_000
ETHER = 2_500 * 10**8
RULES = PriceRules(families_least=2, deviation_most_bps=100, jump_most_bps=1_000, jump_seconds=600)


def _quote(family: str, price: int = ETHER, *, age: int = 5, feed: str = "", heartbeat: int = 60) -> Quote:
    return Quote(feed=feed or family, family=family, price=price, at=NOW - age, heartbeat=heartbeat)


def _decide(*quotes: Quote, last: int | None = None, last_age: int = 60) -> Verdict:
    before = None
    if last is not None:
        before = Verdict(price=last, at=NOW - last_age, families=(), left_out=(), reason="")
    return price_decide(quotes, rules=RULES, now=NOW, last=before)


def test_two_families_make_a_price() -> None:
    verdict = _decide(_quote("chain"), _quote("desk", ETHER + 10**8))
    assert verdict.price == ETHER + 5 * 10**7
    assert verdict.families == ("chain", "desk")


def test_one_family_has_one_vote_however_many_feeds_it_has() -> None:
    many = [_quote("chain", ETHER + n, feed=f"f{n}") for n in range(9)]
    assert _decide(*many).price is None
    verdict = _decide(*many, _quote("desk", ETHER))
    assert verdict.price == ETHER + 2  # the middle of 4 and 0


@pytest.mark.parametrize(
    ("quote", "why"),
    [
        (_quote("old", age=61), "s old"),
        (_quote("ahead", age=-61), "ahead of time"),
        (_quote("zero", 0), "positive"),
        (_quote("minus", -ETHER), "positive"),
        (_quote("huge", UINT256_MAX + 1), "positive"),
    ],
)
def test_what_is_not_fresh_or_no_price_does_not_count(quote: Quote, why: str) -> None:
    verdict = _decide(_quote("chain"), quote)
    assert verdict.price is None
    assert verdict.reason == "1 independent sources are fresh, 2 are needed"
    ((feed, fault),) = verdict.left_out
    assert feed == quote.feed
    assert why in fault


def test_votes_too_far_apart_halt() -> None:
    assert _decide(_quote("a"), _quote("b", ETHER * 101 // 100)).price is not None
    verdict = _decide(_quote("a"), _quote("b"), _quote("c", ETHER * 102 // 100))
    assert verdict.price is None
    assert verdict.reason == "c is 200 bps from the middle, 100 are allowed"


def test_a_jump_halts_for_a_while() -> None:
    assert _decide(_quote("a"), _quote("b"), last=ETHER * 109 // 100).price == ETHER
    verdict = _decide(_quote("a"), _quote("b"), last=ETHER * 112 // 100)
    assert "jumped by 1200 bps" in verdict.reason
    assert _decide(_quote("a"), _quote("b"), last=ETHER * 2, last_age=601).price == ETHER


def test_nothing_makes_no_price() -> None:
    assert _decide().price is None
    none_needed = PriceRules(families_least=0)
    assert price_decide([], rules=none_needed, now=NOW).price is None


@given(st.lists(st.integers(1, UINT256_MAX), min_size=1, max_size=9))
def test_the_middle_lies_between_and_distances_never_round_down(prices: list[int]) -> None:
    found = middle(prices)
    assert min(prices) <= found <= max(prices)
    for price in prices:
        apart = bps_apart(price, found)
        assert apart * min(price, found) >= abs(price - found) * 10_000
    assert bps_apart(0, 5) == UINT256_MAX


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with cluster_of(2) as cluster:
        yield cluster


def _aggregator(cluster: Cluster, decimals: int, answer: int) -> AggregatorFeed:
    address = deploy(cluster.first, cluster.accounts[0], "MockAggregatorV3", [decimals, "ETH / USD", answer])
    cluster.sync()
    return AggregatorFeed(name="main", family="chain", address=address, heartbeat=3600)


def _read(cluster: Cluster, feed: AggregatorFeed) -> FeedReading:
    return feed.read(cluster.pool(), now=int(time.time()))


@pytest.mark.anvil
@pytest.mark.parametrize(
    ("decimals", "answer", "price"),
    [(8, ETHER, ETHER), (18, 2_500 * 10**18 + 5, ETHER), (0, 2_500, ETHER), (36, 10**36, 10**8), (10, 99, 0)],
)
def test_aggregators_of_any_decimals(cluster: Cluster, decimals: int, answer: int, price: int) -> None:
    reading = _read(cluster, _aggregator(cluster, decimals, answer))
    assert reading.quote is not None
    assert reading.quote.price == price  # 99 of 10 decimals is below the smallest price, and no positive one


@pytest.mark.anvil
def test_rounds_that_are_none(cluster: Cluster) -> None:
    feed, owner = _aggregator(cluster, 8, ETHER), cluster.accounts[0]
    set_answer = "setAnswer(int256,uint256)"
    for call, values, why in (
        (set_answer, (0, NOW), "positive"),
        (set_answer, (-5, NOW), "positive"),
        (set_answer, (ETHER, 0), "not answered"),
        ("setCarriedOver(int256,uint256,uint80)", (ETHER, NOW, 1), "not answered"),
    ):
        transact(cluster.first, owner, feed.address, call, *values)
        cluster.sync()
        reading = _read(cluster, feed)
        assert reading.quote is None
        assert why in reading.problem
    transact(cluster.first, owner, feed.address, set_answer, ETHER, NOW)
    cluster.sync()
    old = _read(cluster, feed).quote
    assert old is not None
    assert price_decide([old], rules=PriceRules(families_least=1), now=int(time.time())).price is None  # long ago


@pytest.mark.anvil
def test_what_is_no_feed(cluster: Cluster) -> None:
    for address in (cluster.accounts[5], deploy(cluster.first, cluster.accounts[0], "BoxV1", [])):
        cluster.sync()
        reading = _read(cluster, AggregatorFeed(name="x", family="x", address=address, heartbeat=60))
        assert reading.quote is None
    reading = _read(cluster, _aggregator(cluster, 255, 5))
    assert reading.problem == "it claims impossible decimals"


@pytest.mark.anvil
def test_one_node_cannot_make_up_a_price(cluster: Cluster) -> None:
    feed = _aggregator(cluster, 8, ETHER)
    words = [f"{value:064x}" for value in (1, ETHER * 2, NOW, NOW, 1)]
    cluster.proxies["one"].lie("eth_call", Lie.ANSWER, answer={"result": "0x" + "".join(words)})
    with pytest.raises(NoQuorumError):
        _read(cluster, feed)


class Teller:
    """A signed feed: it tells what it is told to, signed or not."""

    ASSET = "eip155:1/slip44:60"

    def __init__(self) -> None:
        self.key = Ed25519PrivateKey.generate()
        self.body = b""
        self.status = 200
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(outer.status)
                self.send_header("Content-Length", str(len(outer.body)))
                self.end_headers()
                self.wfile.write(outer.body)

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/feed?key=secret"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def says(self, **changes: Any) -> None:  # noqa: ANN401 - JSON
        statement = {"asset": self.ASSET, "price": str(ETHER), "at": NOW} | changes
        signature = self.key.sign(statement_bytes(statement)).hex()
        self.body = json.dumps({"statement": statement, "signature": signature}).encode()

    def feed(self, key: bytes | None = None) -> SignedFeed:
        return SignedFeed(
            name="teller",
            family="desk",
            endpoint=Endpoint(label="teller", url=self.url, chain_id=0, timeout_seconds=2.0),
            public_key=key or self.key.public_key().public_bytes_raw(),
            asset=self.ASSET,
            heartbeat=60,
        )


@pytest.fixture
def teller() -> Iterator[Teller]:
    teller = Teller()
    yield teller
    teller.close()


def test_a_signed_feed(teller: Teller) -> None:
    teller.says()
    reading = teller.feed().read()
    assert reading.quote == Quote(feed="teller", family="desk", price=ETHER, at=NOW, heartbeat=60)


def test_another_key_or_a_changed_word_does_not_hold(teller: Teller) -> None:
    teller.says()
    other = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    for key in (other, bytes(32), b"\x01" + bytes(31), b"short"):
        reading = teller.feed(key).read()
        assert reading.problem == "its signature does not hold"
    teller.body = teller.body.replace(str(ETHER).encode(), str(ETHER + 1).encode())
    assert teller.feed().read().problem == "its signature does not hold"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"asset": "eip155:1/slip44:61"}, "another asset"),
        ({"price": ETHER}, "whole number"),
        ({"price": "1.5"}, "whole number"),
        ({"price": "-1"}, "whole number"),
        ({"price": "9" * 79}, "whole number"),
        ({"price": "\u0663"}, "whole number"),
        ({"price": None}, "whole number"),
        ({"at": "now"}, "time"),
        ({"at": True}, "time"),
        ({"at": -1}, "time"),
        ({"more": 1}, "no statement"),
    ],
)
def test_odd_statements_say_no_price_even_where_they_are_signed(
    teller: Teller, changes: dict[str, Any], why: str
) -> None:
    teller.says(**changes)
    reading = teller.feed().read()
    assert reading.quote is None
    assert why in reading.problem


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"5",
        b'{"statement": 5}',
        b'{"statement": {"asset": "a", "price": 1.5, "at": 5}, "signature": ""}',
        b"[" * 50_000,
        b"0" * (FEED_MOST_BYTES + 1),
        b'{"statement": {"asset": "a", "price": "1", "at": 5}, "signature": 7}',
        b"\xff\xfe",
    ],
)
def test_whatever_a_feed_answers_is_a_plain_refusal(teller: Teller, body: bytes) -> None:
    teller.body = body
    reading = teller.feed().read()
    assert reading.quote is None
    assert reading.problem
    assert "secret" not in reading.problem


def test_a_feed_that_is_down_or_unwilling(teller: Teller) -> None:
    teller.status = 503
    assert teller.feed().read().problem == "it answers with HTTP status 503"
    teller.close()
    reading = teller.feed().read()
    assert "cannot be read" in reading.problem
    assert "secret" not in reading.problem
    teller.__init__()  # type: ignore[misc]  # the fixture closes it once more


def test_prices_of_people_expire() -> None:
    feed = ManualFeed(name="desk", family="desk", price=ETHER, at=NOW - 100, expires=NOW + 100)
    quote = feed.read(now=NOW).quote
    assert quote is not None
    assert price_decide([quote], rules=PriceRules(families_least=1), now=NOW).price == ETHER
    assert feed.read(now=NOW + 101).problem == "it has expired"
