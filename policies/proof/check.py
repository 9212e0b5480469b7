"""The proof of one policy: every check, under one deadline, as one report."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from core.policy_check import validate
from policies.proof.findings import Check, CheckState, Finding, ProofReport
from policies.proof.model import Model
from policies.proof.promises import Promises
from policies.proof.questions import Asking
from policies.proof.solver import OutOfTimeError, Solver

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.documents.policy import Policy

DEFAULT_TIMEOUT_S = 120


class Progress(Protocol):
    """Told how far a proof is."""

    def __call__(self, done: int, total: int) -> None:
        """Take note."""


def _nobody(done: int, total: int) -> None:
    del done, total


class _Ticks:
    """Counts questions. How many there will be is known only roughly, so the count stops short of the end."""

    def __init__(self, total: int, progress: Progress) -> None:
        self._done = 0
        self._total = total
        self._progress = progress

    def __call__(self) -> None:
        self._done += 1
        self._progress(min(self._done, self._total - 1), self._total)

    def end(self) -> None:
        self._progress(self._total, self._total)


def _questions(policy: Policy) -> int:
    rules = len(policy.guards) + len(policy.grants) + len(policy.escalations)
    return 2 * rules + len(policy.grants) + len(policy.limits) + len(policy.properties) + 2


def _asked(ask: Callable[[], Check], name: str, title: str) -> Check:
    """Ask; what is not answered in time is unknown, which bars the draft."""
    try:
        return ask()
    except OutOfTimeError as error:
        return Check(id=name, title=title, state=CheckState.UNKNOWN, answer=f"Not proven: {error}.")


def _usable(policy: Policy) -> Check:
    problems = validate(policy)
    return Check(
        id="usable",
        title="Is it a policy that can be used at all?",
        state=CheckState.FAILED if problems else CheckState.PROVEN,
        answer=f"No: {len(problems)} problems." if problems else "Yes.",
        findings=tuple(Finding(sentence=problem) for problem in problems),
    )


def prove(
    *,
    policy: Policy,
    previous: Policy | None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    progress: Progress = _nobody,
) -> ProofReport:
    """Prove what can be proven about a policy as signers enforce it.

    Args:
        policy: The version to check.
        previous: The version that it would follow, for the question whether it is weaker anywhere.
        timeout_s: Seconds for everything; what is not answered by then is unknown, and unknown does not pass.
        progress: Told of each question.

    Returns:
        The report. It passes if nothing contradicts itself, every stated property is proven, and no question
        stayed open.
    """
    deadline = time.monotonic() + timeout_s
    checks = [_usable(policy)]
    ticks = _Ticks(_questions(policy), progress)
    if checks[0].state is CheckState.PROVEN:
        checks += _answers(policy, previous, deadline, ticks)
    ticks.end()
    before = None if previous is None else previous.digest
    return ProofReport(content=policy.content_digest, previous=before, checks=tuple(checks))


def _answers(policy: Policy, previous: Policy | None, deadline: float, ticks: Callable[[], None]) -> list[Check]:
    model = Model(policy, previous)
    certain, logic = Solver(deadline=deadline, tick=ticks), Solver(deadline=deadline, tick=ticks)
    logic.learn(model.logic())
    certain.learn(model.logic())
    certain.learn(model.certain())
    asking, promises = Asking(model, certain=certain, logic=logic), Promises(model, certain)
    checks = [
        _asked(asking.contradictions, "contradictions", "Does a condition contradict itself?"),
        _asked(asking.reach, "reachable", "Is every grant reached by some case?"),
        _asked(asking.barred, "barred", "Does every grant that allows let some case pass?"),
        _asked(asking.matching, "matching", "Does every guard and every escalation match some case?"),
    ]
    for stated, when in model.properties:
        name, title = f"property:{stated.id}", f"Property “{stated.label}”."
        checks.append(_asked(lambda stated=stated, when=when: promises.stated(stated, when), name, title))  # type: ignore[misc]  # bound at once
    if previous is not None:
        title = f"Is it weaker anywhere than policy {previous.number}?"
        checks.append(_asked(promises.weaker, "weaker", title))
    return checks
