"""The decision, indexed: what `core.policy.read_linearly` says without details, without reading every rule.

One index holds guards, grants, escalations and limits in the order in which the linear reading comes to them. A rule
that a known fact makes certainly False is never looked at; all others are evaluated as they stand. Limits that share
a scope and a window share one look at the totals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.decision import (
    NO_GRANT,
    Decision,
    RuleResult,
    Section,
    Verdict,
    block_reason,
    guard_reason,
    is_touched,
    limit_line,
    limit_reason,
    web_rules,
)
from core.documents.policy import Effect, Limit, Measure, Policy, Quorum, Rule
from core.engine_compile import compile_condition
from core.engine_index import Index
from core.limits import Draw, ScopeKey, Totals, amount_of, scope_keys, scope_of
from core.quorum import EMPTY, join

if TYPE_CHECKING:
    from collections.abc import Iterable

    from core.documents.policy import Condition
    from core.engine_compile import Test
    from core.registry import FactMap

_MOST_JOINS = 4096
_MOST_ENGINES = 16


class _Entry:
    """A rule made ready: its test, the results and reasons that it can come to, and the quorum that it asks for."""

    def __init__(self, section: Section, rule: Rule, *, web: bool) -> None:
        self.test: Test = compile_condition(rule.when)
        self.id = rule.id
        self.blocks = rule.effect is Effect.BLOCK
        self.quorum = rule.quorum or EMPTY
        self.matched = RuleResult(section, rule.id, rule.label, Verdict.MATCHED, web, ())
        self.unknown = RuleResult(section, rule.id, rule.label, Verdict.UNKNOWN, web, ())
        self.reason_matched = guard_reason(rule, known=True)
        self.reason_unknown = guard_reason(rule, known=False)
        self.reason_blocks = block_reason(rule)


class _Group:
    """The limits of one scope and one window, which see the same totals."""

    __slots__ = ("asset", "limit", "measure", "per", "place", "window")

    def __init__(self, limit: Limit, place: int) -> None:
        self.place = place
        self.limit = limit
        self.per, self.measure, self.asset = scope_of(limit)
        self.window = limit.window


class _Cap:
    """A limit made ready."""

    __slots__ = ("group", "limit", "most", "test", "web")

    def __init__(self, limit: Limit, group: _Group, *, web: bool) -> None:
        self.limit = limit
        self.most = limit.most
        self.test: Test | None = None if limit.when is None else compile_condition(limit.when)
        self.group = group
        self.web = web


class _Spent:
    """What one transaction would bring the totals to, looked up once for each group of limits."""

    __slots__ = ("_draw", "_keys", "_now", "_totals", "_worst")

    def __init__(self, draw: Draw, totals: Totals, now: int) -> None:
        self._draw = draw
        self._totals = totals
        self._now = now
        self._keys: dict[tuple[str, ...], list[ScopeKey]] = {}
        self._worst: dict[int, int | None] = {}

    def worst(self, group: _Group) -> int | None:
        """Return the largest total that a group's limits would see, in their unit; None where it is not touched."""
        place = group.place
        if place not in self._worst:
            self._worst[place] = self._look(group)
        return self._worst[place]

    def _look(self, group: _Group) -> int | None:
        amount = amount_of(group.measure, group.asset, self._draw)
        if amount == 0 and not is_touched(group.limit, amount, self._draw):
            return None
        if group.window == 0:
            return amount
        keys = self._keys.get(group.per)
        if keys is None:
            keys = self._keys[group.per] = scope_keys(group.per, self._draw)
        return amount + max([self._totals.used(group.limit, key, now=self._now) for key in keys])


class _Outcome:
    """One decision in the making."""

    __slots__ = ("asked", "places", "reasons", "results")

    def __init__(self) -> None:
        self.results: list[RuleResult] = []
        self.reasons: list[str] = []
        self.asked: list[Quorum] = []
        # Which rules asked, by place: the name of what they ask for together.
        self.places: list[int] = []


