"""The closed registry of facts: what each is, which type it has, and how it is known."""

from __future__ import annotations

import dataclasses
import re
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from core.documents.bundle import Provenance

if TYPE_CHECKING:
    from collections.abc import Mapping

Fact: TypeAlias = "str | int | bool | frozenset[str] | tuple[Fact, ...] | dict[str, Fact]"
"""A value: text, number, flag, set of texts, list, or (an element of `calls`) facts of its own."""
FactMap = dict[str, Fact]
"""Known facts; a field that is missing here is unknown."""

SELF = "item"
"""The element itself, where a condition looks at each element of a list of plain values."""


class FactType(StrEnum):
    """What values a field has. `any` is whatever the contract's ABI says: text, number, flag or list."""

    TEXT = "text"
    TEXTS = "texts"
    NUMBER = "number"
    FLAG = "flag"
    LIST = "list"
    ANY = "any"


@dataclasses.dataclass(frozen=True)
class FactField:
    """A field of the registry. `call`: it belongs to one call, so each call of a batch has its own."""

    type: FactType
    provenance: Provenance
    help: str
    call: bool = False


def _derived(kind: FactType, text: str) -> FactField:
    return FactField(kind, Provenance.DERIVED, text)


def _of_call(kind: FactType, text: str) -> FactField:
    return FactField(kind, Provenance.DERIVED, text, call=True)


def _attested(kind: FactType, text: str) -> FactField:
    return FactField(kind, Provenance.ATTESTED, f"Attested: {text}")


def _claimed(kind: FactType, text: str) -> FactField:
    return FactField(kind, Provenance.CLAIMED, f"Claimed by the server: {text}")


_TEXT, _TEXTS, _NUMBER, _FLAG, _LIST = (
    FactType.TEXT, FactType.TEXTS, FactType.NUMBER, FactType.FLAG, FactType.LIST,
)  # fmt: skip

REGISTRY: dict[str, FactField] = {
    "initiator": _derived(_TEXTS, "Who asks; for an API client also its responsible persons"),
    "initiator.roles": _derived(_TEXTS, "Roster roles of the person who asks"),
    "initiator.kind": _derived(_TEXT, "person or client"),
    "desk": _derived(_TEXT, "Desk of whoever asks"),
    "wallet": _derived(_TEXT, "CAIP-10 account that pays"),
    "wallet.kind": _derived(_TEXT, "hsm, mpc or software"),
    "wallets.named": _derived(_TEXTS, "Own wallets' addresses on this chain that the transaction names anywhere"),
    "chain": _derived(_TEXT, "CAIP-2 chain"),
    "asset": _of_call(_TEXT, "CAIP-19 asset that a transfer moves"),
    "amount": _of_call(_NUMBER, "Amount of a transfer in the asset's base units"),
    "usd": _of_call(_NUMBER, "What leaves at most, in 10⁻⁸ US dollars by the policy's reference prices"),
    "destination": _of_call(_TEXT, "Beneficiary address of a transfer"),
    "destination.listed": _of_call(_FLAG, "On the whitelist, past its cool-down, not expired"),
    "destination.cooling": _of_call(_FLAG, "On the whitelist, its cool-down not over"),
    "destination.entry": _of_call(_TEXT, "Id of the whitelist entry, while it can be used"),
    "destination.label": _of_call(_TEXT, "Label of the whitelist entry, while it can be used"),
    "destination.age": _of_call(_NUMBER, "Seconds since the whitelist entry became usable"),
    "destination.beneficiary": _of_call(_TEXT, "Beneficiary of the whitelist entry, else the address itself"),
    "destination.own": _of_call(_FLAG, "One of the institution's own wallets"),
    "destination.lookalike": _of_call(_FLAG, "Unknown, but begins and ends (4 digits each) like a known address"),
    "call.kind": _of_call(_TEXT, "native_transfer, token_transfer, contract_call, note or unknown"),
    "contract": _of_call(_TEXT, "Contract that is called"),
    "contract.known": _of_call(_FLAG, "The contract is registered in the policy"),
    "contract.protocol": _of_call(_TEXT, "Protocol of the registered contract"),
    "selector": _of_call(_TEXT, "First four bytes of the calldata, 0x hex"),
    "calls": _derived(_LIST, "The call and all calls inside it, outermost first, each with its own facts"),
    "calls.count": _derived(_NUMBER, "How many calls there are, the outermost included"),
    "calls.depth": _derived(_NUMBER, "How deep calls are nested; 0 for a plain call"),
    "calls.unknown": _derived(_FLAG, "The call or one inside it is not understood"),
    "calls.delegate": _derived(_FLAG, "A call inside runs foreign code in its caller's place (delegatecall)"),
    "approve.any": _derived(_FLAG, "The call or one inside it lets somebody else move tokens (approve, permit)"),
    "approve.unlimited": _derived(_FLAG, "One of these allowances is 2²⁵⁵ or more"),
    "approve.asset": _of_call(_TEXT, "CAIP-19 token of the allowance"),
    "approve.spender": _of_call(_TEXT, "Who may move the tokens"),
    "approve.amount": _of_call(_NUMBER, "How many base units they may move"),
    "value": _of_call(_NUMBER, "Native coin sent along, wei"),
    "fee": _derived(_NUMBER, "Gas times fee cap, wei"),
    "gas": _derived(_NUMBER, "Gas limit"),
    "time.now": _derived(_NUMBER, "Unix seconds; compared with time windows"),
    "time.minute": _derived(_NUMBER, "Minute of the UTC day, 0 to 1439"),
    "time.weekday": _derived(_NUMBER, "Weekday in UTC, Monday is 0"),
    "time.zones": _derived(_TEXTS, "Each zone of the policy with its offset from UTC now, in minutes"),
    "simulation.success": _attested(_FLAG, "the simulation succeeded"),
    "effects.received": _attested(_NUMBER, "base units that the wallet receives in the simulation"),
    "effects.received.asset": _attested(_TEXT, "CAIP-19 asset that the wallet receives"),
    "effects.sent": _attested(_NUMBER, "base units that leave the wallet in the simulation"),
    "effects.sent.asset": _attested(_TEXT, "CAIP-19 asset that leaves the wallet"),
    "effects.allowances": _attested(_NUMBER, "how many allowances of the wallet the transaction leaves larger"),
    "code.unchanged": _attested(_FLAG, "code hashes are the reviewed ones"),
    "implementation.unchanged": _attested(_FLAG, "implementations behind proxies are the reviewed ones"),
    "breaker.closed": _attested(_FLAG, "the counterparty's circuit breaker is closed"),
    "price.deviation_bps": _attested(_NUMBER, "distance from the price quorum, basis points"),
    "price.quotes": _attested(_TEXTS, "prices, each as CAIP-19 asset=10⁻⁸ US dollars for one unit"),
    "sanctions.clear": _attested(_FLAG, "the destination is on no sanctions list"),
    "risk.score": _attested(_NUMBER, "destination risk, 0 to 1000"),
    "web.simulation": _claimed(_TEXT, "ok, failed or missing"),
    "web.first_use": _claimed(_FLAG, "never paid before"),
}

