"""Who asks and where the money goes: the policy's own lists, grouped by what its conditions can tell apart."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import z3

from core.documents.mandate import AskerKind
from core.documents.policy import ConditionOp
from policies.proof.terms import Choice, FlagTerm, NumberTerm, TextTerm, both, either

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from core.documents.policy import Policy
    from core.documents.roster import AddressEntry
    from core.registry import FactMap
    from policies.proof.terms import Term
    from policies.proof.universe import Universe

_LISTED, _COOLING, _OWN = "destination.listed", "destination.cooling", "destination.own"
_LOOKALIKE, _AGE = "destination.lookalike", "destination.age"
_ENTRY, _LABEL, _BENEFICIARY = "destination.entry", "destination.label", "destination.beneficiary"
_TOGETHER = (_LISTED, _COOLING, _OWN, _LOOKALIKE, _BENEFICIARY, "asset", "amount")
"""Derived together with the destination or not at all."""
_WHILE_LISTED = (_ENTRY, _LABEL, _AGE)
BOOK_FIELDS = frozenset({_LISTED, _COOLING, _LOOKALIKE, _BENEFICIARY, *_WHILE_LISTED})
WALLET_FIELDS = frozenset({_OWN, _LOOKALIKE, "wallet.kind", "wallets.named"})
ASKER_FIELDS = frozenset({"initiator", "initiator.roles", "desk"})


@dataclasses.dataclass(frozen=True)
class Asking:
    """Somebody who may ask, as one version sees them."""

    names: frozenset[str]
    roles: frozenset[str]
    kind: str
    desk: str


def askers_of(policy: Policy) -> dict[str, Asking]:
    """Return everybody who may ask under a policy."""
    found = {
        person.id: Asking(
            frozenset({person.id}), frozenset(map(str, person.roles)), AskerKind.PERSON.value, person.desk
        )
        for person in policy.people
    }
    for client in policy.clients:
        names = frozenset({client.id, *client.responsible})
        found.setdefault(client.id, Asking(names, frozenset(), AskerKind.CLIENT.value, client.desk))
    return found


class Askers:
    """Who asks: one of the roster, grouped by what conditions can tell apart."""

    def __init__(self, universe: Universe, policies: Mapping[str, Policy]) -> None:
        """Group the askers of the version that is checked (the first)."""
        tables = {version: askers_of(policy) for version, policy in policies.items()}
        first = next(iter(tables.values()))
        groups: dict[tuple[object, ...], str] = {}
        for name in sorted(first):
            views = tuple(self._view(universe, version, table.get(name)) for version, table in tables.items())
            groups.setdefault(views, name)
        self._universe = universe
        self._tables = tables
        self.names = list(groups.values())
        self.choice = Choice("asker", max(1, len(self.names)))

    @staticmethod
    def _view(universe: Universe, version: str, asking: Asking | None) -> object:
        if asking is None:
            return None
        names = universe.members("initiator", version).members
        roles = universe.members("initiator.roles", version).members
        desk, kind = universe.text("desk", version), universe.text("initiator.kind", version)
        return (
            asking.names & set(names),
            asking.roles & set(roles),
            asking.kind if kind.names(asking.kind) else None,
            asking.desk if desk.names(asking.desk) else None,
        )

    def axioms(self) -> Iterator[z3.BoolRef]:
        """Yield what choosing one of them means for the facts."""
        yield self.choice.bounds
        for place, name in enumerate(self.names):
            chosen = self.choice.is_(place)
            for version, table in self._tables.items():
                asking = table.get(name)
                if asking is not None:
                    yield z3.Implies(chosen, self._fixed(version, asking))

    def _fixed(self, version: str, asking: Asking) -> z3.BoolRef:
        universe = self._universe
        parts = []
        for field, members in (("initiator", asking.names), ("initiator.roles", asking.roles)):
            term = universe.members(field, version)
            parts += [term.known, *(on if name in members else z3.Not(on) for name, on in term.members.items())]
        for field, value in (("initiator.kind", asking.kind), ("desk", asking.desk)):
            text = universe.text(field, version)
            parts += [text.known, text.equals(value)]
        return both(parts)

    def refused(self, version: str) -> z3.BoolRef:
        """Whether the asker is not on this version's roster, so that it refuses whatever they ask for."""
        table = self._tables[version]
        return either([self.choice.is_(place) for place, name in enumerate(self.names) if name not in table])

    def read(self, model: z3.ModelRef) -> str:
        """Return who asks in a model."""
        return self.names[self.choice.read(model)]

    def of(self, version: str) -> frozenset[str]:
        """Return who may ask under a version."""
        return frozenset(self._tables[version])

    def facts(self, model: z3.ModelRef, version: str) -> FactMap:
        """Return what a version derives about whoever asks; nothing where they are not on its roster."""
        asking = self._tables[version].get(self.read(model))
        if asking is None:
            return {}
        return {
            "initiator": asking.names,
            "initiator.roles": asking.roles,
            "initiator.kind": asking.kind,
            "desk": asking.desk,
        }


