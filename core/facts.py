"""The facts that follow from a case and from its attesters, and what the case draws.

`core.registry` says which facts there are.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.attested import quoted
from core.books import Books, books_of
from core.calldata import CallKind
from core.calls import Calls, Flow, Made, open_calls
from core.documents.bundle import Provenance
from core.documents.mandate import AskerKind, Intent, Mandate
from core.errors import Refusal, RefusedError
from core.limits import AssetDraw, Draw
from core.names import native_asset
from core.registry import REGISTRY, Fact, FactField, FactMap, FactType, fits, flattened
from core.schema import UINT256_MAX
from core.timewindow import zones_now

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.documents.policy import Policy

__all__ = [
    "REGISTRY",
    "Fact",
    "FactField",
    "FactMap",
    "FactType",
    "Initiative",
    "beneficiary_of",
    "derive_facts",
    "resolve_asker",
    "usd_value",
    "with_claims",
]


_ATTESTED = frozenset(n for n, field in REGISTRY.items() if field.provenance is Provenance.ATTESTED)
_MOST_KEYS = 2**16
"""A batch that would count under more keys of one limit is not understood: whoever counts must not be drowned."""
_MOST_VALUES = 256
"""A call with more values in its arguments is not described: its arguments are unknown."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Initiative:
    """Who asks, resolved against the roster. `persons` are barred from every seat."""

    kind: AskerKind
    names: tuple[str, ...]
    persons: frozenset[str]
    roles: frozenset[str]
    desk: str


def resolve_asker(mandate: Mandate, policy: Policy) -> Initiative:
    """Look the mandate's asker up in the roster.

    Raises:
        RefusedError: `unknown_person`.
    """
    asker = mandate.asker
    if asker.kind is AskerKind.PERSON:
        for person in policy.people:
            if person.id == asker.id:
                return Initiative(
                    kind=asker.kind,
                    names=(person.id,),
                    persons=frozenset({person.id}),
                    roles=frozenset(person.roles),
                    desk=person.desk,
                )
    else:
        for client in policy.clients:
            if client.id == asker.id:
                return Initiative(
                    kind=asker.kind,
                    names=(client.id, *sorted(set(client.responsible))),
                    persons=frozenset(client.responsible),
                    roles=frozenset(),
                    desk=client.desk,
                )
    raise RefusedError(Refusal.UNKNOWN_PERSON, "the asker is not on the roster")


_NO_QUOTES: Mapping[str, int] = {}


