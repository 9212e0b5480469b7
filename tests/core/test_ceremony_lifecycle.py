"""Every (state, event) pair of a ceremony, and what each kind asks of signers."""

from __future__ import annotations

from itertools import product

import pytest

from core.ceremony_lifecycle import (
    CEREMONY_FINAL,
    CEREMONY_GOING,
    CEREMONY_OPEN,
    CEREMONY_TRANSITIONS,
    STEPS,
    CeremonyEvent,
    CeremonyLifecycleError,
    CeremonyState,
    ceremony_apply,
)
from core.documents.control import CeremonyKind


@pytest.mark.parametrize(("state", "event"), list(product(CeremonyState, CeremonyEvent)))
def test_every_pair_of_a_ceremony(state: CeremonyState, event: CeremonyEvent) -> None:
    if (state, event) in CEREMONY_TRANSITIONS:
        assert ceremony_apply(state, event) is CEREMONY_TRANSITIONS[(state, event)]
    else:
        with pytest.raises(CeremonyLifecycleError, match=f"{event} is not possible while a ceremony is {state}"):
            ceremony_apply(state, event)


def test_what_is_over_stays_over() -> None:
    assert not any(before in CEREMONY_FINAL for before, _ in CEREMONY_TRANSITIONS)
    assert set(CeremonyState) == CEREMONY_OPEN | CEREMONY_GOING | CEREMONY_FINAL


def test_nothing_is_ordered_that_nobody_consented_to() -> None:
    ways = [before for (before, _), after in CEREMONY_TRANSITIONS.items() if after is CeremonyState.ORDERED]
    assert ways == [CeremonyState.CONSENTING]


def test_every_kind_but_a_journals_start_says_what_signers_do() -> None:
    assert set(STEPS) == set(CeremonyKind) - {CeremonyKind.JOURNAL_START}
