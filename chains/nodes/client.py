"""One node: typed reads, and a send that never mistakes silence for failure."""

from __future__ import annotations

import re
import ssl
import time
from enum import StrEnum
from typing import TYPE_CHECKING, Self, TypeVar, cast

import requests
from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError, SSLError

from chains.errors import (
    AmbiguousSendError,
    NodeAnswerError,
    NodeDownError,
    NodeError,
    NodeRefusalError,
    NodeTimeoutError,
    WrongChainError,
)
from chains.nodes.transport import ResponseTooLargeError, open_session
from chains.nodes.wire import (
    Block,
    FeeSuggestion,
    Receipt,
    WireError,
    data,
    fields,
    hash32,
    hexed,
    quantity,
    read_block,
    read_receipt,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from web3.types import RPCEndpoint

    from chains.nodes.endpoint import Endpoint
    from chains.nodes.health import HealthBook

T = TypeVar("T")

MESSAGE_MOST = 200
# geth and erigon say "already known", anvil "transaction already imported", besu "Known transaction",
# nethermind "AlreadyKnown".
_KNOWN = re.compile(
    r"already\s*known|already\s+imported|\bknown\s+transaction|already\s+in\s+(?:the\s+)?mempool", re.IGNORECASE
)
_BALANCE_OF = bytes.fromhex("70a08231")
_DECIMALS = bytes.fromhex("313ce567")
DECIMALS_MOST = 77


class SendOutcome(StrEnum):
    """What a node said to the bytes."""

    ACCEPTED = "accepted"
    KNOWN = "known"


def _never_connected(error: requests.RequestException) -> bool:
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(error, requests.ConnectTimeout) or isinstance(reason, (NewConnectionError, ConnectTimeoutError))


def _not_the_one(error: requests.RequestException) -> bool:
    """Say whether the handshake ended over the node's certificate; other TLS errors may come after a request left."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    inner = reason.args[0] if isinstance(reason, SSLError) and reason.args else None
    return isinstance(inner, ssl.SSLCertVerificationError) or "Fingerprints did not match" in str(inner)


def _printable(text: object) -> str:
    """Keep what a node says short and harmless for logs and pages."""
    return "".join(c if c.isprintable() else " " for c in str(text))[:MESSAGE_MOST]


class NodeClient:
    """A node, opened for one piece of work. Every use first makes sure that it serves the chain it should."""

    def __init__(self, *, endpoint: Endpoint, book: HealthBook | None = None) -> None:
        """Prepare; nothing is sent yet.

        Args:
            endpoint: Where it is.
            book: Where its calls are noted.

        Raises:
            EndpointError: If its settings are wrong.
        """
        self.label = endpoint.label
        self._endpoint = endpoint
        self._book = book
        self._chain_checked = False
        from chains.nodes.provider import open_provider  # noqa: PLC0415 - it loads web3: for whoever asks, not for all

        self._session = open_session(endpoint=endpoint)
        self._provider = open_provider(endpoint=endpoint, session=self._session)

    def __enter__(self) -> Self:
        """Use it for the length of a block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close its connections."""
        self._session.close()

    def _request(self, method: str, *params: object) -> object:
        started = time.monotonic()
        try:
            result = self._exchange(method, *params)
        except NodeRefusalError:
            # It answered, and said no to the question: that is no fault of the node.
            self._note(started, None)
            raise
        except NodeError as error:
            self._note(started, f"{method}: {error.message}")
            raise
        self._note(started, None)
        return result

    def _note(self, started: float, problem: str | None) -> None:
        if self._book is None:
            return
        now = time.monotonic()
        if problem is None:
            self._book.answered(self._endpoint.key, latency_ms=int((now - started) * 1000))
        else:
            self._book.failed(self._endpoint.key, reason=problem, now=now)

    def _exchange(self, method: str, *params: object) -> object:
        try:
            answer: object = self._provider.make_request(cast("RPCEndpoint", method), list(params))
        except ResponseTooLargeError as error:
            raise NodeAnswerError(self.label, "the answer is too large") from error
        except requests.HTTPError as error:
            status = error.response.status_code if error.response is not None else "?"
            raise NodeAnswerError(self.label, f"HTTP status {status}") from error
        except requests.RequestException as error:
            raise self._broken(error) from error
        except (ValueError, RecursionError) as error:
            raise NodeAnswerError(self.label, "the answer is not JSON") from error
        if not isinstance(answer, dict):
            raise NodeAnswerError(self.label, "the answer is not an object")
        problem = answer.get("error")
        if problem is not None:
            if not isinstance(problem, dict):
                raise NodeAnswerError(self.label, "the error is not an object")
            code = problem.get("code")
            raise NodeRefusalError(
                self.label,
                _printable(problem.get("message")),
                code if isinstance(code, int) else 0,
                problem.get("data"),
            )
        if "result" not in answer:
            raise NodeAnswerError(self.label, "neither result nor error")
        return answer["result"]

    def _broken(self, error: requests.RequestException) -> NodeError:
        """Tell what never reached the node from what may have. Texts of requests' errors name the URL: not shown."""
        if isinstance(error, requests.TooManyRedirects):
            return NodeAnswerError(self.label, "sends us to another address")
        if _not_the_one(error):
            return NodeDownError(self.label, "shows another certificate than it should")
        if _never_connected(error):
            return NodeDownError(self.label, "cannot be reached")
        return NodeTimeoutError(self.label, f"the connection broke off ({type(error).__name__})")

    def check_chain(self) -> None:
        """Make sure, once, that the node serves the chain.

        Raises:
            WrongChainError: If it serves another one.
        """
        if not self._chain_checked:
            served = self._read(quantity, self._request("eth_chainId"), "eth_chainId")
            if served != self._endpoint.chain_id:
                raise WrongChainError(self.label, f"serves chain {served}, expected {self._endpoint.chain_id}")
            self._chain_checked = True

    def _read(self, reader: Callable[..., T], value: object, *at: str) -> T:
        try:
            return reader(value, *at)
        except WireError as error:
            raise NodeAnswerError(self.label, str(error)) from error

    def call(self, method: str, *params: object) -> object:
        """Ask anything and get raw JSON; the caller reads it strictly.

        Raises:
            NodeError: Any kind of it.
        """
        self.check_chain()
        return self._request(method, *params)

    def block(self, at: int | str = "latest") -> Block | None:
        """Return a block by number or tag; None where the node has none."""
        tag = hex(at) if isinstance(at, int) else at
        value = self.call("eth_getBlockByNumber", tag, False)  # noqa: FBT003 - JSON-RPC's positional flag
        if value is None:
            return None
        block = self._read(read_block, value)
        if isinstance(at, int) and block.number != at:
            raise NodeAnswerError(self.label, "another block than the one that was asked for")
        return block

    def head(self) -> Block:
        """Return the newest block."""
        block = self.block("latest")
        if block is None:
            raise NodeAnswerError(self.label, "the node has no block at all")
        if self._book is not None:
            self._book.saw_head(self._endpoint.key, block)
        return block

    def balance(self, address: str, at: int | str = "latest") -> int:
        """Return a native balance in wei."""
        tag = hex(at) if isinstance(at, int) else at
        return self._read(quantity, self.call("eth_getBalance", address, tag), "eth_getBalance")

    def nonce(self, address: str, at: int | str = "latest") -> int:
        """Return how many nonces are consumed. Never `pending`: it differs between nodes and falls back."""
        tag = hex(at) if isinstance(at, int) else at
        return self._read(quantity, self.call("eth_getTransactionCount", address, tag), "eth_getTransactionCount")

    def _view(self, contract: str, calldata: bytes, type_: str) -> object:
        raw = self._read(data, self.call("eth_call", {"to": contract, "data": hexed(calldata)}, "latest"), "eth_call")
        try:
            return decode([type_], raw)[0]
        except (DecodingError, ValueError) as error:
            raise NodeAnswerError(self.label, "the contract does not answer as a token does") from error

    def token_balance(self, contract: str, holder: str) -> int:
        """Return an ERC-20 balance in base units."""
        return int(str(self._view(contract, _BALANCE_OF + encode(["address"], [holder]), "uint256")))

    def token_decimals(self, contract: str) -> int:
        """Return an ERC-20 token's decimals."""
        decimals = int(str(self._view(contract, _DECIMALS, "uint256")))
        if decimals > DECIMALS_MOST:
            raise NodeAnswerError(self.label, "the contract claims impossible decimals")
        return decimals

    def receipt(self, transaction_hash: bytes) -> Receipt | None:
        """Return the receipt of a mined transaction; None while it is in no block that the node knows."""
        value = self.call("eth_getTransactionReceipt", hexed(transaction_hash))
        if value is None or self._read(fields, value, "receipt").get("blockHash") is None:
            return None
        receipt = self._read(read_receipt, value)
        if receipt.transaction_hash != transaction_hash:
            raise NodeAnswerError(self.label, "the receipt of another transaction")
        return receipt

    def suggest_fees(self) -> FeeSuggestion:
        """Suggest fee caps: twice the base fee plus the tip outlasts six full blocks (EIP-1559: +12.5 % each)."""
        base_fee = self.head().base_fee
        tip = self._read(quantity, self.call("eth_maxPriorityFeePerGas"), "eth_maxPriorityFeePerGas")
        return FeeSuggestion(base_fee=base_fee, max_fee_per_gas=2 * base_fee + tip, max_priority_fee_per_gas=tip)

    def send(self, raw: bytes, transaction_hash: bytes) -> SendOutcome:
        """Send signed bytes, once.

        Args:
            raw: The signed transaction, already stored.
            transaction_hash: Its Keccak-256.

        Raises:
            NodeDownError: Certainly not sent.
            WrongChainError: Not sent.
            NodeRefusalError: The node looked at the bytes and refused them.
            AmbiguousSendError: Anything else: perhaps sent.
        """
        try:
            self.check_chain()
        except (NodeTimeoutError, NodeAnswerError, NodeRefusalError) as error:
            # Nothing was sent yet, so a node that cannot even name its chain counts as down.
            raise NodeDownError(self.label, f"cannot name its chain: {error.message}") from error
        try:
            answer = self._request("eth_sendRawTransaction", hexed(raw))
        except NodeRefusalError as error:
            if _KNOWN.search(error.message):
                return SendOutcome.KNOWN
            raise
        except NodeDownError:
            raise
        except NodeError as error:
            raise AmbiguousSendError(self.label, error.message) from error
        try:
            named = hash32(answer, "hash")
        except WireError as error:
            raise AmbiguousSendError(self.label, "accepted without naming a hash") from error
        if named != transaction_hash:
            raise AmbiguousSendError(self.label, "the node names another hash")
        return SendOutcome.ACCEPTED
