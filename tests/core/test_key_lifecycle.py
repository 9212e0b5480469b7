"""Every (state, event) pair of a key's life, and where it stands in its cryptoperiod."""

from __future__ import annotations

from itertools import product

import pytest

from core.key_lifecycle import (
    DAY_SECONDS,
    KEY_IN_USE,
    KEY_TRANSITIONS,
    REMIND_DAYS,
    KeyEvent,
    KeyLifecycleError,
    KeyState,
    Period,
    key_apply,
    key_events,
    period_end,
    period_of,
)


@pytest.mark.parametrize(("state", "event"), list(product(KeyState, KeyEvent)))
def test_every_pair_of_a_key(state: KeyState, event: KeyEvent) -> None:
    if (state, event) in KEY_TRANSITIONS:
        assert key_apply(state, event) is KEY_TRANSITIONS[(state, event)]
    else:
        with pytest.raises(KeyLifecycleError, match=f"{event} is not possible while a key is {state}"):
            key_apply(state, event)
    assert (event in key_events(state)) is ((state, event) in KEY_TRANSITIONS)


def test_a_key_comes_back_from_suspension_only() -> None:
    order = [KeyState.GENERATED, KeyState.ACTIVE, KeyState.SUSPENDED, KeyState.RETIRED, KeyState.DESTROYED]
    back = [event for (before, event), after in KEY_TRANSITIONS.items() if order.index(after) < order.index(before)]
    assert back == [KeyEvent.RESUME]
    assert key_events(KeyState.DESTROYED) == ()


def test_a_compromised_key_is_used_no_more_from_wherever_it_stood() -> None:
    for state in set(KeyState) - {KeyState.DESTROYED}:
        assert key_apply(state, KeyEvent.COMPROMISE) not in KEY_IN_USE


def test_what_was_in_use_is_retired_before_it_is_destroyed() -> None:
    for state in KEY_IN_USE:
        with pytest.raises(KeyLifecycleError):
            key_apply(state, KeyEvent.DESTROY)


def test_the_last_second_of_a_period_belongs_to_what_follows() -> None:
    end = period_end(activated=1_000, days=365)
    assert end == 1_000 + 365 * 86_400
    soon = end - REMIND_DAYS * DAY_SECONDS
    wanted = {
        1_000: Period.RUNS,
        soon - 1: Period.RUNS,
        soon: Period.ENDS_SOON,
        end - 1: Period.ENDS_SOON,
        end: Period.OVER,
        end + 10**9: Period.OVER,
    }
    assert {now: period_of(end=end, now=now) for now in wanted} == wanted
