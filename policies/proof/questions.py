"""What is asked about every rule: can it be reached, can it match at all, does something before it take its cases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import z3

from core.documents.policy import ConditionOp, Effect
from policies.proof.findings import Check, CheckState, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.documents.policy import Condition, Rule
    from policies.proof.encoding import Met
    from policies.proof.model import Model
    from policies.proof.solver import Solver


def _named(rule: Rule) -> str:
    return f"“{rule.label}” ({rule.id})"


def _listed(rules: list[tuple[str, str]]) -> str:
    words = [f"“{label}” ({name})" for label, name in rules]
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + f" and {words[-1]}"


class Asking:
    """The questions about single rules. `certain` knows what facts are derived, `logic` only what conditions say."""

    def __init__(self, model: Model, *, certain: Solver, logic: Solver) -> None:
        """Take a model and its two solvers."""
        self._model = model
        self._certain = certain
        self._logic = logic
        self._impossible: set[str] = set()

    def contradictions(self) -> Check:
        """Find conditions, and alternatives inside of them, that no facts whatever can meet."""
        encoding, findings = self._model.new, list[Finding]()
        for met in (*encoding.guards, *encoding.grants, *encoding.escalations):
            if not self._logic.possible(met.matches):
                findings.append(self._contradiction(_named(met.rule), met.rule.id, whole=True))
            findings.extend(self._alternatives(_named(met.rule), met.rule.id, met.rule.when))
        others = [(capped.limit.label, capped.limit.id, capped.limit.when) for capped in encoding.limits]
        others += [(f"Property {stated.label}", stated.id, stated.when) for stated, _ in self._model.properties]
        for label, name, when in others:
            if when is not None:
                if self._logic.find(self._model.universe.truth(when).yes) is None:
                    findings.append(self._contradiction(f"“{label}” ({name})", name, whole=True))
                findings.extend(self._alternatives(f"“{label}” ({name})", name, when))
        return Check(
            id="contradictions",
            title="Does a condition contradict itself?",
            state=CheckState.FAILED if findings else CheckState.PROVEN,
            answer=f"{len(findings)} found." if findings else "No: each can be met.",
            findings=tuple(findings),
        )

    def _contradiction(self, words: str, name: str, *, whole: bool) -> Finding:
        self._impossible.add(name)
        what = "contradicts itself" if whole else "has an alternative that contradicts itself"
        return Finding(sentence=f"{words} {what}: nothing can ever meet it.", rules=(name,))

    def _alternatives(self, words: str, name: str, condition: Condition) -> Iterator[Finding]:
        """Look at each alternative inside of a condition that joins several comparisons."""
        waiting = [condition]
        while waiting:
            part = waiting.pop()
            if part.op in (ConditionOp.ALL, ConditionOp.ANY):
                waiting.extend(part.parts)
            if part.op is ConditionOp.ANY:
                joined = [inner for inner in part.parts if inner.op is ConditionOp.ALL]
                for inner in joined:
                    if self._logic.find(self._model.universe.truth(inner).yes) is None:
                        yield self._contradiction(words, name, whole=False)

    def reach(self) -> Check:
        """Find grants that no case comes to, and name the earlier rules that take their cases."""
        findings = []
        encoding = self._model.new
        for place, met in enumerate(encoding.grants):
            if met.rule.id in self._impossible or self._certain.possible(met.does):
                continue
            ends = encoding.ends(met.rule)
            earlier = encoding.grants[:place]
            blamed = [z3.Not(encoding.ends(other.rule)) for other in earlier]
            reasons = self._certain.reasons([ends], blamed) or []
            names = {reason.get_id() for reason in reasons}
            findings.append(
                self._unreachable(met, [o for o, b in zip(earlier, blamed, strict=True) if b.get_id() in names])
            )
        return Check(
            id="reachable",
            title="Is every grant reached by some case?",
            state=CheckState.WARNING if findings else CheckState.PROVEN,
            answer=f"{len(findings)} cannot be reached." if findings else "Yes.",
            findings=tuple(findings),
        )

    @staticmethod
    def _unreachable(met: Met, earlier: list[Met]) -> Finding:
        if not earlier:
            return Finding(sentence=f"{_named(met.rule)} matches no case that can happen.", rules=(met.rule.id,))
        return Finding(
            sentence=f"{_named(met.rule)} is never reached: every case that it matches is taken before it by "
            f"{_listed([(other.rule.label, other.rule.id) for other in earlier])}.",
            rules=(met.rule.id, *(other.rule.id for other in earlier)),
        )

    def barred(self) -> Check:
        """Find grants that are reached but never let anything pass, and name the guards and limits that stop them."""
        findings = []
        encoding = self._model.new
        for met in encoding.grants:
            if met.rule.effect is not Effect.ALLOW or met.rule.id in self._impossible:
                continue
            if self._certain.possible(met.does, encoding.allowed) or not self._certain.possible(met.does):
                continue
            stops: list[tuple[z3.BoolRef, str, str]] = [
                (z3.Not(guard.does), guard.rule.label, guard.rule.id) for guard in encoding.guards
            ]
            stops += [
                (z3.Not(cap.does), cap.limit.label, cap.limit.id)
                for cap in encoding.limits
                if cap.limit.quorum is None
            ]
            blamed = self._certain.reasons([met.does], [quiet for quiet, _, _ in stops]) or []
            names = {reason.get_id() for reason in blamed}
            found = [(label, name) for quiet, label, name in stops if quiet.get_id() in names]
            findings.append(
                Finding(
                    sentence=f"{_named(met.rule)} allows nothing: all its cases are stopped by {_listed(found)}.",
                    rules=(met.rule.id, *(name for _, name in found)),
                )
            )
        return Check(
            id="barred",
            title="Does every grant that allows let some case pass?",
            state=CheckState.WARNING if findings else CheckState.PROVEN,
            answer=f"{len(findings)} never do." if findings else "Yes.",
            findings=tuple(findings),
        )

    def matching(self) -> Check:
        """Find guards and escalations that never match, although nothing in them contradicts itself."""
        findings = []
        encoding = self._model.new
        for kind, rows in (("guard", encoding.guards), ("escalation", encoding.escalations)):
            for met in rows:
                if met.rule.id in self._impossible or self._certain.possible(met.matches):
                    continue
                more = (
                    " It still acts where its facts are unknown."
                    if self._certain.possible(met.does)
                    else " It never does anything."
                )
                findings.append(
                    Finding(
                        sentence=f"The {kind} {_named(met.rule)} matches no case that can happen.{more}",
                        rules=(met.rule.id,),
                    )
                )
        return Check(
            id="matching",
            title="Does every guard and every escalation match some case?",
            state=CheckState.WARNING if findings else CheckState.PROVEN,
            answer=f"{len(findings)} never match." if findings else "Yes.",
            findings=tuple(findings),
        )
