"""Threshold signatures: a key that nobody ever holds, as state machines over bytes.

Each party drives one session at a time: `start()` gives the first messages as (receiver, bytes), where `None` stands
for all the others; `advance()` takes all messages of one round as (sender, bytes) and gives those of the next, until
`done`; `result()` hands over what came out, once. The first fault ends a session for good.

The messages carry secrets and no proof of who sent them. Whoever carries them has to encrypt each for its receiver,
sign it, and refuse a session's name that was used before. Low s (EIP-2), the recovery id and the check of a signature
against the group's key are done here.

The cryptography is `dkls23-core` (DKLs23, eprint 2023/765), which has had no third-party audit: see mpc/README.md.
"""

from countersign_mpc import (
    MAX_MESSAGE,
    MAX_PARTIES,
    AbortError,
    DkgSession,
    InternalError,
    MessageError,
    MpcError,
    ParameterError,
    RefreshSession,
    SessionError,
    Share,
    ShareError,
    SignSession,
)

__all__ = [
    "MAX_MESSAGE",
    "MAX_PARTIES",
    "AbortError",
    "DkgSession",
    "InternalError",
    "MessageError",
    "MpcError",
    "ParameterError",
    "RefreshSession",
    "SessionError",
    "Share",
    "ShareError",
    "SignSession",
]
