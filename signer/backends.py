"""The one way to a key: a token of `core.verify` goes in, a checked raw transaction comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from core.documents.roster import WalletKind
from core.errors import Refusal, RefusedError, SpentTokenError, require
from core.verified import Verified
from signer.errors import TokenKeyError

if TYPE_CHECKING:
    from core.documents.policy import Policy
    from core.documents.roster import Wallet
    from core.journal import Journal
    from signer.clones.kept import Clones
    from signer.hsm import Hsm


class Backend(Protocol):
    """Where a signer's keys are."""

    def ready(self, wallet: Wallet) -> None:
        """Make sure of a wallet's key before a nonce is used up for it."""

    def follow(self, journal: Journal) -> None:
        """Take from a journal what decides which keys are in use."""

    def sign(self, verified: Verified) -> tuple[bytes, bytes]:
        """Spend a token alone; refused where a signature takes several signers."""

    @property
    def token(self) -> dict[str, str]:
        """What the token says of itself, as it was opened last."""

    @property
    def epochs(self) -> dict[str, int]:
        """The epochs of the shares that were opened here, by wallet."""


class HsmBackend:
    """Wallet keys inside the PKCS#11 token."""

    def __init__(self, hsm: Hsm, clones: Clones | None = None) -> None:
        """Sign with this token.

        Args:
            hsm: The token.
            clones: What the folder knows of keys that were made with a clone; without it no such key is accepted.
        """
        self._hsm, self._clones = hsm, clones

    @property
    def token(self) -> dict[str, str]:
        """What the token says of itself, as it was opened last."""
        return dict(self._hsm.told)

    @property
    def epochs(self) -> dict[str, int]:
        """Nothing: a whole key has no epochs."""
        return {}

    def ready(self, wallet: Wallet) -> None:
        """Make sure of the wallet's key before a nonce is used up for it.

        Raises:
            RefusedError: `unsupported` for a wallet whose key is not in a token.
            TokenKeyError: If the token does not hold the key as it must.
            HsmUnavailableError: If the token is away.
        """
        require(wallet.kind is WalletKind.HSM, Refusal.UNSUPPORTED, "this signer holds no software keys")
        if wallet.clone is not None:
            if self._clones is None:
                raise TokenKeyError("no clone is accepted here")
            self._clones.check(wallet)
        self._hsm.check_key(wallet.public_key, cloned=wallet.clone is not None)

    def follow(self, journal: Journal) -> None:
        """Hold clones against this journal; a key in a token has no epochs."""
        if self._clones is not None:
            self._clones.follow(journal)

    def sign(self, verified: Verified) -> tuple[bytes, bytes]:
        """Spend a token.

        Args:
            verified: Verified and journalled, not spent yet.

        Returns:
            The raw transaction and its hash, the signature recovered to the wallet's pinned key.

        Raises:
            SpentTokenError: For anything else.
            EncodingError: If the device signed with another key or other bytes.
            HsmUnavailableError: If the token is away. The case is verified again before another try.
        """
        # Not duck typing: something that merely has these methods never met the verifier.
        if type(verified) is not Verified:
            raise SpentTokenError("a backend takes a verified case and nothing else")
        digest = verified.spend()
        wallet = verified.wallet
        return verified.finish(self._hsm.sign(wallet.public_key, digest, cloned=wallet.clone is not None))

    def holdings(self, wallet: Wallet, _: int) -> dict[str, str]:
        """Return the wallet's key, if the token holds it.

        Raises:
            HsmUnavailableError: If the token is away.
        """
        if not self._hsm.holds(wallet.public_key):
            return {}
        return {f"key of {wallet.address}": "0x" + wallet.public_key.hex()}

    def drop(self, wallet: Wallet, _: int) -> None:
        """Destroy the wallet's key in the token.

        Raises:
            TokenKeyError: If the token keeps it.
            HsmUnavailableError: If the token is away.
        """
        self._hsm.destroy_key(wallet.public_key)

    def needed(self, _: Wallet) -> int:
        """Return 0: a key that may still pay is needed whole."""
        return 0


def own_wallets(policy: Policy, signer: str) -> tuple[Wallet, ...]:
    """Return a policy's wallets that a signer holds."""
    return tuple(wallet for wallet in policy.wallets if signer in wallet.signers)


def check_keys(policy: Policy, signer: str, backend: Backend) -> int:
    """Find every wallet key that a policy gives to a signer, and count them.

    Raises:
        TokenKeyError: At the first that the token does not hold as it must.
        HsmUnavailableError: If the token is away.
    """
    wallets = own_wallets(policy, signer)
    for wallet in wallets:
        try:
            backend.ready(wallet)
        except (RefusedError, TokenKeyError) as error:
            raise TokenKeyError(f"wallet {wallet.label} ({wallet.address}): {error}") from error
    return len(wallets)
