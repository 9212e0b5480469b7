"""Leases as a signer holds them, for tests that are about something else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.lease import Granted, Held
from demo.forgeries.keepers import WITNESSES, public_of

if TYPE_CHECKING:
    from collections.abc import Sequence


def held(*, expires: int, names: Sequence[str] = WITNESSES) -> Held:
    """Return live leases of the forgery suite's witnesses."""
    return Held(granted=tuple(Granted(witness=name, public_key=public_of(name), expires=expires) for name in names))
