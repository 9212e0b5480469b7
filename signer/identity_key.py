"""An Ed25519 key inside the token by which a process is known: made there, never leaving it, of one purpose.

Source: PKCS #11 v3.0 sections 2.3.5 and 2.3.14 (Edwards keys, CKM_EDDSA), RFC 8032.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, cast

from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass

from core.ed25519 import is_signed
from signer.errors import TokenKeyError
from signer.token_keys import check_locked

if TYPE_CHECKING:
    from pkcs11 import PrivateKey, Session
    from pkcs11.types import SignMixin

    from signer.hsm import Hsm

ED25519 = bytes.fromhex("06032b6570")
"""DER of the curve's object identifier, 1.3.101.112."""
_POINT = b"\x04\x20"
_KEY_BYTES = 32


class IdentityKey:
    """The one key of its label in a token. Whoever owns one says which messages it signs, and no others."""

    def __init__(self, hsm: Hsm, label: str) -> None:
        """Find the key.

        Raises:
            TokenKeyError: If there is not exactly one, or it could have left the token.
            HsmUnavailableError: If the token is away.
        """
        self._hsm = hsm
        self._label = label
        self.public = hsm.run(lambda session: _public(session, label)[0])
        hsm.run(lambda session: _private(session, label))

    def sign(self, message: bytes) -> bytes:
        """Sign a message; checked before it is returned.

        Raises:
            TokenKeyError: If the token signed with another key.
            HsmUnavailableError: If the token is away.
        """

        def work(session: Session) -> bytes:
            key = cast("SignMixin", self._hsm.found(self._label, lambda one: _private(one, self._label), session))
            return bytes(key.sign(message, mechanism=Mechanism.EDDSA))

        signature = self._hsm.run(work)
        if not is_signed(self.public, signature, message):
            raise TokenKeyError(f"the token signed with another key than {self._label!r}")
        return signature


def make_identity_key(hsm: Hsm, label: str) -> bytes:
    """Make the key of a label, and return its public half, 32 bytes; the one that is there is kept.

    Raises:
        TokenKeyError: If the token did not make what was asked for.
        HsmUnavailableError: If the token is away.
    """

    def work(session: Session) -> bytes:
        if not list(session.get_objects({Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.LABEL: label})):
            _generate(session, label)
        return _public(session, label)[0]

    public = hsm.run(work)
    hsm.run(lambda session: _private(session, label))
    return public


def _generate(session: Session, label: str) -> None:
    domain = session.create_domain_parameters(KeyType.EC_EDWARDS, {Attribute.EC_PARAMS: ED25519}, local=True)
    domain.generate_keypair(
        store=True,
        id=secrets.token_bytes(16),
        label=label,
        capabilities=MechanismFlag.SIGN | MechanismFlag.VERIFY,
        private_template={
            Attribute.SENSITIVE: True,
            Attribute.EXTRACTABLE: False,
            Attribute.MODIFIABLE: False,
            Attribute.COPYABLE: False,
            Attribute.DERIVE: False,
            Attribute.ALLOWED_MECHANISMS: [Mechanism.EDDSA],
        },
    )


def _public(session: Session, label: str) -> tuple[bytes, bytes]:
    """Return the public key and its id."""
    found = list(session.get_objects({Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.LABEL: label}))
    if len(found) != 1:
        raise TokenKeyError(f"{len(found)} keys {label!r} in the token, one is expected")
    raw = bytes(found[0][Attribute.EC_POINT])
    point = raw[len(_POINT) :] if raw[: len(_POINT)] == _POINT else raw
    if len(point) != _KEY_BYTES or bytes(found[0][Attribute.EC_PARAMS]) != ED25519:
        raise TokenKeyError(f"the key {label!r} is no Ed25519 key")
    return point, bytes(found[0][Attribute.ID])


def _private(session: Session, label: str) -> PrivateKey:
    _, key_id = _public(session, label)
    found = list(session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.ID: key_id}))
    if len(found) != 1:
        raise TokenKeyError(f"{len(found)} private keys have the id of {label!r}, one is expected")
    check_locked(found[0], KeyType.EC_EDWARDS, Mechanism.EDDSA)
    return cast("PrivateKey", found[0])
