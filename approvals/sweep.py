"""What people's part of the system does again and again."""

from __future__ import annotations

import datetime as dt
import logging
from typing import TYPE_CHECKING

from django.contrib.sessions.models import Session

from approvals.access import access_sync, policy_in_force
from approvals.enrolments import enrolments_expire
from approvals.models import UsedChallenge
from approvals.throttle import throttle_prune
from approvals.webauthn import CHALLENGE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

_logger = logging.getLogger(__name__)
_EVERY = dt.timedelta(minutes=1)
_last: dict[str, dt.datetime] = {}


def challenges_prune(*, now: dt.datetime) -> int:
    """Forget challenges that nobody could use any more, and sessions of Django's that ran out."""
    Session.objects.filter(expire_date__lt=now).delete()
    return UsedChallenge.objects.filter(at__lt=now - 2 * dt.timedelta(seconds=CHALLENGE_SECONDS)).delete()[0]


def roles_follow(*, now: dt.datetime) -> int:  # noqa: ARG001 - as every step
    """Put back what somebody changed in the groups by hand, and return how many accounts that touched."""
    policy = policy_in_force()
    return 0 if policy is None else access_sync(policy=policy)


def sweep_once(*, now: dt.datetime) -> int:
    """Tidy up, once a minute at most.

    Args:
        now: The current time.
    """
    last = _last.get("at")
    if last is not None and last <= now < last + _EVERY:
        return 0
    _last["at"] = now
    steps: tuple[Callable[..., int], ...] = (throttle_prune, challenges_prune, enrolments_expire, roles_follow)
    for step in steps:
        try:
            step(now=now)
        except Exception:  # as in every sweep: one step's trouble does not keep the others waiting
            _logger.exception("%s failed", step.__name__)
    # Nothing waits for any of it.
    return 0
