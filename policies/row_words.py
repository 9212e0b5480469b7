"""Every row of a policy in one plain sentence, for tables and for the comparison of two versions."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from core.documents.policy import Property, Quorum
from core.quorum import describe
from policies.units import USD_DECIMALS, units_show
from policies.words import condition_words, limit_words, rule_words

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.documents.policy import Demand, Policy, Zone
    from core.documents.roster import (
        AddressEntry,
        ApiClient,
        AssetEntry,
        ContractEntry,
        NamedKey,
        Person,
        ReferencePrice,
        SignerEntry,
        Wallet,
    )


def time_words(seconds: int) -> str:
    """Say a moment in UTC, to the second where it is not on the minute."""
    shape = "%Y-%m-%d %H:%M:%S UTC" if seconds % 60 else "%Y-%m-%d %H:%M UTC"
    return dt.datetime.fromtimestamp(seconds, tz=dt.UTC).strftime(shape)


def count_words(count: int, one: str) -> str:
    """Say how many of something."""
    return f"{count} {one}{'' if count == 1 else 's'}"


def _symbol(policy: Policy, asset: str) -> str:
    return next((entry.symbol for entry in policy.assets if entry.id == asset), asset)


def _person(_: Policy, row: Person) -> str:
    roles = ", ".join(role.replace("_", " ") for role in row.roles) or "no role"
    keys = count_words(len(row.keys), "consent key") if row.keys else "no consent key: cannot consent"
    return f"{roles}; desk {row.desk}, site {row.site}; {keys}"


def _client(_: Policy, row: ApiClient) -> str:
    return f"asks for desk {row.desk}; responsible: {', '.join(row.responsible)}; key {row.public_key.hex()[:16]}…"


def _signer(_: Policy, row: SignerEntry) -> str:
    return f"{row.role} on {row.host} in {row.site}, run by {row.administrator}, made by {row.vendor}"


def _wallet(_: Policy, row: Wallet) -> str:
    return f"{row.id}; {row.kind}, held by {row.threshold} of {', '.join(row.signers)}"


def _asset(_: Policy, row: AssetEntry) -> str:
    return f"{row.id}; {count_words(row.decimals, 'decimal place')}"


def _contract(_: Policy, row: ContractEntry) -> str:
    functions = ", ".join(function.signature for function in row.functions) or "no function"
    protocol = f"; protocol {row.protocol}" if row.protocol else ""
    reviewed = "; code hash reviewed" if row.code_hash is not None else "; no code hash"
    return f"{row.address} on {row.chain}{protocol}{reviewed}; may be called: {functions}"


def _address(_: Policy, row: AddressEntry) -> str:
    whose = f"; beneficiary {row.beneficiary}" if row.beneficiary else ""
    reason = f"; {row.reason}" if row.reason else ""
    span = f"usable from {time_words(row.usable_from)} until {time_words(row.expires)}"
    return f"{row.address} on {row.chain}; {span}{whose}{reason}"


def _price(policy: Policy, row: ReferencePrice) -> str:
    price = units_show(row.usd_e8, decimals=USD_DECIMALS)
    return f"one {_symbol(policy, row.asset)} is {price} USD until {time_words(row.expires)}"


def _zone(_: Policy, row: Zone) -> str:
    first, last = row.offsets[0], row.offsets[-1]
    changes = count_words(len(row.offsets) - 1, "change")
    return (
        f"UTC {first.minutes:+d} minutes from {time_words(first.since)}; {changes}, the last {time_words(last.since)}"
    )


def _key(_: Policy, row: NamedKey) -> str:
    return f"key {row.public_key.hex()[:16]}… on {row.host}"


def demand_words(demand: Demand | None) -> str:
    """Say what a property asks for."""
    if demand is None:
        return "is always denied"
    parts = [f"at least {count_words(demand.approvers, 'distinct approver')}"]
    if demand.sites > 1:
        parts.append(f"of {demand.sites} sites")
    if demand.seats:
        parts.append(f"among them {describe(Quorum(seats=demand.seats, sites=0))}")
    return "takes " + ", ".join(parts)


def _property(policy: Policy, row: Property) -> str:
    return f"whatever meets {condition_words(policy, row.when)} {demand_words(row.demand)}"


_WORDS: dict[str, Callable[[Policy, Any], str]] = {
    "people": _person,
    "clients": _client,
    "signers": _signer,
    "wallets": _wallet,
    "assets": _asset,
    "contracts": _contract,
    "addresses": _address,
    "prices": _price,
    "zones": _zone,
    "guards": rule_words,
    "grants": rule_words,
    "escalations": lambda policy, row: rule_words(policy, row, adds=True),
    "limits": limit_words,
    "witnesses": _key,
    "attesters": _key,
    "recovery": _key,
    "properties": _property,
}


def row_words(policy: Policy, section: str, row: Any) -> str:  # noqa: ANN401 - a row of any section
    """Say a row of a section in one sentence without a full stop."""
    return _WORDS[section](policy, row)


def row_title(policy: Policy, row: Any) -> str:  # noqa: ANN401 - a row of any section
    """Name a row as people know it. What its sentence says in full is left out."""
    if hasattr(row, "usd_e8"):
        return _symbol(policy, row.asset)
    if hasattr(row, "symbol") or hasattr(row, "threshold"):
        return str(row.symbol if hasattr(row, "symbol") else row.label)
    name = next(
        (str(getattr(row, field)) for field in ("id", "asset", "address", "name") if hasattr(row, field)), "?"
    )
    label = next((str(getattr(row, field)) for field in ("label", "symbol", "name") if hasattr(row, field)), "")
    return f"{label} ({name})" if label and label != name else name


def row_key(row: Any) -> str:  # noqa: ANN401 - a row of any section
    """Return what makes two rows of two versions the same row."""
    if not hasattr(row, "id") and hasattr(row, "chain"):
        return f"{row.chain}/{row.address}"
    return next(str(getattr(row, field)) for field in ("id", "asset", "name") if hasattr(row, field))
