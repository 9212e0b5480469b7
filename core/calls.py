"""A transaction as the calls that it makes: batches are opened, arguments decoded, and what can leave is added up.

A call is understood if it is a plain payment, an ERC-20 transfer of a token that the policy knows, or a call of a
contract's function that the policy registers, and every byte of it was decoded; or a note, which is a wallet's own
few bytes to itself, sent with nothing: there is no code at such an address that could read them. One call inside that
is not understood makes the whole not understood: its parts cannot be weighed without it.

What leaves is known only for payments, transfers and allowances, and for batches of nothing else. An allowance
counts when it is given, whole, towards whoever may use it: using it later is not a transaction of ours.

Sources: EIP-20; EIP-2612 (``permit``) and Dai's older one; OpenZeppelin's ``increaseAllowance`` and ``multicall``;
Uniswap's ``multicall`` with a deadline or a block hash; Safe's ``MultiSend`` (packed: operation, to, value, length,
data; operation 1 is a delegatecall).
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

from core.abi import SELECTOR_BYTES, argument_types, decode_strict, fact_of
from core.calldata import TRANSFER_SELECTOR, CallKind
from core.names import address_from_bytes, native_asset, token_asset
from core.schema import UINT256_MAX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.books import Books
    from core.documents.roster import ContractEntry
    from core.registry import Fact

MOST_CALLS = 32
NOTE_MOST = 64
"""The longest data of a note, bytes."""
MOST_DEPTH = 4
_TRANSFER = "transfer(address,uint256)"
_TRANSFER_FROM = "transferFrom(address,address,uint256)"
_APPROVALS = {
    "approve(address,uint256)": (0, 1, 256),
    "increaseAllowance(address,uint256)": (0, 1, 256),
    "permit(address,address,uint256,uint256,uint8,bytes32,bytes32)": (1, 2, 256),
    "approve(address,address,uint160,uint48)": (1, 2, 160),
}
"""Signatures that give an allowance: the places of spender and amount, and the amount's bits."""
_ALL_OR_NOTHING = {
    "permit(address,address,uint256,uint256,bool,uint8,bytes32,bytes32)": (1, 4),
    "setApprovalForAll(address,bool)": (0, 1),
}
"""Signatures that allow everything or nothing: the places of the spender and of the flag."""
_MAY_ALLOW = re.compile(r"(?i)(?!decrease).*(?:approv|permit|allowance|operator|authori[sz])")
"""Names of functions that may give an allowance. What is named so and not listed above is not known to give none."""
_PERMIT2 = "approve(address,address,uint160,uint48)"
_BATCHES = {"multicall(bytes[])": 0, "multicall(uint256,bytes[])": 1, "multicall(bytes32,bytes[])": 1}
"""Signatures that call the same contract again and again: the place of the calls."""
_MULTI_SEND = "multiSend(bytes)"
_PACKED_HEAD = 1 + 20 + 32 + 32


@dataclasses.dataclass(frozen=True)
class Flow:
    """At most so much of an asset leaves to this address, or may be taken by it."""

    asset: str
    destination: str
    amount: int


@dataclasses.dataclass(frozen=True)
class Allowance:
    """Somebody may move our tokens, base units.

    `unlimited`: from half of what the amount's type can hold (2^255 for a uint256). No supply is that large, and
    tokens treat the largest number as endless.
    """

    asset: str
    spender: str
    amount: int
    unlimited: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Made:
    """One call, by itself.

    Attributes:
        chain: CAIP-2 chain.
        depth: How many batches it is inside.
        to: Whom it calls or pays.
        value: Native coin that it sends along, wei.
        selector: First four bytes; None without as many.
        kind: What it is, by itself and, for a batch, with all that is inside.
        delegate: It runs foreign code in its caller's place.
        contract: The entry of a registered contract.
        arguments: The decoded arguments of a registered function, as facts.
        flow: What leaves; for an allowance what may be taken. None if it is not known.
        allowance: The allowance that it gives.
        may_allow: Its name says that it may give one, and it is none that is known.
        is_batch: What it does is what the calls inside do.
        has_data: It is more than a payment.
    """

    chain: str
    depth: int
    to: str
    value: int
    selector: bytes | None
    kind: CallKind
    delegate: bool = False
    contract: ContractEntry | None = None
    arguments: tuple[Fact, ...] | None = None
    flow: Flow | None = None
    allowance: Allowance | None = None
    may_allow: bool = False
    is_batch: bool = False
    has_data: bool = True


