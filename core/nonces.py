"""One nonce, one intent, for ever; its fee raises within the cap; at most one cancel.

Sources: EIP-1559 (fees), the replacement rule of common nodes (both fees at least 12.5 % higher).
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.errors import Refusal, require

if TYPE_CHECKING:
    from core.documents.bundle import Attempt
    from core.documents.mandate import Intent
    from core.journal import Journal

RAISE_NUMERATOR, RAISE_DENOMINATOR = 9, 8
"""A replacement pays at least 12.5 % more on both fields."""


@dataclasses.dataclass(frozen=True)
class Placement:
    """Whether this is the intent's first attempt, and whether this very attempt was journalled before."""

    first: bool
    repeated: bool


def raised(fee: int) -> int:
    """Return the least fee that replaces `fee` (wei per gas), rounded up."""
    return -(-fee * RAISE_NUMERATOR // RAISE_DENOMINATOR)


def place_attempt(intent: Intent, attempt: Attempt, journal: Journal) -> Placement:
    """Find the attempt's place in its lane.

    Args:
        intent: The exact transaction; its fees are caps.
        attempt: Nonce and fees (wei per gas).
        journal: The signer's memory.

    Raises:
        RefusedError: `fees`, `intent_used` or `nonce`.
    """
    fees = (attempt.max_fee_per_gas, attempt.max_priority_fee_per_gas)
    within = fees[0] <= intent.max_fee_per_gas and fees[1] <= min(intent.max_priority_fee_per_gas, fees[0])
    require(within, Refusal.FEES, "fees beyond the caps that people consented to")
    held = journal.intents.get(intent.digest)
    require(
        held in (None, (intent.wallet, attempt.nonce)),
        Refusal.INTENT_USED,
        "this intent already has another nonce, for ever",
    )
    slot = journal.slots.get((intent.wallet, attempt.nonce))
    if slot is None:
        following = journal.next_nonce(intent.wallet)
        require(attempt.nonce == following, Refusal.NONCE, f"the next nonce of this wallet is {following}")
        return Placement(first=True, repeated=False)
    require(slot.intent == intent.digest, Refusal.NONCE, "this nonce holds another intent, for ever")
    if fees in slot.attempts:
        return Placement(first=False, repeated=True)
    if not slot.attempts:
        # Only its cancel is held here (`core.cancel`): whichever of them is mined first counts.
        return Placement(first=True, repeated=False)
    highest = (max(fee for fee, _ in slot.attempts), max(tip for _, tip in slot.attempts))
    enough = fees[0] >= raised(highest[0]) and fees[1] >= raised(highest[1])
    require(enough, Refusal.FEES, "a replacement raises both fees by at least 12.5 %")
    return Placement(first=False, repeated=False)
