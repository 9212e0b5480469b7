"""Seeded histories of parties, liars and a relay that means harm: what is signed keeps every promise, or is not."""

from __future__ import annotations

from random import Random

import pytest

from tests.factories.simulation import LIVE, Adversary, live, stage
from tests.soak import SOAK

SEEDS = 4000 if SOAK else 48


@pytest.mark.parametrize("corrupt", [0, 1, 2])
def test_three_of_five_keep_nonces_mandates_and_limits(corrupt: int) -> None:
    signed = 0
    for seed in range(SEEDS):
        run = Adversary(stage(), Random(seed), corrupt=corrupt)  # noqa: S311 - a seed, no secret
        run.play()
        assert run.broken() == [], f"seed {seed}"
        signed += len(run.signed)
    # The adversary gets what honest parties would sign; a run in which nothing is signed shows nothing.
    assert signed > SEEDS // 3


@pytest.mark.parametrize("corrupt", [0, 1])
def test_two_of_three_keep_nonces_mandates_and_limits(corrupt: int) -> None:
    signed = 0
    for seed in range(SEEDS // 2):
        run = Adversary(stage(2, 3), Random(seed), corrupt=corrupt)  # noqa: S311 - a seed, no secret
        run.play()
        assert run.broken() == [], f"seed {seed}"
        signed += len(run.signed)
    assert signed > SEEDS // 6


@pytest.mark.parametrize(("threshold", "parties"), [(3, 5), (2, 3)])
def test_an_honest_relay_has_every_case_signed_while_parties_come_and_go(threshold: int, parties: int) -> None:
    for seed in range(SEEDS // 6):
        assert live(threshold, parties, Random(seed)) == len(LIVE)  # noqa: S311 - a seed, no secret