@dataclasses.dataclass(frozen=True)
class _Inner:
    """A call inside a batch, not yet decoded."""

    to: str
    value: int
    data: bytes
    delegate: bool = False
    is_payment: bool = False


class _TooManyError(Exception):
    """More calls, or deeper ones, than are looked at."""


def _packed(data: bytes) -> list[_Inner] | None:
    """Read a MultiSend's transactions; None unless they fill the data exactly."""
    inner, place = [], 0
    while place < len(data):
        head = data[place : place + _PACKED_HEAD]
        length = int.from_bytes(head[53:], "big")
        body = data[place + _PACKED_HEAD : place + _PACKED_HEAD + length]
        if len(head) < _PACKED_HEAD or len(body) < length or head[0] > 1:
            return None
        to, value = address_from_bytes(head[1:21]), int.from_bytes(head[21:53], "big")
        inner.append(_Inner(to, value, body, delegate=head[0] == 1, is_payment=not body))
        place += _PACKED_HEAD + length
    return inner or None


class _Opener:
    """Opens one transaction. Counts the calls, so that none is decoded beyond the bound."""

    def __init__(self, chain: str, books: Books, sender: str) -> None:
        self.chain = chain
        self.books = books
        self.sender = sender
        self.count = 0

    def open(self, call: _Inner, depth: int) -> list[Made]:
        """Return a call and all calls inside it, outermost first."""
        self.count += 1
        if self.count > MOST_CALLS or depth > MOST_DEPTH:
            raise _TooManyError
        if not call.data:
            return [self._payment(call, depth)]
        selector = call.data[:SELECTOR_BYTES] if len(call.data) >= SELECTOR_BYTES else None
        entry = self.books.contract(self.chain, call.to)
        made = Made(
            chain=self.chain,
            depth=depth,
            to=call.to,
            value=call.value,
            selector=selector,
            kind=CallKind.UNKNOWN,
            delegate=call.delegate,
            contract=entry,
        )
        if self._is_note(call, depth):
            # Nothing leaves, towards nobody; only its gas counts.
            flow = Flow(native_asset(self.chain), call.to, 0)
            return [dataclasses.replace(made, kind=CallKind.NOTE, flow=flow)]
        if selector is None or call.delegate:
            return [made]
        signatures = [f.signature for f in entry.functions if f.selector == selector] if entry is not None else []
        if len(signatures) > 1 or (selector == TRANSFER_SELECTOR and signatures not in ([], [_TRANSFER])):
            # Two functions of one selector: whichever is meant, the other one might be.
            return [made]
        if selector == TRANSFER_SELECTOR and not signatures and self._is_token(call):
            signatures = [_TRANSFER]
        return self._call(made, signatures[0], call) if signatures else [made]

    def _payment(self, call: _Inner, depth: int) -> Made:
        understood = call.is_payment and not call.delegate
        return Made(
            chain=self.chain,
            depth=depth,
            to=call.to,
            value=call.value,
            selector=None,
            kind=CallKind.NATIVE if understood else CallKind.UNKNOWN,
            delegate=call.delegate,
            flow=Flow(native_asset(self.chain), call.to, call.value) if understood else None,
            has_data=False,
        )

    def _is_note(self, call: _Inner, depth: int) -> bool:
        """Whether a wallet of the policy sends itself a few bytes and nothing else.

        Only the transaction itself can be one: inside a batch the sender is the contract that makes it. Where the
        policy knows a contract or a token under the wallet's own address, something is wrong, and it is none.
        """
        own = depth == 0 and call.to == self.sender and call.to in self.books.own(self.chain)
        token = token_asset(self.chain, call.to) in self.books.assets
        foreign = token or self.books.names_contract(self.chain, call.to)
        return own and not foreign and call.value == 0 and len(call.data) <= NOTE_MOST

    def _is_token(self, call: _Inner) -> bool:
        """Whether a token that the policy knows is called, and nothing is sent along that it might keep."""
        return call.value == 0 and token_asset(self.chain, call.to) in self.books.assets

    def _call(self, made: Made, signature: str, call: _Inner) -> list[Made]:
        types = argument_types(signature)
        values = None if types is None else decode_strict(types, call.data[SELECTOR_BYTES:])
        if types is None or values is None:
            return [made]
        facts = tuple(fact_of(kind, value) for kind, value in zip(types, values, strict=True))
        made = dataclasses.replace(made, arguments=facts)
        token = token_asset(self.chain, call.to)
        is_token = self._is_token(call)
        if signature == _TRANSFER and is_token:
            flow = Flow(token, str(facts[0]), _number(facts[1]))
            return [dataclasses.replace(made, kind=CallKind.TOKEN, flow=flow)]
        made = dataclasses.replace(made, kind=CallKind.CONTRACT)
        if signature in _BATCHES or signature == _MULTI_SEND:
            return self._batch(made, signature, values)
        return [_token_call(made, signature, token if is_token else None, facts)]

    def _batch(self, made: Made, signature: str, values: tuple[object, ...]) -> list[Made]:
        inner: list[_Inner] | None
        if signature == _MULTI_SEND:
            inner = _packed(values[0]) if isinstance(values[0], bytes) else None
        else:
            listed = values[_BATCHES[signature]]
            calls = listed if isinstance(listed, list | tuple) else ()
            inner = [_Inner(made.to, made.value, bytes(data)) for data in calls] or None
        if inner is None:
            return [dataclasses.replace(made, kind=CallKind.UNKNOWN)]
        below = [one for call in inner for one in self.open(call, made.depth + 1)]
        clear = all(one.kind is not CallKind.UNKNOWN and not one.delegate for one in below)
        return [
            dataclasses.replace(made, kind=CallKind.CONTRACT if clear else CallKind.UNKNOWN, is_batch=True),
            *below,
        ]


