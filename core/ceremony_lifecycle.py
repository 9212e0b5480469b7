"""The life of a ceremony as a literal table: ``(state, event) → state``. Nothing else moves one.

A ceremony is drafted, people consent to it, its quorum orders it, signers take it, and those that it names do its
steps. This table is about what an institution shows and asks for. It orders nothing of any signer: each checks the
document with its consents for itself (`core.ceremonies`) and keeps its own book of what was done.
"""

from __future__ import annotations

from enum import StrEnum

from core.documents.control import CeremonyKind
from core.errors import CoreError
from core.records import CeremonyStep

TAKE = "take"
"""What every signer that a ceremony concerns does first: it checks the document and writes it down."""
VETO = "veto"
"""Somebody's no, handed to a signer that may have taken the ceremony before it was said."""


class CeremonyLifecycleError(CoreError):
    """The event is not allowed in this state."""


class CeremonyState(StrEnum):
    """Where a ceremony stands."""

    DRAFTED = "drafted"
    CONSENTING = "consenting"
    ORDERED = "ordered"
    RUNNING = "running"
    DONE = "done"
    REJECTED = "rejected"
    FAILED = "failed"
    ABANDONED = "abandoned"
    EXPIRED = "expired"


class CeremonyEvent(StrEnum):
    """What can happen to a ceremony."""

    HEAR = "hear"
    FILL = "fill"
    BEGIN = "begin"
    FINISH = "finish"
    REJECT = "reject"
    FAIL = "fail"
    ABANDON = "abandon"
    EXPIRE = "expire"


CEREMONY_TRANSITIONS: dict[tuple[CeremonyState, CeremonyEvent], CeremonyState] = {
    (CeremonyState.DRAFTED, CeremonyEvent.HEAR): CeremonyState.CONSENTING,
    (CeremonyState.DRAFTED, CeremonyEvent.REJECT): CeremonyState.REJECTED,
    (CeremonyState.DRAFTED, CeremonyEvent.ABANDON): CeremonyState.ABANDONED,
    (CeremonyState.DRAFTED, CeremonyEvent.EXPIRE): CeremonyState.EXPIRED,
    (CeremonyState.CONSENTING, CeremonyEvent.FILL): CeremonyState.ORDERED,
    (CeremonyState.CONSENTING, CeremonyEvent.REJECT): CeremonyState.REJECTED,
    (CeremonyState.CONSENTING, CeremonyEvent.ABANDON): CeremonyState.ABANDONED,
    (CeremonyState.CONSENTING, CeremonyEvent.EXPIRE): CeremonyState.EXPIRED,
    (CeremonyState.ORDERED, CeremonyEvent.BEGIN): CeremonyState.RUNNING,
    (CeremonyState.ORDERED, CeremonyEvent.REJECT): CeremonyState.REJECTED,
    (CeremonyState.ORDERED, CeremonyEvent.FAIL): CeremonyState.FAILED,
    (CeremonyState.ORDERED, CeremonyEvent.ABANDON): CeremonyState.ABANDONED,
    (CeremonyState.ORDERED, CeremonyEvent.EXPIRE): CeremonyState.EXPIRED,
    (CeremonyState.RUNNING, CeremonyEvent.FINISH): CeremonyState.DONE,
    (CeremonyState.RUNNING, CeremonyEvent.REJECT): CeremonyState.REJECTED,
    (CeremonyState.RUNNING, CeremonyEvent.FAIL): CeremonyState.FAILED,
    (CeremonyState.RUNNING, CeremonyEvent.ABANDON): CeremonyState.ABANDONED,
}

CEREMONY_OPEN = frozenset({CeremonyState.DRAFTED, CeremonyState.CONSENTING})
"""People can still consent to it."""
CEREMONY_GOING = frozenset({CeremonyState.ORDERED, CeremonyState.RUNNING})
"""Its quorum ordered it, and signers are asked."""
CEREMONY_FINAL = frozenset(CeremonyState) - CEREMONY_OPEN - CEREMONY_GOING
"""Nothing moves any more."""

STEPS: dict[CeremonyKind, tuple[CeremonyStep, ...]] = {
    CeremonyKind.KEY_GENERATION: (CeremonyStep.STAGED, CeremonyStep.ACTIVATED),
    CeremonyKind.REFRESH: (CeremonyStep.STAGED, CeremonyStep.ACTIVATED, CeremonyStep.DESTROYED),
    CeremonyKind.RESTORE: (CeremonyStep.RESTORED,),
    CeremonyKind.BAN: (),
    CeremonyKind.BACKUP: (CeremonyStep.BACKED_UP,),
    CeremonyKind.DRILL: (CeremonyStep.DRILLED,),
    CeremonyKind.DEGRADED: (),
    CeremonyKind.DESTROY: (CeremonyStep.DESTROYED,),
    CeremonyKind.CLONE: (CeremonyStep.BACKED_UP,),
}
"""What each signer that a ceremony names does after it took it, by the signers' own records. A journal's start is
not among these: it is done at the console alone (`core.control`)."""


def ceremony_apply(state: CeremonyState, event: CeremonyEvent) -> CeremonyState:
    """Return the next state.

    Raises:
        CeremonyLifecycleError: If the table has no such transition.
    """
    try:
        return CEREMONY_TRANSITIONS[(state, event)]
    except KeyError:
        msg = f"{event} is not possible while a ceremony is {state}"
        raise CeremonyLifecycleError(msg) from None
