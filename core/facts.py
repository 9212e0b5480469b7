"""The closed registry of facts, how each is known, and the facts that follow from the case itself."""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import TYPE_CHECKING

from core.calldata import Call, CallKind, decode_call
from core.documents.bundle import Provenance
from core.documents.mandate import AskerKind, Intent, Mandate
from core.errors import Refusal, RefusedError
from core.limits import AssetDraw, Draw
from core.names import native_asset
from core.schema import UINT256_MAX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from core.documents.policy import Policy

FactMap = dict[str, "str | int | bool | frozenset[str]"]
"""Known facts; a field that is missing here is unknown."""


class FactType(StrEnum):
    """What values a field has."""

    TEXT = "text"
    TEXTS = "texts"
    NUMBER = "number"
    FLAG = "flag"


@dataclasses.dataclass(frozen=True)
class FactField:
    """A field of the registry."""

    type: FactType
    provenance: Provenance
    help: str


_D, _A, _C = Provenance.DERIVED, Provenance.ATTESTED, Provenance.CLAIMED
REGISTRY: dict[str, FactField] = {
    "initiator": FactField(FactType.TEXTS, _D, "Who asks; for an API client also its responsible persons"),
    "initiator.roles": FactField(FactType.TEXTS, _D, "Roster roles of the person who asks"),
    "initiator.kind": FactField(FactType.TEXT, _D, "person or client"),
    "desk": FactField(FactType.TEXT, _D, "Desk of whoever asks"),
    "wallet": FactField(FactType.TEXT, _D, "CAIP-10 account that pays"),
    "wallet.kind": FactField(FactType.TEXT, _D, "hsm, mpc or software"),
    "chain": FactField(FactType.TEXT, _D, "CAIP-2 chain"),
    "asset": FactField(FactType.TEXT, _D, "CAIP-19 asset that moves"),
    "amount": FactField(FactType.NUMBER, _D, "Amount in the asset's base units"),
    "usd": FactField(FactType.NUMBER, _D, "Amount in 10⁻⁸ US dollars by the policy's reference price"),
    "destination": FactField(FactType.TEXT, _D, "Beneficiary address"),
    "destination.listed": FactField(FactType.FLAG, _D, "On the whitelist, past its cool-down, not expired"),
    "destination.entry": FactField(FactType.TEXT, _D, "Id of the whitelist entry"),
    "destination.own": FactField(FactType.FLAG, _D, "One of the institution's own wallets"),
    "call.kind": FactField(FactType.TEXT, _D, "native_transfer, token_transfer or unknown"),
    "contract": FactField(FactType.TEXT, _D, "Contract that is called"),
    "selector": FactField(FactType.TEXT, _D, "First four bytes of the calldata, 0x hex"),
    "value": FactField(FactType.NUMBER, _D, "Native coin sent along, wei"),
    "fee": FactField(FactType.NUMBER, _D, "Gas times fee cap, wei"),
    "gas": FactField(FactType.NUMBER, _D, "Gas limit"),
    "time.minute": FactField(FactType.NUMBER, _D, "Minute of the UTC day, 0 to 1439"),
    "time.weekday": FactField(FactType.NUMBER, _D, "Weekday in UTC, Monday is 0"),
    "simulation.success": FactField(FactType.FLAG, _A, "Attested: the simulation succeeded"),
    "code.unchanged": FactField(FactType.FLAG, _A, "Attested: code hashes are the reviewed ones"),
    "breaker.closed": FactField(FactType.FLAG, _A, "Attested: the counterparty's circuit breaker is closed"),
    "price.deviation_bps": FactField(FactType.NUMBER, _A, "Attested: distance from the price quorum, basis points"),
    "sanctions.clear": FactField(FactType.FLAG, _A, "Attested: the destination is on no sanctions list"),
    "risk.score": FactField(FactType.NUMBER, _A, "Attested: destination risk, 0 to 1000"),
    "web.simulation": FactField(FactType.TEXT, _C, "Claimed by the server: ok, failed or missing"),
    "web.first_use": FactField(FactType.FLAG, _C, "Claimed by the server: never paid before"),
}


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