def _number(fact: Fact) -> int:
    return fact if isinstance(fact, int) else UINT256_MAX


def _token_call(made: Made, signature: str, known: str | None, facts: tuple[Fact, ...]) -> Made:
    """Say what a registered function lets leave, if its contract is a token that the policy knows (`known`)."""
    chain, token = made.chain, token_asset(made.chain, made.to)
    if signature == _TRANSFER_FROM and known is not None:
        return dataclasses.replace(made, flow=Flow(known, str(facts[1]), _number(facts[2])))
    if signature in _APPROVALS:
        spender, amount, bits = _APPROVALS[signature]
        asset = token_asset(chain, str(facts[0])) if signature == _PERMIT2 else token
        most = _number(facts[amount])
        given = Allowance(asset, str(facts[spender]), most, unlimited=most >= 2 ** (bits - 1))
    elif signature in _ALL_OR_NOTHING:
        spender, flag = _ALL_OR_NOTHING[signature]
        most = UINT256_MAX if facts[flag] is True else 0
        given = Allowance(token, str(facts[spender]), most, unlimited=most > 0)
    else:
        name = signature.partition("(")[0]
        return dataclasses.replace(made, may_allow=_MAY_ALLOW.match(name) is not None)
    flow = Flow(known, given.spender, given.amount) if known == given.asset else None
    return dataclasses.replace(made, allowance=given, flow=flow)


@dataclasses.dataclass(frozen=True)
class Calls:
    """All calls of a transaction, outermost first."""

    made: tuple[Made, ...]

    @property
    def outer(self) -> Made:
        """The transaction itself."""
        return self.made[0]

    @property
    def understood(self) -> bool:
        """Whether every byte is understood."""
        return all(one.kind is not CallKind.UNKNOWN for one in self.made)

    @property
    def flows(self) -> tuple[Flow, ...] | None:
        """All that can leave, or None where any part of it is not known."""
        known = self.understood and all(one.is_batch or one.flow is not None for one in self.made)
        return tuple(self._flows()) if known else None

    def _flows(self) -> Iterator[Flow]:
        for one in self.made:
            if one.flow is not None:
                yield one.flow


def open_calls(chain: str, to: str, value: int, data: bytes, books: Books, *, sender: str = "") -> Calls:
    """Open a transaction.

    Args:
        chain: CAIP-2 chain.
        to: Whom it calls or pays, EIP-55.
        value: Native coin sent along, wei.
        data: The calldata.
        books: What the policy knows.
        sender: The wallet that sends it, EIP-55; without it nothing is a note.
    """
    first = _Inner(to, value, data, is_payment=not data)
    try:
        return Calls(tuple(_Opener(chain, books, sender).open(first, 0)))
    except _TooManyError:
        selector = data[:SELECTOR_BYTES] if len(data) >= SELECTOR_BYTES else None
        entry = books.contract(chain, to)
        unknown = Made(
            chain=chain, depth=0, to=to, value=value, selector=selector, kind=CallKind.UNKNOWN, contract=entry
        )
        return Calls((unknown,))
