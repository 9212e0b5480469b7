"""A party's shares as the signer's other parts see them: there, whole, and of the key that the policy names."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from core.documents.roster import WalletKind
from core.epochs import active_epoch, made_of, settled_on
from core.errors import Refusal, RefusedError, require
from signer.errors import ShareFileError, TokenKeyError
from signer.party.candidates import Candidates
from signer.party.shares import ShareName

if TYPE_CHECKING:
    from core.documents.roster import Wallet
    from core.journal import Journal
    from core.verified import Verified
    from mpc import Share
    from signer.party.shares import ShareStore


Fitting = tuple[bytes, tuple[str, ...], int]


def _fitting(wallet: Wallet) -> Fitting:
    """Return all of a wallet's entry that its shares are held against."""
    return wallet.public_key, wallet.signers, wallet.threshold


class PartyBackend:
    """The share of each wallet that this party uses: of the epoch that its journal names, never of a newer file."""

    def __init__(self, shares: ShareStore, *, deployment: str, party: str) -> None:
        """Say whose shares these are.

        Args:
            shares: Where they lie.
            deployment: The genesis digest that was pinned.
            party: This party's roster id.
        """
        self._shares, self._deployment, self._party = shares, deployment, party
        self._known: dict[str, tuple[Fitting, int]] = {}
        self._journal: Journal | None = None
        self.shares = shares

    def follow(self, journal: Journal) -> None:
        """Take from now on the journal's word for which epoch of a wallet is in use."""
        self._journal = journal

    def _in_use(self, wallet: Wallet) -> int | None:
        """Return the epoch that the journal names; None where it was never changed by a ceremony."""
        return None if self._journal is None else active_epoch(self._journal, wallet.id)

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
        # The whole entry, and not the key alone: a policy may name other parties or another threshold for it.
        fits, epoch = self._known.get(wallet.id, (None, 0))
        if fits != _fitting(wallet) or self._in_use(wallet) not in (None, epoch):
            self.open(wallet).wipe()

    def sign(self, verified: Verified) -> NoReturn:
        """Refuse: there is no whole key here.

        Raises:
            RefusedError: `unsupported`, always.
        """
        raise RefusedError(Refusal.UNSUPPORTED, f"{verified.wallet.address} takes a session of parties")

    def epoch(self, wallet: Wallet) -> int:
        """Return the epoch of the share of a wallet that is in use.

        Raises:
            TokenKeyError: As `ready`.
        """
        self.ready(wallet)
        return self._known[wallet.id][1]

    def open(self, wallet: Wallet) -> Share:
        """Open the share of a wallet that is in use and hold it against the policy's entry; whoever asked wipes it.

        Raises:
            RefusedError: `wrong_signer`, if this party is none of the wallet's.
            TokenKeyError: As `ready`.
            HsmUnavailableError: If the token is away.
        """
        if self._party not in wallet.signers:
            raise RefusedError(Refusal.WRONG_SIGNER, "this wallet belongs to other parties")
        try:
            epoch = self._in_use(wallet)
            if epoch is None:
                epochs = self._shares.epochs(self._deployment, wallet.id, self._party)
                if not epochs:
                    raise TokenKeyError(f"there is no share of {wallet.address} here")
                epoch = epochs[-1]
            share = self._open(self.name(wallet.id, epoch))
        except ShareFileError as error:
            raise TokenKeyError(str(error)) from error
        place = wallet.signers.index(self._party) + 1
        wanted = (wallet.public_key, place, wallet.threshold, len(wallet.signers))
        # A refresh that came to nothing used up a number: the share itself counts only those that it went through.
        right = share.epoch <= epoch and self._is_settled(share, wallet, epoch)
        if (bytes(share.public_key), share.index, share.threshold, share.parties) != wanted or not right:
            share.wipe()
            raise TokenKeyError(f"the share of {wallet.address} is of another key, place, threshold or session")
        self._known[wallet.id] = _fitting(wallet), epoch
        return share

    def _open(self, name: ShareName) -> Share:
        """Open a share; one that was activated in the last moment of a process is put in its place first."""
        settled = None if self._journal is None else settled_on(self._journal, name.wallet, name.epoch)
        if settled is not None and not self._shares.has(name):
            candidates = Candidates(self._shares)
            for session in candidates.sessions(name):
                share = candidates.open(name, session)
                public_key = bytes(share.public_key)
                share.wipe()
                if made_of(settled[0], name.wallet, public_key, session, name.deployment).digest == settled[1]:
                    candidates.adopt(name, session)
        return self._shares.open(name)

    def _is_settled(self, share: Share, wallet: Wallet, epoch: int) -> bool:
        """Whether a share is of the session that this party settled on, where it settled on one."""
        settled = None if self._journal is None else settled_on(self._journal, wallet.id, epoch)
        if settled is None:
            return True
        made = made_of(settled[0], wallet.id, bytes(share.public_key), bytes(share.session), self._deployment)
        return made.digest == settled[1]

    def stored(self, wallet: str, newest: int) -> dict[int, str]:
        """Return the SHA-256 of the file of each share up to an epoch, by epoch.

        Raises:
            TokenKeyError: If a file cannot be read.
        """
        try:
            epochs = self._shares.epochs(self._deployment, wallet, self._party)
            return {epoch: self._shares.digest(self.name(wallet, epoch)) for epoch in epochs if epoch <= newest}
        except ShareFileError as error:
            raise TokenKeyError(str(error)) from error

    def destroy(self, wallet: str, newest: int) -> None:
        """Destroy the shares of a wallet up to an epoch.

        Raises:
            TokenKeyError: If a file cannot be read, or one is left.
        """
        for epoch in self.stored(wallet, newest):
            self._shares.destroy(self.name(wallet, epoch))
        self._known.pop(wallet, None)
        if self.stored(wallet, newest):
            raise TokenKeyError("a share is left that was to be destroyed")

    def name(self, wallet: str, epoch: int) -> ShareName:
        """Say which share of this party is meant."""
        return ShareName(deployment=self._deployment, wallet=wallet, party=self._party, epoch=epoch)
