"""Custody's row of a wallet that a policy names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from custody.services import wallet_create

if TYPE_CHECKING:
    from core.documents.roster import Wallet as RosterWallet
    from custody.models import Wallet


def wallet_row(wallet: RosterWallet) -> Wallet:
    """Write down a wallet as the policy has it; its chain is there already."""
    return wallet_create(
        actor="system:test",
        caip10=wallet.id,
        label=wallet.label,
        kind=wallet.kind,
        public_key=wallet.public_key,
        signers=wallet.signers,
        threshold=wallet.threshold,
    )
