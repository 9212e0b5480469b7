"""Rules and limits of a description: conditions as rows of field, operator and value, amounts in whole units."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.documents.policy import (
    Condition,
    ConditionOp,
    Dimension,
    Effect,
    Limit,
    Measure,
    Quorum,
    Rule,
    Seat,
)
from core.documents.roster import Role
from core.facts import REGISTRY, FactType
from policies.units import NATIVE_DECIMALS, USD_DECIMALS, units_read

if TYPE_CHECKING:
    from collections.abc import Mapping
    from enum import StrEnum

    from core.documents.roster import AssetEntry
    from policies.genesis.row import Row

_JOINS = (ConditionOp.ALL, ConditionOp.ANY, ConditionOp.NOT)
_WINDOWS = {"transaction": 0, "ever": None}
_USD = "USD"
_LEAST_COMPARISON = 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Names:
    """What a description may call things by instead of their identifiers."""

    assets: Mapping[str, AssetEntry]
    wallets: Mapping[str, str]
    addresses: Mapping[str, str]

    def spell(self, field: str, value: str) -> str:
        """Return the identifier that a fact would have."""
        if field == "asset" and value in self.assets:
            return self.assets[value].id
        known = {"wallet": self.wallets, "destination": self.addresses}.get(field, {})
        return known.get(value, value)


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


def _comparison(row: Row, parts: list[object], names: Names) -> Condition:
    if len(parts) < _LEAST_COMPARISON or not all(isinstance(part, str | int) for part in parts):
        raise row.fail("when", f"[field, operator, value …] expected, not {parts!r}"[:160])
    field = str(parts[0])
    op = ConditionOp(_member(row, "when", ConditionOp, str(parts[1])))
    known = REGISTRY.get(field)
    values = []
    for part in parts[2:]:
        text = str(part).lower() if isinstance(part, bool) else str(part)
        is_number = known is not None and known.type is FactType.NUMBER
        values.append(_number(row, field, text, names) if is_number else names.spell(field, text))
    return Condition(op=op, field=field, values=tuple(values), parts=())


def condition_read(row: Row, value: object, names: Names) -> Condition:
    """Read a condition: one comparison, a list of which all must hold, or ``{any = […]}``, ``{not = …}``."""
    if isinstance(value, list) and value and isinstance(value[0], str):
        return _comparison(row, value, names)
    if isinstance(value, list) and value:
        parts = tuple(condition_read(row, part, names) for part in value)
        return parts[0] if len(parts) == 1 else Condition(op=ConditionOp.ALL, field=None, values=(), parts=parts)
    if isinstance(value, dict) and len(value) == 1:
        ((word, inner),) = value.items()
        if word in _JOINS:
            listed = isinstance(inner, list) and inner and not isinstance(inner[0], str) and word != "not"
            parts = tuple(condition_read(row, part, names) for part in (inner if listed else [inner]))
            return Condition(op=ConditionOp(word), field=None, values=(), parts=parts)
    raise row.fail("when", "rows of [field, operator, value] expected, or a table {all|any|not = …}")


def quorum_read(row: Row, key: str, value: object) -> Quorum:
    """Read ``{risk_officer = 2, cro = 1, sites = 2}``; an empty table: no person needed."""
    if not isinstance(value, dict):
        raise row.fail(key, "seats expected, for instance {risk_officer = 2, cro = 1, sites = 2}")
    seats = []
    for word, count in value.items():
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise row.fail(key, f"{word}: a whole number expected")
        if word != "sites":
            seats.append(Seat(role=Role(_member(row, key, Role, word)), count=count, stage=0))
    return Quorum(seats=tuple(seats), sites=value.get("sites", 0))


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
