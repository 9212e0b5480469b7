"""What may happen to a lane's nonces. Pure: the services lock, ask and write; what follows is decided here.

At most one pinned job of a lane is unsigned, because a signer takes nonces in order as well: a refusal therefore
never leaves a hole behind later, signed transactions.
"""

from __future__ import annotations

import collections
import dataclasses
from enum import StrEnum
from typing import TYPE_CHECKING

from core.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

LANE_MISMATCH = frozenset({Refusal.NONCE, Refusal.INTENT_USED})
"""Refusals that say our nonces are not the signer's: a restored database, or a case that was doubted wrongly."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LaneStatus:
    """What a signer says about a wallet's lane: the next nonce that it would take, and what the earlier ones hold.

    `cancels`: how many cancels it has counted, where it is a party; others do not say.
    """

    next_nonce: int
    held: dict[int, str]
    cancels: int = 0


class Reading(StrEnum):
    """What a reported refusal means."""

    HELD = "held"
    MISMATCH = "mismatch"
    REPORTED = "reported"


def nonce_agreed(answers: Sequence[int], *, silent: int) -> int | None:
    """Return the count of consumed nonces that more than half of all nodes name, silent ones included; else None."""
    if not answers:
        return None
    value, votes = collections.Counter(answers).most_common(1)[0]
    return value if 2 * votes > len(answers) + silent else None


def nonce_next(*, lane_next: int, held: int | None, unsigned: int) -> int | None:
    """Return the nonce that a queued job gets now, or None while another one has to be signed first.

    Args:
        lane_next: The lane's next nonce.
        held: What this job holds already: one intent has one nonce.
        unsigned: How many pinned jobs of the lane have no signature yet.
    """
    if held is not None:
        return held
    return None if unsigned else lane_next


def refusal_read(code: str, *, lane: LaneStatus, nonce: int, intent: str) -> Reading:
    """Hold a refusal against what the signer says of its lane.

    Args:
        code: The refusal's code.
        lane: The signer's own status, by the same courier: it can contradict a lie, and proves nothing.
        nonce: Ours.
        intent: Digest of the intent.
    """
    if lane.held.get(nonce) == intent:
        # Journalled is signed, for ever: somebody may hold these bytes, so the case cannot end as refused.
        return Reading.HELD
    if lane.next_nonce > nonce or code in LANE_MISMATCH:
        return Reading.MISMATCH
    return Reading.REPORTED


def nonce_returns(*, lane_next: int, nonce: int) -> bool:
    """Say whether an unsigned nonce can be handed out again: only the last one, so that no hole is left."""
    return lane_next == nonce + 1


class Doubt(StrEnum):
    """What becomes of a case whose refusal was only reported."""

    REOPEN = "reopen"
    SETTLED = "settled"
    STAYS = "stays"


def doubt_judge(*, lane: LaneStatus | None, nonce: int, intent: str, signed_other: bool, over: bool) -> Doubt:
    """Look again at a case whose refusal was only reported.

    Args:
        lane: The signer's status now; None where it gives none.
        nonce: The nonce at which the case was asked for.
        intent: Digest of the intent.
        signed_other: Whether another intent's bytes at that nonce are here, signed by the wallet's key: a signer
            gives a nonce to one intent, for ever, so this one never had it.
        over: Whether the case has expired and the chain has not consumed the nonce by anything unknown.
    """
    if signed_other:
        return Doubt.SETTLED
    if lane is not None and lane.held.get(nonce) == intent:
        return Doubt.REOPEN
    if over and lane is not None:
        return Doubt.SETTLED
    return Doubt.STAYS
