"""The product's own decision code, as modules that a simulation is given: the real ones, or mutated copies."""

from __future__ import annotations

import dataclasses
import inspect
import sys
import types
from typing import Any

import custody.fees
import custody.machine
import custody.nonces

REAL = (custody.fees, custody.machine, custody.nonces)


@dataclasses.dataclass(frozen=True)
class Code:
    """What decides. Typed loosely: a mutant is another module of the same names."""

    fees: Any
    machine: Any
    nonces: Any


@dataclasses.dataclass(frozen=True)
class Mutant:
    """One wrong line in one of the modules."""

    name: str
    module: str
    old: str
    new: str


def real() -> Code:
    """Return the code as it is."""
    return Code(fees=custody.fees, machine=custody.machine, nonces=custody.nonces)


def mutated(mutant: Mutant) -> Code:
    """Return the code with a mutant's line changed in its source.

    Raises:
        ValueError: If the line is not there exactly once: then the mutant no longer means what its name says.
    """
    made: dict[str, Any] = {}
    for module in REAL:
        short = module.__name__.rpartition(".")[2]
        source = inspect.getsource(module)
        if short == mutant.module:
            if source.count(mutant.old) != 1:
                msg = f"{mutant.name}: {source.count(mutant.old)} places match in {short}"
                raise ValueError(msg)
            source = source.replace(mutant.old, mutant.new)
        copy = types.ModuleType(f"mutated_{mutant.name.replace(' ', '_')}_{short}")
        # Dataclasses look their module up by its name.
        sys.modules[copy.__name__] = copy
        exec(compile(source, module.__file__ or short, "exec"), copy.__dict__)  # noqa: S102 - our own source, mutated
        made[short] = copy
    return Code(**made)


MUTANTS = (
    Mutant("watches the last version only", "machine", "return tuple(versions)", "return tuple(versions)[-1:]"),
    Mutant("final at depth one", "machine", "return head - block + 1 >= depth", "return head - block + 1 >= 1"),
    Mutant(
        "a block that is gone counts as young",
        "machine",
        "return Standing.GONE if 2 * len(against) > len(rechecks) + silent else Standing.APART",
        "return Standing.YOUNG",
    ),
    Mutant(
        "a mined cancel ends as paid",
        "machine",
        "        return JobEvent.CANCEL\n",
        "        return JobEvent.FINALISE\n",
    ),
    Mutant(
        "nobody comes back to what was sent",
        "machine",
        "return state not in JOB_FINAL or state in JOB_MINED",
        "return state not in JOB_FINAL and state is not JobState.LIVE",
    ),
    Mutant(
        "what nodes dropped is not sent again",
        "machine",
        "return Act.SEND if finding is Finding.DROPPED or resend_due else Act.WAIT",
        "return Act.WAIT",
    ),
    Mutant("fees are never raised", "machine", "        return Act.RAISE\n", "        return Act.WAIT\n"),
    Mutant(
        "silence counts as agreement",
        "machine",
        "    most = len(looks) > silent\n    if most and all(look.spent_finally",
        "    most = len(looks) > silent\n    if True and all(look.spent",
    ),
    Mutant("raises by too little", "fees", "return max(raised(fee), fee + 1)", "return fee + 1"),
    Mutant(
        "raises beyond the caps",
        "fees",
        "cut = fees_within(wanted, caps)",
        "cut = Fees(most=9 * wanted.most, tip=wanted.tip)",
    ),
    Mutant(
        "two unsigned nonces in one lane",
        "nonces",
        "return None if unsigned else lane_next",
        "return lane_next",
    ),
    Mutant(
        "the first node names the nonce",
        "nonces",
        "return value if 2 * votes > len(answers) + silent else None",
        "return answers[0]",
    ),
    Mutant(
        "a wrongly reported refusal never comes back",
        "nonces",
        "        return Doubt.REOPEN\n",
        "        return Doubt.STAYS\n",
    ),
    Mutant(
        "a reported refusal ends the case at once",
        "nonces",
        "    if over and lane is not None:\n",
        "    if lane is not None:\n",
    ),
    Mutant(
        "another's signature is not asked for",
        "nonces",
        "    if signed_other:\n",
        "    if signed_other or lane is None:\n",
    ),
)
