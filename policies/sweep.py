"""What happens to proposals without anybody doing anything: they expire, reach the signers, come into force."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from policies.services.handovers import handovers_advance, versions_activate
from policies.services.proposals import proposals_expire

if TYPE_CHECKING:
    import datetime as dt

_logger = logging.getLogger(__name__)


def sweep_once(*, now: dt.datetime) -> int:
    """Advance what is due, and return how many steps that were.

    Args:
        now: The current time.
    """
    steps = 0
    for step in (proposals_expire, handovers_advance, versions_activate):
        try:
            steps += step(now=now)
        except Exception:  # as in every sweep: one step's trouble does not keep the others waiting
            _logger.exception("%s failed", step.__name__)
    return steps