class Engine:
    """One policy, ready to decide. Immutable but for its memory of joined quorums, which is bounded."""

    def __init__(self, policy: Policy, *, enforce: bool) -> None:
        """Compile and index a policy.

        Args:
            policy: A policy that `core.policy_check` accepts.
            enforce: True in a signer: rules over claimed facts are left out.
        """
        web = web_rules(policy)
        self._rules: list[_Entry] = []
        conditions: list[Condition | None] = []
        self._guards = self._take(Section.GUARD, policy.guards, web, conditions, enforce=enforce)
        grants = sorted(policy.grants, key=lambda rule: rule.order)
        self._grants = self._take(Section.GRANT, grants, web, conditions, enforce=enforce)
        self._escalations = self._take(Section.ESCALATION, policy.escalations, web, conditions, enforce=enforce)
        self._caps: list[_Cap] = []
        first = len(conditions)
        groups: dict[object, _Group] = {}
        for limit in policy.limits:
            if not (enforce and limit.id in web):
                group = groups.setdefault((scope_of(limit), limit.window), _Group(limit, len(groups)))
                self._caps.append(_Cap(limit, group, web=limit.id in web))
                conditions.append(limit.when)
        self._first_cap = first
        self._index = Index(conditions)
        self._limits = self._index.everything >> first << first
        self._by_asset = self._assets()
        # The limits of no asset in particular.
        self._common = self._limits & ~sum(self._by_asset.values())
        self._joined: dict[tuple[int, ...], Quorum] = {}

    def _take(
        self,
        section: Section,
        rules: Iterable[Rule],
        web: frozenset[str],
        conditions: list[Condition | None],
        *,
        enforce: bool,
    ) -> int:
        """Make a section's rules ready and return their bits."""
        mask = 0
        for rule in rules:
            if not (enforce and rule.id in web):
                mask |= 1 << len(conditions)
                self._rules.append(_Entry(section, rule, web=rule.id in web))
                conditions.append(rule.when)
        return mask

    def _assets(self) -> dict[str, int]:
        """Return the bits of the limits that count base units of each asset."""
        by_asset: dict[str, int] = {}
        for place, cap in enumerate(self._caps, self._first_cap):
            if cap.limit.measure is Measure.ASSET and cap.limit.asset is not None:
                by_asset[cap.limit.asset] = by_asset.get(cap.limit.asset, 0) | 1 << place
        return by_asset

    def _reach(self, draw: Draw) -> int:
        """Return the bits of the limits that a draw can touch: all of them where nobody knows what moves."""
        if not draw.assets:
            return self._limits
        mask = self._common
        for part in draw.amounts:
            mask |= self._by_asset.get(part.asset, 0)
        return mask

    def decide(self, facts: FactMap, draw: Draw, totals: Totals, *, now: int) -> Decision:
        """Decide one transaction as `core.policy.decide` does without details.

        Args:
            facts: What is known; missing fields are unknown.
            draw: What the transaction itself draws.
            totals: What earlier transactions drew.
            now: Unix seconds, UTC.
        """
        outcome = _Outcome()
        mask = self._index.candidates(facts)
        self._read_guards(mask & self._guards, facts, outcome)
        grant = self._read_grants(mask & self._grants, facts, outcome)
        self._read_escalations(mask & self._escalations, facts, outcome)
        self._read_limits(mask & self._reach(draw), facts, outcome, _Spent(draw, totals, now))
        return Decision(
            allowed=grant is not None and not outcome.reasons,
            required=self._join(outcome),
            grant=grant,
            reasons=tuple(outcome.reasons),
            results=tuple(outcome.results),
            asked=tuple(outcome.asked),
        )

    def breaches(self, draw: Draw, totals: Totals, *, now: int) -> tuple[str, ...]:
        """Say which hard limits a draw alone would break, as `core.policy.limit_breaches` does."""
        outcome = _Outcome()
        self._read_limits(self._reach(draw), {}, outcome, _Spent(draw, totals, now))
        return tuple(outcome.reasons)

    def _join(self, outcome: _Outcome) -> Quorum:
        name = tuple(outcome.places)
        joined = self._joined.get(name)
        if joined is None:
            if len(self._joined) >= _MOST_JOINS:
                self._joined.clear()
            joined = self._joined[name] = join(outcome.asked)
        return joined

    def _read_guards(self, mask: int, facts: FactMap, outcome: _Outcome) -> None:
        for place in Index.places(mask):
            entry = self._rules[place]
            truth = entry.test(facts)
            if truth is not False:
                outcome.results.append(entry.matched if truth else entry.unknown)
                outcome.reasons.append(entry.reason_matched if truth else entry.reason_unknown)

    def _read_grants(self, mask: int, facts: FactMap, outcome: _Outcome) -> str | None:
        for place in Index.places(mask):
            entry = self._rules[place]
            truth = entry.test(facts)
            if truth is False:
                continue
            outcome.results.append(entry.matched if truth else entry.unknown)
            # A blocking grant that cannot be evaluated still ends the search: what follows was written to come
            # after it.
            if entry.blocks:
                outcome.reasons.append(entry.reason_blocks)
                return None
            if truth:
                outcome.asked.append(entry.quorum)
                outcome.places.append(place)
                return entry.id
        outcome.reasons.append(NO_GRANT)
        return None

    def _read_escalations(self, mask: int, facts: FactMap, outcome: _Outcome) -> None:
        for place in Index.places(mask):
            entry = self._rules[place]
            truth = entry.test(facts)
            if truth is not False:
                outcome.results.append(entry.matched if truth else entry.unknown)
                outcome.asked.append(entry.quorum)
                outcome.places.append(place)

    def _read_limits(self, mask: int, facts: FactMap, outcome: _Outcome, spent: _Spent) -> None:
        for place in Index.places(mask):
            cap = self._caps[place - self._first_cap]
            worst = spent.worst(cap.group)
            if worst is None or worst <= cap.most or (cap.test is not None and cap.test(facts) is False):
                continue
            limit = cap.limit
            line = limit_line(limit, worst)
            outcome.results.append(
                RuleResult(Section.LIMIT, limit.id, limit.label, Verdict.EXCEEDED, cap.web, (line,))
            )
            if limit.quorum is None:
                outcome.reasons.append(limit_reason(limit, line))
            else:
                outcome.asked.append(limit.quorum)
                outcome.places.append(place)


_ENGINES: dict[tuple[str, bool], Engine] = {}


def engine_for(policy: Policy, *, enforce: bool) -> Engine:
    """Return the engine of a policy, made once for each digest and kept among the last few.

    Args:
        policy: A policy that `core.policy_check` accepts.
        enforce: True in a signer.
    """
    name = (policy.digest, enforce)
    known = _ENGINES.get(name)
    if known is not None:
        return known
    if len(_ENGINES) >= _MOST_ENGINES:
        _ENGINES.clear()
    return _ENGINES.setdefault(name, Engine(policy, enforce=enforce))
