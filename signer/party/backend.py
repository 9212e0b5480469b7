"""A party's shares as the signer's other parts see them: there, whole, and of the key that the policy names."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from core.documents.roster import WalletKind
from core.errors import Refusal, RefusedError, require
from signer.errors import ShareFileError, TokenKeyError
from signer.party.shares import ShareName

if TYPE_CHECKING:
    from core.documents.roster import Wallet
    from core.verified import Verified
    from mpc import Share
    from signer.party.shares import ShareStore


class PartyBackend:
    """The newest share of each wallet that this party holds."""

    def __init__(self, shares: ShareStore, *, deployment: str, party: str) -> None:
        """Say whose shares these are.

        Args:
            shares: Where they lie.
            deployment: The genesis digest that was pinned.
            party: This party's roster id.
        """
        self._shares, self._deployment, self._party = shares, deployment, party
        self._known: dict[str, tuple[bytes, int]] = {}

    @property
    def token(self) -> dict[str, str]:
        """What the token that wraps the shares says of itself, as it was opened last."""
        return self._shares.token

    @property
    def epochs(self) -> dict[str, int]:
        """The epochs of the shares that were opened here, by wallet."""
        return {wallet: epoch for wallet, (_, epoch) in self._known.items()}

    def ready(self, wallet: Wallet) -> None:
        """Make sure of a wallet's share before a nonce is used up for it.

        Raises:
            RefusedError: `unsupported` for a wallet that is no threshold wallet.
            TokenKeyError: If the share is missing, damaged, or of another key, party or threshold.
            HsmUnavailableError: If the token is away.
        """
        require(wallet.kind is WalletKind.MPC, Refusal.UNSUPPORTED, "a party holds shares, and no whole key")
        if self._known.get(wallet.id, (b"", 0))[0] != wallet.public_key:
            self.open(wallet).wipe()

    def sign(self, verified: Verified) -> NoReturn:
        """Refuse: there is no whole key here.

        Raises:
            RefusedError: `unsupported`, always.
        """
        raise RefusedError(Refusal.UNSUPPORTED, f"{verified.wallet.address} takes a session of parties")

    def epoch(self, wallet: Wallet) -> int:
        """Return the epoch of a wallet's newest share.

        Raises:
            TokenKeyError: As `ready`.
        """
        self.ready(wallet)
        return self._known[wallet.id][1]

    def open(self, wallet: Wallet) -> Share:
        """Open a wallet's newest share and hold it against the policy's entry; whoever asked wipes it.

        Raises:
            RefusedError: `wrong_signer`, if this party is none of the wallet's.
            TokenKeyError: As `ready`.
            HsmUnavailableError: If the token is away.
        """
        if self._party not in wallet.signers:
            raise RefusedError(Refusal.WRONG_SIGNER, "this wallet belongs to other parties")
        try:
            epochs = self._shares.epochs(self._deployment, wallet.id, self._party)
            if not epochs:
                raise TokenKeyError(f"there is no share of {wallet.address} here")
            name = ShareName(deployment=self._deployment, wallet=wallet.id, party=self._party, epoch=epochs[-1])
            share = self._shares.open(name)
        except ShareFileError as error:
            raise TokenKeyError(str(error)) from error
        place = wallet.signers.index(self._party) + 1
        wanted = (wallet.public_key, place, wallet.threshold, len(wallet.signers), epochs[-1])
        if (bytes(share.public_key), share.index, share.threshold, share.parties, share.epoch) != wanted:
            share.wipe()
            raise TokenKeyError(f"the share of {wallet.address} is of another key, place or threshold")
        self._known[wallet.id] = wallet.public_key, epochs[-1]
        return share
