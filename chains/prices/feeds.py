"""Where prices come from: aggregators on chain, signed HTTP feeds, people. Each says what it read, or why it cannot.

A feed's family is who is behind it; two feeds of one family are one voice.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

import requests
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError

from chains.errors import EndpointError, NodeAnswerError, NodeRefusalError, PriceError
from chains.nodes.transport import open_session
from chains.nodes.wire import WireError, data, hexed
from chains.prices.consensus import PRICE_DECIMALS, Quote
from core.canonical import canonical, parse
from core.ed25519 import check_public_key
from core.errors import CoreError
from core.keccak import keccak256

if TYPE_CHECKING:
    from chains.nodes.client import NodeClient
    from chains.nodes.endpoint import Endpoint
    from chains.nodes.pool import Pool
    from chains.nodes.wire import Block

FEED_MOST_BYTES = 64 * 1024
"""What a signed feed may answer."""
DECIMALS_MOST = 36
_LATEST_ROUND = keccak256(b"latestRoundData()")[:4]
_DECIMALS = keccak256(b"decimals()")[:4]
_ROUND_TYPES = ("uint80", "int256", "uint256", "uint256", "uint80")
_DOMAIN = b"countersign.price.v1\n"
"""What a signed feed's key signs: this line, then the canonical JSON of its statement."""


def statement_bytes(statement: dict[str, object]) -> bytes:
    """Return what a signed feed's key signs."""
    return _DOMAIN + canonical(statement)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FeedReading:
    """What came of asking a feed: a quote, or why there is none."""

    feed: str
    quote: Quote | None
    problem: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class AggregatorFeed:
    """A contract with the face of Chainlink's AggregatorV3, read at a block that enough nodes agree on.

    Attributes:
        name: What people call it.
        family: Who is behind it.
        address: The contract, EIP-55.
        heartbeat: Seconds for which an answer is fresh.
    """

    KIND: ClassVar[str] = "aggregator"

    name: str
    family: str
    address: str
    heartbeat: int

    def read(self, pool: Pool, *, now: int) -> FeedReading:
        """Read the newest round.

        Raises:
            NoQuorumError: If nodes do not agree.
        """
        agreed = pool.read_agreed(self._ask, what=f"the price feed {self.name}", now=now)
        if isinstance(agreed.value, str):
            return FeedReading(feed=self.name, quote=None, problem=agreed.value)
        price, at = agreed.value
        quote = Quote(feed=self.name, family=self.family, price=price, at=at, heartbeat=self.heartbeat)
        return FeedReading(feed=self.name, quote=quote, problem="")

    def _view(self, client: NodeClient, block: Block, selector: bytes, types: tuple[str, ...]) -> tuple[int, ...]:
        call = {"to": self.address, "data": hexed(selector)}
        try:
            raw = data(client.call("eth_call", call, hex(block.number)), "eth_call")
            return tuple(int(value) for value in decode(types, raw))
        except WireError as error:
            raise NodeAnswerError(client.label, str(error)) from error
        except (DecodingError, ValueError, OverflowError) as error:
            raise PriceError("it does not answer as a price feed does") from error
        except NodeRefusalError as error:
            raise PriceError("it reverts") from error

    def _ask(self, client: NodeClient, block: Block) -> tuple[int, int] | str:
        """Ask one node; what the contract itself says wrong is an answer, on which nodes agree as well."""
        try:
            (decimals,) = self._view(client, block, _DECIMALS, ("uint8",))
            round_id, answer, _, updated_at, answered_in = self._view(client, block, _LATEST_ROUND, _ROUND_TYPES)
        except PriceError as error:
            return str(error)
        if decimals > DECIMALS_MOST:
            return "it claims impossible decimals"
        if answer <= 0:
            return "it says that there is no positive price"
        if updated_at == 0 or answered_in < round_id:
            return "its newest round is not answered"
        if decimals <= PRICE_DECIMALS:
            return answer * 10 ** (PRICE_DECIMALS - decimals), updated_at
        return answer // 10 ** (decimals - PRICE_DECIMALS), updated_at


