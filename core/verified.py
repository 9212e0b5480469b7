"""The one-shot tokens between verification and the key. Whoever holds a key accepts nothing else.

`Verified` is a case of people. `ShareTestToken` is a test of new shares, and `CloneDrillToken` one of a second token:
both over bytes that mean nothing anywhere else.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NoReturn

from core.documents.roster import WalletKind
from core.errors import SpentTokenError
from core.evm import Type2, finish_signature
from core.keccak import keccak256

if TYPE_CHECKING:
    from core.documents.roster import Wallet
    from core.limits import Draw
    from core.records import ReserveRecord

SEAL = object()
"""Held by the verifying modules of `core` only; an architecture test names who may import it."""


class _Stage(Enum):
    VERIFIED = 1
    JOURNALLED = 2
    SPENT = 3


class _OneShot:
    """A token that is spent once."""

    __slots__ = ()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refuse to be copied or pickled: a copy could be spent again.

        Raises:
            SpentTokenError: Always.
        """
        msg = "a one-shot token has no copies"
        raise SpentTokenError(msg)


class Verified(_OneShot):
    """A case that `core.verify.verify` accepted: verified, then journalled, then spent, once and in this order.

    Attributes:
        wallet: The policy's entry; its key signs.
        transaction: What will be signed, rebuilt from intent and attempt.
        record: What must be on disk before the key is used; None when this very attempt already is.
        draw: What the case draws from limits as it was decided now, whatever its first attempt drew.
        stored: The raw transaction that this very attempt was answered with before, if any.
        checks: What was checked, one sentence each, in order.
        parts: What limits were divided by: more than 1 if the case was decided in degraded mode.
    """

    __slots__ = ("_certified", "_stage", "checks", "draw", "parts", "record", "stored", "transaction", "wallet")

    def __init__(
        self,
        seal: object,
        *,
        wallet: Wallet,
        transaction: Type2,
        record: ReserveRecord | None,
        draw: Draw,
        stored: bytes | None,
        checks: tuple[str, ...],
        parts: int = 1,
    ) -> None:
        """Refuse to be built by anyone but `core.verify`.

        Raises:
            SpentTokenError: Without the module's own seal.
        """
        if seal is not SEAL:
            msg = "only core.verify makes this token"
            raise SpentTokenError(msg)
        self.wallet = wallet
        self.transaction = transaction
        self.record = record
        self.draw = draw
        self.stored = stored
        self.checks = checks
        self.parts = parts
        self._stage = _Stage.VERIFIED if record is not None else _Stage.JOURNALLED
        # One signer's word is enough where there is one signer.
        self._certified = wallet.kind is not WalletKind.MPC

    @property
    def waits_for_journal(self) -> bool:
        """Whether `record` still has to be put on disk."""
        return self._stage is _Stage.VERIFIED

    def journalled(self) -> None:
        """Say that `record` is on disk and in the token.

        Raises:
            SpentTokenError: Unless it was just verified.
        """
        if self._stage is not _Stage.VERIFIED:
            msg = "already journalled or spent"
            raise SpentTokenError(msg)
        self._stage = _Stage.JOURNALLED

    def certify(self, seal: object) -> None:
        """Say that enough parties of a threshold wallet journalled the same reservation.

        Raises:
            SpentTokenError: Without the module's own seal.
        """
        if seal is not SEAL:
            msg = "only core.certificate says so"
            raise SpentTokenError(msg)
        self._certified = True

    def spend(self) -> bytes:
        """Hand out the 32 bytes to sign, once.

        Raises:
            SpentTokenError: Before the record is journalled, without the certificate that a threshold wallet takes,
                or a second time.
        """
        if not self._certified:
            msg = "a threshold wallet takes a certificate"
            raise SpentTokenError(msg)
        if self._stage is not _Stage.JOURNALLED:
            msg = "not journalled yet, or spent"
            raise SpentTokenError(msg)
        self._stage = _Stage.SPENT
        return self.transaction.signing_hash

    def finish(self, signature: bytes) -> tuple[bytes, bytes]:
        """Check the device's 64 bytes against the pinned key and build the raw transaction.

        Returns:
            The raw transaction and its hash.

        Raises:
            EncodingError: If the signature is not by the wallet's key over these bytes.
        """
        done = finish_signature(self.transaction.signing_hash, signature, self.wallet.public_key)
        raw = self.transaction.signed(done)
        return raw, keccak256(raw)


class _TestToken(_OneShot):
    """Leave to sign a message of `core`'s own with a wallet's key, which shows that it is there and nothing else.

    Attributes:
        public_key: The wallet's key, uncompressed (SEC 1).
        message: The 32 bytes. `core` makes them of the ceremony; no caller brings them.
    """

    __slots__ = ("message", "public_key")

    message: bytes
    public_key: bytes

    def finish(self, signature: bytes) -> bytes:
        """Return r ‖ s, 64 bytes, of a signature that is by the wallet's key over these bytes.

        Raises:
            EncodingError: If it is not.
        """
        finish_signature(self.message, signature, self.public_key)
        return signature


class ShareTestToken(_TestToken):
    """Leave to sign one test of staged shares, which `core.refresh` gave; spent once, like a verified case.

    Attributes:
        quorum: The parties that sign it.
    """

    __slots__ = ("_journalled", "_spent", "quorum")

    def __init__(self, seal: object, *, message: bytes, quorum: tuple[str, ...], public_key: bytes) -> None:
        """Refuse to be built by anyone but `core.refresh`.

        Raises:
            SpentTokenError: Without the module's own seal.
        """
        if seal is not SEAL:
            msg = "only core.refresh makes this token"
            raise SpentTokenError(msg)
        self.message, self.quorum, self.public_key = message, quorum, public_key
        self._journalled = self._spent = False

    def journalled(self) -> None:
        """Say that the session's name is on disk and in the token."""
        self._journalled = True

    def spend(self) -> bytes:
        """Hand out the 32 bytes to sign, once.

        Raises:
            SpentTokenError: Before the session is journalled, or a second time.
        """
        if self._spent or not self._journalled:
            msg = "not journalled yet, or spent"
            raise SpentTokenError(msg)
        self._spent = True
        return self.message


class CloneDrillToken(_TestToken):
    """Leave to sign one drill at a second token, which `core.clones` gave; spent once, like a verified case."""

    __slots__ = ("_spent",)

    def __init__(self, seal: object, *, message: bytes, public_key: bytes) -> None:
        """Refuse to be built by anyone but `core.clones`.

        Raises:
            SpentTokenError: Without the module's own seal.
        """
        if seal is not SEAL:
            msg = "only core.clones makes this token"
            raise SpentTokenError(msg)
        self.message, self.public_key = message, public_key
        self._spent = False

    def spend(self) -> bytes:
        """Hand out the 32 bytes to sign, once.

        Raises:
            SpentTokenError: A second time.
        """
        if self._spent:
            msg = "spent"
            raise SpentTokenError(msg)
        self._spent = True
        return self.message
