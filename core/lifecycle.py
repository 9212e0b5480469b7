"""The life of a transaction request as a literal table: ``(state, event) → state``. Nothing else moves a state."""

from __future__ import annotations

from enum import StrEnum

from core.errors import CoreError


class LifecycleError(CoreError):
    """The event is not allowed in this state."""


class State(StrEnum):
    """Where a request stands."""

    REQUESTED = "requested"
    DENIED = "denied"
    PENDING = "pending"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    APPROVED = "approved"
    BLOCKED = "blocked"
    SIGNING = "signing"
    REFUSED = "refused"
    LIVE = "live"
    CONFIRMING = "confirming"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"


class Event(StrEnum):
    """What can happen to a request."""

    DENY = "deny"
    REQUIRE = "require"
    ALLOW = "allow"
    FILL = "fill"
    REJECT = "reject"
    WITHDRAW = "withdraw"
    EXPIRE = "expire"
    BLOCK = "block"
    HAND_OVER = "hand_over"
    SIGNER_WAITS = "signer_waits"
    SIGNER_DOUBTED = "signer_doubted"
    SIGNER_REFUSES = "signer_refuses"
    SIGN = "sign"
    SIGN_CANCEL = "sign_cancel"
    RAISE = "raise"
    SEND = "send"
    INCLUDE = "include"
    REORG = "reorg"
    FINALISE = "finalise"
    REVERT = "revert"
    SUPERSEDE = "supersede"
    CANCEL = "cancel"


TRANSITIONS: dict[tuple[State, Event], State] = {
    (State.REQUESTED, Event.DENY): State.DENIED,
    (State.REQUESTED, Event.REQUIRE): State.PENDING,
    (State.REQUESTED, Event.ALLOW): State.APPROVED,
    (State.REQUESTED, Event.EXPIRE): State.EXPIRED,
    (State.PENDING, Event.FILL): State.APPROVED,
    (State.PENDING, Event.REJECT): State.REJECTED,
    (State.PENDING, Event.WITHDRAW): State.WITHDRAWN,
    (State.PENDING, Event.EXPIRE): State.EXPIRED,
    (State.PENDING, Event.BLOCK): State.BLOCKED,
    (State.APPROVED, Event.REJECT): State.REJECTED,
    (State.APPROVED, Event.WITHDRAW): State.WITHDRAWN,
    (State.APPROVED, Event.EXPIRE): State.EXPIRED,
    (State.APPROVED, Event.BLOCK): State.BLOCKED,
    (State.APPROVED, Event.HAND_OVER): State.SIGNING,
    (State.SIGNING, Event.SIGNER_WAITS): State.SIGNING,
    (State.SIGNING, Event.SIGNER_DOUBTED): State.SIGNING,
    (State.SIGNING, Event.SIGNER_REFUSES): State.REFUSED,
    (State.SIGNING, Event.SIGN): State.LIVE,
    (State.SIGNING, Event.SIGN_CANCEL): State.LIVE,
    (State.LIVE, Event.SIGN_CANCEL): State.LIVE,
    (State.LIVE, Event.RAISE): State.LIVE,
    (State.LIVE, Event.SEND): State.LIVE,
    (State.LIVE, Event.INCLUDE): State.CONFIRMING,
    (State.LIVE, Event.SUPERSEDE): State.SUPERSEDED,
    (State.CONFIRMING, Event.SEND): State.CONFIRMING,
    (State.CONFIRMING, Event.INCLUDE): State.CONFIRMING,
    (State.CONFIRMING, Event.REORG): State.LIVE,
    (State.CONFIRMING, Event.FINALISE): State.CONFIRMED,
    (State.CONFIRMING, Event.REVERT): State.FAILED,
    (State.CONFIRMING, Event.SUPERSEDE): State.SUPERSEDED,
    (State.CONFIRMING, Event.CANCEL): State.CANCELLED,
}

FINAL = frozenset(
    {
        State.DENIED,
        State.REJECTED,
        State.WITHDRAWN,
        State.EXPIRED,
        State.BLOCKED,
        State.REFUSED,
        State.CONFIRMED,
        State.FAILED,
        State.SUPERSEDED,
        State.CANCELLED,
    }
)

RELEASES = frozenset({State.DENIED, State.REJECTED, State.WITHDRAWN, State.EXPIRED, State.BLOCKED, State.REFUSED})
"""States that give a web-tier reservation back: nothing was signed. The signer's own totals are never given back."""


def apply(state: State, event: Event) -> State:
    """Return the next state.

    Raises:
        LifecycleError: If the table has no such transition.
    """
    try:
        return TRANSITIONS[(state, event)]
    except KeyError:
        msg = f"{event} is not possible while {state}"
        raise LifecycleError(msg) from None
