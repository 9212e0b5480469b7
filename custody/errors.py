"""Errors of the custody app."""

from __future__ import annotations


class CustodyError(Exception):
    """Base of every error of this app."""


class JobInputError(CustodyError):
    """What was handed over does not belong together, or names a wallet that custody does not hold."""


class JobMissingError(CustodyError):
    """There is no job for this intent, or it is not far enough."""


class LeaseLostError(CustodyError):
    """Another worker has taken the job over: what this one was about to write is not written."""


class LaneError(CustodyError):
    """The nonce lane does not fit what the chain or the signer says; a person has to look."""


class SignerWaitsError(CustodyError):
    """The signer gave no decision: unreachable, its HSM in trouble, halted. The case waits and is asked again."""

    def __init__(self, code: str, message: str) -> None:
        """Keep a code for machines beside the sentence for people."""
        super().__init__(message)
        self.code = code
        self.message = message


class SignerAnswerError(SignerWaitsError):
    """The answer is not what a signer may answer. Nothing of it is used."""


class KeyInputError(CustodyError):
    """There is no such key, or a reason or piece of evidence is missing or cannot be stored."""


class KeyBusyError(CustodyError):
    """Cases are under way that the key would still have to sign."""


class CeremonyError(CustodyError):
    """Base of what is wrong with a ceremony."""


class CeremonyMissingError(CeremonyError):
    """There is no such ceremony."""


class CeremonyRefusedError(CeremonyError):
    """It is not possible with this ceremony; the message says why, and what to do. `code` is for machines."""

    def __init__(self, code: str, message: str) -> None:
        """Keep a code for machines beside the sentence for people."""
        super().__init__(message)
        self.code = code
        self.message = message
