"""Keys that data keys are sealed to: made in a token to open and do nothing else, and read strictly from outside."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass

from signer.errors import BackupError, TokenKeyError
from signer.recovery.opening_key import (
    RECOVERY,
    TRANSPORT,
    OpeningKey,
    destroy_opening_key,
    holds_opening_key,
    make_opening_key,
    read_public_key,
    seal_data_key,
)

if TYPE_CHECKING:
    from pkcs11 import Session

    from tests.signer.rig import Rig


def spki(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey, encoding: Encoding = Encoding.DER) -> bytes:
    return key.public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)


def test_what_is_sealed_opens_in_its_token_only(unpinned: Rig) -> None:
    with unpinned.hsm() as hsm:
        public = make_opening_key(hsm, RECOVERY)
        assert make_opening_key(hsm, RECOVERY) == public
        other = make_opening_key(hsm, TRANSPORT)
        key, data_key = OpeningKey(hsm, RECOVERY), bytearray(os.urandom(32))
        sealed = seal_data_key(public, data_key)
        assert key.open(sealed) == data_key
        spoiled = (
            seal_data_key(other, data_key),
            seal_data_key(public, bytearray(31)),
            *(sealed[:-1], sealed + b"\0", sealed[:-1] + bytes([sealed[-1] ^ 1]), b"", bytes(len(sealed))),
        )
        for wrong in spoiled:
            with pytest.raises(BackupError):
                key.open(wrong)
        # And after all of it the right one still opens.
        assert key.open(sealed) == data_key


def test_it_opens_and_does_nothing_else(unpinned: Rig) -> None:
    def attributes(session: Session) -> list[object]:
        (key,) = session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.LABEL: RECOVERY})
        wanted = (Attribute.EXTRACTABLE, Attribute.NEVER_EXTRACTABLE, Attribute.SENSITIVE, Attribute.LOCAL)
        return [key[one] for one in (*wanted, Attribute.SIGN, Attribute.UNWRAP, Attribute.ALLOWED_MECHANISMS)]

    with unpinned.hsm() as hsm:
        make_opening_key(hsm, RECOVERY)
        allowed = [int(Mechanism.RSA_PKCS_OAEP)]
        assert hsm.run(attributes) == [False, True, True, True, False, False, allowed]
        assert holds_opening_key(hsm, RECOVERY)
        assert destroy_opening_key(hsm, RECOVERY) == 2
        assert destroy_opening_key(hsm, RECOVERY) == 0
        assert not holds_opening_key(hsm, RECOVERY)
        with pytest.raises(TokenKeyError, match="0 keys"):
            OpeningKey(hsm, RECOVERY)


def test_a_key_that_could_do_more_is_not_used(unpinned: Rig) -> None:
    def generate(session: Session) -> None:
        session.generate_keypair(
            KeyType.RSA,
            3072,
            store=True,
            id=b"x" * 16,
            label=RECOVERY,
            capabilities=MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT | MechanismFlag.SIGN | MechanismFlag.VERIFY,
            private_template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: True},
        )

    with unpinned.hsm() as hsm:
        hsm.run(generate)
        with pytest.raises(TokenKeyError, match="is not"):
            OpeningKey(hsm, RECOVERY)


def test_only_strong_rsa_keys_in_one_spelling_are_sealed_to() -> None:
    good = rsa.generate_private_key(65537, 3072).public_key()
    assert spki(read_public_key(spki(good))) == spki(good)
    small = rsa.generate_private_key(65537, 2048).public_key()
    curve = ec.generate_private_key(ec.SECP256K1()).public_key()
    three = rsa.RSAPublicNumbers(3, good.public_numbers().n).public_key()
    wrong = (
        *(spki(small), spki(curve), spki(three), spki(good, Encoding.PEM), spki(good) + b"\0", spki(good)[:-1]),
        *(b"", b"\0", b"k" * 400),
    )
    for one in wrong:
        with pytest.raises(BackupError):
            read_public_key(one)
        with pytest.raises(BackupError):
            seal_data_key(one, bytearray(32))
