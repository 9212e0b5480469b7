"""The lane under crashes, duplicates, evictions, lying couriers and bounded reorganisations, seed by seed.

The decisions are the product's own code (`custody.machine`, `custody.nonces`, `custody.fees`); a mutant is one
changed line of it. That effects come in the right order is what `test_kill.py` shows with killed processes.
"""

from __future__ import annotations

import pytest

from tests.custody.simulator.code import MUTANTS, Code, Mutant, mutated, real
from tests.custody.simulator.run import Run
from tests.soak import SOAK

SEEDS = 5_000 if SOAK else 500
MUTANT_SEEDS = 500
GATE = 10


def first_violation(code: Code, seeds: int) -> str:
    for seed in range(seeds):
        found = Run(code, seed).violation()
        if found:
            return f"seed {seed}: {found}"
    return ""


def test_the_code_as_it_is_violates_nothing() -> None:
    assert first_violation(real(), SEEDS) == ""


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_a_mutant_is_killed(mutant: Mutant) -> None:
    assert first_violation(mutated(mutant), MUTANT_SEEDS), f"{mutant.name} survives {MUTANT_SEEDS} seeds"


def test_there_are_enough_mutants() -> None:
    assert len({mutant.name for mutant in MUTANTS}) >= GATE


def test_a_mutant_that_fits_nowhere_is_an_error() -> None:
    with pytest.raises(ValueError, match="0 places"):
        mutated(Mutant("nothing", "fees", "no such line", ""))
