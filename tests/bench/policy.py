"""How fast a policy decides, replays and is proven, beside Cedar and CEL over the same rules and cases.

Run as ``python -m tests.bench.policy``. The three engines take turns in one run, so that all see the same machine;
each figure is the median of the rounds. Compared is what all three can say: guards and grants, allowed or not. Not
compared, because the others lack it: unknown facts that block (Cedar skips a `forbid` that it cannot evaluate), order
and quorums, limits, and amounts of 2^63 and more (Cedar's longs end there, CEL makes floats of 2^64 and more). Every
case is decided by all three; `disagreements` counts the cases in which not all say the same.

`replay_1000`: historical transactions per second that `core.replay` decides again under two versions of 1,000 rules
with three rolling windows. `check_…_s`: seconds of `policies.proof.check.prove` for the policy, its two stated
properties and its predecessor. Last line: JSON.
"""

from __future__ import annotations

import dataclasses
import gc
import json
import os
import random
import statistics
import sys
import time
from typing import TYPE_CHECKING

from core.documents.policy import (
    Condition,
    ConditionOp,
    Demand,
    Dimension,
    Limit,
    Measure,
    Policy,
    Property,
)
from core.engine import engine_for
from core.limits import AssetDraw, Draw
from core.policy import decide
from core.policy_check import check
from core.replay import Case, End, Reading, Was, replay
from core.replay_book import ReplayBook, scopes_of, shares_of
from policies.proof.check import prove
from tests.bench.policy_opponents import Cedar, Cel
from tests.bench.policy_rules import make_cases, make_policy
from tests.factories.world import CHAIN, DAY, NATIVE, NOW, compare, every

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.registry import FactMap

SIZES = (100, 1000)
ROUNDS = int(os.environ.get("COUNTERSIGN_BENCH_ROUNDS", "7"))
CASES = 500
PASSES = 20
"""How often ours decides all cases in one round: once is too short to be measured."""
HISTORY = 50_000
REPLAY_ROUNDS = 3
SECONDS_APART = 30
WINDOWS = (3600, DAY, 7 * DAY)
SEED = 20_261_121


class NoTotals:
    """The totals of a policy without limits: nobody asks."""

    def used(self, limit: Limit, key: tuple[str, ...], *, now: int) -> int:
        """Refuse to make a total up."""
        raise LookupError(limit.id, key, now)


def _draw(facts: FactMap, when: int) -> Draw:
    asset, amount, usd = facts.get("asset", NATIVE), facts.get("amount", 1), facts.get("usd", 0)
    return Draw(
        time=when,
        order="0" * 64,
        initiators=("tessa",),
        desk=str(facts["desk"]),
        wallet=str(facts["wallet"]),
        chain=CHAIN,
        assets=(str(asset),),
        destinations=(),
        beneficiaries=(),
        contracts=(),
        protocols=(),
        amounts=(AssetDraw(asset=str(asset), amount=amount if isinstance(amount, int) else 0),),
        usd_e8=usd if isinstance(usd, int) else None,
        fee=1,
    )


def _timed(work: Callable[[], list[bool]]) -> tuple[float, list[bool]]:
    began = time.perf_counter()
    answers = work()
    return time.perf_counter() - began, answers


def _compare(rules: int) -> tuple[dict[str, float], int]:
    """Measure the three engines over one policy."""
    dice = random.Random(SEED + rules)  # noqa: S311 - the same cases in every run
    policy = make_policy(rules, dice)
    check(policy)
    cases = make_cases(policy, CASES, dice)
    draw, totals = _draw(cases[0], NOW), NoTotals()

    def ours() -> list[bool]:
        answers = []
        for _ in range(PASSES):
            answers = [decide(policy, facts, draw, totals, now=NOW, enforce=True).allowed for facts in cases]
        return answers

    engines: dict[str, tuple[Callable[[], list[bool]], int]] = {
        "ours": (ours, PASSES),
        "cedar": (Cedar(policy, cases).decide, 1),
        "cel": (Cel(policy, cases).decide, 1),
    }
    ours()
    speeds: dict[str, list[float]] = {name: [] for name in engines}
    said: dict[str, list[bool]] = {}
    for _ in range(ROUNDS):
        for name, (work, passes) in engines.items():
            seconds, said[name] = _timed(work)
            speeds[name].append(passes * CASES / seconds)
    disagreements = sum(len(set(answers)) > 1 for answers in zip(*said.values(), strict=True))
    allowed = sum(said["ours"])
    print(f"{rules} rules: {allowed} of {CASES} cases allowed, {disagreements} disagreements")
    return {name: statistics.median(figures) for name, figures in speeds.items()}, disagreements