@dataclasses.dataclass(frozen=True, kw_only=True)
class SignedFeed:
    """An HTTP feed that signs what it says with Ed25519, so that nobody between it and us can.

    It answers ``{"statement": {"asset", "price", "at"}, "signature"}``: `price` a decimal string of 10^-8 US dollars,
    `at` Unix seconds, the signature in hex over `_DOMAIN` and the statement's canonical JSON.

    Attributes:
        name: What people call it.
        family: Who is behind it.
        endpoint: Where it is; certificates and headers as for nodes.
        public_key: 32 bytes.
        asset: CAIP-19, as the statement has to name it.
        heartbeat: Seconds for which a statement is fresh.
    """

    KIND: ClassVar[str] = "signed"

    name: str
    family: str
    endpoint: Endpoint
    public_key: bytes
    asset: str
    heartbeat: int

    def read(self) -> FeedReading:
        """Fetch and check the newest statement; every fault is a reading without a quote."""
        try:
            price, at = self._statement(self._fetch())
        except PriceError as error:
            return FeedReading(feed=self.name, quote=None, problem=str(error))
        quote = Quote(feed=self.name, family=self.family, price=price, at=at, heartbeat=self.heartbeat)
        return FeedReading(feed=self.name, quote=quote, problem="")

    def _fetch(self) -> bytes:
        try:
            with open_session(endpoint=self.endpoint, most_bytes=FEED_MOST_BYTES) as session:
                answer = session.get(self.endpoint.url, timeout=self.endpoint.timeout_seconds, allow_redirects=False)
        except EndpointError as error:
            raise PriceError(f"it cannot be asked: {error.message}") from error
        except requests.RequestException as error:
            # The text of requests' errors names the address, which may hold a key.
            raise PriceError(f"it cannot be read ({type(error).__name__})") from error
        if answer.status_code != requests.codes.ok:
            raise PriceError(f"it answers with HTTP status {answer.status_code}")
        return bytes(answer.content)

    def _statement(self, raw: bytes) -> tuple[int, int]:
        try:
            answer = parse(raw, max_bytes=FEED_MOST_BYTES)
        except CoreError as error:
            raise PriceError("its answer is not JSON") from error
        statement = answer.get("statement") if isinstance(answer, dict) else None
        signature = answer.get("signature") if isinstance(answer, dict) else None
        if not isinstance(statement, dict) or set(statement) != {"asset", "price", "at"}:
            raise PriceError("its answer holds no statement")
        if not self._signed(statement, signature):
            raise PriceError("its signature does not hold")
        price, at = statement["price"], statement["at"]
        if statement["asset"] != self.asset:
            raise PriceError("it speaks of another asset")
        if not isinstance(price, str) or not price.isascii() or not price.isdigit() or len(price) > 78:  # noqa: PLR2004
            raise PriceError("its price is not a whole number")
        if isinstance(at, bool) or not isinstance(at, int) or at < 0:
            raise PriceError("its time is not a whole number")
        return int(price), at

    def _signed(self, statement: dict[str, object], signature: object) -> bool:
        try:
            raw = bytes.fromhex(signature) if isinstance(signature, str) else b""
            # Keys for which anybody can sign are refused.
            check_public_key(self.public_key)
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(raw, statement_bytes(statement))
        except (CoreError, ValueError, InvalidSignature):
            return False
        return True


@dataclasses.dataclass(frozen=True, kw_only=True)
class ManualFeed:
    """A price that a person entered, until it expires.

    Attributes:
        name: What people call it.
        family: Mostly the desk that enters it.
        price: 10^-8 US dollars.
        at: When it was entered, Unix seconds.
        expires: Until when it counts, Unix seconds.
    """

    KIND: ClassVar[str] = "manual"

    name: str
    family: str
    price: int
    at: int
    expires: int

    def read(self, *, now: int) -> FeedReading:
        """Say the price, while it counts."""
        if now > self.expires:
            return FeedReading(feed=self.name, quote=None, problem="it has expired")
        heartbeat = max(0, self.expires - self.at)
        quote = Quote(feed=self.name, family=self.family, price=self.price, at=self.at, heartbeat=heartbeat)
        return FeedReading(feed=self.name, quote=quote, problem="")
