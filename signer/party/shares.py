"""Shares at rest: each under a data key of its own, that one wrapped by a key that never leaves the party's token.

The file names what it is for; the same words are the associated data of both encryptions, so a share of another
deployment, wallet, party or epoch does not open, whatever its file is called.

Source: NIST SP 800-38D (AES-GCM), PKCS #11 v3.0 section 2.12.2 (CKM_AES_GCM).
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import secrets
from typing import TYPE_CHECKING, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pkcs11 import Attribute, GCMParams, KeyType, Mechanism, MechanismFlag, ObjectClass
from pkcs11 import exceptions as ck

from core.canonical import canonical_of_codecs, parse
from core.errors import CoreError
from core.names import ACCOUNT, COUNT, DIGEST, SLUG
from core.schema import Base64Url, Constant, of, read_struct, write_struct
from mpc import Share, ShareError
from signer.config import check_private
from signer.errors import ConfigError, ShareFileError, TokenKeyError
from signer.files import destroy_file, write_new

if TYPE_CHECKING:
    from pathlib import Path

    from pkcs11 import SecretKey, Session
    from pkcs11.types import DecryptMixin, EncryptMixin

    from signer.hsm import Hsm

Stamp = tuple[int, ...]
FOLDER = "shares"
LABEL = "countersign share key"
_NONCE_BYTES, _KEY_BYTES, _TAG_BITS = 12, 32, 128
_FILE_BYTES = 2 * 1024 * 1024
_NONCE = Base64Url(least=_NONCE_BYTES, most=_NONCE_BYTES)
_ONLY = {
    Attribute.SENSITIVE: True,
    Attribute.ALWAYS_SENSITIVE: True,
    Attribute.NEVER_EXTRACTABLE: True,
    Attribute.LOCAL: True,
    Attribute.EXTRACTABLE: False,
    Attribute.WRAP: False,
    Attribute.UNWRAP: False,
    Attribute.SIGN: False,
    Attribute.DERIVE: False,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShareName:
    """Which share: the deployment's genesis, the wallet (CAIP-10), the party's roster id, the epoch."""

    deployment: str = of(DIGEST)
    wallet: str = of(ACCOUNT)
    party: str = of(SLUG)
    epoch: int = of(COUNT)

    @property
    def associated(self) -> bytes:
        """The words that both encryptions are bound to."""
        return canonical_of_codecs({"kind": KIND, **write_struct(self, "share")})

    @property
    def file(self) -> str:
        """The file's name: for people; what is in it decides."""
        return f"{self.deployment[:16]}.{self.wallet.replace(':', '-')}.{self.epoch}.share"


KIND = "countersign.share.v1"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShareFile(ShareName):
    """A share as it lies on disk."""

    kind: str = of(Constant(KIND))
    key_nonce: bytes = of(_NONCE)
    wrapped_key: bytes = of(Base64Url(most=256))
    nonce: bytes = of(_NONCE)
    sealed: bytes = of(Base64Url(most=_FILE_BYTES))


