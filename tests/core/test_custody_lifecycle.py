"""Every (state, event) pair of a signing job: in the table, or refused."""

from __future__ import annotations

import itertools

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


@pytest.mark.parametrize(("state", "event"), list(itertools.product(JobState, JobEvent)))
def test_every_pair(state: JobState, event: JobEvent) -> None:
    expected = JOB_TRANSITIONS.get((state, event))
    if expected is None:
        with pytest.raises(JobLifecycleError, match=f"{event} is not possible while {state}"):
            job_apply(state, event)
    else:
        assert job_apply(state, event) is expected


def test_nothing_leaves_a_final_state() -> None:
    assert not [state for state, _ in JOB_TRANSITIONS if state in JOB_FINAL]


def test_every_state_is_reached_and_every_other_state_is_left() -> None:
    assert {state for state, _ in JOB_TRANSITIONS} == set(JobState) - JOB_FINAL
    # Also the first one: whoever yields its nonce starts again.
    assert set(JOB_TRANSITIONS.values()) == set(JobState)


def test_signed_bytes_never_become_unsigned_or_refused() -> None:
    after = {after for (before, _), after in JOB_TRANSITIONS.items() if before in JOB_LIVE}
    assert not after & (JOB_UNSIGNED | {JobState.QUEUED, JobState.REFUSED})
