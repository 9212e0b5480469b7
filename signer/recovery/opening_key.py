"""An RSA key in a token that opens data keys and does nothing else: a recovery site's, or a restored party's.

A second token's, to which an HSM's key is cloned, does not even do that: it unwraps keys inside the token only.

RSA-OAEP with SHA-1, because that is all that SoftHSM 2.6 offers. OAEP does not rest on SHA-1 resisting collisions.

Source: RFC 8017 section 7.1 (RSAES-OAEP), PKCS #11 v2.40 section 2.1.8 (CKM_RSA_PKCS_OAEP), RFC 5280 section 4.1.2.7.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from typing import TYPE_CHECKING, cast

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from pkcs11 import MGF, Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass
from pkcs11 import exceptions as ck

from signer.errors import BackupError, TokenKeyError

if TYPE_CHECKING:
    from pkcs11 import Object, PrivateKey, PublicKey, Session
    from pkcs11.types import DecryptMixin

    from signer.hsm import Hsm

RECOVERY = "countersign recovery"
"""The label of the key at a recovery site."""
TRANSPORT = "countersign transport"
"""The label of the key by which a party's new token is given its share."""
CLONING = "countersign clone transport"
"""The label of the key to which a clone is wrapped, at the second token."""
KEY_BITS = 3072
_MOST_BITS = 8192
_EXPONENT = 65537
_DATA_KEY_BYTES = 32
_PADDING = OAEP(MGF1(hashes.SHA1()), hashes.SHA1(), None)  # noqa: S303 - see the module's text
OAEP_SHA1 = (Mechanism.SHA_1, MGF.SHA1, None)
"""The same padding as PKCS#11 names it."""
_ONLY = {
    Attribute.SENSITIVE: True,
    Attribute.ALWAYS_SENSITIVE: True,
    Attribute.NEVER_EXTRACTABLE: True,
    Attribute.LOCAL: True,
    Attribute.DECRYPT: True,
    Attribute.EXTRACTABLE: False,
    Attribute.UNWRAP: False,
    Attribute.SIGN: False,
    Attribute.SIGN_RECOVER: False,
    Attribute.DERIVE: False,
}
_UNWRAPS = _ONLY | {Attribute.DECRYPT: False, Attribute.UNWRAP: True}
_REFUSED = (ck.GeneralError, ck.EncryptedDataInvalid, ck.EncryptedDataLenRange, ck.ArgumentsBad, ck.DataInvalid)


_CAPABLE = {
    False: MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT,
    True: MechanismFlag.WRAP | MechanismFlag.UNWRAP,
}
"""What a key does: by whether it is for clones."""


def fingerprint(public_key: bytes) -> str:
    """Return the SHA-256 of a SubjectPublicKeyInfo, 64 hex digits."""
    return hashlib.sha256(public_key).hexdigest()


def read_public_key(public_key: bytes) -> RSAPublicKey:
    """Read a SubjectPublicKeyInfo that a data key may be sealed to.

    Raises:
        BackupError: If it is no RSA key of at least 3072 bits with exponent 65537, or spelled in another way.
    """
    try:
        key = load_der_public_key(public_key)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BackupError("this is no public key (SubjectPublicKeyInfo, DER)") from error
    if not isinstance(key, RSAPublicKey) or not KEY_BITS <= key.key_size <= _MOST_BITS:
        raise BackupError(f"a recovery key is an RSA key of {KEY_BITS} to {_MOST_BITS} bits")
    if key.public_numbers().e != _EXPONENT or _spelled(key) != public_key:
        raise BackupError(f"a recovery key has exponent {_EXPONENT}, in DER")
    return key


def seal_data_key(public_key: bytes, data_key: bytearray) -> bytes:
    """Seal a data key so that only the token with the private half opens it.

    Raises:
        BackupError: As `read_public_key`.
    """
    return read_public_key(public_key).encrypt(bytes(data_key), _PADDING)


