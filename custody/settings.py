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
