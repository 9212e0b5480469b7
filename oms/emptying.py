"""Emptying a wallet into a successor: which transfers it takes, how much each may move, and what is left over.

Nothing here moves anything. It is arithmetic over what nodes say and what was asked already; every transfer is asked
on the ordinary page, consented to by the people that the policy demands, and checked by signers as any other.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from chains.errors import NodeAnswerError, NodeRefusalError
from chains.reads import node_ask
from core.documents.mandate import Mandate, SingleOrder
from core.key_lifecycle import KeyState
from core.lifecycle import State
from core.names import NATIVE_SUFFIX
from custody.fees import Fees
from custody.models import Wallet as HeldWallet
from oms.intents import TOKEN_GAS, amount_format
from oms.models import TransactionRequest
from oms.presenters import Listing, listing_of
from oms.preview import fees_wanted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chains.nodes.client import NodeClient
    from core.documents.policy import Policy
    from core.documents.roster import AddressEntry, AssetEntry, Wallet

COIN_GAS = 30_000
"""What a transfer of the chain's coin may take at most; 21,000 and the margin of its simulation."""
_UNSPENT = (State.REQUESTED, State.PENDING, State.APPROVED, State.SIGNING, State.LIVE)
"""Asked, and not in a block yet: what they move is still in the balance."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Successor:
    """A wallet of the policy in force on the same chain, and the whitelist entry that lets it be paid."""

    wallet: Wallet
    entry: AddressEntry | None
    problem: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Leg:
    """One asset: what nodes say there is, what open requests move of it already, and what is left to ask. Base units.

    `amount` is what one more transfer may move so that gas is paid; the coin comes last.
    """

    asset: AssetEntry
    balance: int
    asked: int
    amount: int
    is_coin: bool

    @property
    def balance_words(self) -> str:
        """In the asset's units."""
        return f"{amount_format(self.balance, self.asset.decimals)} {self.asset.symbol}"

    @property
    def asked_words(self) -> str:
        """In the asset's units."""
        return f"{amount_format(self.asked, self.asset.decimals)} {self.asset.symbol}"

    @property
    def amount_words(self) -> str:
        """In the asset's units."""
        return f"{amount_format(self.amount, self.asset.decimals)} {self.asset.symbol}"

    @property
    def amount_text(self) -> str:
        """As the form for a new request takes it."""
        return amount_format(self.amount, self.asset.decimals)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """Every asset with a balance, tokens first.

    `reserve`: what gas can cost at most, in the coin's base units. `unread`: tokens that do not say what there is.
    """

    legs: tuple[Leg, ...]
    reserve: int
    requests: tuple[TransactionRequest, ...]
    unread: tuple[str, ...]

    @property
    def left(self) -> tuple[Leg, ...]:
        """What is still to be asked."""
        return tuple(leg for leg in self.legs if leg.amount > 0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Seen:
    fees: Fees
    balances: dict[str, int | None]


def successors(*, policy: Policy, wallet: str, now: int) -> list[Successor]:
    """Return the wallets that could take over, and why each of the others cannot.

    Args:
        policy: The policy in force.
        wallet: CAIP-10 account of the wallet that is to be emptied.
        now: Unix seconds.
    """
    chain = wallet.rpartition(":")[0]
    others = [one for one in policy.wallets if one.chain == chain and one.id != wallet]
    held = {one.pk: one for one in HeldWallet.objects.select_related("key").filter(pk__in=[one.id for one in others])}
    found = []
    for one in others:
        entry = next((e for e in policy.addresses if (e.chain, e.address) == (chain, one.address)), None)
        found.append(Successor(wallet=one, entry=entry, problem=_problem(one, entry, held, now)))
    return found


def _problem(wallet: Wallet, entry: AddressEntry | None, held: dict[str, HeldWallet], now: int) -> str:
    row = held.get(wallet.id)
    if row is None or not hasattr(row, "key"):
        return "custody does not hold it"
    if row.key.state not in (KeyState.GENERATED, KeyState.ACTIVE):
        return f"its key is {row.key.state}"
    if entry is None:
        return "no whitelist entry of the policy in force names it"
    listing = listing_of(entry, now=now)
    return "" if listing is Listing.USABLE else f"its whitelist entry is {listing.value}"


def _see(policy: Policy, wallet: Wallet) -> _Seen:
    assets = [asset for asset in policy.assets if asset.id.startswith(wallet.chain + "/")]

    def question(node: NodeClient) -> _Seen:
        fees = node.suggest_fees()
        balances = {asset.id: _balance(node, asset.id, wallet.address) for asset in assets}
        return _Seen(fees=Fees(most=fees.max_fee_per_gas, tip=fees.max_priority_fee_per_gas), balances=balances)

    return node_ask(chain=wallet.chain, question=question)


def _balance(node: NodeClient, asset: str, holder: str) -> int | None:
    """Return a balance, or None of a token that does not answer as one: it keeps the others from nobody."""
    if asset.endswith(NATIVE_SUFFIX):
        return node.balance(holder)
    try:
        return node.token_balance(asset.rpartition(":")[2], holder)
    except (NodeAnswerError, NodeRefusalError):
        return None


def _open_requests(wallet: str) -> list[TransactionRequest]:
    states = [state.value for state in _UNSPENT]
    return list(TransactionRequest.objects.filter(wallet=wallet, state__in=states).order_by("pk"))


def fee_most(request: TransactionRequest) -> int:
    """Return the most that a request's gas can cost, in the coin's base units."""
    order = Mandate.from_bytes(request.mandate_text.encode()).order
    return order.intent.fee_most if isinstance(order, SingleOrder) else 0


def _asked(requests: Iterable[TransactionRequest]) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in requests:
        found[one.asset] = found.get(one.asset, 0) + one.amount
    return found


def plan_make(*, policy: Policy, wallet: Wallet, held: bool) -> Plan:
    """Work out what it takes to empty a wallet. Asks a node, so no open transaction.

    Args:
        policy: The policy in force.
        wallet: Its entry of the wallet.
        held: Whether the transfers are to be held for later, at fees that nobody knows yet.

    Raises:
        ChainsError: If no node answers.
    """
    seen, requests = _see(policy, wallet), _open_requests(wallet.id)
    asked, cap = _asked(requests), fees_wanted(seen.fees, held=held).most
    assets = {asset.id: asset for asset in policy.assets}
    tokens = [name for name in seen.balances if not name.endswith(NATIVE_SUFFIX)]
    known = {name: amount for name, amount in seen.balances.items() if amount is not None}
    legs = [_leg(assets[name], known[name], asked.get(name, 0)) for name in tokens if known.get(name)]
    reserve = sum(fee_most(one) for one in requests)
    reserve += TOKEN_GAS * cap * sum(leg.amount > 0 for leg in legs)
    for name in set(seen.balances) - set(tokens):
        spare = reserve + COIN_GAS * cap
        legs.append(_leg(assets[name], known[name], asked.get(name, 0), spare=spare))
    return Plan(
        legs=tuple(legs),
        reserve=reserve + COIN_GAS * cap,
        requests=tuple(requests),
        unread=tuple(assets[name].name for name in tokens if name not in known),
    )


def _leg(asset: AssetEntry, balance: int, asked: int, *, spare: int | None = None) -> Leg:
    amount = max(0, balance - asked - (spare or 0))
    return Leg(asset=asset, balance=balance, asked=asked, amount=amount, is_coin=spare is not None)
