"""What a party holds of a wallet, for its destruction: shares, and the backups of them in its own folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from signer.files import destroy_file, finish_destroying
from signer.party.candidates import SUFFIX, destroy_all, fingerprints

if TYPE_CHECKING:
    from pathlib import Path

    from core.documents.roster import Wallet
    from signer.party.backend import PartyBackend
    from signer.party.backups import Backups

EPOCHS_MOST = 10**6
"""As many as documents can name."""


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
        shares |= {path.name: digest for path, digest in self._backups.kept(wallet.id, newest).items()}
        return shares | fingerprints(self._staged(wallet.id, newest))

    def drop(self, wallet: Wallet, newest: int) -> None:
        """Destroy them.

        Raises:
            TokenKeyError: If a share is left.
            RefusedError: `ceremony`, if a backup cannot be read.
        """
        for folder in (self._shares.shares.folder, self._backups.folder):
            finish_destroying(folder)
        for path in self._backups.kept(wallet.id, newest):
            destroy_file(path)
        destroy_all(self._staged(wallet.id, newest))
        self._shares.destroy(wallet.id, newest)

    def _staged(self, wallet: str, newest: int) -> list[Path]:
        """Return the new shares that no refresh put in place; all of them, where no share will be left to refresh."""
        stem = self._shares.name(wallet, 0).file.rsplit(".", 2)[0]
        last = not [epoch for epoch in self._shares.stored(wallet, EPOCHS_MOST) if epoch > newest]
        found = sorted(self._shares.shares.folder.glob(f"{stem}.*{SUFFIX}"))
        return [path for path in found if last or int(path.name.removeprefix(f"{stem}.").split(".")[0]) <= newest]

    def needed(self, wallet: Wallet) -> int:
        """Return the epoch of the share that signs."""
        return self._shares.epoch(wallet)
