"""What the two tokens do when a key is made together with its clone.

The first token makes the key as a session object, which no other process sees and which ends with this one, so that a
run that is killed leaves nothing extractable anywhere. It is wrapped under an AES key, also of this session, and that
under the second token's transport key. Then it stops being extractable, for ever, and only
then becomes a token object.

The second token unwraps into session objects that are not extractable, and keeps the key once it has signed as the
public key says.

Source: PKCS #11 v2.40, base specification sections 4.4 (session objects) and 4.9 (CKA_EXTRACTABLE goes to false and
never back), current mechanisms 2.1.8 (CKM_RSA_PKCS_OAEP) and 2.14 (CKM_AES_KEY_WRAP_PAD); measured with SoftHSM 2.6.1
in ADR 26.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, cast

from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass
from pkcs11 import exceptions as ck
from pkcs11.constants import DEFAULT

from signer.errors import BackupError, TokenKeyError
from signer.recovery.opening_key import OAEP_SHA1, read_public_key
from signer.token_keys import (
    KEY_ID_BYTES,
    OCTET_STRING,
    SECP256K1,
    check_private_key,
    check_signs,
    public_point,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from pkcs11 import Object, PrivateKey, PublicKey, Session
    from pkcs11.types import UnwrapMixin, WrapMixin

    from signer.clones.kept import CloneFile

_AES_BITS = 256
_OAEP = cast("bytes", OAEP_SHA1)
"""Not bytes: the library takes three values for OAEP, and its type stubs do not say so."""
_SIGNING = {
    Attribute.SENSITIVE: True,
    Attribute.DERIVE: False,
    Attribute.SIGN_RECOVER: False,
    Attribute.ALLOWED_MECHANISMS: [Mechanism.ECDSA],
}
_REFUSED = (
    ck.ArgumentsBad,
    ck.EncryptedDataInvalid,
    ck.EncryptedDataLenRange,
    ck.FunctionFailed,
    ck.GeneralError,
    ck.WrappedKeyInvalid,
    ck.WrappedKeyLenRange,
)


def make_clonable(
    session: Session,
    label: str,
    transport: bytes,
    keep: Callable[[bytes, bytes, bytes], None],
    at: Callable[[str], None],
) -> bytes:
    """Make a key in the first token, hand out what the second token needs of it, and lock it in.

    Args:
        session: Logged in, with `attribute_mapper`.
        label: By which a later run finds the key.
        transport: The second token's transport key, SubjectPublicKeyInfo.
        keep: Takes public key, wrapped AES key and wrapped key, durably, before the token keeps the key.
        at: Failpoints.

    Returns:
        The public key, uncompressed.

    Raises:
        BackupError: If nothing can be wrapped to that transport key.
        TokenKeyError: If the token did not do what was asked.
    """
    public, private = _session_pair(session, label)
    made: list[Object] = [public, private]
    try:
        point = public_point(public)
        aes = session.generate_key(
            KeyType.AES,
            _AES_BITS,
            store=False,
            capabilities=MechanismFlag.WRAP,
            template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: True},
        )
        made.append(aes)
        at("signer.clone_made")
        wrapped = bytes(_wraps(aes).wrap_key(private, mechanism=Mechanism.AES_KEY_WRAP_PAD))
        wrapping = _wrapping_key(session, transport)
        made.append(wrapping)
        wrapped_aes = bytes(_wraps(wrapping).wrap_key(aes, mechanism=Mechanism.RSA_PKCS_OAEP, mechanism_param=_OAEP))
        aes.destroy()
        made.remove(aes)
        private[Attribute.EXTRACTABLE] = False
        at("signer.clone_wrapped")
        keep(point, wrapped_aes, wrapped)
        at("signer.clone_written")
        _lock_in(public, private)
        at("signer.clone_locked")
    finally:
        for one in made:
            one.destroy()
    return point


def _wraps(key: Object) -> WrapMixin:
    # Key objects get their operations from the template; the type stubs do not say so.
    return cast("WrapMixin", key)


def _unwraps(key: Object) -> UnwrapMixin:
    return cast("UnwrapMixin", key)


def _session_pair(session: Session, label: str) -> tuple[PublicKey, PrivateKey]:
    domain = session.create_domain_parameters(KeyType.EC, {Attribute.EC_PARAMS: SECP256K1}, local=True)
    return domain.generate_keypair(
        store=False,
        id=secrets.token_bytes(KEY_ID_BYTES),
        label=label,
        capabilities=MechanismFlag.SIGN | MechanismFlag.VERIFY,
        private_template={**_SIGNING, Attribute.EXTRACTABLE: True},
    )


def _wrapping_key(session: Session, transport: bytes) -> PublicKey:
    numbers = read_public_key(transport).public_numbers()
    made = session.create_object(
        {
            Attribute.CLASS: ObjectClass.PUBLIC_KEY,
            Attribute.KEY_TYPE: KeyType.RSA,
            Attribute.TOKEN: False,
            Attribute.MODULUS: numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8, "big"),
            Attribute.PUBLIC_EXPONENT: numbers.e.to_bytes(3, "big"),
            Attribute.WRAP: True,
            Attribute.ENCRYPT: False,
            Attribute.VERIFY: False,
        }
    )
    return cast("PublicKey", made)


def _lock_in(public: Object, private: Object) -> None:
    """Keep a session's key pair in the token: the private key first, and it must not be extractable any more."""
    kept = private.copy({Attribute.TOKEN: True, Attribute.MODIFIABLE: False})
    try:
        check_private_key(kept, cloned=True)
    except TokenKeyError:
        kept.destroy()
        raise
    public.copy({Attribute.TOKEN: True})


