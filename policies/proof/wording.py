"""Cases in words: what is asked, by whom, and what would be enough for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.calldata import CallKind
from core.conditions import shown
from core.documents.policy import Limit, Measure, Quorum
from core.limits import scope_of
from core.quorum import describe
from policies.proof.findings import Case
from policies.proof.universe import NEW, fields_of
from policies.units import USD_DECIMALS, units_show
from policies.words import amount_words, value_words

if TYPE_CHECKING:
    from core.documents.policy import Demand, Policy
    from core.policy import Decision
    from core.registry import FactMap
    from policies.proof.cases import Trial
    from policies.proof.model import Model

_HIDDEN = frozenset({"time.zones", "calls"})
_ALWAYS_SHOWN = frozenset({"wallet", "call.kind", "asset", "amount", "usd", "destination"})
_MOST_SHOWN = 300


def demand_words(demand: Demand | None) -> str:
    """Say what a property asks for at least."""
    if demand is None:
        return "always denied"
    people = f"{demand.approvers} distinct approver{'' if demand.approvers == 1 else 's'}"
    sites = f" of {demand.sites} distinct sites" if demand.sites > 1 else ""
    seats = f", among them {describe(Quorum(seats=demand.seats, sites=0))}" if demand.seats else ""
    return f"denied, or at least {people}{sites}{seats}"


def _amount(policy: Policy, facts: FactMap) -> str:
    usd, asset, amount = facts.get("usd"), facts.get("asset"), facts.get("amount")
    symbol = next((one.symbol for one in policy.assets if one.id == asset), None)
    if isinstance(usd, int):
        worth = f"{units_show(usd, decimals=USD_DECIMALS)} USD"
        return f"{worth} in {symbol}" if symbol is not None else worth
    if isinstance(asset, str) and symbol is not None and isinstance(amount, int):
        return f"{amount_words(policy, Measure.ASSET, asset, amount)}, whose value in USD is not known,"
    return "something whose value in USD is not known"


def _destination(policy: Policy, facts: FactMap) -> str:
    entry = next((one for one in policy.addresses if one.id == facts.get("destination.entry")), None)
    if facts.get("destination.listed") is True:
        return f"the listed address “{entry.label}”" if entry is not None else "a listed address"
    if facts.get("destination.own") is True:
        return "an own wallet"
    if facts.get("destination.cooling") is True:
        return "an address whose cool-down is not over"
    return "an address that is not listed"


def subject_words(policy: Policy, facts: FactMap) -> str:
    """Say what is asked for: a transfer or a call."""
    kind = facts.get("call.kind")
    if kind in (CallKind.NATIVE.value, CallKind.TOKEN.value):
        return f"a transfer of {_amount(policy, facts)} to {_destination(policy, facts)}"
    if kind == CallKind.NOTE.value:
        return "a note of a few bytes to the wallet itself"
    contract = facts.get("contract")
    where = f" of {contract}" if isinstance(contract, str) else ""
    worth = f" worth {_amount(policy, facts)}" if isinstance(facts.get("usd"), int) else ""
    if kind == CallKind.CONTRACT.value:
        return f"a call{where}{worth}"
    return f"a call{where} that is not understood"


def outcome_words(decision: Decision) -> str:
    """Say what a decision came to."""
    if not decision.allowed:
        return "denied: " + "; ".join(decision.reasons)
    return f"allowed with {describe(decision.required)}, by {decision.grant}"


def _mentioned(model: Model) -> set[str]:
    """Return the fields that any condition looks at."""
    return {field for leaf in model.leaves for field in fields_of(leaf)}


def _fact_rows(model: Model, facts: FactMap) -> tuple[tuple[str, str], ...]:
    rows = []
    policy = model.policies[NEW]
    for field in sorted((_ALWAYS_SHOWN & set(facts)) | (_mentioned(model) - _HIDDEN)):
        value = facts.get(field)
        if value is None:
            words = "unknown"
        elif isinstance(value, bool):
            words = "yes" if value else "no"
        elif isinstance(value, str | int):
            words = value_words(policy, field, str(value))
        else:
            words = shown(value)
        rows.append((field, words[:_MOST_SHOWN]))
    return tuple(rows)


def _spent_rows(model: Model, trial: Trial) -> tuple[tuple[str, str], ...]:
    limits: dict[str, Limit] = {
        limit.id: limit for policy in reversed(model.policies.values()) for limit in policy.limits
    }
    return tuple(
        (limit.id, amount_words(model.policies[NEW], limit.measure, limit.asset, used))
        for limit in limits.values()
        if limit.window != 0 and (used := trial.spent.get((scope_of(limit), limit.window), 0))
    )


def case_of(model: Model, trial: Trial, decisions: dict[str, Decision]) -> Case:
    """Return a case for people, with what the real engine decided about it."""
    policy, facts = model.policies[NEW], trial.facts[NEW]
    decision = decisions[NEW]
    done = f"would be allowed with {describe(decision.required)}" if decision.allowed else "would be denied"
    sentence = f"{subject_words(policy, facts)} asked by {trial.asker} {done}"
    return Case(
        sentence=sentence[:1].upper() + sentence[1:],
        asker=trial.asker,
        facts=_fact_rows(model, facts),
        spent=_spent_rows(model, trial),
        outcomes=tuple(
            (f"policy {model.policies[version].number}", outcome_words(one)) for version, one in decisions.items()
        ),
    )
