"""What a draft's own rows may be chosen from: people, wallets, assets, entries, contracts. Pure.

Read from the JSON rows, and tolerant: a row that is wrong offers nothing, and is mended in its own form.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.calldata import CallKind
from core.documents.mandate import AskerKind
from core.documents.roster import Role, WalletKind
from policies.editor.body import rows_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from policies.editor.body import Body, Row

Options = tuple[tuple[str, str], ...]
"""Pairs of value and words."""
_MOST_DECIMALS = 77


@dataclasses.dataclass(frozen=True, kw_only=True)
class AssetUnit:
    """An asset whose whole units amounts are typed in."""

    id: str
    symbol: str
    decimals: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Book:
    """The lists that forms choose from."""

    people: Options
    clients: Options
    signers: Options
    wallets: Options
    units: tuple[AssetUnit, ...]
    entries: Options
    destinations: Options
    contracts: Options
    selectors: Options
    chains: Options
    desks: Options
    sites: Options
    zones: Options
    beneficiaries: Options
    labels: Options
    protocols: Options
    models: tuple[str, ...]
    created: int | None
    expires: int | None

    @property
    def assets(self) -> Options:
        """Assets by their symbols."""
        return tuple((unit.id, f"{unit.symbol} ({unit.id})") for unit in self.units)

    def unit(self, asset: str | None) -> AssetUnit | None:
        """Return an asset of the draft, or None."""
        return next((unit for unit in self.units if unit.id == asset), None)

    def options(self, field: str) -> Options:
        """Return the values that a field of a condition is chosen from."""
        return _fixed(field) or {
            "initiator": self.people + self.clients,
            "desk": self.desks,
            "wallet": self.wallets,
            "chain": self.chains,
            "asset": self.assets,
            "destination": self.destinations,
            "destination.entry": self.entries,
            "contract": self.contracts,
            "selector": self.selectors,
            "destination.beneficiary": self.beneficiaries + self.destinations,
            "destination.label": self.labels,
            "contract.protocol": self.protocols,
            "approve.asset": self.assets,
            "approve.spender": self.contracts + self.destinations,
            "effects.received.asset": self.assets,
            "effects.sent.asset": self.assets,
            "wallets.named": tuple((name.rpartition(":")[2], words) for name, words in self.wallets),
        }.get(field, ())


def spelt(name: str) -> str:
    """Spell a registry name for people."""
    return name.replace("_", " ")


def _fixed(field: str) -> Options:
    closed: dict[str, Iterable[str]] = {
        "initiator.roles": Role,
        "initiator.kind": AskerKind,
        "wallet.kind": WalletKind,
        "call.kind": CallKind,
        "web.simulation": ("ok", "failed", "missing"),
    }
    return tuple((str(value), spelt(str(value))) for value in closed.get(field, ()))


def _text(row: Row, name: str) -> str:
    value = row.get(name)
    return value if isinstance(value, str) else ""


def _named(rows: Iterable[Row], value: str, label: str) -> Options:
    # One address on two chains is one value of a condition.
    found = {_text(row, value): _text(row, label) or "?" for row in rows if _text(row, value)}
    return tuple((name, f"{words} ({name})") for name, words in found.items())


def _distinct(values: Iterable[str]) -> Options:
    return tuple((value, value) for value in sorted(set(values)) if value)


def _unit(row: Row) -> AssetUnit | None:
    decimals = row.get("decimals")
    known = isinstance(decimals, int) and not isinstance(decimals, bool) and 0 <= decimals <= _MOST_DECIMALS
    if not known or not _text(row, "id"):
        return None
    return AssetUnit(id=_text(row, "id"), symbol=_text(row, "symbol") or "?", decimals=int(str(decimals)))


def _functions(contracts: Iterable[Row]) -> Options:
    found: dict[str, str] = {}
    for contract in contracts:
        listed = contract.get("functions")
        for function in listed if isinstance(listed, list) else []:
            if isinstance(function, dict) and _text(function, "selector"):
                found.setdefault(_text(function, "selector"), _text(function, "signature"))
    return tuple((selector, f"{signature} ({selector})") for selector, signature in found.items())


def _header(body: Body, name: str) -> int | None:
    header = body.get("header")
    moment = header.get(name) if isinstance(header, dict) else None
    return moment if isinstance(moment, int) else None


def book_of(body: Body) -> Book:
    """Read the lists of a draft."""
    people, clients, wallets = rows_of(body, "people"), rows_of(body, "clients"), rows_of(body, "wallets")
    assets, contracts, addresses = rows_of(body, "assets"), rows_of(body, "contracts"), rows_of(body, "addresses")
    units = tuple(unit for unit in map(_unit, assets) if unit is not None)
    consent = body.get("consent")
    models = consent.get("aaguids") if isinstance(consent, dict) else None
    return Book(
        people=_named(people, "id", "name"),
        clients=_named(clients, "id", "name"),
        signers=tuple((_text(row, "id"), _text(row, "id")) for row in rows_of(body, "signers") if _text(row, "id")),
        wallets=_named(wallets, "id", "label"),
        units=units,
        entries=_named(addresses, "id", "label"),
        destinations=_named(addresses, "address", "label"),
        contracts=_named(contracts, "address", "label"),
        selectors=_functions(contracts),
        chains=_distinct(
            [
                *(_text(row, "id").rpartition(":")[0] for row in wallets),
                *(unit.id.partition("/")[0] for unit in units),
                *(_text(row, "chain") for row in (*addresses, *contracts)),
            ]
        ),
        desks=_distinct(_text(row, "desk") for row in (*people, *clients)),
        sites=_distinct(_text(row, "site") for row in people),
        zones=(("UTC", "UTC"), *_distinct(_text(row, "name") for row in rows_of(body, "zones"))),
        beneficiaries=_distinct(_text(row, "beneficiary") for row in addresses),
        labels=_distinct(_text(row, "label") for row in addresses),
        protocols=_distinct(_text(row, "protocol") for row in contracts),
        created=_header(body, "created"),
        expires=_header(body, "expires"),
        models=tuple(model for model in models if isinstance(model, str)) if isinstance(models, list) else (),
    )