class ShareStore:
    """The shares of one party, in its state folder."""

    def __init__(self, state: Path, hsm: Hsm) -> None:
        """Say where they are and which token opens them."""
        self.folder = state / FOLDER
        self._hsm = hsm
        self._files: dict[str, tuple[Stamp, ShareFile]] = {}

    @property
    def token(self) -> dict[str, str]:
        """What the token says of itself, as it was opened last."""
        return dict(self._hsm.told)

    def keep(self, name: ShareName, share: Share) -> Path:
        """Write a share, durably and never over another.

        Raises:
            ConfigError: If this share's file exists already.
            TokenKeyError: If the token's key is not what it has to be.
            HsmUnavailableError: If the token is away.
        """
        return self.keep_at(self.folder / name.file, name, share)

    def keep_at(self, path: Path, name: ShareName, share: Share) -> Path:
        """Write a share at a place of its own, as `keep`.

        Raises:
            ConfigError: If there is a file.
            TokenKeyError: As `keep`.
            HsmUnavailableError: As `keep`.
        """
        self.folder.mkdir(mode=0o700, exist_ok=True)
        data_key, clear = bytearray(secrets.token_bytes(_KEY_BYTES)), share.serialise()
        key_nonce, nonce = os.urandom(_NONCE_BYTES), os.urandom(_NONCE_BYTES)
        try:
            wrapped = self._hsm.run(lambda session: _wrap(self._key(session), data_key, key_nonce, name.associated))
            sealed = AESGCM(data_key).encrypt(nonce, clear, name.associated)
        finally:
            _wipe(data_key)
            _wipe(clear)
        file = ShareFile(
            **dataclasses.asdict(name),
            kind=KIND,
            key_nonce=key_nonce,
            wrapped_key=wrapped,
            nonce=nonce,
            sealed=sealed,
        )
        write_new(path, canonical_of_codecs(write_struct(file, "share")), mode=0o400)
        return path

    def open(self, name: ShareName) -> Share:
        """Open a share; whoever asked wipes it.

        Raises:
            ShareFileError: If there is none, or it is damaged, another's, or another token's.
            TokenKeyError: If the token's key is not what it has to be.
            HsmUnavailableError: If the token is away.
        """
        return self.open_at(self.folder / name.file, name)

    def open_at(self, path: Path, name: ShareName) -> Share:
        """Open a share that lies at a place of its own, as `open`.

        Raises:
            ShareFileError: As `open`.
            TokenKeyError: As `open`.
            HsmUnavailableError: As `open`.
        """
        file = self._read(path)
        if self.says(path) != name:
            raise ShareFileError(f"{path.name}: holds another share than its name says")
        data_key = self._hsm.run(lambda session: _open_key(self._key(session), file, name.associated))
        # Straight into what can be overwritten: bytes would stay in memory that was given back.
        clear = bytearray(max(0, len(file.sealed) - _TAG_BITS // 8))
        try:
            AESGCM(data_key).decrypt_into(file.nonce, file.sealed, name.associated, clear)
        except InvalidTag as error:
            raise ShareFileError(f"{path.name}: damaged") from error
        finally:
            _wipe(data_key)
        try:
            return Share.load(clear)
        except ShareError as error:
            raise ShareFileError(f"{path.name}: {error}") from error
        finally:
            _wipe(clear)

    def _key(self, session: Session) -> SecretKey:
        return cast("SecretKey", self._hsm.found(LABEL, _key, session))

    def _read(self, path: Path) -> ShareFile:
        """Read a share's file, or remember what it says while it is the very same file. What it says is sealed."""
        try:
            stamp = _stamp(path)
        except OSError as error:
            raise ShareFileError(f"{path.name}: {error}") from error
        known = self._files.get(path.name)
        if known is None or known[0] != stamp:
            known = self._files[path.name] = stamp, _read(path)
        return known[1]

    def says(self, path: Path) -> ShareName:
        """Return whose a file says that it is; only its seal shows that.

        Raises:
            ShareFileError: If it cannot be read.
        """
        file = self._read(path)
        return ShareName(**{field.name: getattr(file, field.name) for field in dataclasses.fields(ShareName)})

    def has(self, name: ShareName) -> bool:
        """Whether a file lies where this share belongs."""
        return (self.folder / name.file).exists()

    def rename(self, before: ShareName, after: ShareName, share: Share) -> None:
        """Seal an open share under another name, and destroy what lay under the one before.

        Raises:
            ConfigError: If the new name is taken.
            HsmError: If the token does not do its part.
        """
        self.keep(after, share)
        self.destroy(before)

    def epochs(self, deployment: str, wallet: str, party: str) -> list[int]:
        """Return the epochs of a wallet whose shares lie here, oldest first.

        Raises:
            ShareFileError: If a file cannot be read.
        """
        if not self.folder.exists():
            return []
        files = [self._read(path) for path in sorted(self.folder.glob("*.share"))]
        return sorted(
            one.epoch for one in files if (one.deployment, one.wallet, one.party) == (deployment, wallet, party)
        )

    def digest(self, name: ShareName) -> str:
        """Return the SHA-256 of a share's file, which tells it from others and opens nothing.

        Raises:
            ShareFileError: If it cannot be read.
        """
        path = self.folder / name.file
        try:
            return hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise ShareFileError(f"{path.name}: {error.strerror}") from error

    def destroy(self, name: ShareName) -> None:
        """Overwrite a share's file and remove it. Without its wrapped key nothing opens what a disk may still hold.

        Raises:
            ShareFileError: If there is none.
        """
        path = self.folder / name.file
        if not path.exists():
            raise ShareFileError(f"{path.name}: there is no such share")
        self._files.pop(path.name, None)
        destroy_file(path)


def _wipe(buffer: bytearray) -> None:
    buffer[:] = bytes(len(buffer))


def _stamp(path: Path) -> Stamp:
    """Return what changes whenever a file does; its owner cannot set the last of them."""
    found = path.lstat()
    return found.st_ino, found.st_mode, found.st_uid, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _read(path: Path) -> ShareFile:
    try:
        check_private(path, most=0o400)
        raw = path.read_bytes()
        return read_struct(ShareFile, parse(raw, max_bytes=_FILE_BYTES * 2), "share")
    except (OSError, ConfigError, CoreError) as error:
        raise ShareFileError(f"{path.name}: {error}") from error


def make_share_key(hsm: Hsm) -> None:
    """Make the key that wraps data keys; the one that is there is kept.

    Raises:
        TokenKeyError: If the token did not make what was asked for.
        HsmUnavailableError: If the token is away.
    """

    def work(session: Session) -> None:
        found = list(session.get_objects({Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.LABEL: LABEL}))
        if not found:
            session.generate_key(
                KeyType.AES,
                _KEY_BYTES * 8,
                store=True,
                id=secrets.token_bytes(16),
                label=LABEL,
                capabilities=MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT,
                template={
                    Attribute.SENSITIVE: True,
                    Attribute.EXTRACTABLE: False,
                    Attribute.MODIFIABLE: False,
                    Attribute.COPYABLE: False,
                    Attribute.WRAP: False,
                    Attribute.UNWRAP: False,
                    Attribute.SIGN: False,
                    Attribute.VERIFY: False,
                    Attribute.DERIVE: False,
                    Attribute.ALLOWED_MECHANISMS: [Mechanism.AES_GCM],
                },
            )
        _key(session)

    hsm.run(work)


def _key(session: Session) -> SecretKey:
    found = list(session.get_objects({Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.LABEL: LABEL}))
    if len(found) != 1:
        raise TokenKeyError(f"{len(found)} keys {LABEL!r} in the token, one is expected")
    key = found[0]
    for attribute, wanted in _ONLY.items():
        if key[attribute] is not wanted:
            raise TokenKeyError(f"the key that wraps shares: {attribute.name} is not {wanted}")
    if key[Attribute.ALLOWED_MECHANISMS] != [int(Mechanism.AES_GCM)]:
        raise TokenKeyError("the key that wraps shares allows other mechanisms than AES_GCM")
    return cast("SecretKey", key)


def _wrap(key: SecretKey, data_key: bytearray, nonce: bytes, associated: bytes) -> bytes:
    able = cast("EncryptMixin", key)
    parameters = GCMParams(nonce, associated, _TAG_BITS)
    return cast("bytes", able.encrypt(bytes(data_key), mechanism=Mechanism.AES_GCM, mechanism_param=parameters))


def _unwrap(key: SecretKey, wrapped: bytes, nonce: bytes, associated: bytes) -> bytearray:
    able = cast("DecryptMixin", key)
    parameters = GCMParams(nonce, associated, _TAG_BITS)
    clear = cast("bytes", able.decrypt(wrapped, mechanism=Mechanism.AES_GCM, mechanism_param=parameters))
    return bytearray(clear)


def _open_key(key: SecretKey, file: ShareFile, associated: bytes) -> bytearray:
    try:
        return _unwrap(key, file.wrapped_key, file.key_nonce, associated)
    except (ck.GeneralError, ck.EncryptedDataInvalid, ck.EncryptedDataLenRange) as error:
        # A token answers to a wrong tag as it does to trouble of its own: only what else works tells them apart.
        _probe(key)
        raise ShareFileError(f"{file.file}: its key does not open: damaged, or of another token") from error


def _probe(key: SecretKey) -> None:
    """See that key and mechanism work on something of our own."""
    nonce, words = os.urandom(_NONCE_BYTES), b"countersign/v1/share-key-probe"
    probe = bytearray(_KEY_BYTES)
    if _unwrap(key, _wrap(key, probe, nonce, words), nonce, words) != probe:
        raise TokenKeyError("the key that wraps shares does not open what it closed")
