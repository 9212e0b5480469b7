"""All facts that conditions speak of, as variables, and every comparison over them.

Two versions of a policy share their facts, so that both decide the same case; only what each derives from tables of
its own (`split`) has a variable for each. The first version given is the one that is checked.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import z3

from core.conditions import leaves, operators_of
from core.documents.bundle import Provenance
from core.documents.policy import ConditionOp
from core.names import is_address
from core.registry import REGISTRY, FactType, field_of
from core.schema import UINT256_MAX
from policies.proof.terms import (
    UNKNOWN,
    FlagTerm,
    Kleene,
    NumberTerm,
    SetTerm,
    TextTerm,
    all_of,
    any_of,
    either,
    negated,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from core.documents.policy import Condition
    from policies.proof.terms import Term

NEW, OLD = "new", "old"
MINUTE, WEEKDAY = "time.minute", "time.weekday"
_MOST = {MINUTE: 1439, WEEKDAY: 6}
_MOST_DIGITS = 78
_TYPES = {
    FactType.TEXT: frozenset({ConditionOp.EQ, ConditionOp.IN}),
    FactType.TEXTS: frozenset({ConditionOp.HAS}),
    FactType.NUMBER: frozenset({ConditionOp.EQ, ConditionOp.IN, ConditionOp.LE, ConditionOp.GE}),
    FactType.FLAG: frozenset({ConditionOp.EQ}),
}


@dataclasses.dataclass(frozen=True)
class FreeLeaf:
    """A comparison that is not enumerated; `version` where each version reads it by its own tables, else empty."""

    leaf: Condition
    version: str
    truth: Kleene


def _numbers(leaf: Condition) -> list[int] | None:
    """Return the numbers that a leaf compares with; None where one is no whole number."""
    if not all(text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS for text in leaf.values):
        return None
    return [int(text) for text in leaf.values]


def is_clock(leaf: Condition) -> bool:
    """Whether a comparison looks at windows or zones, of which `policies.proof.moments` knows every kind."""
    return leaf.field in ("time.now", "time.zones") and not leaf.parts and leaf.op is not ConditionOp.FLOOR


def is_plain(leaf: Condition) -> bool:
    """Whether a comparison is encoded exactly: a scalar fact of the registry against constants of its type."""
    known = REGISTRY.get(leaf.field or "")
    if known is None or is_clock(leaf) or leaf.parts or not leaf.values or leaf.op not in _TYPES.get(known.type, ()):
        return False
    if leaf.op not in (ConditionOp.IN, ConditionOp.HAS) and len(leaf.values) != 1:
        return False
    if known.type is FactType.NUMBER:
        return _numbers(leaf) is not None
    return known.type is not FactType.FLAG or leaf.values[0] in ("true", "false")


def is_claimed(leaf: Condition) -> bool:
    """Whether a comparison looks at what a server claims, which a signer never knows."""
    known = field_of(leaf.field)
    return known is not None and known.provenance is Provenance.CLAIMED


def is_wallet_test(leaf: Condition) -> bool:
    """Whether a comparison asks of a fact that is always an address whether it is an own wallet's."""
    return leaf.op is ConditionOp.OWN_WALLET and leaf.field in REGISTRY and leaf.op in operators_of(leaf.field)


def fields_of(leaf: Condition) -> set[str]:
    """Return every field that a comparison looks at, those of its parts too."""
    named = {leaf.field or ""}
    if leaf.op is ConditionOp.FLOOR and leaf.values:
        named.add(leaf.values[0])
    if leaf.op is ConditionOp.WITHIN:
        named.add("time.zones")
    if leaf.op is ConditionOp.OWN_WALLET:
        named.add("wallets.named")
    for part in leaf.parts:
        for inner in leaves(part):
            named |= fields_of(inner)
    return named


