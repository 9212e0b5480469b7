"""The same guards and grants in Cedar and in CEL, each in the fastest way that its package offers.

Cedar (cedarpy): the policies and the (empty) entities are parsed once into handles, contexts are JSON text made
beforehand, and all requests go in one batch. CEL (common-expression-language): one compiled program for each rule,
one context for each case, made beforehand and shared by all rules, and the first match ends the search. One large
expression is slower. Neither is charged for handing the facts over.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import cedarpy
import cel

from core.documents.policy import Condition, ConditionOp, Policy
from core.registry import REGISTRY, FactType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.documents.policy import Rule
    from core.registry import FactMap

_SIGNS = {ConditionOp.EQ: "==", ConditionOp.LE: "<=", ConditionOp.GE: ">="}


def _name(field: str) -> str:
    return field.replace(".", "_")


def _literal(field: str, value: str) -> str:
    text = REGISTRY[field].type in (FactType.TEXT, FactType.TEXTS)
    return json.dumps(value) if text else value


def _cedar_leaf(leaf: Condition) -> str:
    field = leaf.field or ""
    name, values = f"context.{_name(field)}", [_literal(field, value) for value in leaf.values]
    if leaf.op is ConditionOp.HAS:
        return f"{name}.containsAny([{', '.join(values)}])"
    if leaf.op is ConditionOp.IN:
        return f"[{', '.join(values)}].contains({name})"
    return f"{name} {_SIGNS[leaf.op]} {values[0]}"


def _cel_leaf(leaf: Condition) -> str:
    field = leaf.field or ""
    name, values = _name(field), [_literal(field, value) for value in leaf.values]
    if leaf.op is ConditionOp.HAS:
        return "(" + " || ".join(f"{value} in {name}" for value in values) + ")"
    if leaf.op is ConditionOp.IN:
        return f"{name} in [{', '.join(values)}]"
    return f"{name} {_SIGNS[leaf.op]} {values[0]}"


def _shown(facts: FactMap) -> dict[str, object]:
    return {_name(name): sorted(value) if isinstance(value, frozenset) else value for name, value in facts.items()}


class Cedar:
    """A policy as Cedar policies: guards forbid, grants permit."""

    def __init__(self, policy: Policy, cases: Sequence[FactMap]) -> None:
        """Parse the policies and make the requests."""
        sources = [f"forbid(principal, action, resource) when {{ {self._when(rule)} }};" for rule in policy.guards]
        sources += [f"permit(principal, action, resource) when {{ {self._when(rule)} }};" for rule in policy.grants]
        self._policies = cedarpy.PolicySet.from_str("\n".join(sources))
        self._entities = cedarpy.Entities.from_json_str("[]")
        self._requests = [
            {
                "principal": 'User::"asker"',
                "action": 'Action::"sign"',
                "resource": 'Transaction::"this"',
                "context": json.dumps(_shown(facts)),
            }
            for facts in cases
        ]

    @staticmethod
    def _when(rule: Rule) -> str:
        return " && ".join(_cedar_leaf(part) for part in rule.when.parts)

    def decide(self) -> list[bool]:
        """Decide every case."""
        answers = cedarpy.is_authorized_batch(self._requests, self._policies, self._entities)
        return [answer.allowed for answer in answers]


class Cel:
    """A policy as CEL programs."""

    def __init__(self, policy: Policy, cases: Sequence[FactMap]) -> None:
        """Compile the programs and make the contexts."""
        self._guards = [self._program(rule) for rule in policy.guards]
        self._grants = [self._program(rule) for rule in policy.grants]
        self._contexts = [cel.Context(variables=_shown(facts)) for facts in cases]

    @staticmethod
    def _program(rule: Rule) -> cel.Program:
        return cel.compile(" && ".join(_cel_leaf(part) for part in rule.when.parts))

    def decide(self) -> list[bool]:
        """Decide every case."""
        return [self._allows(context) for context in self._contexts]

    def _allows(self, context: cel.Context) -> bool:
        if any(program.execute(context) is True for program in self._guards):
            return False
        return any(program.execute(context) is True for program in self._grants)