def _spelled(key: RSAPublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


class OpeningKey:
    """The one key of its label in a token."""

    def __init__(self, hsm: Hsm, label: str) -> None:
        """Find the key.

        Raises:
            TokenKeyError: If there is not exactly one, or it is not what it has to be.
            HsmUnavailableError: If the token is away.
        """
        self._hsm, self._label = hsm, label
        self.public = hsm.run(lambda session: _public(session, label)[0])
        hsm.run(lambda session: _private(session, label))

    def handle(self, session: Session) -> PrivateKey:
        """Return the private half in a session, for what a token does with it by itself."""
        return cast("PrivateKey", self._hsm.found(self._label, lambda one: _private(one, self._label), session))

    def open(self, sealed: bytes) -> bytearray:
        """Open a data key; whoever asked wipes it.

        Raises:
            BackupError: If it was sealed to another key, or is damaged.
            HsmError: If the token does not do its part.
        """

        def work(session: Session) -> bytearray:
            key = self.handle(session)
            try:
                return _opened(key, sealed)
            except _REFUSED as error:
                # A token answers to a wrong padding as it does to trouble of its own: a probe tells them apart.
                probe = bytearray(os.urandom(_DATA_KEY_BYTES))
                if _opened(key, seal_data_key(self.public, probe)) != probe:
                    raise TokenKeyError("the key does not open what was sealed to it") from error
                raise BackupError("its data key does not open: damaged, or sealed to another key") from error

        opened = self._hsm.run(work)
        if len(opened) != _DATA_KEY_BYTES:
            raise BackupError("its data key is of another length")
        return opened


def _opened(key: PrivateKey, sealed: bytes) -> bytearray:
    able = cast("DecryptMixin", key)
    clear = able.decrypt(sealed, mechanism=Mechanism.RSA_PKCS_OAEP, mechanism_param=OAEP_SHA1)
    return bytearray(cast("bytes", clear))


def make_opening_key(hsm: Hsm, label: str) -> bytes:
    """Make the key of a label and return its SubjectPublicKeyInfo; the one that is there is kept.

    Raises:
        TokenKeyError: If the token did not make what was asked for.
        HsmUnavailableError: If the token is away.
    """

    def work(session: Session) -> None:
        if not _objects(session, ObjectClass.PUBLIC_KEY, label):
            _generate(session, label)

    hsm.run(work)
    return OpeningKey(hsm, label).public


def holds_opening_key(hsm: Hsm, label: str) -> bool:
    """Whether anything is under a label.

    Raises:
        HsmUnavailableError: If the token is away.
    """
    kinds = (ObjectClass.PRIVATE_KEY, ObjectClass.PUBLIC_KEY)
    return hsm.run(lambda session: any(_objects(session, kind, label) for kind in kinds))


def destroy_opening_key(hsm: Hsm, label: str) -> int:
    """Destroy whatever is under a label, and see that it is gone.

    Returns:
        How many objects there were.

    Raises:
        TokenKeyError: If the token keeps any.
        HsmUnavailableError: If the token is away.
    """

    def work(session: Session) -> int:
        kinds = (ObjectClass.PRIVATE_KEY, ObjectClass.PUBLIC_KEY)
        found = [item for kind in kinds for item in _objects(session, kind, label)]
        for item in found:
            item.destroy()
        if any(_objects(session, kind, label) for kind in kinds):
            raise TokenKeyError(f"the token keeps the key {label!r}")
        return len(found)

    return hsm.run(work)


def _objects(session: Session, kind: ObjectClass, label: str) -> list[Object]:
    return list(session.get_objects({Attribute.CLASS: kind, Attribute.LABEL: label}))


def _generate(session: Session, label: str) -> None:
    session.generate_keypair(
        KeyType.RSA,
        KEY_BITS,
        store=True,
        id=secrets.token_bytes(16),
        label=label,
        capabilities=_CAPABLE[label == CLONING],
        private_template={
            Attribute.SENSITIVE: True,
            Attribute.EXTRACTABLE: False,
            Attribute.MODIFIABLE: False,
            Attribute.COPYABLE: False,
            Attribute.UNWRAP: label == CLONING,
            Attribute.SIGN: False,
            Attribute.SIGN_RECOVER: False,
            Attribute.DERIVE: False,
            Attribute.ALLOWED_MECHANISMS: [Mechanism.RSA_PKCS_OAEP],
        },
    )


def _public(session: Session, label: str) -> tuple[bytes, bytes]:
    """Return the SubjectPublicKeyInfo and the key's id."""
    found = _objects(session, ObjectClass.PUBLIC_KEY, label)
    if len(found) != 1:
        raise TokenKeyError(f"{len(found)} keys {label!r} in the token, one is expected")
    key = cast("PublicKey", found[0])
    try:
        numbers = RSAPublicNumbers(
            int.from_bytes(key[Attribute.PUBLIC_EXPONENT], "big"), int.from_bytes(key[Attribute.MODULUS], "big")
        )
        spelled = _spelled(numbers.public_key())
        read_public_key(spelled)
    except (ck.AttributeTypeInvalid, ValueError, BackupError) as error:
        raise TokenKeyError(f"the key {label!r} is not what it has to be: {error}") from error
    return spelled, bytes(key[Attribute.ID])


def _private(session: Session, label: str) -> PrivateKey:
    _, key_id = _public(session, label)
    found = list(session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.ID: key_id}))
    if len(found) != 1:
        raise TokenKeyError(f"{len(found)} private keys have the id of {label!r}, one is expected")
    key = found[0]
    for attribute, wanted in (_UNWRAPS if label == CLONING else _ONLY).items():
        if key[attribute] is not wanted:
            raise TokenKeyError(f"the key {label!r}: {attribute.name} is not {wanted}")
    if key[Attribute.KEY_TYPE] != KeyType.RSA or key[Attribute.ALLOWED_MECHANISMS] != [int(Mechanism.RSA_PKCS_OAEP)]:
        raise TokenKeyError(f"the key {label!r} is of another type, or allows other mechanisms than RSA_PKCS_OAEP")
    return cast("PrivateKey", key)