def usd_value(policy: Policy, asset: str, amount: int, *, now: int) -> int | None:
    """Value an amount in 10⁻⁸ US dollars, rounded up against us; None without a live reference price."""
    decimals = next((entry.decimals for entry in policy.assets if entry.id == asset), None)
    price = next((entry for entry in policy.prices if entry.asset == asset), None)
    if decimals is None or price is None or now >= price.expires:
        return None
    rounded_up: int = -(-amount * price.usd_e8 // 10**decimals)
    return min(rounded_up, UINT256_MAX)


def _destination_facts(policy: Policy, chain: str, address: str, now: int) -> FactMap:
    facts: FactMap = {
        "destination": address,
        "destination.own": any(w.address == address and w.chain == chain for w in policy.wallets),
        "destination.listed": False,
    }
    for entry in policy.addresses:
        if entry.chain == chain and entry.address == address:
            # An entry that cools down or has expired is unknown: it grants nothing by its id either.
            if entry.usable_from <= now < entry.expires:
                facts["destination.entry"] = entry.id
                facts["destination.listed"] = True
            break
    return facts


def _understood(call: Call, policy: Policy) -> Call:
    """Take a transfer of a token that the policy does not know for what it is: a call to some contract."""
    if call.kind is not CallKind.TOKEN or any(entry.id == call.asset for entry in policy.assets):
        return call
    return dataclasses.replace(call, kind=CallKind.UNKNOWN, destination=None, asset=None, amount=None)


def derive_facts(intent: Intent, policy: Policy, who: Initiative, *, now: int) -> tuple[FactMap, Draw]:
    """Derive from the case all that follows from it, and what it draws.

    Args:
        intent: The exact transaction.
        policy: The policy that decides.
        who: The resolved asker.
        now: Unix seconds, UTC.

    Returns:
        The derived facts (what is not understood is missing, hence unknown) and the draw.
    """
    call = _understood(decode_call(intent), policy)
    kind = next((w.kind for w in policy.wallets if w.id == intent.wallet), None)
    facts: FactMap = {
        "initiator": frozenset(who.names),
        "initiator.roles": who.roles,
        "initiator.kind": who.kind,
        "desk": who.desk,
        "wallet": intent.wallet,
        "chain": intent.chain,
        "call.kind": call.kind,
        "value": intent.value,
        "fee": intent.fee_most,
        "gas": intent.gas,
        "time.minute": now // 60 % 1440,
        "time.weekday": (now // 86_400 + 3) % 7,
    }
    if kind is not None:
        facts["wallet.kind"] = kind
    if call.contract is not None:
        facts["contract"] = call.contract
    if call.selector is not None:
        facts["selector"] = "0x" + call.selector.hex()
    usd = None
    if call.asset is not None and call.amount is not None and call.destination is not None:
        usd = usd_value(policy, call.asset, call.amount, now=now)
        facts |= {"asset": call.asset, "amount": call.amount}
        facts |= _destination_facts(policy, intent.chain, call.destination, now)
        if usd is not None:
            facts["usd"] = usd
    return facts, _draw(intent, who, call, usd, now=now)


def _draw(intent: Intent, who: Initiative, call: Call, usd: int | None, *, now: int) -> Draw:
    native = native_asset(intent.chain)
    amounts = {native: intent.value + intent.fee_most}
    if call.asset is not None and call.asset != native and call.amount is not None:
        amounts[call.asset] = call.amount
    return Draw(
        time=now,
        initiators=who.names,
        desk=who.desk,
        wallet=intent.wallet,
        chain=intent.chain,
        asset=call.asset,
        destination=call.destination,
        contract=call.contract,
        amounts=tuple(AssetDraw(asset=a, amount=min(n, UINT256_MAX)) for a, n in sorted(amounts.items())),
        usd_e8=usd,
        fee=min(intent.fee_most, UINT256_MAX),
    )


def with_claims(facts: FactMap, claims: Mapping[str, str | int | bool | frozenset[str]]) -> FactMap:
    """Add what a server claims, under claimed fields only; used by the web tier, never by a signer."""
    allowed = {name: value for name, value in claims.items() if REGISTRY[name].provenance is Provenance.CLAIMED}
    return facts | allowed