def usd_value(
    policy: Policy, asset: str, amount: int, *, now: int, quotes: Mapping[str, int] = _NO_QUOTES
) -> int | None:
    """Value an amount in 10⁻⁸ US dollars, rounded up against us; None without a live reference price.

    Args:
        policy: Its reference price, or an attested one if that is higher.
        asset: CAIP-19.
        amount: Base units.
        now: Unix seconds.
        quotes: Attested prices of one unit, 10⁻⁸ US dollars by asset. Attesters raise a value and never lower it.
    """
    decimals = next((entry.decimals for entry in policy.assets if entry.id == asset), None)
    price = next((entry for entry in policy.prices if entry.asset == asset), None)
    if decimals is None or price is None or now >= price.expires:
        return None
    rounded_up: int = -(-amount * max(price.usd_e8, quotes.get(asset, 0)) // 10**decimals)
    return min(rounded_up, UINT256_MAX)


class _Prices:
    """What amounts are worth in one case, by the policy's reference prices and the attested ones."""

    def __init__(self, policy: Policy, attested: FactMap, now: int) -> None:
        self._policy, self._now = policy, now
        self._quotes = quoted(attested)
        # Whoever names attesters waits for their word: a server that keeps it back must not have the lower price.
        self._open = bool(policy.attester_threshold) and not attested

    def usd(self, asset: str, amount: int) -> int | None:
        """Value one amount, as `usd_value`."""
        if self._open:
            return None
        return usd_value(self._policy, asset, amount, now=self._now, quotes=self._quotes)

    def worth(self, amounts: Mapping[str, int]) -> int | None:
        """Value several amounts together; None if one of them has no value."""
        values = [self.usd(asset, amount) for asset, amount in amounts.items()]
        known = [value for value in values if value is not None]
        return min(sum(known), UINT256_MAX) if len(known) == len(values) else None


def _destination_facts(books: Books, chain: str, address: str, now: int) -> FactMap:
    entry = books.addresses.get((chain, address))
    facts: FactMap = {
        "destination": address,
        "destination.own": address in books.own(chain),
        "destination.listed": False,
        "destination.cooling": entry is not None and now < entry.usable_from,
        "destination.beneficiary": beneficiary_of(books, chain, address),
        "destination.lookalike": books.is_lookalike(address),
    }
    # An entry that cools down or has expired is unknown: it grants nothing by its id either.
    if entry is not None and entry.usable_from <= now < entry.expires:
        facts["destination.listed"] = True
        facts["destination.entry"] = entry.id
        facts["destination.label"] = entry.label
        facts["destination.age"] = now - entry.usable_from
    return facts


def beneficiary_of(books: Books, chain: str, address: str) -> str:
    """Return whom an address pays in the end: its entry's beneficiary, usable or not, or else itself."""
    entry = books.addresses.get((chain, address))
    return address if entry is None or entry.beneficiary is None else entry.beneficiary


def _call_facts(made: Made, prices: _Prices, books: Books, now: int) -> FactMap:
    """Return the facts of one call."""
    facts: FactMap = {"call.kind": made.kind.value, "value": made.value}
    if made.has_data:
        facts |= {"contract": made.to, "contract.known": made.contract is not None}
    if made.contract is not None and made.contract.protocol is not None:
        facts["contract.protocol"] = made.contract.protocol
    if made.selector is not None:
        facts["selector"] = "0x" + made.selector.hex()
    if made.arguments is not None and _size(made.arguments) <= _MOST_VALUES:
        facts |= {n: v for n, v in flattened("arg", made.arguments).items() if n != "arg"}
    if made.allowance is not None:
        facts["approve.asset"] = made.allowance.asset
        facts["approve.spender"] = made.allowance.spender
        facts["approve.amount"] = made.allowance.amount
    if made.flow is not None and made.kind not in (CallKind.CONTRACT, CallKind.NOTE):
        facts |= {"asset": made.flow.asset, "amount": made.flow.amount}
        facts |= _destination_facts(books, made.chain, made.flow.destination, now)
    usd = None if made.flow is None else prices.usd(made.flow.asset, made.flow.amount)
    if usd is not None:
        facts["usd"] = usd
    return facts


def _size(fact: Fact) -> int:
    return sum(_size(part) for part in fact) if isinstance(fact, tuple) else 1


def _batch_facts(calls: Calls, elements: tuple[FactMap, ...]) -> FactMap:
    """Return what is said about all calls together; what one unknown call leaves open stays unknown."""
    allowances = [one.allowance for one in calls.made if one.allowance is not None and one.allowance.amount]
    facts: FactMap = {"calls.unknown": not calls.understood}
    if calls.understood:
        # What is not understood may hold more calls than were seen: neither their list nor their number is known.
        facts["calls"] = elements
        facts["calls.count"] = len(calls.made)
        facts["calls.depth"] = max(one.depth for one in calls.made)
    said = {
        "calls.delegate": any(one.delegate for one in calls.made),
        "approve.any": bool(allowances),
        "approve.unlimited": any(one.unlimited for one in allowances),
    }
    hidden = {"approve.any", "approve.unlimited"} if any(one.may_allow for one in calls.made) else set[str]()
    return facts | {name: truth for name, truth in said.items() if truth or (calls.understood and name not in hidden)}


def _own_named(value: Fact, own: set[str]) -> set[str]:
    """Return which of our own addresses a value holds anywhere."""
    if isinstance(value, str):
        return {value} & own
    if isinstance(value, dict):
        value = tuple(value.values())
    return {name for part in value for name in _own_named(part, own)} if isinstance(value, tuple) else set()


_NOTHING_ATTESTED: Mapping[str, Fact] = {}


def derive_facts(
    intent: Intent,
    policy: Policy,
    who: Initiative,
    *,
    order: str,
    now: int,
    attested: Mapping[str, Fact] = _NOTHING_ATTESTED,
) -> tuple[FactMap, Draw]:
    """Derive from the case all that follows from it, lay what is attested over it, and say what it draws.

    Args:
        intent: The exact transaction.
        policy: The policy that decides.
        who: The resolved asker.
        order: The digest of the mandate.
        now: Unix seconds, UTC.
        attested: What k attesters of this policy say (`core.attested`); anything but attested fields is left out.

    Returns:
        The facts (what is not understood or not attested is missing, hence unknown) and the draw.
    """
    said = {n: v for n, v in attested.items() if n in _ATTESTED and fits(n, v)}
    prices, books = _Prices(policy, said, now), books_of(policy)
    calls = open_calls(intent.chain, intent.to, intent.value, intent.data, books, sender=intent.sender)
    facts: FactMap = {
        "initiator": frozenset(who.names),
        "initiator.roles": frozenset(str(role) for role in who.roles),
        "initiator.kind": who.kind.value,
        "desk": who.desk,
        "wallet": intent.wallet,
        "chain": intent.chain,
        "fee": intent.fee_most,
        "gas": intent.gas,
        "time.now": now,
        "time.minute": now // 60 % 1440,
        "time.weekday": (now // 86_400 + 3) % 7,
        "time.zones": zones_now(policy.zones, now),
    }
    wallet = books.wallets.get(intent.wallet)
    if wallet is not None:
        facts["wallet.kind"] = wallet.kind.value
    elements = tuple(_call_facts(made, prices, books, now) for made in calls.made)
    draw = _draw(intent, who, calls, prices, books, attested=said, order=order, now=now)
    facts |= elements[0] | _batch_facts(calls, elements)
    if calls.understood and all(one.arguments is None or _size(one.arguments) <= _MOST_VALUES for one in calls.made):
        facts["wallets.named"] = frozenset(_own_named(elements, books.own(intent.chain)))
    # What leaves in all, which for a batch is more than its first call says.
    facts.pop("usd", None)
    if draw.usd_e8 is not None:
        facts["usd"] = draw.usd_e8
    return facts | said, draw


def _sent(calls: Calls, attested: Mapping[str, Fact]) -> dict[str, int] | None:
    """Return what a call that is understood, and is no transfer, takes from the wallet by its attested effects.

    None where that is not the whole: if it would leave an allowance behind, or take more than one asset.
    """
    succeeds = attested.get("simulation.success") is True and attested.get("effects.allowances") == 0
    amount, asset = attested.get("effects.sent"), attested.get("effects.sent.asset")
    if not calls.understood or not succeeds or not isinstance(amount, int):
        return None
    if amount == 0:
        return {}
    return {asset: amount} if isinstance(asset, str) else None


def _breadth(who: Initiative, calls: Calls, flows: tuple[Flow, ...]) -> int:
    """Return how many keys a draw counts under at most, where a limit counts by everything at once."""
    assets, destinations = {flow.asset for flow in flows}, {flow.destination for flow in flows}
    contracts = max(1, len({one.to for one in calls.made if one.has_data}))
    # Each destination has one beneficiary, each contract at most one protocol.
    return len(who.names) * (len(assets) + 1) * (len(destinations) + 1) ** 2 * contracts**2


def _draw(
    intent: Intent,
    who: Initiative,
    calls: Calls,
    prices: _Prices,
    books: Books,
    *,
    attested: Mapping[str, Fact],
    order: str,
    now: int,
) -> Draw:
    native, flows = native_asset(intent.chain), calls.flows
    effects = _sent(calls, attested) if flows is None else None
    if flows is not None and _breadth(who, calls, flows) > _MOST_KEYS:
        flows = None
    leaving: dict[str, int] = dict(effects or {})
    for flow in flows or ():
        leaving[flow.asset] = leaving.get(flow.asset, 0) + flow.amount
    # A batch may pay out less than is sent to it: the rest stays there, and it has left all the same.
    sent = max(intent.value, leaving.pop(native, 0))
    held = leaving | ({native: sent} if sent or calls.outer.kind is CallKind.NATIVE else {})
    destinations = {flow.destination for flow in flows or ()} | ({intent.to} if flows and intent.value else set())
    contracts = {one.to: one.contract for one in calls.made if one.has_data}
    protocols = {entry.protocol for entry in contracts.values() if entry is not None and entry.protocol is not None}
    amounts = leaving | {native: sent + intent.fee_most}
    return Draw(
        time=now,
        order=order,
        initiators=who.names,
        desk=who.desk,
        wallet=intent.wallet,
        chain=intent.chain,
        assets=tuple(sorted(held)) if flows or effects else (),
        destinations=tuple(sorted(destinations)),
        beneficiaries=tuple(sorted({beneficiary_of(books, intent.chain, name) for name in destinations})),
        contracts=tuple(sorted(contracts)),
        protocols=tuple(sorted(protocols)),
        amounts=tuple(AssetDraw(asset=a, amount=min(n, UINT256_MAX)) for a, n in sorted(amounts.items())),
        usd_e8=prices.worth(held) if flows or effects is not None else None,
        fee=min(intent.fee_most, UINT256_MAX),
    )


def with_claims(facts: FactMap, claims: Mapping[str, Fact]) -> FactMap:
    """Add what a server claims, under claimed fields only; used by the web tier, never by a signer."""
    allowed = {name: value for name, value in claims.items() if REGISTRY[name].provenance is Provenance.CLAIMED}
    return facts | allowed
