"""Rules, limits and quorums in plain words, for pages and for the difference between two versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.documents.policy import Condition, ConditionOp, Effect, Limit, Measure, Rule
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
}
_NATIVE_FIELDS = frozenset({"value", "fee"})
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
    if field == "usd" and value.isdigit():
        return f"{units_show(int(value), decimals=USD_DECIMALS)} USD"
    if field in _NATIVE_FIELDS and value.isdigit():
        return f"{units_show(int(value), decimals=NATIVE_DECIMALS)} of the native coin"
    if field == "amount" and value.isdigit():
        return f"{int(value):,} base units"
    names: dict[str, str] = {}
    if field == "asset":
        names = {entry.id: entry.symbol for entry in policy.assets}
    elif field == "wallet":
        names = {wallet.id: wallet.label for wallet in policy.wallets}
    elif field == "destination":
        names = {entry.address: f"{entry.label} ({entry.address})" for entry in policy.addresses}
    return names.get(value, value)


def condition_words(policy: Policy, condition: Condition) -> str:
    """Say a condition tree in words."""
    if condition.op in (ConditionOp.ALL, ConditionOp.ANY):
        joiner = " and " if condition.op is ConditionOp.ALL else " or "
        words = joiner.join(condition_words(policy, part) for part in condition.parts)
        return f"({words})" if len(condition.parts) > 1 else words
    if condition.op is ConditionOp.NOT:
        return "not " + " and ".join(condition_words(policy, part) for part in condition.parts)
    field = condition.field or ""
    values = [value_words(policy, field, value) for value in condition.values[:_SHOWN_VALUES]]
    more = len(condition.values) - len(values)
    tail = f" and {more} more" if more else ""
    return f"{field} {OPERATOR_WORDS[condition.op]} {', '.join(values)}{tail}"


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
    per = f" for each {' and '.join(limit.per)}" if limit.per else ""
    when = f" when {condition_words(policy, limit.when)}" if limit.when is not None else ""
    beyond = "is denied" if limit.quorum is None else f"needs {describe(limit.quorum)} as well"
    return f"at most {most} {window}{per}{when}; more {beyond}"
