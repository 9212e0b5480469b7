"""The one error base of `core`, and the closed list of reasons for which a signer says no."""

from __future__ import annotations

from enum import StrEnum


class CoreError(Exception):
    """Base of every error that `core` raises on purpose."""


class EncodingError(CoreError):
    """Bytes are not the one canonical encoding that they would have to be."""


class DocumentError(CoreError):
    """A document does not have its declared shape; the message names the field."""


class PolicyError(CoreError):
    """A policy cannot be used; `problems` names every row that has to be mended."""

    def __init__(self, problems: list[str]) -> None:
        """Keep all problems, so that an admin mends them in one go.

        Args:
            problems: One sentence for each wrong row, the row named first.
        """
        super().__init__("; ".join(problems))
        self.problems = problems


class JournalError(CoreError):
    """The journal is missing, broken, rolled back or not this signer's: it does not start."""


class ChainProofError(CoreError):
    """What is said about the chain does not follow from the block hash that it is said of."""


class MerkleError(CoreError):
    """A proof was asked for that a log of this size cannot give, or a stored tree does not fit together."""


class ReceiptError(CoreError):
    """A receipt, or a line of an evidence package, is not what we write."""


class CheckpointError(CoreError):
    """A checkpoint of the log is malformed, another log's, or not signed by whom it has to be."""


class WitnessError(CoreError):
    """A witness does not sign. `status` is the HTTP status of C2SP tlog-witness; the message is the answer's body."""

    def __init__(self, status: int, message: str) -> None:
        """Say why.

        Args:
            status: 400, 403, 404, 409 or 422.
            message: For 409 the size that was seen last; else a sentence.
        """
        super().__init__(message)
        self.status = status


class SpentTokenError(CoreError):
    """A one-shot token was used twice, or before its reservation was journalled."""


class Refusal(StrEnum):
    """Why a signer refuses. Wire codes: never renamed, never reused."""

    MALFORMED = "malformed"
    UNSUPPORTED = "unsupported"
    WRONG_DEPLOYMENT = "wrong_deployment"
    WRONG_SIGNER = "wrong_signer"
    WRONG_POLICY = "wrong_policy"
    POLICY_INVALID = "policy_invalid"
    POLICY_EXPIRED = "policy_expired"
    PROFILE = "profile"
    HALTED = "halted"
    CLOCK = "clock"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    BEFORE_JOURNAL = "before_journal"
    INTENT_MISMATCH = "intent_mismatch"
    UNKNOWN_WALLET = "unknown_wallet"
    WRONG_CHAIN = "wrong_chain"
    MOVEMENTS = "movements"
    NO_ASKER = "no_asker"
    UNKNOWN_PERSON = "unknown_person"
    UNKNOWN_KEY = "unknown_key"
    ASSERTION = "assertion"
    CONSENT_MISMATCH = "consent_mismatch"
    CONSENT_REPLAYED = "consent_replayed"
    COUNTER = "counter"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    DENIED = "denied"
    QUORUM = "quorum"
    NONCE = "nonce"
    INTENT_USED = "intent_used"
    FEES = "fees"
    CANCEL = "cancel"
    SUCCESSION = "succession"
    LOG = "log"
    LEASE = "lease"
    INCLUSION = "inclusion"
    CERTIFICATE = "certificate"
    BEHIND = "behind"
    SESSION = "session"
    FROZEN = "frozen"
    CEREMONY = "ceremony"


class RefusedError(CoreError):
    """The case does not convince. `code` is for machines, the message for people."""

    def __init__(self, code: Refusal, message: str) -> None:
        """Build a typed refusal.

        Args:
            code: The wire code.
            message: What is wrong, in one sentence without secrets.
        """
        super().__init__(message)
        self.code = code
        self.message = message


def require(condition: object, code: Refusal, message: str) -> None:
    """Refuse unless the condition holds (never a bare `assert`: `python -O` drops it).

    Raises:
        RefusedError: With `code` when the condition is false.
    """
    if not condition:
        raise RefusedError(code, message)
