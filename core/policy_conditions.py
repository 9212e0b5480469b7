"""What is wrong with a condition: fields, operators, and values that nothing could ever have.

A comparison with something that does not exist never holds, and a guard over it looks as if it did. So every name
must be one that the policy knows, in the one spelling that facts have.
"""

from __future__ import annotations

import dataclasses
import re
from itertools import product
from typing import TYPE_CHECKING

from core.abi import DIGEST_PREFIX, argument_types, array_of, components, type_at
from core.calldata import CallKind
from core.conditions import operators_of
from core.documents.bundle import Provenance
from core.documents.mandate import AskerKind
from core.documents.policy import Condition, ConditionOp
from core.documents.roster import Role, WalletKind
from core.errors import CoreError
from core.names import ACCOUNT, ADDRESS, ASSET, CHAIN, SELECTOR, SLUG, native_asset, token_asset
from core.registry import FactType, field_of
from core.schema import Choice
from core.timewindow import UTC, window_problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from core.documents.policy import Policy
    from core.schema import Codec

MOST_DEPTH = 28
"""How deep conditions nest: a case file around the policy then stays within 64 levels of JSON."""
_JOINS = {ConditionOp.ALL: (1, 64), ConditionOp.ANY: (1, 64), ConditionOp.NOT: (1, 1)}
_EACH = (ConditionOp.SOME, ConditionOp.EVERY)
_MOST_DIGITS = 78
_MOST_BPS = 10_000
_FORMS: dict[str, Codec] = {
    "initiator": SLUG,
    "initiator.roles": Choice(Role),
    "initiator.kind": Choice(AskerKind),
    "desk": SLUG,
    "wallet": ACCOUNT,
    "wallet.kind": Choice(WalletKind),
    "wallets.named": ADDRESS,
    "chain": CHAIN,
    "asset": ASSET,
    "destination": ADDRESS,
    "destination.entry": SLUG,
    "call.kind": Choice(CallKind),
    "contract": ADDRESS,
    "contract.protocol": SLUG,
    "selector": SELECTOR,
    "approve.asset": ASSET,
    "approve.spender": ADDRESS,
    "effects.received.asset": ASSET,
    "effects.sent.asset": ASSET,
}
"""How the values of text fields are spelt; a guard over another spelling would never match, and look as if it did."""


class Known:
    """What a policy knows, for the names that its conditions may use."""

    def __init__(self, policy: Policy) -> None:
        """Gather all names once."""
        tokens = {asset.id for asset in policy.assets}
        chains = {wallet.chain for wallet in policy.wallets} | {asset.partition("/")[0] for asset in tokens}
        chains |= {contract.chain for contract in policy.contracts} | {entry.chain for entry in policy.addresses}
        contracts = {contract.address for contract in policy.contracts}
        contracts |= {asset.rpartition(":")[2] for asset in tokens if asset != native_asset(asset.partition("/")[0])}
        beneficiaries = {e.beneficiary or e.address for e in policy.addresses} | {e.address for e in policy.addresses}
        effects = tokens | {token_asset(contract.chain, contract.address) for contract in policy.contracts}
        self.names: dict[str, tuple[str, set[str]]] = {
            "initiator": ("person or client", {p.id for p in policy.people} | {c.id for c in policy.clients}),
            "desk": ("desk", {p.desk for p in policy.people} | {c.desk for c in policy.clients}),
            "wallet": ("wallet", {wallet.id for wallet in policy.wallets}),
            "wallets.named": ("wallet", {wallet.address for wallet in policy.wallets}),
            "chain": ("chain", chains),
            "asset": ("asset", tokens),
            "approve.asset": ("asset", effects),
            "effects.received.asset": ("asset", effects),
            "effects.sent.asset": ("asset", effects),
            "contract": ("contract", contracts),
            "contract.protocol": ("protocol", {c.protocol for c in policy.contracts if c.protocol is not None}),
            "destination.entry": ("whitelist entry", {entry.id for entry in policy.addresses}),
            "destination.label": ("whitelist label", {entry.label for entry in policy.addresses}),
            "destination.beneficiary": ("beneficiary", beneficiaries),
        }
        self.zones = {zone.name for zone in policy.zones}
        self.used_zones: set[str] = set()
        self.functions: dict[tuple[str, str], list[str]] = {}
        for contract in policy.contracts:
            for function in contract.functions:
                place = (contract.address, "0x" + function.selector.hex())
                self.functions.setdefault(place, []).append(function.signature)


