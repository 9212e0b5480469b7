"""Two versions of a policy over one case: what they share is read once.

Two versions mostly share their rules. Where every rule that only one of them has is certainly False for the facts of
a case, both read it alike, and one reading serves both.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.engine import engine_for
from core.engine_index import Index

if TYPE_CHECKING:
    from core.documents.policy import Condition, Policy, Rule
    from core.engine import Standing
    from core.registry import FactMap


def _by_name(rules: tuple[Rule, ...]) -> dict[str, Rule]:
    """Return rules in the order in which they are read; the number itself means nothing."""
    return {rule.id: dataclasses.replace(rule, order=0) for rule in rules}


def _differing(before: tuple[Rule, ...], after: tuple[Rule, ...]) -> list[Condition] | None:
    """Return the conditions of the rules that only one version has; None where common rules changed places."""
    old, new = _by_name(before), _by_name(after)
    common = {name for name, rule in old.items() if new.get(name) == rule}
    if [name for name in old if name in common] != [name for name in new if name in common]:
        return None
    if len(old) != len(before) or len(new) != len(after):
        return None
    return [rule.when for rules in (old, new) for name, rule in rules.items() if name not in common]


class EnginePair:
    """The engines of two versions."""

    def __init__(self, before: Policy, after: Policy, *, enforce: bool) -> None:
        """Find out what the versions share. Arguments as for `core.engine.Engine`."""
        self.before = engine_for(before, enforce=enforce)
        self.after = engine_for(after, enforce=enforce)
        self.same_limits = before.limits == after.limits
        sections = (
            _differing(before.guards, after.guards),
            _differing(*(tuple(sorted(policy.grants, key=lambda r: r.order)) for policy in (before, after))),
            _differing(before.escalations, after.escalations),
        )
        known = [section for section in sections if section is not None]
        self._differing = (
            Index([when for section in known for when in section]) if len(known) == len(sections) else None
        )

    def read(self, before: FactMap, after: FactMap) -> tuple[Standing, Standing]:
        """Say what a case comes to under either version's guards, grants and escalations.

        Args:
            before: The case's facts as the first version derives them.
            after: The same as the second version derives them.

        Returns:
            What it comes to; the same object twice where both are known to read it alike.
        """
        standing = self.before.read(before)
        if self._differing is not None and before == after and not self._differing.candidates(after):
            return standing, standing
        return standing, self.after.read(after)
