"""Errors of the signer, and the wire codes for trouble that is no refusal."""

from __future__ import annotations

from enum import StrEnum


class SignerError(Exception):
    """Base of every error that `signer` raises on purpose."""


class ConfigError(SignerError):
    """The state folder, `signer.toml`, the pins or this host's profile do not let the signer start."""


class HsmError(SignerError):
    """The token does not do what was asked, and asking again will not help."""


class HsmUnavailableError(HsmError):
    """The token is away or in trouble, also after one rebuild. Whatever was journalled is signed later."""


class PinError(HsmError):
    """The token refuses the PIN, or warns about it. Never tried again by this process: tokens lock."""


class TokenKeyError(HsmError):
    """The token does not hold this key, or holds it with attributes that it must not have."""


class CheatError(SignerError):
    """A session among parties cannot go on. `culprits`: whom their own signatures convict, if anybody."""

    def __init__(self, message: str, culprits: tuple[str, ...]) -> None:
        """Name whom to blame.

        Args:
            message: One sentence.
            culprits: Roster ids of parties.
        """
        super().__init__(message)
        self.culprits = culprits


class ShareFileError(SignerError):
    """A share's file is missing, damaged, of another wallet, party, epoch or token, or open to others."""


class BackupError(SignerError):
    """A backup is damaged, of something else, or for another recovery key; or its ceremony is about another one."""


class JournalWriteError(SignerError):
    """The disk refused a journal line. What it holds now is unknown, so this process ends and reads it again."""


class RequestError(SignerError):
    """A request that is not understood. `close`: the connection cannot be trusted to be in step any more."""

    def __init__(self, code: str, message: str, *, retry: bool = False) -> None:
        """Keep the wire code.

        Args:
            code: A `core.errors.Refusal` or a `Fault`.
            message: One sentence without payload.
            retry: Whether the same request may succeed later.
        """
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry = retry


class Fault(StrEnum):
    """Wire codes beside `core.errors.Refusal`: the signer says nothing about the case. Never renamed."""

    HSM_UNAVAILABLE = "hsm_unavailable"
    JOURNAL_UNAVAILABLE = "journal_unavailable"
    BUSY = "busy"
    TIMEOUT = "timeout"
    TOO_LARGE = "too_large"
    FORBIDDEN = "forbidden"
    INTERNAL = "internal"