def _limited(policy: Policy) -> Policy:
    """Give a policy three rolling windows."""
    per = (Dimension.INITIATOR, Dimension.WALLET, Dimension.DESK)
    limits = tuple(
        Limit(
            id=f"window-{window}",
            label=f"Within {window} s",
            order=place,
            when=None,
            per=(dimension,),
            measure=Measure.USD,
            asset=None,
            window=window,
            most=10**21,
            quorum=None,
        )
        for place, (window, dimension) in enumerate(zip(WINDOWS, per, strict=True))
    )
    return dataclasses.replace(policy, limits=limits)


def _tightened(policy: Policy) -> Policy:
    """Return a next version that allows less: every tenth grant takes half of what it took."""

    def halved(part: Condition) -> Condition:
        if part.field != "amount":
            return part
        return dataclasses.replace(part, values=(str(int(part.values[0]) // 2),))

    grants = [
        dataclasses.replace(rule, when=every(*(halved(part) for part in rule.when.parts)))
        if place % 10 == 0
        else rule
        for place, rule in enumerate(policy.grants)
    ]
    return dataclasses.replace(policy, grants=tuple(grants))


def _history(policy: Policy, dice: random.Random) -> list[Case]:
    """Record what a policy decided over time, each allowed transaction signed at once."""
    engine, scopes = engine_for(policy, enforce=False), scopes_of(policy)
    book = ReplayBook(scopes)
    cases = []
    for number, facts in enumerate(make_cases(policy, HISTORY, dice)):
        now = NOW + number * SECONDS_APART
        draw = _draw(facts, now)
        decided = engine.decide(facts, draw, book, now=now)
        if decided.allowed:
            book.hold(number, shares_of(scopes, draw))
            book.end(number, spent=now)
        reading = Reading(facts, draw)
        cases.append(
            Case(
                number=number,
                name=f"case-{number}",
                time=now,
                held=draw if decided.allowed else None,
                end=End(number, now) if decided.allowed else None,
                before=reading,
                after=reading,
                was=Was(policy.digest, decided.allowed, decided.grant, decided.required),
            )
        )
    return cases


def _replayed(rules: int) -> float:
    """Measure a replay under two versions, in transactions per second."""
    dice = random.Random(SEED)  # noqa: S311 - the same history in every run
    before = _limited(make_policy(rules, dice))
    after = _tightened(before)
    cases = _history(before, dice)
    # The history outlives the replay: the collector need not look at it again and again.
    gc.collect()
    gc.freeze()
    speeds = []
    results = []
    for _ in range(REPLAY_ROUNDS):
        began = time.perf_counter()
        results.append(replay(before, after, cases))
        speeds.append(HISTORY / (time.perf_counter() - began))
    gc.unfreeze()
    result = results[-1]
    counts = {str(windows): sum(found.counts.values()) for windows, found in result.windows.items()}
    print(f"replay: {result.decisions} decisions, {result.not_reproduced} not reproduced, changed {counts}")
    if result.not_reproduced:
        raise SystemExit(1)
    return statistics.median(speeds)


def _proven(rules: int) -> float:
    """Measure the proof of a policy with two properties against its predecessor, in seconds."""
    dice = random.Random(SEED + rules)  # noqa: S311 - the same policy in every run
    previous = _limited(make_policy(rules, dice))
    stated = (
        Property(
            id="one-officer",
            label="Nothing moves without a risk officer",
            when=compare("chain", ConditionOp.EQ, CHAIN),
            demand=Demand(approvers=1, sites=0, seats=()),
        ),
        Property(
            id="large-needs-two",
            label="Above 1,000,000 USD off the whitelist takes two",
            when=every(
                compare("usd", ConditionOp.GE, str(10**14)), compare("destination.listed", ConditionOp.EQ, "false")
            ),
            demand=Demand(approvers=2, sites=0, seats=()),
        ),
    )
    policy = dataclasses.replace(_tightened(previous), properties=stated)
    began = time.perf_counter()
    report = prove(policy=policy, previous=previous, timeout_s=300)
    seconds = time.perf_counter() - began
    states = [str(check.state) for check in report.checks]
    counted = ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states)))
    print(f"proof of {rules} rules: {len(states)} checks: {counted}")
    return seconds


def main() -> int:
    """Measure and print."""
    figures: dict[str, float] = {}
    disagreements = 0
    for rules in SIZES:
        speeds, differing = _compare(rules)
        disagreements += differing
        figures |= {f"{name}_{rules}": round(speed) for name, speed in speeds.items()}
    figures["disagreements"] = disagreements
    figures["replay_1000"] = round(_replayed(1000))
    for rules in SIZES:
        figures[f"check_{rules}_s"] = round(_proven(rules), 2)
    print(json.dumps(figures))
    return 1 if disagreements else 0


if __name__ == "__main__":
    sys.exit(main())
