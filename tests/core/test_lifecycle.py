"""Every (state, event) pair of both lives: allowed with its state, or refused."""

from __future__ import annotations

from itertools import product

import pytest

from core.custody_lifecycle import (
    JOB_FINAL,
    JOB_LIVE,
    JOB_TRANSITIONS,
    JOB_UNSIGNED,
    JobEvent,
    JobLifecycleError,
    JobState,
    job_apply,
)
from core.lifecycle import FINAL, RELEASES, TRANSITIONS, Event, LifecycleError, State, apply


@pytest.mark.parametrize(("state", "event"), list(product(State, Event)))
def test_every_pair_of_a_request(state: State, event: Event) -> None:
    if (state, event) in TRANSITIONS:
        assert apply(state, event) is TRANSITIONS[(state, event)]
    else:
        with pytest.raises(LifecycleError, match=f"{event} is not possible while {state}"):
            apply(state, event)


@pytest.mark.parametrize(("state", "event"), list(product(JobState, JobEvent)))
def test_every_pair_of_a_signing_job(state: JobState, event: JobEvent) -> None:
    if (state, event) in JOB_TRANSITIONS:
        assert job_apply(state, event) is JOB_TRANSITIONS[(state, event)]
    else:
        with pytest.raises(JobLifecycleError, match=f"{event} is not possible while {state}"):
            job_apply(state, event)


def reachable(state: State) -> set[State]:
    seen, waiting = {state}, [state]
    while waiting:
        here = waiting.pop()
        for (source, _), target in TRANSITIONS.items():
            if source is here and target not in seen:
                seen.add(target)
                waiting.append(target)
    return seen


def test_every_state_is_reached_from_the_first_and_reaches_an_end() -> None:
    assert reachable(State.REQUESTED) == set(State)
    for state in State:
        assert reachable(state) & FINAL


def test_an_end_is_an_end() -> None:
    assert {state for state in State if not any(source is state for source, _ in TRANSITIONS)} == FINAL
    assert {s for s in JobState if not any(source is s for source, _ in JOB_TRANSITIONS)} == JOB_FINAL


def test_nothing_gives_a_reservation_back_once_signed_bytes_exist() -> None:
    after_signing = reachable(State.LIVE)
    assert not after_signing & RELEASES
    assert RELEASES < FINAL


def test_nothing_is_signed_that_was_not_approved() -> None:
    before = {source for (source, _), target in TRANSITIONS.items() if target is State.SIGNING}
    assert before == {State.APPROVED, State.SIGNING}
    assert {source for (source, event), _ in TRANSITIONS.items() if event is Event.SIGN} == {State.SIGNING}


def test_a_signed_job_is_live_until_it_ends() -> None:
    assert JOB_LIVE.isdisjoint(JOB_UNSIGNED | JOB_FINAL)
    for state in JOB_LIVE:
        for event in JobEvent:
            target = JOB_TRANSITIONS.get((state, event))
            assert target is None or target in JOB_LIVE | (JOB_FINAL - {JobState.REFUSED})