@dataclasses.dataclass(frozen=True)
class _Scope:
    """Where a condition stands.

    Attributes:
        signatures: The functions that the same conjunction pins the call down to; None if it does not.
        items: The ABI types that an element of the list may have; None outside of a list.
        in_calls: Inside `some` or `every` of `calls`.
    """

    signatures: tuple[str, ...] | None = None
    items: tuple[str, ...] | None = None
    in_calls: bool = False
    depth: int = 1


def condition_problems(at: str, condition: Condition, known: Known) -> list[str]:
    """Return what is wrong with a condition, each line beginning with `at`.

    Args:
        at: The row, for instance ``guard sanctions``.
        condition: The tree.
        known: The policy's names.
    """
    return list(dict.fromkeys(f"{at}: {line}" for line in _tree(condition, known, _Scope())))


def _pinned(parts: Iterable[Condition], field: str) -> list[set[str]]:
    """Return the values that a conjunction allows a field, once for each comparison."""
    found = []
    for part in parts:
        if part.op is ConditionOp.ALL:
            found.extend(_pinned(part.parts, field))
        elif part.field == field and part.op in (ConditionOp.EQ, ConditionOp.IN) and part.values:
            found.append(set(part.values))
    return found


def _narrowed(parts: tuple[Condition, ...], known: Known, scope: _Scope) -> _Scope:
    contracts, selectors = _pinned(parts, "contract"), _pinned(parts, "selector")
    if not contracts or not selectors:
        return scope
    pairs = product(set.intersection(*contracts), set.intersection(*selectors))
    # Each signature once: a thousand contracts and selectors make a million pairs, looked at for every argument.
    signatures = dict.fromkeys(name for pair in pairs for name in known.functions.get(pair, ("?",)))
    return dataclasses.replace(scope, signatures=tuple(signatures))


def _tree(condition: Condition, known: Known, scope: _Scope) -> Iterator[str]:
    if scope.depth > MOST_DEPTH:
        yield f"conditions are nested more than {MOST_DEPTH} deep"
        return
    if condition.op not in _JOINS:
        yield from _leaf(condition, known, scope)
        return
    least, most = _JOINS[condition.op]
    if condition.field is not None or condition.values or not least <= len(condition.parts) <= most:
        yield f"'{condition.op}' joins {least} to {most} conditions and has no field of its own"
    below = dataclasses.replace(scope, depth=scope.depth + 1)
    if condition.op is ConditionOp.ALL and scope.depth < MOST_DEPTH:
        below = _narrowed(condition.parts, known, below)
    for part in condition.parts:
        yield from _tree(part, known, below)


def _leaf(leaf: Condition, known: Known, scope: _Scope) -> Iterator[str]:
    name = leaf.field or ""
    field = field_of(leaf.field)
    if field is None:
        yield f"unknown field {leaf.field!r}"
        return
    if leaf.op not in operators_of(name) or (leaf.parts and leaf.op not in _EACH):
        yield f"{name} does not take '{leaf.op}'"
        return
    if field.type is FactType.ANY:
        types = _types(name, scope)
        if isinstance(types, str):
            yield types
            return
        for kind in types:
            yield from _typed(leaf, kind, known, scope)
        return
    if leaf.op in _EACH:
        yield from _each(leaf, ("calls",), known, scope)
    elif leaf.op is ConditionOp.WITHIN:
        yield from _window(leaf, known)
    elif leaf.op is ConditionOp.FLOOR:
        yield from _floor(leaf)
    elif leaf.op is ConditionOp.OWN_WALLET:
        yield from _no_values(leaf)
    else:
        yield from _values(leaf, field.type, known)


def _types(name: str, scope: _Scope) -> tuple[str, ...] | str:
    """Return the ABI types that an argument or element may have, or what is wrong with asking for it."""
    head, *path = name.split(".")
    places = [int(place) for place in path]
    if head == "item":
        if scope.items is None:
            return f"{name}: an element is only there inside 'some' or 'every' of a list of values"
        found = [type_at((kind,), [0, *places]) for kind in scope.items]
    else:
        if scope.signatures is None:
            return f"{name}: its type is unknown, unless the same 'all' names the contract and the selector"
        types = [argument_types(signature) for signature in scope.signatures]
        if not types or None in types:
            return f"{name}: the contract has no such function in the policy"
        found = [type_at(one or (), places) for one in types]
    known = [kind for kind in found if kind is not None]
    if len(known) < len(found):
        return f"{name}: the function has no such argument"
    return tuple(dict.fromkeys(known))


def _takes(kind: str) -> frozenset[ConditionOp]:
    """Return the operators that a value of an ABI type takes."""
    if array_of(kind) is not None:
        return frozenset(_EACH)
    if components(kind) is not None:
        return frozenset()
    if kind.startswith(("uint", "int")):
        return operators_of("amount")
    return {"bool": operators_of("destination.own"), "address": operators_of("destination")}.get(
        kind, operators_of("selector")
    )


