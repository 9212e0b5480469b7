"""The decision, indexed: what `core.policy.read_linearly` says without details, without reading every rule.

One index holds guards, grants, escalations and limits in the order in which the linear reading comes to them. A rule
that a known fact makes certainly False is never looked at; all others are evaluated as they stand. Limits that share
a scope and a window share one look at the totals.
"""

from __future__ import annotations

import dataclasses
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

    def added(self, draw: Draw) -> tuple[int, list[ScopeKey] | None] | None:
        """Return what a draw adds and under which keys; None where it does not touch these limits."""
        amount = amount_of(self.measure, self.asset, draw)
        if amount == 0 and not is_touched(self.limit, amount, draw):
            return None
        return amount, None if self.window == 0 else scope_keys(self.per, draw)


class _Cap:
    """A limit made ready."""

    __slots__ = ("group", "limit", "most", "test", "web")

    def __init__(self, limit: Limit, group: _Group, *, web: bool) -> None:
        self.limit = limit
        self.most = limit.most
        self.test: Test | None = None if limit.when is None else compile_condition(limit.when)
        self.group = group
        self.web = web


@dataclasses.dataclass(slots=True)
class Standing:
    """What a case comes to under everything but the limits, and the quorum that this asks for."""

    results: list[RuleResult] = dataclasses.field(default_factory=list)
    reasons: list[str] = dataclasses.field(default_factory=list)
    asked: list[Quorum] = dataclasses.field(default_factory=list)
    # Which rules asked, by place: the name of what they ask for together.
    places: list[int] = dataclasses.field(default_factory=list)
    grant: str | None = None
    required: Quorum = EMPTY


Touched = list[tuple["_Cap", int, "list[ScopeKey] | None"]]
"""Limits that a draw touches, each with what the draw adds and the keys that it adds to (None: to no window)."""
Over = list[tuple["_Cap", int]]
"""Limits that would be exceeded, each with the total that it would see."""


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
        self._index = Index(conditions)
        self._caps: list[_Cap] = []
        groups: dict[object, _Group] = {}
        for limit in policy.limits:
            if not (enforce and limit.id in web):
                group = groups.setdefault((scope_of(limit), limit.window), _Group(limit, len(groups)))
                self._caps.append(_Cap(limit, group, web=limit.id in web))
        self._limits = Index([cap.limit.when for cap in self._caps])
        self._by_asset = self._assets()
        # The limits of no asset in particular.
        self._common = self._limits.everything & ~sum(self._by_asset.values())
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
        for place, cap in enumerate(self._caps):
            if cap.limit.measure is Measure.ASSET and cap.limit.asset is not None:
                by_asset[cap.limit.asset] = by_asset.get(cap.limit.asset, 0) | 1 << place
        return by_asset

    def decide(self, facts: FactMap, draw: Draw, totals: Totals, *, now: int) -> Decision:
        """Decide one transaction as `core.policy.decide` does without details.

        Args:
            facts: What is known; missing fields are unknown.
            draw: What the transaction itself draws.
            totals: What earlier transactions drew.
            now: Unix seconds, UTC.
        """
        over = exceeded(self.touched(facts, draw), facts, totals, now=now)
        return conclude(self.read(facts), over)

    def read(self, facts: FactMap) -> Standing:
        """Say what a case comes to under guards, grants and escalations."""
        standing = Standing()
        mask = self._index.candidates(facts)
        self._read_guards(mask & self._guards, facts, standing)
        self._read_grants(mask & self._grants, facts, standing)
        self._read_escalations(mask & self._escalations, facts, standing)
        name = tuple(standing.places)
        required = self._joined.get(name)
        if required is None:
            if len(self._joined) >= _MOST_JOINS:
                self._joined.clear()
            required = self._joined[name] = join(standing.asked)
        standing.required = required
        return standing

    def touched(self, facts: FactMap, draw: Draw) -> Touched:
        """Return the limits that a draw touches, but for those whose condition certainly does not hold."""
        mask = self._limits.candidates(facts)
        if draw.assets:
            reach = self._common
            for part in draw.amounts:
                reach |= self._by_asset.get(part.asset, 0)
            mask &= reach
        touched: Touched = []
        added: dict[int, tuple[int, list[ScopeKey] | None] | None] = {}
        for place in Index.places(mask):
            cap = self._caps[place]
            group = cap.group.place
            if group not in added:
                added[group] = cap.group.added(draw)
            share = added[group]
            if share is not None:
                touched.append((cap, *share))
        return touched

    def _read_guards(self, mask: int, facts: FactMap, standing: Standing) -> None:
        for place in Index.places(mask):
            entry = self._rules[place]
            truth = entry.test(facts)
            if truth is not False:
                standing.results.append(entry.matched if truth else entry.unknown)
                standing.reasons.append(entry.reason_matched if truth else entry.reason_unknown)

    def _read_grants(self, mask: int, facts: FactMap, standing: Standing) -> None:
        for place in Index.places(mask):
            entry = self._rules[place]
            truth = entry.test(facts)
            if truth is False:
                continue
            standing.results.append(entry.matched if truth else entry.unknown)
            # A blocking grant that cannot be evaluated still ends the search: what follows was written to come
            # after it.
            if entry.blocks:
                standing.reasons.append(entry.reason_blocks)
                return
            if truth:
                standing.asked.append(entry.quorum)
                standing.places.append(place)
                standing.grant = entry.id
                return
        standing.reasons.append(NO_GRANT)

    def _read_escalations(self, mask: int, facts: FactMap, standing: Standing) -> None:
        for place in Index.places(mask):
            entry = self._rules[place]
            truth = entry.test(facts)
            if truth is not False:
                standing.results.append(entry.matched if truth else entry.unknown)
                standing.asked.append(entry.quorum)
                standing.places.append(place)


def exceeded(touched: Touched, facts: FactMap, totals: Totals, *, now: int) -> Over:
    """Return the limits that would be exceeded; each scope and window is looked up once."""
    over: Over = []
    seen: dict[int, int] = {}
    for cap, amount, keys in touched:
        group = cap.group
        worst = seen.get(group.place)
        if worst is None:
            worst = amount
            if keys is not None:
                worst += max([totals.used(group.limit, key, now=now) for key in keys])
            seen[group.place] = worst
        if worst > cap.most and (cap.test is None or cap.test(facts) is not False):
            over.append((cap, worst))
    return over


def conclude(standing: Standing, over: Over) -> Decision:
    """Decide: what the rules came to, and the limits that would be exceeded."""
    results, reasons, asked = [*standing.results], [*standing.reasons], [*standing.asked]
    for cap, worst in over:
        limit = cap.limit
        line = limit_line(limit, worst)
        results.append(RuleResult(Section.LIMIT, limit.id, limit.label, Verdict.EXCEEDED, cap.web, (line,)))
        if limit.quorum is None:
            reasons.append(limit_reason(limit, line))
        else:
            asked.append(limit.quorum)
    return Decision(
        allowed=standing.grant is not None and not reasons,
        required=standing.required if len(asked) == len(standing.asked) else join(asked),
        grant=standing.grant,
        reasons=tuple(reasons),
        results=tuple(results),
        asked=tuple(asked),
    )


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