def take_clone(
    session: Session, label: str, transport: PrivateKey, clone: CloneFile, at: Callable[[str], None]
) -> None:
    """Unwrap a clone at the second token, see that it signs as its public key says, and keep it.

    Args:
        session: Logged in, with `attribute_mapper`.
        label: By which the key is found again.
        transport: The transport key's private half.
        clone: The file.
        at: Failpoints.

    Raises:
        BackupError: If it does not open, or is another key.
        TokenKeyError: If the token holds it as it must not.
    """
    made: list[Object] = []
    try:
        private = _opened(label, transport, clone, made)
        try:
            check_signs(private, clone.public_key)
        except TokenKeyError as error:
            raise BackupError("this clone is of another key than it says") from error
        public = session.create_object(
            {
                Attribute.CLASS: ObjectClass.PUBLIC_KEY,
                Attribute.KEY_TYPE: KeyType.EC,
                Attribute.TOKEN: False,
                Attribute.EC_PARAMS: SECP256K1,
                Attribute.EC_POINT: OCTET_STRING + clone.public_key,
                Attribute.ID: bytes(private[Attribute.ID]),
                Attribute.LABEL: label,
                Attribute.VERIFY: True,
            }
        )
        made.append(public)
        at("clone.unwrapped")
        _lock_in(public, private)
        at("clone.locked")
    finally:
        for one in made:
            one.destroy()


def _opened(label: str, transport: PrivateKey, clone: CloneFile, made: list[Object]) -> PrivateKey:
    """Unwrap a clone into session objects, each of which joins `made`."""
    try:
        aes = _unwraps(transport).unwrap_key(
            ObjectClass.SECRET_KEY,
            KeyType.AES,
            clone.wrapped_key,
            store=False,
            mechanism=Mechanism.RSA_PKCS_OAEP,
            mechanism_param=_OAEP,
            capabilities=MechanismFlag.UNWRAP,
            template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False},
        )
        made.append(aes)
        private = _unwrapped(aes, label, clone.wrapped)
        made.append(private)
    except _REFUSED as error:
        raise BackupError("this clone does not open: it was changed, or wrapped to another key") from error
    return private


def _unwrapped(aes: Object, label: str, wrapped: bytes) -> PrivateKey:
    # The library would say of a private key that it does not encrypt, wrap or verify: SoftHSM refuses to be told.
    unsaid = {Attribute.ENCRYPT: DEFAULT, Attribute.WRAP: DEFAULT, Attribute.VERIFY: DEFAULT}
    made = _unwraps(aes).unwrap_key(
        ObjectClass.PRIVATE_KEY,
        KeyType.EC,
        wrapped,
        id=secrets.token_bytes(KEY_ID_BYTES),
        label=label,
        store=False,
        mechanism=Mechanism.AES_KEY_WRAP_PAD,
        capabilities=MechanismFlag.SIGN,
        template={**unsaid, **_SIGNING, Attribute.EXTRACTABLE: False, Attribute.PRIVATE: True},
    )
    return cast("PrivateKey", made)


def labelled(session: Session, label: str) -> tuple[list[Object], list[Object]]:
    """Return the private and the public key objects under a label in the token."""
    found = (
        list(session.get_objects({Attribute.CLASS: kind, Attribute.LABEL: label, Attribute.TOKEN: True}))
        for kind in (ObjectClass.PRIVATE_KEY, ObjectClass.PUBLIC_KEY)
    )
    private, public = found
    return private, public


def discard(session: Session, label: str) -> None:
    """Destroy what a run that was stopped left under a label: a key that nobody was told of.

    Raises:
        TokenKeyError: If the token keeps it.
    """
    for kind in labelled(session, label):
        for one in kind:
            one.destroy()
    if any(labelled(session, label)):
        raise TokenKeyError(f"the token keeps the key {label!r}")