def _entry_term(universe: Universe, version: str, entry: AddressEntry | None) -> z3.BoolRef:
    """What the books say of an address: listed under its entry, cooling down, or (expired, no entry) neither."""
    listed, cooling = universe.flag(_LISTED, version), universe.flag(_COOLING, version)
    if entry is None:
        return z3.Not(z3.Or(listed.on, cooling.on))
    named, label = universe.text(_ENTRY, version), universe.text(_LABEL, version)
    beneficiary = universe.text(_BENEFICIARY, version)
    return both(
        [
            z3.Not(z3.And(listed.on, cooling.on)),
            z3.Not(universe.flag(_LOOKALIKE, version).on),
            z3.Implies(listed.on, z3.And(named.equals(entry.id), label.equals(entry.label))),
            beneficiary.equals(entry.beneficiary or entry.address),
        ]
    )


def _equal(one: Term, other: Term) -> z3.BoolRef:
    """Whether two versions know the same of a field."""
    parts = [one.known == other.known]
    if isinstance(one, FlagTerm) and isinstance(other, FlagTerm):
        parts.append(one.on == other.on)
    elif isinstance(one, TextTerm | NumberTerm) and isinstance(other, TextTerm | NumberTerm):
        parts.append(one.choice.term == other.choice.term)
    return both(parts)