_ARGUMENT = re.compile(r"arg(?:\.(?:0|[1-9][0-9]{0,2})){1,8}")
_ITEM = re.compile(r"item(?:\.(?:0|[1-9][0-9]{0,2})){0,8}")
_ARGUMENT_FIELD = _of_call(FactType.ANY, "Decoded argument of the call, counted from 0; arg.2.0 is inside arg.2")
_ITEM_FIELD = _derived(FactType.ANY, "The element of a list that 'some' or 'every' looks at")

_CLASSES: dict[type, FactType] = {
    str: FactType.TEXT,
    bool: FactType.FLAG,
    int: FactType.NUMBER,
    frozenset: FactType.TEXTS,
    tuple: FactType.LIST,
}


def field_of(name: str | None) -> FactField | None:
    """Return a field of the registry; arguments (``arg.0.1``) and list elements (``item``) are fields too."""
    known = REGISTRY.get(name or "")
    if known is not None or name is None:
        return known
    if _ARGUMENT.fullmatch(name) is not None:
        return _ARGUMENT_FIELD
    return _ITEM_FIELD if _ITEM.fullmatch(name) is not None else None


def fits(name: str, value: object) -> bool:
    """Whether a value is of its field's type; one that is not is unknown."""
    field = field_of(name)
    found = _CLASSES.get(type(value))
    return field is not None and found is not None and (field.type is found or field.type is FactType.ANY)


def known_fact(name: str | None, facts: Mapping[str, Fact]) -> Fact | None:
    """Return a fact, or None where it is unknown: missing, of no field, or of the wrong type."""
    value = facts.get(name or "")
    return value if value is not None and fits(name or "", value) else None


def facts_of_element(element: Fact, facts: Mapping[str, Fact]) -> FactMap:
    """Lay an element's own facts over the case's.

    A call of `calls` brings the facts of one call, and hides those of the outermost; any other element is called
    `item`, and what is inside it `item.0`, `item.1` and so on.
    """
    if isinstance(element, dict):
        rest = {n: v for n, v in facts.items() if not (field := field_of(n)) or not field.call}
        return {n: v for n, v in rest.items() if not _ITEM.fullmatch(n)} | element
    rest = {name: value for name, value in facts.items() if not name.startswith(SELF)}
    return rest | flattened(SELF, element)


def flattened(name: str, value: Fact, most: int = 512) -> FactMap:
    """Return a value under its name, and what is inside it under `name.0`, `name.1` …; at most `most` of them.

    What does not fit any more is unknown.
    """
    facts: FactMap = {}
    waiting: list[tuple[str, Fact]] = [(name, value)]
    while waiting and len(facts) < most:
        here, inner = waiting.pop(0)
        facts[here] = inner
        if isinstance(inner, tuple) and here.count(".") < 8:  # noqa: PLR2004 - as deep as the registry's names go
            waiting.extend((f"{here}.{place}", part) for place, part in enumerate(inner[: most - len(facts)]))
    return facts