class Universe:
    """The variables, and a three-valued truth for every condition."""

    def __init__(
        self,
        conditions: Iterable[Condition],
        *,
        cuts: Mapping[str, Iterable[int]],
        texts: Mapping[str, Iterable[str]],
        split: frozenset[str] = frozenset(),
        wallets: Iterable[str] = (),
    ) -> None:
        """Declare what the conditions speak of.

        Args:
            conditions: All that will be asked about.
            cuts: Further thresholds of numbers, each the first number of a region.
            texts: Further values of text fields.
            split: Fields that each version derives by its own tables.
            wallets: The addresses of all wallets of all versions.
        """
        self._cuts = {field: set(more) for field, more in cuts.items()}
        self._texts = {field: set(more) for field, more in texts.items()}
        self.split = split
        self._wallets = sorted(set(wallets))
        self._terms: dict[tuple[str, str], Term] = {}
        self._leaves: dict[tuple[Condition, str], Kleene] = {}
        self.free: list[FreeLeaf] = []
        for condition in conditions:
            for leaf in leaves(condition):
                self._gather(leaf)
        # A payment in the native coin sends along what it pays: one measure for both.
        alike = self._cuts.get("amount", set()) | self._cuts.get("value", set())
        self._cuts |= {"amount": alike, "value": alike}

    def _gather(self, leaf: Condition) -> None:
        if not is_plain(leaf) or is_claimed(leaf):
            if leaf.op is ConditionOp.OWN_WALLET:
                self._texts.setdefault("wallets.named", set()).update(self._wallets)
            if is_wallet_test(leaf):
                self._texts.setdefault(leaf.field or "", set()).update(self._wallets)
            return
        field = leaf.field or ""
        if REGISTRY[field].type is FactType.NUMBER:
            cuts = self._cuts.setdefault(field, set())
            for number in _numbers(leaf) or ():
                cuts |= {number, number + 1}
        else:
            self._texts.setdefault(field, set()).update(leaf.values)

    def version_of(self, field: str, version: str) -> str:
        """Return whose variable a version reads a field from; empty for a shared one."""
        return version if field in self.split else ""

    @property
    def fields(self) -> set[str]:
        """The scalar fields that anything speaks of."""
        return {field for field in (*self._cuts, *self._texts) if field in REGISTRY}

    def term(self, field: str, version: str = NEW) -> Term:
        """Return a field's variable."""
        owner = self.version_of(field, version)
        key = (field, owner)
        if key not in self._terms:
            self._terms[key] = self._declare(field, f"{owner}:{field}" if owner else field)
        return self._terms[key]

    def _declare(self, field: str, name: str) -> Term:
        kind = REGISTRY[field].type
        if kind is FactType.NUMBER:
            return NumberTerm(name, self._cuts.get(field, ()), most=_MOST.get(field, UINT256_MAX))
        if kind is FactType.FLAG:
            return FlagTerm(name)
        values = self._texts.get(field, ())
        return TextTerm(name, values) if kind is FactType.TEXT else SetTerm(name, values)

    def text(self, field: str, version: str = NEW) -> TextTerm:
        """Return a text field's variable."""
        term = self.term(field, version)
        if not isinstance(term, TextTerm):
            msg = f"{field} is no text"
            raise TypeError(msg)
        return term

    def number(self, field: str, version: str = NEW) -> NumberTerm:
        """Return a number field's variable."""
        term = self.term(field, version)
        if not isinstance(term, NumberTerm):
            msg = f"{field} is no number"
            raise TypeError(msg)
        return term

    def flag(self, field: str, version: str = NEW) -> FlagTerm:
        """Return a flag field's variable."""
        term = self.term(field, version)
        if not isinstance(term, FlagTerm):
            msg = f"{field} is no flag"
            raise TypeError(msg)
        return term

    def members(self, field: str, version: str = NEW) -> SetTerm:
        """Return a set field's variable."""
        term = self.term(field, version)
        if not isinstance(term, SetTerm):
            msg = f"{field} is no set"
            raise TypeError(msg)
        return term

    @property
    def terms(self) -> dict[tuple[str, str], Term]:
        """Every variable that was declared, by field and version (empty: shared)."""
        return self._terms

    def bounds(self) -> list[z3.BoolRef]:
        """Return what keeps every variable within its domain; asked for when all have been declared."""
        found = [term.choice.bounds for term in self._terms.values() if isinstance(term, TextTerm | NumberTerm)]
        found.extend(z3.Not(z3.And(free.truth.yes, free.truth.no)) for free in self.free)
        return found

    def truth(self, condition: Condition, version: str = NEW) -> Kleene:
        """Return a condition's truth as one version reads it."""
        if condition.op not in (ConditionOp.ALL, ConditionOp.ANY, ConditionOp.NOT):
            return self._leaf(condition, version)
        parts = [self.truth(part, version) for part in condition.parts]
        if not parts:
            return UNKNOWN
        if condition.op is ConditionOp.ANY:
            return any_of(parts)
        return all_of(parts) if condition.op is ConditionOp.ALL else negated(all_of(parts))

    def _leaf(self, leaf: Condition, version: str) -> Kleene:
        own = not self.split.isdisjoint(fields_of(leaf))
        key = (leaf, version if own else "")
        if key not in self._leaves:
            self._leaves[key] = self._read_leaf(leaf, *key[1:], version)
        return self._leaves[key]

    def _read_leaf(self, leaf: Condition, owner: str, version: str) -> Kleene:
        if is_claimed(leaf):
            return UNKNOWN
        if is_plain(leaf):
            return self._plain(leaf, version)
        if is_wallet_test(leaf):
            return self._own_wallet(leaf.field or "", version)
        name = f"{owner}:free {len(self.free)}"
        truth = Kleene(z3.Bool(f"{name} yes"), z3.Bool(f"{name} no"))
        self.free.append(FreeLeaf(leaf, owner, truth))
        return truth

    def _plain(self, leaf: Condition, version: str) -> Kleene:
        field = leaf.field or ""
        term = self.term(field, version)
        if isinstance(term, TextTerm):
            return term.is_one_of(leaf.values)
        if isinstance(term, SetTerm):
            return term.has(leaf.values)
        if isinstance(term, FlagTerm):
            wanted = term.on if leaf.values[0] == "true" else z3.Not(term.on)
            return Kleene(z3.And(term.known, wanted), z3.And(term.known, z3.Not(wanted)))
        numbers = _numbers(leaf) or []
        if leaf.op is ConditionOp.LE:
            found = term.at_most(numbers[0])
        elif leaf.op is ConditionOp.GE:
            found = z3.Not(term.at_most(numbers[0] - 1))
        else:
            found = either([term.is_(number) for number in dict.fromkeys(numbers)])
        return Kleene(z3.And(term.known, found), z3.And(term.known, z3.Not(found)))

    def _own_wallet(self, field: str, version: str) -> Kleene:
        """Whether an address is among the own wallets that the transaction names."""
        address, named = self.text(field, version), self.members("wallets.named", version)
        found = either([z3.And(address.equals(wallet), on) for wallet, on in named.members.items()])
        odd = either([address.equals(value) for value in address.values if not is_address(value)])
        known = z3.And(address.known, named.known, z3.Not(odd))
        return Kleene(z3.And(known, found), z3.And(known, z3.Not(found)))
