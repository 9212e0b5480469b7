"""Wallet keys inside the token: how they are made, found again, and held to the attributes that keep them there.

Source: PKCS #11 v2.40 sections 4.8, 4.9 and 2.3 (EC keys, CKM_ECDSA); SEC 2 (secp256k1).
"""

from __future__ import annotations

import dataclasses
import hashlib
import secrets
import struct
from typing import TYPE_CHECKING, cast

from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass
from pkcs11 import exceptions as ck
from pkcs11.attributes import AttributeMapper

from core.errors import EncodingError
from core.evm import PUBLIC_KEY_BYTES, address_of, finish_signature
from signer.errors import TokenKeyError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pkcs11 import Object, PrivateKey, Session
    from pkcs11.types import SignMixin

SECP256K1 = bytes.fromhex("06052b8104000a")
"""DER of the curve's object identifier, 1.3.132.0.10."""
KEY_ID_BYTES = 16
_UNCOMPRESSED = b"\x04"
"""SEC 1: how an uncompressed point begins. DER's octet string begins with the same byte, and its length."""
OCTET_STRING = bytes([0x04, PUBLIC_KEY_BYTES])
"""DER: how a public key begins in CKA_EC_POINT."""
_UNSIGNED_LONG = struct.calcsize("@L")
_MUST_BE = {
    Attribute.SENSITIVE: True,
    Attribute.ALWAYS_SENSITIVE: True,
    Attribute.NEVER_EXTRACTABLE: True,
    Attribute.LOCAL: True,
    Attribute.EXTRACTABLE: False,
    Attribute.SIGN: True,
    Attribute.DECRYPT: False,
    Attribute.UNWRAP: False,
    Attribute.DERIVE: False,
}
"""Imported keys read back ALWAYS_SENSITIVE, NEVER_EXTRACTABLE and LOCAL as false, so this finds them."""
_CLONED = _MUST_BE | {Attribute.NEVER_EXTRACTABLE: False}
"""Of a key that was made together with its clone: what it was made with stays visible for ever."""
_UNWRAPPED = _CLONED | {Attribute.LOCAL: False, Attribute.ALWAYS_SENSITIVE: False}
"""Of the clone itself, in the second token."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class MadeKey:
    """A key that was generated: uncompressed public key, EIP-55 address, CKA_ID."""

    public_key: bytes
    address: str
    key_id: bytes


def attribute_mapper() -> AttributeMapper:
    """Return a mapper that can also read and write CKA_ALLOWED_MECHANISMS."""
    mapper = AttributeMapper()
    pack: Callable[[list[Mechanism]], bytes] = lambda value: b"".join(  # noqa: E731 - a pair of one-liners
        struct.pack("@L", int(mechanism)) for mechanism in value
    )
    unpack: Callable[[bytes], list[int]] = lambda raw: list(  # noqa: E731 - as above
        struct.unpack(f"@{len(raw) // _UNSIGNED_LONG}L", raw)
    )
    mapper.register_handler(Attribute.ALLOWED_MECHANISMS, pack, unpack)
    return mapper


def generate_key(session: Session, label: str) -> MadeKey:
    """Make a wallet key in the token, and look at what was made.

    Args:
        session: Read-write and logged in, with `attribute_mapper`.
        label: For people; nothing relies on it.

    Raises:
        TokenKeyError: If the token did not make what was asked for.
    """
    domain = session.create_domain_parameters(KeyType.EC, {Attribute.EC_PARAMS: SECP256K1}, local=True)
    key_id = secrets.token_bytes(KEY_ID_BYTES)
    public, _ = domain.generate_keypair(
        store=True,
        id=key_id,
        label=label,
        capabilities=MechanismFlag.SIGN | MechanismFlag.VERIFY,
        private_template={
            Attribute.SENSITIVE: True,
            Attribute.EXTRACTABLE: False,
            Attribute.MODIFIABLE: False,
            Attribute.COPYABLE: False,
            Attribute.DERIVE: False,
            Attribute.ALLOWED_MECHANISMS: [Mechanism.ECDSA],
        },
    )
    point = public_point(public)
    find_key(session, point)
    return MadeKey(public_key=point, address=address_of(point), key_id=key_id)


def public_point(public: Object) -> bytes:
    """Return a public key object's point, which modules give as a DER octet string or bare.

    Raises:
        TokenKeyError: If it is neither.
    """
    raw = bytes(public[Attribute.EC_POINT])
    if raw[:2] == OCTET_STRING:
        raw = raw[2:]
    if len(raw) != PUBLIC_KEY_BYTES or raw[:1] != _UNCOMPRESSED:
        raise TokenKeyError("the token shows a public key that is no uncompressed point")
    return raw


def list_points(session: Session) -> list[bytes]:
    """Return the public keys on secp256k1 that the token shows."""
    found = session.get_objects({Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.KEY_TYPE: KeyType.EC})
    return [public_point(key) for key in list(found) if bytes(key[Attribute.EC_PARAMS]) == SECP256K1]


def find_key(session: Session, public_key: bytes, *, cloned: bool = False) -> PrivateKey:
    """Return the private key that belongs to a public key; there must be exactly one, locked into the token.

    Args:
        session: Logged in, with `attribute_mapper`.
        public_key: Uncompressed, 65 bytes.
        cloned: Whether a ceremony made it together with a clone; else it must never have been extractable.

    Raises:
        TokenKeyError: Saying which attribute is wrong.
    """
    publics = list(session.get_objects({Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.KEY_TYPE: KeyType.EC}))
    ids = [
        bytes(key[Attribute.ID])
        for key in publics
        if bytes(key[Attribute.EC_PARAMS]) == SECP256K1 and public_point(key) == public_key
    ]
    if len(ids) != 1:
        raise TokenKeyError(f"{len(ids)} public keys in the token are {address_of(public_key)}, one is expected")
    # CKA_ID is not unique by itself: two keys under one id would make it a matter of luck which one signs.
    keys = list(session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.ID: ids[0]}))
    if len(keys) != 1:
        raise TokenKeyError(f"{len(keys)} private keys have the id of {address_of(public_key)}, one is expected")
    check_private_key(keys[0], cloned=cloned)
    return cast("PrivateKey", keys[0])


def destroy_key(session: Session, public_key: bytes) -> None:
    """Destroy every private key of a public key, then the public key.

    Raises:
        TokenKeyError: If the token keeps any of them.
    """

    def publics() -> list[Object]:
        found = session.get_objects({Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.KEY_TYPE: KeyType.EC})
        return [
            key
            for key in list(found)
            if bytes(key[Attribute.EC_PARAMS]) == SECP256K1 and public_point(key) == public_key
        ]

    for public in publics():
        private = {Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.ID: bytes(public[Attribute.ID])}
        for key in list(session.get_objects(private)):
            key.destroy()
        if list(session.get_objects(private)):
            raise TokenKeyError(f"the token keeps the private key of {address_of(public_key)}")
        # Last: by it, whoever was stopped in between finds the rest.
        public.destroy()
    if publics():
        raise TokenKeyError(f"the token keeps the public key {address_of(public_key)}")


def check_private_key(key: Object, *, cloned: bool) -> None:
    """Refuse a wallet's private key that is not locked into the token, or not made as its policy says.

    Args:
        key: The private key object.
        cloned: Whether a ceremony made it together with a clone.

    Raises:
        TokenKeyError: Naming the attribute.
    """
    if not cloned:
        check_locked(key, KeyType.EC, Mechanism.ECDSA)
        return
    if _read(key, Attribute.NEVER_EXTRACTABLE) is not False:
        raise TokenKeyError("the policy names a clone of this key, but it could never leave its token")
    wanted = _CLONED if _read(key, Attribute.LOCAL) is True else _UNWRAPPED
    check_locked(key, KeyType.EC, Mechanism.ECDSA, wanted)


def check_locked(
    key: Object, kind: KeyType, mechanism: Mechanism, attributes: Mapping[Attribute, bool] = _MUST_BE
) -> None:
    """Refuse a private key that could have left the token, or that serves more than one mechanism.

    Args:
        key: The private key object.
        kind: What type of key it must be.
        mechanism: The only one that it may allow.
        attributes: What it has to be.

    Raises:
        TokenKeyError: Naming the attribute.
    """
    for attribute, wanted in attributes.items():
        if _read(key, attribute) is not wanted:
            raise TokenKeyError(f"the private key's {attribute.name} is not {wanted}")
    if _read(key, Attribute.KEY_TYPE) != kind:
        raise TokenKeyError(f"the private key is no {kind.name} key")
    if _read(key, Attribute.ALLOWED_MECHANISMS) != [int(mechanism)]:
        raise TokenKeyError(f"the private key allows other mechanisms than {mechanism.name}")


def _read(key: Object, attribute: Attribute) -> object:
    try:
        value: object = key[attribute]
    except (ck.AttributeTypeInvalid, ck.AttributeSensitive) as error:
        raise TokenKeyError(f"the token does not say {attribute.name}") from error
    return value


def extractable(session: Session) -> list[str]:
    """Return the labels of the private and secret keys that could leave the token."""
    kinds = (ObjectClass.PRIVATE_KEY, ObjectClass.SECRET_KEY)
    found = [
        key
        for kind in kinds
        for key in list(session.get_objects({Attribute.CLASS: kind, Attribute.EXTRACTABLE: True}))
    ]
    return [ascii(_read(key, Attribute.LABEL))[:80] for key in found]


def check_signs(key: PrivateKey, public_key: bytes) -> None:
    """Refuse a private key that does not sign for a public key.

    Raises:
        TokenKeyError: As said.
    """
    # Not a payload: no transaction hashes to it, because it is a SHA-256 under a tag of our own.
    probe = hashlib.sha256(b"countersign/v1/key-self-test\0" + public_key).digest()
    try:
        finish_signature(probe, sign_digest(key, probe), public_key)
    except EncodingError as error:
        raise TokenKeyError("the private key does not sign for its public key") from error


def sign_digest(key: PrivateKey, digest: bytes) -> bytes:
    """Return r ‖ s over a digest. Only `signer.hsm` calls it, which has checked the length."""
    # Key objects get their operations from the template; the type stubs do not say so.
    return bytes(cast("SignMixin", key).sign(digest, mechanism=Mechanism.ECDSA))
