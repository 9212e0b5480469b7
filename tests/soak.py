"""How much a property-based test tries: little in `make test`, much in `make soak` (COUNTERSIGN_SOAK=1)."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

SOAK = os.environ.get("COUNTERSIGN_SOAK") == "1"


def bounded(examples: int, *, soak: int = 20) -> settings:
    """Bound a property to `examples` tries; a soak tries `soak` times as many, with fresh seeds.

    The seeds of a bounded run are fixed, so that the same commit gives the same result everywhere.
    """
    return settings(
        max_examples=examples * soak if SOAK else examples,
        derandomize=not SOAK,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
    )
