"""A backup of one share, what is released of it, and what a drill proves: files that anybody may carry.

The share is sealed under a data key of its own; the data key is sealed to a recovery key, and for a restore to the
transport key of the party's new token. The seal of the share says whose it is and which ceremony ordered it, so no
backup passes for another one, whatever is written around it.

Source: NIST SP 800-38D (AES-GCM), RFC 5869 (HKDF), RFC 2104 (HMAC).
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import json
import os
import secrets
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from core.canonical import canonical_of_codecs, parse, tagged_digest
from core.errors import CoreError
from core.names import ACCOUNT, COUNT, DIGEST, HASH32, SLUG, TIME
from core.schema import Base64Url, Constant, Struct, of, read_struct, write_struct
from signer.errors import BackupError
from signer.recovery.opening_key import fingerprint, seal_data_key

if TYPE_CHECKING:
    from core.records import CeremonyRecord

BACKUP, RELEASED, DRILL = "countersign.backup.v1", "countersign.released.v1", "countersign.drill.v1"
FILE_BYTES = 4 * 1024 * 1024
"""The most that is read of any of these files."""
_NONCE_BYTES, _KEY_BYTES = 12, 32
_SHARE_BYTES = 2 * 1024 * 1024
_WRAPPED = Base64Url(most=1024)


@dataclasses.dataclass(frozen=True, kw_only=True)
class BackupName:
    """Which backup: of whose share of which wallet and epoch, by which ceremony, for which recovery key (SHA-256)."""

    deployment: str = of(DIGEST)
    wallet: str = of(ACCOUNT)
    party: str = of(SLUG)
    epoch: int = of(COUNT)
    ceremony: str = of(DIGEST)
    recovery: str = of(DIGEST)

    @property
    def associated(self) -> bytes:
        """The words that the share's seal is bound to."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(BackupName)}
        return canonical_of_codecs({"kind": BACKUP, **fields})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Backup(BackupName):
    """A share, sealed for a recovery site."""

    kind: str = of(Constant(BACKUP))
    wrapped_key: bytes = of(_WRAPPED)
    nonce: bytes = of(Base64Url(least=_NONCE_BYTES, most=_NONCE_BYTES))
    sealed: bytes = of(Base64Url(most=_SHARE_BYTES))

    @property
    def digest(self) -> str:
        """What journals and evidence name: 64 hex digits."""
        return tagged_digest("backup", canonical_of_codecs(write_struct(self, "backup")))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Released:
    """A backup whose data key was sealed anew, to the transport key (SHA-256) that a restore's ceremony names."""

    kind: str = of(Constant(RELEASED))
    ceremony: str = of(DIGEST)
    transport: str = of(DIGEST)
    wrapped_key: bytes = of(_WRAPPED)
    backup: Backup = of(Struct(lambda: Backup))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Attestation:
    """What a recovery site says after a drill; `proof` is made with the share that it opened."""

    kind: str = of(Constant(DRILL))
    deployment: str = of(DIGEST)
    ceremony: str = of(DIGEST)
    wallet: str = of(ACCOUNT)
    party: str = of(SLUG)
    epoch: int = of(COUNT)
    backup: str = of(DIGEST)
    recovery: str = of(DIGEST)
    time: int = of(TIME)
    proof: bytes = of(HASH32)

    @property
    def statement(self) -> bytes:
        """All that the proof is about."""
        fields = write_struct(self, "attestation")
        del fields["proof"]
        return canonical_of_codecs(fields)

    @property
    def digest(self) -> str:
        """What a journal names: 64 hex digits."""
        return tagged_digest("drill", canonical_of_codecs(write_struct(self, "attestation")))


def wipe(buffer: bytearray) -> None:
    """Overwrite what nobody needs any more."""
    buffer[:] = bytes(len(buffer))


def seal_backup(name: BackupName, public_key: bytes, clear: bytearray) -> Backup:
    """Seal a share to a recovery key.

    Args:
        name: What it is.
        public_key: The recovery key, SubjectPublicKeyInfo.
        clear: The share; left for the caller to wipe.

    Raises:
        BackupError: If that is no key to seal to, or not the one that the name says.
    """
    if fingerprint(public_key) != name.recovery:
        raise BackupError("the backup names another recovery key")
    data_key, nonce = bytearray(secrets.token_bytes(_KEY_BYTES)), os.urandom(_NONCE_BYTES)
    try:
        wrapped = seal_data_key(public_key, data_key)
        sealed = AESGCM(data_key).encrypt(nonce, clear, name.associated)
    finally:
        wipe(data_key)
    return Backup(**dataclasses.asdict(name), kind=BACKUP, wrapped_key=wrapped, nonce=nonce, sealed=sealed)


def open_sealed(backup: Backup, data_key: bytearray) -> bytearray:
    """Open a backup with its data key; whoever asked wipes what comes out.

    Raises:
        BackupError: If it was changed, or the key is another's.
    """
    try:
        return bytearray(AESGCM(data_key).decrypt(backup.nonce, backup.sealed, backup.associated))
    except InvalidTag as error:
        raise BackupError("this backup does not open: it was changed, or its data key is another's") from error


def check_about(name: BackupName, record: CeremonyRecord, deployment: str) -> None:
    """Refuse a backup that a ceremony is not about.

    Raises:
        BackupError: Naming what differs.
    """
    if name.deployment != deployment:
        raise BackupError("this backup is of another deployment")
    if name.wallet != record.wallet:
        raise BackupError("this backup is of another wallet than the ceremony's")
    if name.party not in record.signers:
        raise BackupError(f"the ceremony is not about a backup of {name.party}")


def drill_proof(clear: bytearray, statement: bytes) -> bytes:
    """Prove that a share was opened to whoever has the same share, and tell nobody else anything.

    Args:
        clear: The share.
        statement: What is said about it.
    """
    key = HKDF(hashes.SHA256(), 32, None, b"countersign/v1/drill").derive(clear)
    return hmac.new(key, statement, hashlib.sha256).digest()


def read_backup(raw: bytes) -> Backup:
    """Read a backup.

    Raises:
        BackupError: If it is cut, changed in its form, or something else.
    """
    try:
        return read_struct(Backup, parse(raw, max_bytes=FILE_BYTES), "backup")
    except CoreError as error:
        raise BackupError(f"this is no backup: {error}") from error


def read_released(raw: bytes) -> Released:
    """Read what a recovery site released.

    Raises:
        BackupError: If it is cut, changed in its form, or something else.
    """
    try:
        return read_struct(Released, parse(raw, max_bytes=FILE_BYTES), "released")
    except CoreError as error:
        raise BackupError(f"this is no released backup: {error}") from error


def as_text(said: Attestation | Backup | Released) -> str:
    """Return what is carried back, as JSON in one line."""
    return json.dumps(write_struct(said, "file"), separators=(",", ":"))
