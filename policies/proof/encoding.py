"""One policy as the signer enforces it: who is let through, and which quorums are asked for."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import z3

from core.conditions import is_web_only
from core.documents.policy import Effect, Limit, Policy, Quorum, Rule
from core.quorum import EMPTY
from policies.proof.terms import FALSE, TRUE, Kleene, either

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.documents.roster import Role
    from policies.proof.universe import Universe


@dataclasses.dataclass(frozen=True)
class Asked:
    """A quorum and when it is asked for."""

    when: z3.BoolRef
    quorum: Quorum


@dataclasses.dataclass(frozen=True)
class Met:
    """A rule with its truth; `matches`: it is true, `does`: it blocks, grants or escalates. Both are names."""

    rule: Rule
    truth: Kleene
    matches: z3.BoolRef
    does: z3.BoolRef


@dataclasses.dataclass(frozen=True)
class Capped:
    """A limit, whether this case goes over it, and `does`: that it then denies or asks for more (a name)."""

    limit: Limit
    over: z3.BoolRef
    does: z3.BoolRef


def is_enforced(rule: Rule | Limit) -> bool:
    """Whether a signer can enforce a rule: it rests on nothing that a server claims."""
    return rule.when is None or not is_web_only(rule.when)


def counts_of(quorum: Quorum) -> dict[Role, int]:
    """Return how many seats a quorum has for each role, over all stages."""
    counts: dict[Role, int] = {}
    for seat in quorum.seats:
        counts[seat.role] = counts.get(seat.role, 0) + seat.count
    return counts


class Encoding:
    """A policy in a universe. `definitions` give the names that the questions use their meaning."""

    def __init__(self, policy: Policy, universe: Universe, version: str) -> None:
        """Encode what a signer enforces of a policy."""
        self.policy = policy
        self.version = version
        self.definitions: list[z3.BoolRef] = []
        self._universe = universe
        self._thresholds: dict[tuple[Role, int], z3.BoolRef] = {}
        self.guards = [self._may(rule) for rule in policy.guards if is_enforced(rule)]
        self.grants = self._grants(sorted(policy.grants, key=lambda rule: rule.order))
        self.escalations = [self._may(rule) for rule in policy.escalations if is_enforced(rule)]
        self.limits = [self._limit(limit) for limit in policy.limits if is_enforced(limit)]
        self.blocked = self._name(
            "blocked",
            either([met.does for met in self.guards] + [cap.does for cap in self.limits if cap.limit.quorum is None]),
        )
        granted = either([met.does for met in self.grants if met.rule.effect is Effect.ALLOW])
        self.allowed = self._name("allowed", z3.And(granted, z3.Not(self.blocked)))
        self.asked = self._asked()

    def _name(self, name: str, meaning: z3.BoolRef) -> z3.BoolRef:
        """Give a formula a name that can be assumed, and that a core can name."""
        named = z3.Bool(f"{self.version}: {name}")
        self.definitions.append(named == meaning)
        return named

    def _may(self, rule: Rule) -> Met:
        """Encode a guard or an escalation: unknown acts as a match does."""
        truth = self._universe.truth(rule.when, self.version)
        return Met(rule, truth, self._matches(rule, truth), self._name(f"acts {rule.id}", truth.may))

    def _matches(self, rule: Rule, truth: Kleene) -> z3.BoolRef:
        return self._name(f"matches {rule.id}", truth.yes)

    def _grants(self, rules: list[Rule]) -> list[Met]:
        """Encode the search: `does` of a grant is that the search comes to it and ends there."""
        found = []
        searching = TRUE
        for rule in rules:
            if not is_enforced(rule):
                continue
            truth = self._universe.truth(rule.when, self.version)
            ends = truth.yes if rule.effect is Effect.ALLOW else truth.may
            ending = self._name(f"ends {rule.id}", ends)
            granting = self._name(f"grant {rule.id}", z3.And(searching, ending))
            found.append(Met(rule, truth, self._matches(rule, truth), granting))
            searching = self._name(f"after {rule.id}", z3.And(searching, z3.Not(ending)))
        return found

    def ends(self, rule: Rule) -> z3.BoolRef:
        """Return the name of: if the search came to this grant, it would end there."""
        return z3.Bool(f"{self.version}: ends {rule.id}")

    def _limit(self, limit: Limit) -> Capped:
        applies = TRUE if limit.when is None else self._universe.truth(limit.when, self.version).may
        over = z3.Bool(f"{self.version}: over {limit.id}")
        return Capped(limit, over, self._name(f"limits {limit.id}", z3.And(applies, over)))

    def _asked(self) -> list[Asked]:
        asked = [Asked(met.does, met.rule.quorum or EMPTY) for met in self.grants if met.rule.effect is Effect.ALLOW]
        asked += [Asked(met.does, met.rule.quorum or EMPTY) for met in self.escalations]
        asked += [Asked(cap.does, cap.limit.quorum) for cap in self.limits if cap.limit.quorum is not None]
        return asked

    @property
    def most(self) -> dict[Role, int]:
        """For each role the most seats that anything in this policy asks for."""
        most: dict[Role, int] = {}
        for asked in self.asked:
            for role, count in counts_of(asked.quorum).items():
                most[role] = max(most.get(role, 0), count)
        return most

    def at_least(self, role: Role, count: int) -> z3.BoolRef:
        """Whether the joined quorum has at least `count` seats for a role."""
        if count <= 0:
            return TRUE
        key = (role, count)
        if key not in self._thresholds:
            self._thresholds[key] = self.some_asked(lambda quorum: counts_of(quorum).get(role, 0) >= count)
        return self._thresholds[key]

    def some_asked(self, fits: Callable[[Quorum], bool]) -> z3.BoolRef:
        """Whether a quorum that fits is asked for."""
        return either([asked.when for asked in self.asked if fits(asked.quorum)])

    def sites_at_least(self, sites: int) -> z3.BoolRef:
        """Whether some asked quorum needs at least this many sites; for one site any seat will do."""
        if sites <= 0:
            return TRUE
        return self.some_asked(lambda quorum: quorum.sites >= sites or (sites == 1 and bool(quorum.seats)))

    def seats_at_least(self, count: int) -> z3.BoolRef:
        """Whether the joined quorum has at least `count` seats."""
        if count <= 0:
            return TRUE
        units = [self.at_least(role, unit) for role, most in sorted(self.most.items()) for unit in range(1, most + 1)]
        return z3.AtLeast(*units, count) if len(units) >= count else FALSE
