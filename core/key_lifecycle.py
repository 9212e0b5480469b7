"""The life of a wallet's key as a literal table: ``(state, event) → state``. Nothing else moves a key.

After NIST SP 800-57 part 1 revision 5, section 8: pre-activation is `GENERATED` here, deactivated is `RETIRED`. Its
compromised state is no state of its own: a key that somebody else may hold is retired at once for that reason, since
what is left to do with either is the same. It is emptied, and then it is destroyed.

This table is about when an institution uses a key. It stops no signer: signers read policies and halts, never this.
"""

from __future__ import annotations

from enum import StrEnum

from core.errors import CoreError

DAY_SECONDS = 86_400
PERIOD_DAYS = 365
"""The cryptoperiod of a hot or warm wallet's key unless an administrator sets another one."""
PERIOD_DAYS_MOST = 3_653
"""No key is planned to be used for longer than ten years."""
REMIND_DAYS = 30
"""So long before its cryptoperiod ends people are reminded of a key."""


class KeyLifecycleError(CoreError):
    """The event is not allowed in this state."""


class KeyState(StrEnum):
    """Where a wallet's key stands."""

    GENERATED = "generated"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    RETIRED = "retired"
    DESTROYED = "destroyed"


class KeyEvent(StrEnum):
    """What can happen to a wallet's key."""

    ACTIVATE = "activate"
    SUSPEND = "suspend"
    RESUME = "resume"
    RETIRE = "retire"
    COMPROMISE = "compromise"
    DESTROY = "destroy"


KEY_TRANSITIONS: dict[tuple[KeyState, KeyEvent], KeyState] = {
    (KeyState.GENERATED, KeyEvent.ACTIVATE): KeyState.ACTIVE,
    (KeyState.GENERATED, KeyEvent.COMPROMISE): KeyState.RETIRED,
    # Made and never used: nothing was ever sent there that it would have to send on.
    (KeyState.GENERATED, KeyEvent.DESTROY): KeyState.DESTROYED,
    (KeyState.ACTIVE, KeyEvent.SUSPEND): KeyState.SUSPENDED,
    (KeyState.ACTIVE, KeyEvent.RETIRE): KeyState.RETIRED,
    (KeyState.ACTIVE, KeyEvent.COMPROMISE): KeyState.RETIRED,
    (KeyState.SUSPENDED, KeyEvent.RESUME): KeyState.ACTIVE,
    (KeyState.SUSPENDED, KeyEvent.RETIRE): KeyState.RETIRED,
    (KeyState.SUSPENDED, KeyEvent.COMPROMISE): KeyState.RETIRED,
    (KeyState.RETIRED, KeyEvent.COMPROMISE): KeyState.RETIRED,
    (KeyState.RETIRED, KeyEvent.DESTROY): KeyState.DESTROYED,
}

KEY_IN_USE = frozenset({KeyState.ACTIVE, KeyState.SUSPENDED})
"""Its cryptoperiod runs."""


class Period(StrEnum):
    """Where a key stands in its cryptoperiod."""

    RUNS = "runs"
    ENDS_SOON = "ends_soon"
    OVER = "over"


def key_apply(state: KeyState, event: KeyEvent) -> KeyState:
    """Return the next state.

    Raises:
        KeyLifecycleError: If the table has no such transition.
    """
    try:
        return KEY_TRANSITIONS[(state, event)]
    except KeyError:
        msg = f"{event} is not possible while a key is {state}"
        raise KeyLifecycleError(msg) from None


def key_events(state: KeyState) -> tuple[KeyEvent, ...]:
    """Return what can happen to a key in this state, in the table's order."""
    return tuple(event for (before, event) in KEY_TRANSITIONS if before is state)


def period_end(*, activated: int, days: int) -> int:
    """Return when a cryptoperiod ends, Unix seconds.

    Args:
        activated: When the key was first used, Unix seconds.
        days: How long it is used.
    """
    return activated + days * DAY_SECONDS


def period_of(*, end: int, now: int) -> Period:
    """Say where a key stands in its cryptoperiod. Both in Unix seconds; the last second belongs to what follows."""
    if now >= end:
        return Period.OVER
    return Period.ENDS_SOON if now >= end - REMIND_DAYS * DAY_SECONDS else Period.RUNS
