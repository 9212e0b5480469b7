"""Leases: what a witness says to one signer for a few minutes, and proofs that the log holds what a case rests on."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from core.documents.base import Document
from core.documents.consent import Decision
from core.names import DIGEST, HASH32, SLUG
from core.schema import Base64Url, Choice, HexData, Integer, Items, Struct, of

HALTS_MOST, VETOES_MOST = 256, 1024
"""How many of each a lease can name. A witness takes no more than these."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class NamedVeto:
    """Somebody rejected or withdrew from a document (its digest)."""

    subject: str = of(DIGEST)
    actor: str = of(SLUG)
    decision: Decision = of(Choice(Decision))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lease(Document):
    """What one witness knows, said to one signer over its own fresh challenge.

    `header.created` is the witness's time and `header.expires` when the lease ends. `journal_size` and `journal_root`
    are the authority records of the signer's journal at the challenge (RFC 9162): they continue all that this witness
    saw of it before. `policy` is the newest policy that the witness was handed, also while it waits. `halts` are
    those in force for this signer, `vetoes` rejections and withdrawals that count.
    """

    TYPE: ClassVar[str] = "lease"

    witness: str = of(SLUG)
    signer: str = of(SLUG)
    challenge: bytes = of(HASH32)
    journal_size: int = of(Integer(least=1))
    journal_root: bytes = of(HASH32)
    policy: str = of(DIGEST)
    halts: tuple[str, ...] = of(Items(DIGEST, most=HALTS_MOST))
    vetoes: tuple[NamedVeto, ...] = of(Items(Struct(lambda: NamedVeto), most=VETOES_MOST))


@dataclasses.dataclass(frozen=True, kw_only=True)
class SignedLease:
    """A lease with its witness's Ed25519 signature over the digest's 32 bytes."""

    document: Lease = of(Struct(lambda: Lease))
    signature: bytes = of(HexData(most=64, exact=True))


@dataclasses.dataclass(frozen=True, kw_only=True)
class LoggedEntry:
    """An entry of the audit log as its leaf is made of it, its place (from 0), and its path (RFC 9162)."""

    entry: bytes = of(Base64Url(most=128 * 1024))
    index: int = of(Integer())
    path: tuple[bytes, ...] = of(Items(HASH32, most=64))


@dataclasses.dataclass(frozen=True, kw_only=True)
class LogProof:
    """Entries with the checkpoint that all of them are proven under: a C2SP signed note."""

    checkpoint: bytes = of(Base64Url(most=64 * 1024))
    entries: tuple[LoggedEntry, ...] = of(Items(Struct(lambda: LoggedEntry), most=129))
