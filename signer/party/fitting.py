"""Whether a share is the one that a policy's wallet and place call for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from signer.errors import TokenKeyError

if TYPE_CHECKING:
    from core.documents.roster import Wallet
    from mpc import Share


def check_fits(share: Share, wallet: Wallet, party: str, epoch: int) -> None:
    """Hold an open share against the policy's entry.

    Args:
        share: What was opened.
        wallet: The wallet that it should be of.
        party: Whose it should be, by roster id.
        epoch: Which epoch's.

    Raises:
        TokenKeyError: If it is of another key, place, threshold or epoch.
    """
    place = wallet.signers.index(party) + 1
    wanted = (wallet.public_key, place, wallet.threshold, len(wallet.signers))
    # A refresh that came to nothing used up a number: the share itself counts only those that it went through.
    if (bytes(share.public_key), share.index, share.threshold, share.parties) != wanted or share.epoch > epoch:
        raise TokenKeyError(f"the share of {wallet.address} is of another key, place, threshold or epoch")