class Books:
    """Where the money goes: an address of a whitelist, grouped by what conditions can tell apart, or a stranger."""

    def __init__(self, universe: Universe, policies: Mapping[str, Policy]) -> None:
        """Group the entries of all versions."""
        self._universe = universe
        self._policies = policies
        books = {
            version: {(entry.chain, entry.address): entry for entry in policy.addresses}
            for version, policy in policies.items()
        }
        destination, chain = universe.text("destination"), universe.text("chain")
        groups: dict[tuple[object, ...], dict[str, AddressEntry | None]] = {}
        self.mentioned: set[tuple[str, str]] = set()
        for where, address in sorted({pair for book in books.values() for pair in book}):
            entries = {version: book.get((where, address)) for version, book in books.items()}
            same = len({None if entry is None else entry for entry in entries.values()}) == 1
            names = tuple(
                None if entry is None else self._named(universe, version, entry) for version, entry in entries.items()
            )
            if destination.names(address) and chain.names(where):
                self.mentioned.add((where, address))
            key = (address if destination.names(address) else "", where if chain.names(where) else "", same, names)
            groups.setdefault(key, entries)
        self.rows = list(groups.values())
        self.choice = Choice("book", len(self.rows) + 1)

    @staticmethod
    def _named(universe: Universe, version: str, entry: AddressEntry) -> tuple[str | None, ...]:
        """Return what conditions name of an entry."""
        fields = {_ENTRY: entry.id, _LABEL: entry.label, _BENEFICIARY: entry.beneficiary or entry.address}
        return tuple(value if universe.text(field, version).names(value) else None for field, value in fields.items())

    def axioms(self) -> Iterator[z3.BoolRef]:
        """Yield what choosing one of them (0: in no book) means for the facts."""
        universe = self._universe
        destination, chain = universe.text("destination"), universe.text("chain")
        yield self.choice.bounds
        stranger = [
            z3.Not(z3.And(chain.equals(where), destination.equals(address)))
            for where, address in sorted(self.mentioned)
        ]
        stranger += [_entry_term(universe, version, None) for version in self._policies]
        yield z3.Implies(z3.And(destination.known, self.choice.is_(0)), both(stranger))
        for place, entries in enumerate(self.rows, start=1):
            entry = next(found for found in entries.values() if found is not None)
            parts = [destination.equals(entry.address), chain.equals(entry.chain)]
            parts += [_entry_term(universe, version, found) for version, found in entries.items()]
            chosen = z3.And(destination.known, self.choice.is_(place))
            yield z3.Implies(chosen, both(parts))
            if len(set(entries.values())) == 1:
                yield z3.Implies(chosen, self._same())
        yield z3.Implies(z3.And(destination.known, self.choice.is_(0)), self._same())
        for version, policy in self._policies.items():
            yield from self._version(version, policy)

    def _same(self) -> z3.BoolRef:
        """Both versions say the same of it."""
        first, *others = self._policies
        universe = self._universe
        return both(
            [
                _equal(universe.term(field, first), universe.term(field, other))
                for field in sorted(BOOK_FIELDS - {_LOOKALIKE})
                for other in others
            ]
        )

    def _version(self, version: str, policy: Policy) -> Iterator[z3.BoolRef]:
        universe = self._universe
        destination, chain = universe.text("destination"), universe.text("chain")
        listed, own = universe.flag(_LISTED, version), universe.flag(_OWN, version)
        for field in _TOGETHER:
            yield destination.known == universe.term(field, version).known
        for field in _WHILE_LISTED:
            yield universe.term(field, version).known == z3.And(listed.known, listed.on)
        yield z3.Implies(universe.flag(_LOOKALIKE, version).on, z3.Not(own.on))
        wallets = {(wallet.chain, wallet.address) for wallet in policy.wallets}
        named = universe.members("wallets.named", version)
        for where, address in sorted(wallets):
            if destination.names(address) and chain.names(where):
                at = z3.And(destination.known, destination.equals(address), chain.equals(where))
                yield z3.Implies(at, own.on)
        for address, on in named.members.items():
            chains = [chain.equals(where) for where, wallet in sorted(wallets) if wallet == address]
            yield z3.Implies(on, either(chains))
            for field in ("destination", "contract", "approve.spender"):
                term = universe.text(field)
                if term.names(address):
                    yield z3.Implies(z3.And(term.known, term.equals(address), either(chains)), on)
        addresses = {address for _, address in wallets}
        for address in destination.values:
            if address not in addresses:
                yield z3.Implies(z3.And(destination.known, destination.equals(address)), z3.Not(own.on))

    def entry(self, model: z3.ModelRef) -> AddressEntry | None:
        """Return an address of the books that stands for what a model chose; None for a stranger."""
        place = self.choice.read(model)
        if place == 0:
            return None
        return next(entry for entry in self.rows[place - 1].values() if entry is not None)


def named_axioms(universe: Universe, versions: Iterable[str]) -> Iterator[z3.BoolRef]:
    """Yield that an argument can only be an own wallet where the transaction names one."""
    for free in universe.free:
        if free.leaf.op is ConditionOp.OWN_WALLET:
            for version in [free.version] if free.version else versions:
                named = universe.members("wallets.named", version)
                yield z3.Implies(free.truth.yes, z3.And(named.known, either(list(named.members.values()))))
