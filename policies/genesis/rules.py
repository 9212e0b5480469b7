"""Rules and limits of a description: conditions as rows of field, operator and value, amounts in whole units."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.abi import argument_types, selector_of
from core.conditions import nested_leaves
from core.documents.policy import (
    Condition,
    ConditionOp,
    Demand,
    Dimension,
    Effect,
    Limit,
    Measure,
    Property,
    Quorum,
    Rule,
    Seat,
)
from core.documents.roster import Role
from core.policy_conditions import MOST_DEPTH
from core.registry import FactType, field_of
from core.timewindow import UTC
from policies.units import NATIVE_DECIMALS, USD_DECIMALS, units_read

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from enum import StrEnum

    from core.documents.roster import AssetEntry
    from policies.genesis.row import Row

_JOINS = (ConditionOp.ALL, ConditionOp.ANY, ConditionOp.NOT)
_WINDOWS = {"transaction": 0, "ever": None}
_USD = "USD"
_LEAST_COMPARISON = 2
_EACH = (ConditionOp.SOME, ConditionOp.EVERY)
_EACH_PARTS = 3
_NUMBERED = (ConditionOp.EQ, ConditionOp.IN, ConditionOp.LE, ConditionOp.GE)
_ASSET_FIELDS = frozenset({"asset", "approve.asset", "effects.received.asset", "effects.sent.asset"})
_MOST_STAGE = 8


@dataclasses.dataclass(frozen=True, kw_only=True)
class Names:
    """What a description may call things by instead of their identifiers."""

    assets: Mapping[str, AssetEntry]
    wallets: Mapping[str, str]
    addresses: Mapping[str, str]
    contracts: Mapping[str, str]

    def spell(self, field: str, value: str) -> str:
        """Return the identifier that a fact would have."""
        if field in _ASSET_FIELDS and value in self.assets:
            return self.assets[value].id
        if field == "selector" and argument_types(value) is not None:
            return "0x" + selector_of(value).hex()
        books: dict[str, Mapping[str, str]] = {
            "wallet": self.wallets,
            "destination": self.addresses,
            "approve.spender": {**self.addresses, **self.contracts},
            "contract": self.contracts,
        }
        return books.get(field, {}).get(value, value)


def _member(row: Row, key: str, of: type[StrEnum], value: str) -> StrEnum:
    try:
        return of(value)
    except ValueError:
        raise row.fail(key, f"{value!r} is none of {', '.join(of)}") from None


def _number(row: Row, field: str, value: str, names: Names) -> str:
    """Read ``10000 USD`` or ``0.5 ETH`` into base units; a bare number is base units already."""
    number, _, unit = value.strip().partition(" ")
    if not unit:
        return value
    try:
        if field == "usd":
            if unit != _USD:
                raise row.fail("when", f"{field} is counted in USD, not {unit}")
            return str(units_read(number, decimals=USD_DECIMALS))
        if unit not in names.assets:
            raise row.fail("when", f"{field}: unknown asset {unit}")
        return str(units_read(number, decimals=names.assets[unit].decimals))
    except ValueError as error:
        raise row.fail("when", f"{field}: {error}") if row.name not in str(error) else error from None


def _comparison(row: Row, parts: list[object], names: Names, depth: int) -> Condition:
    wrong = row.fail("when", f"[field, operator, value …] expected, not {parts!r}"[:160])
    if len(parts) < _LEAST_COMPARISON or not isinstance(parts[1], str):
        raise wrong
    field = str(parts[0])
    op = ConditionOp(_member(row, "when", ConditionOp, parts[1]))
    if op in _EACH:
        if len(parts) != _EACH_PARTS:
            raise row.fail("when", f"[field, {op}, condition] expected: what holds for {op} of them")
        inner = condition_read(row, parts[2], names, depth=depth + 1)
        return Condition(op=op, field=field, values=(), parts=(inner,))
    if not all(isinstance(part, str | int) for part in parts):
        raise wrong
    known = field_of(field)
    is_number = known is not None and known.type is FactType.NUMBER and op in _NUMBERED
    values = []
    for part in parts[2:]:
        text = str(part).lower() if isinstance(part, bool) else str(part)
        values.append(_number(row, field, text, names) if is_number else names.spell(field, text))
    return Condition(op=op, field=field, values=tuple(values), parts=())


def condition_read(row: Row, value: object, names: Names, *, depth: int = 1) -> Condition:
    """Read a condition: one comparison, a list of which all must hold, or ``{any = […]}``, ``{not = …}``.

    A comparison is a row of field, operator and values; ``some`` and ``every`` take a condition instead, that holds
    for elements of the list. `depth` is how many conditions this one stands in.
    """
    if depth > MOST_DEPTH:
        raise row.fail("when", f"conditions are nested more than {MOST_DEPTH} deep")
    if isinstance(value, list) and value and isinstance(value[0], str):
        return _comparison(row, value, names, depth)
    if isinstance(value, list) and value:
        parts = tuple(condition_read(row, part, names, depth=depth + 1) for part in value)
        return parts[0] if len(parts) == 1 else Condition(op=ConditionOp.ALL, field=None, values=(), parts=parts)
    if isinstance(value, dict) and len(value) == 1:
        ((word, inner),) = value.items()
        if word in _JOINS:
            listed = isinstance(inner, list) and inner and not isinstance(inner[0], str) and word != "not"
            parts = tuple(
                condition_read(row, part, names, depth=depth + 1) for part in (inner if listed else [inner])
            )
            return Condition(op=ConditionOp(word), field=None, values=(), parts=parts)
    raise row.fail("when", "rows of [field, operator, value] expected, or a table {all|any|not = …}")


def quorum_read(row: Row, key: str, value: object) -> Quorum:
    """Read ``{risk_officer = 2, sites = 2, then = {cro = 1}}``; an empty table: no person needed.

    What stands under `then` is filled after the rest, and may have a `then` of its own.
    """
    if not isinstance(value, dict):
        raise row.fail(key, "seats expected, for instance {risk_officer = 2, cro = 1, sites = 2}")
    sites = value.get("sites", 0)
    if isinstance(sites, bool) or not isinstance(sites, int) or sites < 0:
        raise row.fail(key, "sites: a whole number expected")
    return Quorum(seats=_seats(row, key, {k: v for k, v in value.items() if k != "sites"}, 0), sites=sites)


def _seats(row: Row, key: str, value: object, stage: int) -> tuple[Seat, ...]:
    if not isinstance(value, dict) or stage > _MOST_STAGE:
        raise row.fail(key, f"then: seats expected, for instance {{cro = 1}}, at most {_MOST_STAGE} times")
    seats = []
    for word, count in value.items():
        if word == "then":
            continue
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise row.fail(key, f"{word}: a whole number expected")
        seats.append(Seat(role=Role(_member(row, key, Role, word)), count=count, stage=stage))
    return (*seats, *(_seats(row, key, value["then"], stage + 1) if "then" in value else ()))


def rule_read(row: Row, names: Names, order: int) -> Rule:
    """Read a guard, a grant or an escalation; `order` is its place in the file."""
    quorum = row.raw("quorum")
    effect = Effect.BLOCK if quorum is None else Effect.ALLOW
    return Rule(
        id=row.text("id"),
        label=row.text("label"),
        order=row.integer("order", order),
        when=condition_read(row, row.raw("when"), names),
        effect=effect,
        quorum=None if quorum is None else quorum_read(row, "quorum", quorum),
    )


def _demand_read(row: Row, value: object) -> Demand:
    if not isinstance(value, dict):
        raise row.fail("demand", "expected for instance {approvers = 2, sites = 2, cro = 1}")
    counted = {name: value.get(name, least) for name, least in (("approvers", 1), ("sites", 0))}
    for name, count in counted.items():
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise row.fail("demand", f"{name}: a whole number expected")
    seats = _seats(row, "demand", {k: v for k, v in value.items() if k not in counted}, 0)
    return Demand(approvers=counted["approvers"], sites=counted["sites"], seats=seats)


def property_read(row: Row, names: Names) -> Property:
    """Read what the institution states: whatever meets `when` takes at least `demand`, or is always denied."""
    demand = row.raw("demand")
    return Property(
        id=row.text("id"),
        label=row.text("label"),
        when=condition_read(row, row.raw("when"), names),
        demand=None if demand is None else _demand_read(row, demand),
    )


def zones_named(conditions: Iterable[Condition]) -> Iterator[str]:
    """Yield the zones of all time windows in conditions, but UTC, which needs no offsets."""
    for condition in conditions:
        for leaf in nested_leaves(condition):
            if leaf.op is ConditionOp.WITHIN and leaf.values and leaf.values[0] != UTC:
                yield leaf.values[0]


def _most(row: Row, measure: Measure, asset: AssetEntry | None) -> int:
    decimals = {Measure.USD: USD_DECIMALS, Measure.FEE: NATIVE_DECIMALS, Measure.COUNT: 0}.get(measure, 0)
    if asset is not None:
        decimals = asset.decimals
    try:
        return units_read(row.quantity("most"), decimals=decimals)
    except ValueError as error:
        raise row.fail("most", str(error)) if row.name not in str(error) else error from None


def limit_read(row: Row, names: Names, order: int) -> Limit:
    """Read a limit: `most` in whole units of `asset`, in USD, in transactions, or in the native coin for fees."""
    symbol = row.raw("asset")
    if symbol is not None and symbol not in names.assets:
        raise row.fail("asset", f"unknown asset {symbol}")
    asset = None if symbol is None else names.assets[symbol]
    default = "" if asset is None else Measure.ASSET.value
    measure = Measure(_member(row, "measure", Measure, row.text("measure", default)))
    window = row.raw("window")
    known = isinstance(window, str) and window in _WINDOWS
    when, quorum = row.raw("when"), row.raw("quorum")
    return Limit(
        id=row.text("id"),
        label=row.text("label"),
        order=row.integer("order", order),
        when=None if when is None else condition_read(row, when, names),
        per=tuple(Dimension(_member(row, "per", Dimension, word)) for word in row.texts("per")),
        measure=measure,
        asset=None if asset is None else asset.id,
        window=_WINDOWS[window] if known else row.seconds("window"),
        most=_most(row, measure, asset),
        quorum=None if quorum is None else quorum_read(row, "quorum", quorum),
    )
