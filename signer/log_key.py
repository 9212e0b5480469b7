"""The log's own key inside the token: Ed25519, made there, never leaving it.

Source: PKCS #11 v3.0 sections 2.3.5 and 2.3.14 (Edwards keys, CKM_EDDSA), RFC 8032.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass

from signer.errors import TokenKeyError
from signer.token_keys import check_locked

if TYPE_CHECKING:
    from pkcs11 import PrivateKey, Session
    from pkcs11.types import SignMixin

    from core.checkpoint import Checkpoint
    from signer.hsm import Hsm

ED25519 = bytes.fromhex("06032b6570")
"""DER of the curve's object identifier, 1.3.101.112."""
LABEL = "countersign log"
_POINT = b"\x04\x20"
_KEY_BYTES = 32


class LogKey:
    """The one key with which a log signer signs checkpoints, and nothing else."""

    def __init__(self, hsm: Hsm) -> None:
        """Find the key.

        Raises:
            TokenKeyError: If there is not exactly one, or it could have left the token.
            HsmUnavailableError: If the token is away.
        """
        self._hsm = hsm
        self.public = hsm.run(lambda session: _public(session)[0])
        hsm.run(_private)

    def sign(self, checkpoint: Checkpoint) -> bytes:
        """Sign a checkpoint's note, the only thing that this key signs; checked before it is returned.

        Raises:
            TokenKeyError: If the token signed with another key.
            HsmUnavailableError: If the token is away.
        """
        message = checkpoint.note()

        def work(session: Session) -> bytes:
            key = cast("SignMixin", _private(session))
            return bytes(key.sign(message, mechanism=Mechanism.EDDSA))

        signature = self._hsm.run(work)
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except InvalidSignature as error:
            raise TokenKeyError("the token signed with another key than the log's") from error
        return signature


def make_log_key(hsm: Hsm) -> bytes:
    """Make the log's key, and return its public half, 32 bytes; the one that is there is kept.

    Raises:
        TokenKeyError: If the token did not make what was asked for.
        HsmUnavailableError: If the token is away.
    """

    def work(session: Session) -> bytes:
        if not list(session.get_objects({Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.LABEL: LABEL})):
            _generate(session)
        return _public(session)[0]

    public = hsm.run(work)
    hsm.run(_private)
    return public


def _generate(session: Session) -> None:
    domain = session.create_domain_parameters(KeyType.EC_EDWARDS, {Attribute.EC_PARAMS: ED25519}, local=True)
    domain.generate_keypair(
        store=True,
        id=secrets.token_bytes(16),
        label=LABEL,
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


def _public(session: Session) -> tuple[bytes, bytes]:
    """Return the public key and its id."""
    found = list(session.get_objects({Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.LABEL: LABEL}))
    if len(found) != 1:
        raise TokenKeyError(f"{len(found)} keys of a log in the token, one is expected")
    raw = bytes(found[0][Attribute.EC_POINT])
    point = raw[len(_POINT) :] if raw[: len(_POINT)] == _POINT else raw
    if len(point) != _KEY_BYTES or bytes(found[0][Attribute.EC_PARAMS]) != ED25519:
        raise TokenKeyError("the log's key is no Ed25519 key")
    return point, bytes(found[0][Attribute.ID])


def _private(session: Session) -> PrivateKey:
    _, key_id = _public(session)
    found = list(session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.ID: key_id}))
    if len(found) != 1:
        raise TokenKeyError(f"{len(found)} private keys have the log's id, one is expected")
    check_locked(found[0], KeyType.EC_EDWARDS, Mechanism.EDDSA)
    return cast("PrivateKey", found[0])