def _typed(leaf: Condition, kind: str, known: Known, scope: _Scope) -> Iterator[str]:
    array = array_of(kind)
    if leaf.op not in _takes(kind):
        yield f"{leaf.field} is {kind} and does not take '{leaf.op}'"
    elif array is not None:
        yield from _each(leaf, (array[0],), known, scope)
    elif leaf.op is ConditionOp.FLOOR:
        yield from _floor(leaf)
    elif leaf.op is ConditionOp.OWN_WALLET:
        yield from _no_values(leaf)
    else:
        yield from _count(leaf)
        for value in leaf.values:
            if not _is_value(kind, value):
                yield f"{leaf.field} is {kind}: {value[:60]!r} is none"


def _is_value(kind: str, value: str) -> bool:
    if kind == "bool":
        return value in ("true", "false")
    if kind.startswith(("uint", "int")):
        return _is_number(value.removeprefix("-") if kind.startswith("int") else value)
    if kind == "address":
        return _form_problem(ADDRESS, "address", value) is None
    if kind.startswith("bytes"):
        size = kind.removeprefix("bytes")
        hexed = re.fullmatch(r"0x(?:[0-9a-f]{2})*", value) is not None
        return hexed and (not size or len(value) == 2 + 2 * int(size))
    return not value.startswith(DIGEST_PREFIX)


def _each(leaf: Condition, items: tuple[str, ...], known: Known, scope: _Scope) -> Iterator[str]:
    if leaf.values or len(leaf.parts) != 1:
        yield f"{leaf.field} {leaf.op} holds one condition against each element, and has no values"
    inside_list = scope.items is not None
    if (leaf.field == "calls" and (inside_list or scope.in_calls)) or (
        inside_list and not (leaf.field or "").startswith("item")
    ):
        yield f"{leaf.field} {leaf.op}: inside another list it looks at the element, not at all of them again"
        return
    if leaf.field == "calls":
        below = _Scope(in_calls=True, depth=scope.depth + 1)
    else:
        below = dataclasses.replace(scope, items=items, depth=scope.depth + 1)
    for part in leaf.parts:
        yield from _tree(part, known, below)


def _window(leaf: Condition, known: Known) -> Iterator[str]:
    problem = window_problem(leaf.values)
    if problem is not None:
        yield f"{leaf.field} {leaf.op}: {problem}"
        return
    zone = leaf.values[0]
    known.used_zones.add(zone)
    if zone != UTC and zone not in known.zones:
        yield f"{leaf.field} {leaf.op}: unknown zone {zone}"


def _floor(leaf: Condition) -> Iterator[str]:
    field = field_of(leaf.values[0]) if len(leaf.values) == 2 else None  # noqa: PLR2004 - field and basis points
    if field is None or field.type is not FactType.NUMBER or field.provenance is not Provenance.ATTESTED:
        yield f"{leaf.field} {leaf.op} takes an attested number's field and basis points"
    elif not _is_number(leaf.values[1]) or int(leaf.values[1]) > _MOST_BPS:
        yield f"{leaf.field} {leaf.op}: basis points are 0 to {_MOST_BPS}, not {leaf.values[1][:40]!r}"


def _no_values(leaf: Condition) -> Iterator[str]:
    if leaf.values:
        yield f"{leaf.field} {leaf.op} takes no values"


def _count(leaf: Condition) -> Iterator[str]:
    many = leaf.op in (ConditionOp.IN, ConditionOp.HAS)
    if not leaf.values or (not many and len(leaf.values) != 1):
        yield f"{leaf.field} {leaf.op} needs {'at least one value' if many else 'one value'}"


def _values(leaf: Condition, kind: FactType, known: Known) -> Iterator[str]:
    yield from _count(leaf)
    name = leaf.field or ""
    for value in leaf.values:
        if kind is FactType.NUMBER and not _is_number(value):
            yield f"{name} is compared with whole numbers, not {value[:40]!r}"
        if kind is FactType.FLAG and value not in ("true", "false"):
            yield f"{name} is true or false"
        problem = _form_problem(_FORMS[name], name, value) if name in _FORMS else None
        what, names = known.names.get(name, ("", None))
        if problem is not None:
            yield problem
        elif names is not None and value not in names:
            yield f"{name}: unknown {what} {value[:100]!r}"


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS


def _form_problem(codec: Codec, name: str, value: str) -> str | None:
    try:
        codec.read(value, name)
    except CoreError as error:
        return f"{error}, not {value[:60]!r}"
    return None
