"""Ceremonies that wait for somebody: for a consent of theirs, or for what operators do at consoles."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from approvals.roles import Permission, may
from core.ceremony_lifecycle import CEREMONY_GOING, STEPS
from core.documents.control import CeremonyKind
from core.errors import CoreError
from custody.ceremony_selectors import ceremonies_waiting
from custody.models import CeremonyProgress, KeyCeremony, ProgressState
from oms.ceremony_kinds import KINDS
from oms.ceremony_words import step_words, view_of
from policies.errors import PolicyAppError
from policies.selectors import policy_active

if TYPE_CHECKING:
    import datetime as dt

    from approvals.models import User

CONSOLE_KINDS = tuple(kind for kind, form in KINDS.items() if form.console and STEPS[kind])
"""Kinds whose steps somebody does at consoles."""
_STEPS = frozenset(step.value for kind in CONSOLE_KINDS for step in STEPS[kind])
_ENDED = (ProgressState.DONE.value, ProgressState.MISSED.value)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Due:
    """An ordered ceremony whose steps at consoles are not all done. `left`: who does what, in words."""

    row: KeyCeremony
    title: str
    left: tuple[str, ...]


def ceremonies_due(*, now: dt.datetime) -> list[Due]:
    """Return the ordered ceremonies that wait for operators at consoles, the first to expire first.

    Args:
        now: The current time.
    """
    going = KeyCeremony.objects.filter(
        state__in=[state.value for state in CEREMONY_GOING],
        kind__in=[kind.value for kind in CONSOLE_KINDS],
        expires_at__gt=now,
    )
    open_steps = CeremonyProgress.objects.filter(ceremony__in=going, step__in=_STEPS).exclude(state__in=_ENDED)
    left: dict[int, list[str]] = {}
    for ceremony, signer, step in open_steps.order_by("pk").values_list("ceremony_id", "signer", "step"):
        left.setdefault(ceremony, []).append(f"{signer} {step_words(step)}")
    return [
        Due(row=one, title=KINDS[CeremonyKind(one.kind)].title, left=tuple(left[one.pk]))
        for one in going.order_by("expires_at", "pk")
        if one.pk in left
    ]


def consents_due(*, user: User, now: dt.datetime) -> list[KeyCeremony]:
    """Return the ceremonies that wait for a person's own consent, the first to expire first."""
    policy = policy_active()
    return [] if policy is None else ceremonies_waiting(person=user.person_id, policy=policy, now=now)


def due_context(*, user: User, now: dt.datetime) -> dict[str, object]:
    """Return what queue and overview show of ceremonies: what waits for one's consent, and for one's hands."""
    policy = policy_active()
    return {
        "ceremonies": [view_of(ceremony=one, policy=policy) for one in consents_due(user=user, now=now)],
        "console_due": ceremonies_due(now=now) if may(user, Permission.RUN) else [],
    }


def due_count(*, user: User, now: dt.datetime) -> int:
    """Return how many ceremonies wait for somebody. Rows that cannot be read count as none: every page asks this."""
    try:
        waiting = len(consents_due(user=user, now=now))
    except (CoreError, PolicyAppError, ValueError):
        waiting = 0
    return waiting + (len(ceremonies_due(now=now)) if may(user, Permission.RUN) else 0)
