"""What a party holds of a wallet, for its destruction: shares, and the backups of them in its own folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from signer.files import destroy_file

if TYPE_CHECKING:
    from core.documents.roster import Wallet
    from signer.party.backend import PartyBackend
    from signer.party.backups import Backups


class PartyHoldings:
    """A party's shares and backups."""

    def __init__(self, shares: PartyBackend, backups: Backups) -> None:
        """Say where they are."""
        self._shares, self._backups = shares, backups

    def holdings(self, wallet: Wallet, newest: int) -> dict[str, str]:
        """Return the shares and backups of a wallet up to an epoch.

        Raises:
            TokenKeyError: If a share's file cannot be read.
            RefusedError: `ceremony`, if a backup's cannot.
        """
        shares = {
            f"share of epoch {epoch}": digest for epoch, digest in self._shares.stored(wallet.id, newest).items()
        }
        return shares | {path.name: digest for path, digest in self._backups.kept(wallet.id, newest).items()}

    def drop(self, wallet: Wallet, newest: int) -> None:
        """Destroy them.

        Raises:
            TokenKeyError: If a share is left.
            RefusedError: `ceremony`, if a backup cannot be read.
        """
        for path in self._backups.kept(wallet.id, newest):
            destroy_file(path)
        self._shares.destroy(wallet.id, newest)

    def needed(self, wallet: Wallet) -> int:
        """Return the epoch of the share that signs."""
        return self._shares.epoch(wallet)
