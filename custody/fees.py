"""What an attempt pays for each gas: within the caps that people consented to, and raised so that nodes replace it.

Pure. All fees in wei per gas. Sources: EIP-1559; the replacement rule of common nodes (both fees at least 12.5 %
higher, and higher at all).
"""

from __future__ import annotations

import dataclasses
import statistics
from typing import TYPE_CHECKING

from core.nonces import raised

if TYPE_CHECKING:
    from collections.abc import Sequence

CAP_ROOM = 2
"""People consent to this many times what the chain asks for at the preview."""
CANCEL_ROOM = 2
"""A cancel is signed once, at one fee: it offers this many times what is needed to replace what it cancels."""


@dataclasses.dataclass(frozen=True, kw_only=True, order=True)
class Fees:
    """`most`: max_fee_per_gas; `tip`: max_priority_fee_per_gas."""

    most: int
    tip: int


def fees_within(fees: Fees, caps: Fees) -> Fees:
    """Return fees cut to their caps; the tip never exceeds the whole (EIP-1559)."""
    most = min(fees.most, caps.most)
    return Fees(most=most, tip=min(fees.tip, caps.tip, most))


def fees_suggested(suggestions: Sequence[Fees]) -> Fees:
    """Return the lower median of what nodes suggest: one liar among three moves it nowhere.

    Raises:
        ValueError: Without any suggestion.
    """
    if not suggestions:
        msg = "no node suggests a fee"
        raise ValueError(msg)
    return Fees(
        most=statistics.median_low([fees.most for fees in suggestions]),
        tip=statistics.median_low([fees.tip for fees in suggestions]),
    )


def _next(fee: int) -> int:
    return max(raised(fee), fee + 1)


def fees_least_raise(signed: Sequence[Fees]) -> Fees:
    """Return the least fees that replace all of what was signed at a nonce.

    Raises:
        ValueError: If nothing was signed.
    """
    if not signed:
        msg = "nothing was signed that could be raised"
        raise ValueError(msg)
    return Fees(most=_next(max(fees.most for fees in signed)), tip=_next(max(fees.tip for fees in signed)))


def fees_raised(signed: Sequence[Fees], *, caps: Fees, suggested: Fees | None) -> Fees | None:
    """Return the fees of the next attempt, or None where the caps leave no room.

    Args:
        signed: Of every attempt of the nonce so far.
        caps: The consented caps.
        suggested: What the chain asks for now; None where no node says.
    """
    least = wanted = fees_least_raise(signed)
    if suggested is not None:
        wanted = Fees(most=max(least.most, suggested.most), tip=max(least.tip, suggested.tip))
    cut = fees_within(wanted, caps)
    return cut if cut.most >= least.most and cut.tip >= least.tip else None


def fees_of_cancel(signed: Sequence[Fees], *, suggested: Fees | None) -> Fees:
    """Return the caps to propose for a cancel: enough to replace every attempt, with room for a busy chain.

    Args:
        signed: Of every attempt of the nonce so far; empty where none is known here.
        suggested: What the chain asks for now; None where no node says.
    """
    offers = ([fees_least_raise(signed)] if signed else []) + ([suggested] if suggested is not None else [])
    if not offers:
        msg = "neither an attempt nor a node says what a cancel would have to pay"
        raise ValueError(msg)
    most = CANCEL_ROOM * max(fees.most for fees in offers)
    return Fees(most=most, tip=min(most, CANCEL_ROOM * max(fees.tip for fees in offers)))


def fees_capped(suggested: Fees) -> Fees:
    """Return the caps that people are asked to consent to: what the chain asks for now, with room to be raised.

    Without room a transaction that waits could not be replaced: a raise adds 12.5 %, and this leaves five of them.
    """
    return Fees(most=CAP_ROOM * suggested.most, tip=CAP_ROOM * suggested.tip)
