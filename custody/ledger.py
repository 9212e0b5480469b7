"""Whether what left a wallet is explained by what we signed. Pure: the service reads nodes and rows.

A balance may rise for any reason. It may fall only by transactions of ours, and a nonce is consumed only by them.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclasses.dataclass(frozen=True, kw_only=True)
class Holding:
    """What a wallet has at a block. `amounts`: base units by CAIP-19 name, None where a contract does not say."""

    nonce: int
    amounts: Mapping[str, int | None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class OwnTransaction:
    """A mined transaction that we signed. `spent`: at most this left, by CAIP-19 name, its fee included."""

    transaction_hash: str
    nonce: int
    spent: Mapping[str, int]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TokenMove:
    """A token's `Transfer` event from the wallet."""

    transaction_hash: str
    asset: str
    amount: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Strange:
    """Something that nothing of ours explains. `asset` is empty for a nonce."""

    asset: str
    amount: int
    transaction_hash: str
    words: str


def _strange_nonces(before: Holding, after: Holding, own: Sequence[OwnTransaction]) -> list[Strange]:
    ours = {one.nonce for one in own}
    return [
        Strange(
            asset="",
            amount=0,
            # Nobody's hash is known here: the nonce names the finding.
            transaction_hash=f"nonce-{nonce}",
            words=f"nonce {nonce} was consumed by a transaction that is not ours",
        )
        for nonce in range(before.nonce, after.nonce)
        if nonce not in ours
    ]


def _strange_moves(moves: Sequence[TokenMove], own: Sequence[OwnTransaction]) -> list[Strange]:
    ours = {one.transaction_hash for one in own}
    return [
        Strange(
            asset=move.asset,
            amount=move.amount,
            transaction_hash=move.transaction_hash,
            words="tokens were taken by somebody else's transaction",
        )
        for move in moves
        if move.transaction_hash not in ours and move.amount
    ]


def outflows_judge(
    *, before: Holding, after: Holding, own: Sequence[OwnTransaction], moves: Sequence[TokenMove]
) -> tuple[Strange, ...]:
    """Return what left a wallet between two blocks, or happened to its nonces, without us.

    Args:
        before: At the first block.
        after: At the second one.
        own: Our transactions that were mined after the first block, up to the second.
        moves: The wallet's outgoing token events in those blocks.
    """
    found = [*_strange_nonces(before, after, own), *_strange_moves(moves, own)]
    for asset, amount in before.amounts.items():
        now = after.amounts.get(asset)
        if amount is None or now is None:
            continue
        told = sum(one.amount for one in found if one.asset == asset)
        missing = amount - sum(one.spent.get(asset, 0) for one in own) - told - now
        if missing > 0:
            words = "the balance fell by more than what our transactions spent"
            found.append(Strange(asset=asset, amount=missing, transaction_hash="", words=words))
    return tuple(found)
