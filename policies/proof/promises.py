"""The two questions with cases for answers: does a stated property hold, and is the new version weaker anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import z3

from core.conditions import evaluate
from core.quorum import describe
from policies.proof.cases import Trials
from policies.proof.demand import is_met, is_weaker, met_term, weaker_term
from policies.proof.findings import Case, Check, CheckState, Finding
from policies.proof.terms import both
from policies.proof.universe import NEW, OLD
from policies.proof.wording import case_of, demand_words

if TYPE_CHECKING:
    from core.documents.policy import Demand, Property
    from core.policy import Decision
    from policies.proof.cases import Trial
    from policies.proof.model import Model
    from policies.proof.solver import Solver
    from policies.proof.terms import Kleene

_MOST_EXAMPLES = 5
_MOST_TRIALS = 8


class Promises:
    """Questions whose counterexamples the real engine has to confirm."""

    def __init__(self, model: Model, certain: Solver) -> None:
        """Take a model and the solver that knows how facts are derived."""
        self._model = model
        self._certain = certain
        self._trials = Trials(model)

    def stated(self, stated: Property, when: Kleene) -> Check:
        """Prove a property: whatever meets its condition, or may do so, is denied or takes what it demands."""
        encoding = self._model.new
        broken = [when.may, encoding.allowed]
        if stated.demand is not None:
            broken.append(z3.Not(met_term(stated.demand, encoding)))
        title = f"Property “{stated.label}”: {demand_words(stated.demand)}."
        doubt = 0
        while True:
            found = self._plain(broken, [when.yes])
            if found is None:
                break
            trial = self._trials.make(found)
            case = None if trial is None else self._violation(stated, trial)
            if case is not None:
                return Check(
                    id=f"property:{stated.id}",
                    title=title,
                    state=CheckState.FAILED,
                    answer="It does not hold.",
                    findings=(Finding(sentence=case.sentence, rules=(stated.id,), case=case),),
                )
            doubt += 1
            if doubt >= _MOST_TRIALS:
                return self._not_proven(stated, title)
            broken.append(self._another(found))
        if doubt:
            return self._not_proven(stated, title)
        return Check(
            id=f"property:{stated.id}", title=title, state=CheckState.PROVEN, answer="It holds for every case."
        )

    def _plain(self, asked: list[z3.BoolRef], wished: list[z3.BoolRef]) -> z3.ModelRef | None:
        """Find a case; if there is one, rather one that people can picture: valued, and with empty windows."""
        found = self._certain.find(*asked)
        if found is None:
            return None
        universe = self._model.universe
        empty = [z3.Not(cap.over) for encoding in self._model.encodings.values() for cap in encoding.limits]
        wishes = [*wished, universe.number("usd").known, universe.text("asset").known, both(empty)]
        for place in range(len(wishes), 0, -1):
            better = self._certain.find(*asked, *wishes[:place])
            if better is not None:
                return better
        return found

    @staticmethod
    def _not_proven(stated: Property, title: str) -> Check:
        return Check(
            id=f"property:{stated.id}",
            title=title,
            state=CheckState.FAILED,
            answer="It is not proven: it may fail where lists, arguments or amounts with a floor decide, "
            "and these are not enumerated.",
        )

    def _another(self, found: z3.ModelRef) -> z3.BoolRef:
        """Ask for a case in which what is free comes out otherwise, since this one cannot be made real."""
        parts = []
        for free in self._model.universe.free:
            yes, no = (bool(found.eval(term, model_completion=True)) for term in (free.truth.yes, free.truth.no))
            parts += [free.truth.yes != yes, free.truth.no != no]
        return z3.Or(parts) if parts else z3.BoolVal(False)  # noqa: FBT003 - z3's constructor

    def _violation(self, stated: Property, trial: Trial) -> Case | None:
        """Return the case if the real engine lets it pass with less than is demanded."""
        decision = trial.decide(self._model.policies[NEW], NEW)
        if evaluate(stated.when, trial.facts[NEW]) is False or not self._breaks(decision, stated.demand):
            return None
        return case_of(self._model, trial, {NEW: decision})

    @staticmethod
    def _breaks(decision: Decision, demand: Demand | None) -> bool:
        return decision.allowed and (demand is None or not is_met(demand, decision.asked))

    def weaker(self) -> Check:
        """Find cases that the new version lets pass, and the old one denies or asks more for."""
        new, old = self._model.new, self._model.encodings[OLD]
        refused = z3.Or(self._model.askers.refused(OLD), z3.Not(old.allowed))
        asked = [new.allowed, z3.Or(refused, weaker_term(new, old))]
        findings: list[Finding] = []
        doubt = 0
        while len(findings) < _MOST_EXAMPLES and doubt < _MOST_TRIALS:
            found = self._plain(asked, [])
            if found is None:
                break
            trial = self._trials.make(found)
            finding = None if trial is None else self._loosened(trial)
            if finding is None:
                doubt += 1
                asked.append(self._another(found))
            else:
                findings.append(finding)
                # One example for each grant: further ones of the same say nothing new.
                asked.append(z3.Not(self._granting(found)))
        return self._weaker_check(tuple(findings), doubtful=doubt > 0)

    def _granting(self, found: z3.ModelRef) -> z3.BoolRef:
        return next(met.does for met in self._model.new.grants if found.eval(met.does, model_completion=True))

    def _loosened(self, trial: Trial) -> Finding | None:
        now = trial.decide(self._model.policies[NEW], NEW)
        known = trial.asker in self._model.askers.of(OLD)
        before = trial.decide(self._model.policies[OLD], OLD)
        denied = not known or not before.allowed
        if not now.allowed or not (denied or is_weaker(now.asked, before.asked)):
            return None
        case = case_of(self._model, trial, {NEW: now, OLD: before})
        then = "was denied" if denied else f"took {describe(before.required)}"
        sentence = f"{case.sentence}; under policy {self._model.policies[OLD].number} it {then}."
        return Finding(sentence=sentence, rules=(now.grant or "",), case=case)

    def _weaker_check(self, findings: tuple[Finding, ...], *, doubtful: bool) -> Check:
        title = f"Is it weaker anywhere than policy {self._model.policies[OLD].number}?"
        notes = tuple(Finding(sentence=words) for words in self._beside_rules())
        if findings:
            return Check(
                id="weaker",
                title=title,
                state=CheckState.INFORMATION,
                answer="Yes, as these cases show, one for each grant.",
                findings=findings + notes,
            )
        if doubtful:
            answer = "Nobody knows: what may be weaker depends on lists, arguments or amounts with a floor."
            return Check(id="weaker", title=title, state=CheckState.WARNING, answer=answer, findings=notes)
        return Check(id="weaker", title=title, state=CheckState.PROVEN, answer="No, for no case.", findings=notes)

    def _beside_rules(self) -> list[str]:
        """Say what differs that this question takes for the same."""
        new, old = self._model.policies[NEW], self._model.policies[OLD]
        found = []
        for name, words in (
            ("prices", "reference prices"),
            ("contracts", "registered contracts"),
            ("assets", "assets"),
        ):
            if getattr(new, name) != getattr(old, name):
                found.append(
                    f"The {words} differ too. This question takes amounts in USD and what a call is understood as to "
                    "be the same under both."
                )
        return found
