"""Everything that the questions are asked about: facts, one or two versions, and what certainly holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.conditions import leaves
from core.documents.policy import Measure
from core.names import native_asset
from policies.proof.axioms import RELATED, call_axioms, limit_axioms, price_axioms, table_axioms
from policies.proof.encoding import Encoding, is_enforced
from policies.proof.moments import Moments
from policies.proof.tables import ASKER_FIELDS, BOOK_FIELDS, WALLET_FIELDS, Askers, Books, named_axioms
from policies.proof.universe import NEW, OLD, Universe

if TYPE_CHECKING:
    from collections.abc import Iterator

    import z3

    from core.documents.policy import Condition, Policy

_LISTS: tuple[tuple[tuple[str, ...], frozenset[str]], ...] = (
    (("addresses",), BOOK_FIELDS),
    (("wallets",), WALLET_FIELDS),
    (("people", "clients"), ASKER_FIELDS),
    (("zones",), frozenset({"time.zones"})),
)
"""Which facts each version derives by which lists of its own; they are shared where the lists are the same."""


def conditions_of(policy: Policy) -> Iterator[Condition]:
    """Yield every condition that a signer reads, and those of the properties."""
    for rule in (*policy.guards, *policy.grants, *policy.escalations):
        if is_enforced(rule):
            yield rule.when
    for limit in policy.limits:
        if limit.when is not None and is_enforced(limit):
            yield limit.when
    for stated in policy.properties:
        yield stated.when


def _cuts(policies: dict[str, Policy]) -> dict[str, set[int]]:
    """Return the thresholds that limits put on numbers."""
    cuts: dict[str, set[int]] = {"usd": set(), "fee": set(), "amount": set(), "value": set()}
    for limit in (limit for policy in policies.values() for limit in policy.limits):
        over = limit.most + 1
        if limit.measure is Measure.USD:
            cuts["usd"].add(over)
        elif limit.measure is Measure.FEE:
            cuts["fee"].add(over)
        elif limit.measure is Measure.ASSET:
            cuts["amount"].add(over)
            if limit.asset == native_asset((limit.asset or "").partition("/")[0]):
                cuts["value"].add(over)
                cuts["fee"].add(over)
    return cuts


class Model:
    """A policy, and the version that it would follow, over shared facts."""

    def __init__(self, policy: Policy, previous: Policy | None = None) -> None:
        """Encode both."""
        self.policies = {NEW: policy} if previous is None else {NEW: policy, OLD: previous}
        split = set[str]()
        if previous is not None:
            for lists, fields in _LISTS:
                if any(getattr(policy, name) != getattr(previous, name) for name in lists):
                    split |= fields
        texts = {field: set(values) for field, values in RELATED.items()}
        limits = [limit for one in self.policies.values() for limit in one.limits]
        assets = {limit.asset for limit in limits if limit.asset is not None}
        texts["asset"] = assets
        texts["chain"] = {asset.partition("/")[0] for asset in assets}
        conditions = [condition for one in self.policies.values() for condition in conditions_of(one)]
        self.leaves = {leaf for condition in conditions for leaf in leaves(condition)}
        self.universe = Universe(
            conditions,
            cuts=_cuts(self.policies),
            texts=texts,
            split=frozenset(split),
            wallets=(wallet.address for one in self.policies.values() for wallet in one.wallets),
        )
        self.encodings = {version: Encoding(one, self.universe, version) for version, one in self.policies.items()}
        self.properties = [(stated, self.universe.truth(stated.when, NEW)) for stated in policy.properties]
        self.askers = Askers(self.universe, self.policies)
        self.books = Books(self.universe, self.policies)
        self.moments = Moments(self.universe, self.policies)
        self._axioms = list(self._certain())

    def _certain(self) -> Iterator[z3.BoolRef]:
        yield from self.askers.axioms()
        yield from self.books.axioms()
        yield from self.moments.axioms()
        yield from named_axioms(self.universe, self.policies)
        for version in self.policies:
            yield from call_axioms(self.universe, version)
        yield from price_axioms(self.universe, self.policies[NEW])
        yield from table_axioms(self.universe, NEW, self.policies[NEW])
        yield from limit_axioms(
            self.universe, [capped for encoding in self.encodings.values() for capped in encoding.limits]
        )

    def logic(self) -> list[z3.BoolRef]:
        """Return what the names mean, and each variable's domain: conditions by themselves."""
        definitions = [one for encoding in self.encodings.values() for one in encoding.definitions]
        return [*self.universe.bounds(), *definitions]

    def certain(self) -> list[z3.BoolRef]:
        """Return what holds between derived facts."""
        return self._axioms

    @property
    def new(self) -> Encoding:
        """The version that is checked."""
        return self.encodings[NEW]
