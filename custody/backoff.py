"""How long a step that led nowhere waits before it is tried again."""

from __future__ import annotations

import datetime as dt

_FIRST_SECONDS = 1
_MOST_SECONDS = 60
_DOUBLINGS_MOST = 6


def backoff(trials: int) -> dt.timedelta:
    """Return 1, 2, 4 … seconds, at most a minute.

    Args:
        trials: Steps in a row that led nowhere so far.
    """
    return dt.timedelta(seconds=min(_MOST_SECONDS, _FIRST_SECONDS << min(trials, _DOUBLINGS_MOST)))
