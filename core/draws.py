"""One draw for a case that two policies judge: it counts once, and as the worse of what each of them makes of it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.errors import Refusal, require
from core.limits import MOST_NAMED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.limits import Draw


def one_draw(draws: Sequence[Draw]) -> Draw:
    """Join what the policies of one case derive from it.

    Prices and the books by which destinations belong together may differ: the higher value counts, and it counts
    under each name. Where the policies do not even agree on who asks or on what the calldata moves, the case has to
    be asked for again under the newest one.

    Args:
        draws: One for each policy that has to allow the case, at least one.

    Returns:
        The draw that every policy's limits count, in the units of `core.limits.Draw`.

    Raises:
        RefusedError: `denied`.
    """
    values = [draw.usd_e8 for draw in draws]
    known = [value for value in values if value is not None]
    usd_e8 = max(known) if len(known) == len(values) else None
    beneficiaries = tuple(sorted({name for draw in draws for name in draw.beneficiaries}))
    protocols = tuple(sorted({name for draw in draws for name in draw.protocols}))
    first, *others = [
        dataclasses.replace(draw, usd_e8=usd_e8, beneficiaries=beneficiaries, protocols=protocols) for draw in draws
    ]
    alike = all(other == first for other in others)
    require(alike, Refusal.DENIED, "the policies understand this case differently: ask for it under the newest")
    few = max(len(first.beneficiaries), len(first.protocols)) <= MOST_NAMED
    require(few, Refusal.DENIED, "too many beneficiaries or protocols to count together")
    return first
