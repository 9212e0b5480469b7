"""Whether a policy is a syntactic tightening of another one: only then may it come into force without its delay.

Whoever wants a loosening in force at once will call it a tightening. So nothing is guessed about meaning: a closed
list of edits is known to be harmless, each with its reason here, and whatever else differs is a loosening. Two
policies that `core.policy_check` accepts are compared; a field that a later version adds loosens if it differs.

What is harmless, for every case and every set of approvals:

- *A quorum that asks at least as much* (`asks_as_much`): whoever fills it fills the old one.
- *A person, a key, a client removed*: there are fewer who can ask or approve, and filling seats with fewer people
  is never easier. A client's responsible persons stay as they are: they bar seats and share limits.
- *A guard, a blocking grant, an escalation, a limit added; a limit's `most` lowered*: each can only deny or ask more.
- *A row removed* from addresses, assets, contracts, prices or wallets, or valid for a shorter time: only if no
  condition can shift the wrong way (`core.polarity`) and no limit would count what it draws under another key.
- *An allowing grant removed* (or one that can stop matching): a case that it granted goes on to the grants that are
  ordered after it, and to no earlier one, since those did not match and cannot begin to. So it is harmless
  exactly where each allowing grant that remains after it asks at least as much.
- *Delays longer, expiry sooner, fewer authenticator models or roots, more zones that nothing named, more properties.*
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from core.documents.policy import Condition, ConditionOp, Dimension, Effect, Limit, Measure, Policy, Quorum, Rule
from core.polarity import NO, YES, Table, shifts
from core.quorum import EMPTY

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

_MAY_DIFFER = frozenset({"header", "number", "previous", "evidence"})
_COMPARED = frozenset(
    {
        "consent", "people", "clients", "wallets", "assets", "contracts", "addresses", "prices", "guards", "grants",
        "escalations", "limits", "controls", "zones", "properties",
    }
)  # fmt: skip
_BY_CALL = frozenset(
    {
        Dimension.ASSET,
        Dimension.DESTINATION,
        Dimension.BENEFICIARY,
        Dimension.CONTRACT,
        Dimension.PROTOCOL,
    }
)
"""What a limit counts by that depends on how a call is understood."""
ANY_ZONE = "*"
"""Stands for a rule that compares the zones themselves; no zone is called so."""


def asks_as_much(after: Quorum | None, before: Quorum | None) -> bool:
    """Whether every filling of `after` fills `before`.

    It has at least the seats of each role and stage: a seating of `after`, without the extra seats, is one of
    `before`. It loses at most one site with each extra seat, so the sites must make up for them; except where all
    seats are of one role and stage, in which any of its people may be left out, and where one site is enough.

    Args:
        after: The new quorum; None asks nobody.
        before: The old one.
    """
    new, old = after or EMPTY, before or EMPTY
    seats, least = _seats(new), _seats(old)
    if any(seats[place] < count for place, count in least.items()):
        return False
    extra = seats.total() - least.total()
    if old.sites <= min(1, new.sites):
        return True
    alike = len(seats) == 1
    return new.sites - (0 if alike else extra) >= old.sites


def _seats(quorum: Quorum) -> Counter[tuple[str, int]]:
    seats: Counter[tuple[str, int]] = Counter()
    for seat in quorum.seats:
        seats[(seat.role, seat.stage)] += seat.count
    return seats


class _Comparison:
    """One pair of policies. `shrunk` are the tables that lost something."""

    def __init__(self, before: Policy, after: Policy) -> None:
        self.before = before
        self.after = after
        self.shrunk: set[Table] = set()

    def found(self) -> Iterator[str]:
        yield from self._plain()
        yield from self._roster()
        yield from self._tables()
        yield from self._counted()
        shrunk = frozenset(self.shrunk)
        yield from self._blocking("guard", self.before.guards, self.after.guards, shrunk)
        yield from self._blocking("escalation", self.before.escalations, self.after.escalations, shrunk)
        yield from self._grants(shrunk)
        yield from self._limits(shrunk)
        yield from self._controls()
        yield from self._annexes()

    def _plain(self) -> Iterator[str]:
        for field in dataclasses.fields(Policy):
            name = field.name
            if name not in _MAY_DIFFER | _COMPARED and getattr(self.before, name) != getattr(self.after, name):
                yield f"{name.replace('_', ' ')}: changed"
        old, new = self.before.header, self.after.header
        if (old.type, old.version) != (new.type, new.version):
            yield "header: another type or version"
        if new.expires > old.expires:
            yield "expiry: later than before"

    def _roster(self) -> Iterator[str]:
        old, new = self.before.consent, self.after.consent
        if (old.origin, old.rp_id) != (new.origin, new.rp_id):
            yield "consent origin: changed"
        yield from _fewer("authenticator model", old.aaguids, new.aaguids, lambda row: row.hex(), _same)
        roots = [[sha256(root).hexdigest()[:16] for root in one.attestation_roots] for one in (old, new)]
        yield from _fewer("attestation root", roots[0], roots[1], lambda row: row, _same)
        yield from _fewer("person", self.before.people, self.after.people, lambda row: row.id, _person)
        yield from _fewer("client", self.before.clients, self.after.clients, lambda row: row.id, _same)

    def _tables(self) -> Iterator[str]:
        keys: dict[Table, Callable[[Any], Hashable]] = {
            Table.ADDRESSES: lambda row: row.id,
            Table.ASSETS: lambda row: row.id,
            Table.CONTRACTS: lambda row: f"{row.chain} {row.address}",
            Table.PRICES: lambda row: row.asset,
            Table.WALLETS: lambda row: row.id,
        }
        kept = {Table.ADDRESSES: _address, Table.CONTRACTS: _contract, Table.PRICES: _price}
        for table, key in keys.items():
            old, new = getattr(self.before, table), getattr(self.after, table)
            if old != new:
                self.shrunk.add(table)
                yield from _fewer(str(table), old, new, key, kept.get(table, _same))

    def _counted(self) -> Iterator[str]:
        """Yield where a case would count under another key, whose window is fresh."""
        dimensions = {dimension for limit in self.before.limits for dimension in limit.per}
        units = any(limit.measure is Measure.ASSET for limit in self.before.limits)
        if self.shrunk & {Table.ASSETS, Table.CONTRACTS} and (units or dimensions & _BY_CALL):
            yield "assets or contracts: removed, and limits count by what a call is understood to be"
        known = {entry.id for entry in self.after.addresses}
        gone = [entry for entry in self.before.addresses if entry.id not in known and entry.beneficiary is not None]
        if gone and Dimension.BENEFICIARY in dimensions:
            yield f"address {gone[0].id}: limits count by its beneficiary"

    def _blocking(
        self, kind: str, before: Sequence[Rule], after: Sequence[Rule], shrunk: frozenset[Table]
    ) -> Iterator[str]:
        """Compare guards or escalations: what matched or was unknown must not become a plain no."""
        new = {rule.id: rule for rule in after}
        yield from _repeated(kind, [rule.id for rule in after])
        for rule in before:
            kept = new.get(rule.id)
            if kept is None:
                yield f"{kind} {rule.id}: removed"
            elif dataclasses.replace(kept, quorum=rule.quorum) != rule:
                yield f"{kind} {rule.id}: changed"
            elif not asks_as_much(kept.quorum, rule.quorum):
                yield f"{kind} {rule.id}: its quorum asks less"
            elif _can_fall(rule.when, shrunk):
                yield f"{kind} {rule.id}: may stop matching, since {_shown(shrunk)} lost entries"

    def _grants(self, shrunk: frozenset[Table]) -> Iterator[str]:
        new = {rule.id: rule for rule in self.after.grants}
        old = {rule.id: rule for rule in self.before.grants}
        yield from _repeated("grant", [rule.id for rule in self.after.grants])
        for rule in self.after.grants:
            if rule.id not in old and rule.effect is not Effect.BLOCK:
                yield f"grant {rule.id}: added"
        for rule in self.before.grants:
            kept = new.get(rule.id)
            if kept is None and rule.effect is Effect.BLOCK:
                yield f"grant {rule.id}: removed, and it blocks"
            elif kept is not None and dataclasses.replace(kept, quorum=rule.quorum) != rule:
                yield f"grant {rule.id}: changed"
            elif kept is not None and not asks_as_much(kept.quorum, rule.quorum):
                yield f"grant {rule.id}: its quorum asks less"
            elif kept is not None:
                yield from _grant_shifts(rule, shrunk)
            if rule.effect is Effect.ALLOW and (kept is None or _can_stop(rule.when, shrunk)):
                yield from self._falls_through(rule)

    def _falls_through(self, rule: Rule) -> Iterator[str]:
        """Yield the grants that could grant for less what `rule` granted."""
        for later in self.after.grants:
            if (
                later.effect is Effect.ALLOW
                and later.order > rule.order
                and not asks_as_much(later.quorum, rule.quorum)
            ):
                yield f"grant {rule.id}: without it, grant {later.id} could allow the same for less"

    def _limits(self, shrunk: frozenset[Table]) -> Iterator[str]:
        new: dict[str, Limit] = {limit.id: limit for limit in self.after.limits}
        yield from _repeated("limit", [limit.id for limit in self.after.limits])
        for limit in self.before.limits:
            kept = new.get(limit.id)
            if kept is None:
                yield f"limit {limit.id}: removed"
            elif dataclasses.replace(kept, most=limit.most, quorum=limit.quorum) != limit:
                yield f"limit {limit.id}: changed"
            elif kept.most > limit.most:
                yield f"limit {limit.id}: raised"
            elif kept.quorum is not None and (limit.quorum is None or not asks_as_much(kept.quorum, limit.quorum)):
                yield f"limit {limit.id}: whoever exceeds it is asked for less"
            elif limit.when is not None and _can_fall(limit.when, shrunk):
                yield f"limit {limit.id}: may stop applying, since {_shown(shrunk)} lost entries"

    def _controls(self) -> Iterator[str]:
        old, new = self.before.controls, self.after.controls
        for field in dataclasses.fields(old):
            was, now = getattr(old, field.name), getattr(new, field.name)
            if isinstance(was, int):
                if now < was:
                    yield f"{field.name.replace('_', ' ')}: shorter"
            elif not asks_as_much(now, was):
                yield f"quorum {field.name}: asks less"

    def _annexes(self) -> Iterator[str]:
        named = {zone.name: zone for zone in self.after.zones}
        yield from _repeated("zone", [zone.name for zone in self.after.zones])
        for zone in self.before.zones:
            if named.pop(zone.name, None) != zone:
                yield f"zone {zone.name}: changed or removed"
        used = {name for condition in _conditions(self.before) for name in _zones(condition)}
        if named and (ANY_ZONE in used or used & set(named)):
            yield f"zone {min(named)}: added, and a rule looks at it"
        stated = set(self.after.properties)
        for stated_before in self.before.properties:
            if stated_before not in stated:
                yield f"property {stated_before.id}: changed or removed"


def _grant_shifts(rule: Rule, shrunk: frozenset[Table]) -> Iterator[str]:
    if rule.effect is Effect.BLOCK and _can_fall(rule.when, shrunk):
        yield f"grant {rule.id}: may stop blocking, since {_shown(shrunk)} lost entries"
    if rule.effect is Effect.ALLOW and any(b != YES and a == YES for b, a in shifts(rule.when, shrunk)):
        yield f"grant {rule.id}: may begin to allow, since {_shown(shrunk)} lost entries"


def _can_fall(condition: Condition, shrunk: frozenset[Table]) -> bool:
    return any(b != NO and a == NO for b, a in shifts(condition, shrunk))


def _can_stop(condition: Condition, shrunk: frozenset[Table]) -> bool:
    return any(b == YES and a != YES for b, a in shifts(condition, shrunk))


def _shown(shrunk: frozenset[Table]) -> str:
    return " and ".join(sorted(shrunk))


def _conditions(policy: Policy) -> Iterator[Condition]:
    yield from (rule.when for rule in (*policy.guards, *policy.grants, *policy.escalations))
    yield from (limit.when for limit in policy.limits if limit.when is not None)


def _zones(condition: Condition) -> Iterator[str]:
    if condition.field == "time.zones":
        yield ANY_ZONE
    if condition.op is ConditionOp.WITHIN:
        yield from condition.values[:1]
    for part in condition.parts:
        yield from _zones(part)


def _repeated(what: str, names: Sequence[Hashable]) -> Iterator[str]:
    yield from (f"{what} {name}: named twice" for name, count in Counter(names).items() if count > 1)


def _fewer(
    what: str,
    before: Sequence[Any],
    after: Sequence[Any],
    key: Callable[[Any], Hashable],
    kept: Callable[[Any, Any], bool],
) -> Iterator[str]:
    """Compare two lists of which the second may only lack rows, in the order of the first.

    Args:
        what: What a row is called.
        before: The old rows.
        after: The new rows.
        key: What names a row.
        kept: Whether (old, new) row of one name differ in harmless ways only.
    """
    old = {key(row): row for row in before}
    names = [key(row) for row in after]
    yield from _repeated(what, names)
    # A row that is named twice may count for nothing; without its double it would.
    yield from _repeated(what, [key(row) for row in before])
    for name, row in zip(names, after, strict=True):
        if name not in old:
            yield f"{what} {name}: added"
        elif not kept(old[name], row):
            yield f"{what} {name}: changed"
    present = set(names)
    if [name for name in old if name in present] != [name for name in names if name in old]:
        yield f"{what}: in another order"


def _same(old: object, new: object) -> bool:
    return old == new


def _person(old: Any, new: Any) -> bool:  # noqa: ANN401 - rows of one table, as `_fewer` hands them
    fewer = _fewer("key", old.keys, new.keys, lambda row: row.credential_id, _same)
    return dataclasses.replace(new, keys=old.keys) == old and not any(fewer)


def _address(old: Any, new: Any) -> bool:  # noqa: ANN401 - as `_person`
    same = bool(dataclasses.replace(new, usable_from=old.usable_from, expires=old.expires) == old)
    return same and bool(new.usable_from >= old.usable_from and new.expires <= old.expires)


def _contract(old: Any, new: Any) -> bool:  # noqa: ANN401 - as `_person`
    fewer = _fewer("function", old.functions, new.functions, lambda row: row.selector, _same)
    return dataclasses.replace(new, functions=old.functions) == old and not any(fewer)


def _price(old: Any, new: Any) -> bool:  # noqa: ANN401 - as `_person`
    return bool(dataclasses.replace(new, expires=old.expires) == old and new.expires <= old.expires)


def loosenings(before: Policy, after: Policy) -> tuple[str, ...]:
    """Name each change that is not a syntactic tightening.

    Args:
        before: The policy in force; `core.policy_check` accepts it.
        after: Its successor; `core.policy_check` accepts it.

    Returns:
        One sentence for each such change, its place named first; empty if `after` only tightens.
    """
    return tuple(_Comparison(before, after).found())
