"""Rules, limits and quorums in plain words, for pages and for the difference between two versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.documents.policy import Condition, ConditionOp, Dimension, Effect, Limit, Measure, Rule
from core.quorum import describe
from policies.units import NATIVE_DECIMALS, USD_DECIMALS, units_show

if TYPE_CHECKING:
    from core.documents.policy import Policy

OPERATOR_WORDS = {
    ConditionOp.EQ: "is",
    ConditionOp.IN: "is one of",
    ConditionOp.LE: "is at most",
    ConditionOp.GE: "is at least",
    ConditionOp.HAS: "includes",
    ConditionOp.SOME: "has one for which",
    ConditionOp.EVERY: "has only such for which",
    ConditionOp.WITHIN: "is within",
    ConditionOp.OWN_WALLET: "is one of the institution's own wallets",
    ConditionOp.FLOOR: "is at least",
}
_DIMENSIONS = {
    Dimension.INITIATOR: "person who asks",
    Dimension.MANDATE: "order",
}
_WINDOW_VALUES = 4
_FLOOR_VALUES = 2
_BPS_DECIMALS = 2
_NATIVE_FIELDS = frozenset({"value", "fee"})
_BASE_UNITS = frozenset({"amount", "approve.amount", "effects.received", "effects.sent"})
_ASSET_FIELDS = frozenset({"asset", "approve.asset", "effects.received.asset", "effects.sent.asset"})
_ADDRESS_FIELDS = frozenset({"destination", "contract", "approve.spender"})
_SHOWN_VALUES = 5
_SECONDS = ((86_400, "day"), (3_600, "hour"), (60, "minute"))


def amount_words(policy: Policy, measure: Measure, asset: str | None, amount: int) -> str:
    """Say an amount in the unit of a limit."""
    if measure is Measure.USD:
        return f"{units_show(amount, decimals=USD_DECIMALS)} USD"
    if measure is Measure.COUNT:
        return f"{amount:,} transaction{'' if amount == 1 else 's'}"
    if measure is Measure.FEE:
        return f"{units_show(amount, decimals=NATIVE_DECIMALS)} of the native coin in fees"
    entry = next((entry for entry in policy.assets if entry.id == asset), None)
    if entry is None:
        return f"{amount} base units of {asset}"
    return f"{units_show(amount, decimals=entry.decimals)} {entry.symbol}"


def duration_words(seconds: int) -> str:
    """Say a number of seconds in the largest unit that divides it."""
    for size, name in _SECONDS:
        if seconds and seconds % size == 0:
            count = seconds // size
            return f"{count} {name}{'' if count == 1 else 's'}"
    return f"{seconds} seconds"


def value_words(policy: Policy, field: str, value: str) -> str:
    """Say a value of a field: amounts in their unit, what the policy names by its name."""
    if value.isascii() and value.isdigit():
        return _number_words(field, value)
    if field in _ADDRESS_FIELDS:
        labels = {entry.address: entry.label for entry in policy.contracts}
        labels |= {entry.address: entry.label for entry in policy.addresses}
        return f"{labels[value]} ({value})" if value in labels else value
    names: dict[str, str] = {}
    if field in _ASSET_FIELDS:
        names = {entry.id: entry.symbol for entry in policy.assets}
    elif field == "wallet":
        names = {wallet.id: wallet.label for wallet in policy.wallets}
    elif field == "selector":
        functions = (function for entry in policy.contracts for function in entry.functions)
        names = {"0x" + one.selector.hex(): f"{one.signature} (0x{one.selector.hex()})" for one in functions}
    return names.get(value, value)


def _number_words(field: str, value: str) -> str:
    if field == "usd":
        return f"{units_show(int(value), decimals=USD_DECIMALS)} USD"
    if field in _NATIVE_FIELDS:
        return f"{units_show(int(value), decimals=NATIVE_DECIMALS)} of the native coin"
    return f"{int(value):,} base units" if field in _BASE_UNITS else value


def _window_words(values: tuple[str, ...]) -> str:
    zone, days, start, end = values
    overnight = " of the next day" if end <= start else ""
    return f"{start} to {end}{overnight} on {days.replace(',', ', ')} ({zone})"


def _floor_words(values: tuple[str, ...]) -> str:
    name, bps = values
    if bps == "0":
        return name
    less = units_show(int(bps), decimals=_BPS_DECIMALS) if bps.isdigit() else bps
    return f"{name} less {less} %"


def _values_words(policy: Policy, condition: Condition) -> str:
    values = condition.values
    if condition.op is ConditionOp.WITHIN and len(values) == _WINDOW_VALUES:
        return _window_words(values)
    if condition.op is ConditionOp.FLOOR and len(values) == _FLOOR_VALUES:
        return _floor_words(values)
    shown = [value_words(policy, condition.field or "", value) for value in values[:_SHOWN_VALUES]]
    more = f" and {len(values) - len(shown)} more" if len(values) > len(shown) else ""
    return ", ".join(shown) + more


def condition_words(policy: Policy, condition: Condition) -> str:
    """Say a condition tree in words."""
    if condition.op in (ConditionOp.ALL, ConditionOp.ANY):
        joiner = " and " if condition.op is ConditionOp.ALL else " or "
        words = joiner.join(condition_words(policy, part) for part in condition.parts)
        return f"({words})" if len(condition.parts) > 1 else words
    if condition.op is ConditionOp.NOT:
        return "not " + " and ".join(condition_words(policy, part) for part in condition.parts)
    if condition.op in (ConditionOp.SOME, ConditionOp.EVERY):
        inner = " and ".join(condition_words(policy, part) for part in condition.parts)
        which = "one" if condition.op is ConditionOp.SOME else "each"
        return f"{which} of {condition.field}: [{inner}]"
    return f"{condition.field} {OPERATOR_WORDS[condition.op]} {_values_words(policy, condition)}".rstrip()


def rule_words(policy: Policy, rule: Rule, *, adds: bool = False) -> str:
    """Say what a rule does and when; `adds` for escalations."""
    if rule.effect is Effect.BLOCK:
        does = "blocks"
    else:
        wanted = describe(rule.quorum) if rule.quorum is not None else "no further person"
        does = f"asks for {wanted} as well" if adds else f"allows with {wanted}"
    return f"{does} when {condition_words(policy, rule.when)}"


def limit_words(policy: Policy, limit: Limit) -> str:
    """Say a limit: how much, of what, in which window, counted for what, and what happens beyond it."""
    most = amount_words(policy, limit.measure, limit.asset, limit.most)
    if limit.window is None:
        window = "for ever"
    else:
        window = f"within {duration_words(limit.window)}" if limit.window else "in one transaction"
    dimensions = " and ".join(_DIMENSIONS.get(dimension, dimension.value) for dimension in limit.per)
    per = f" for each {dimensions}" if limit.per else ""
    when = f" when {condition_words(policy, limit.when)}" if limit.when is not None else ""
    beyond = "is denied" if limit.quorum is None else f"needs {describe(limit.quorum)} as well"
    return f"at most {most} {window}{per}{when}; more {beyond}"
