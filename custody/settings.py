"""The few times that this app waits for, from the settings."""

from __future__ import annotations

import datetime as dt

from django.conf import settings


def lease() -> dt.timedelta:
    """Return how long a claim lasts: longer than the slowest step. For efficiency; the pinned nonce is the safety."""
    return dt.timedelta(seconds=float(getattr(settings, "COUNTERSIGN_LEASE_SECONDS", 60.0)))


def poll_interval() -> dt.timedelta:
    """Return how often the chain is looked at for a job that is under way."""
    return dt.timedelta(seconds=float(getattr(settings, "COUNTERSIGN_POLL_SECONDS", 2.0)))


def resend_interval() -> dt.timedelta:
    """Return after how long unseen bytes are sent again."""
    return dt.timedelta(seconds=float(getattr(settings, "COUNTERSIGN_RESEND_SECONDS", 15.0)))


def guard_interval(final_for: dt.timedelta) -> dt.timedelta:
    """Return when a final transaction is looked at next: seldom, and ever more so the longer it has stood.

    Args:
        final_for: How long it has been final.
    """
    least = dt.timedelta(seconds=float(getattr(settings, "COUNTERSIGN_GUARD_SECONDS", 30.0)))
    return max(least, final_for / 2)
