"""What comes from elsewhere: enrolled consent keys, and wallet keys that a signer made."""

from __future__ import annotations

import base64
import dataclasses

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from core.canonical import parse
from core.documents.roster import ConsentKey
from core.errors import CoreError
from core.evm import address_of
from core.schema import read_struct
from policies.errors import DescriptionError, RowValueError

_KEY_FIELDS = ("credential_id", "public_key", "aaguid", "attestation", "enrolment")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Enrolment:
    """A consent key that a person made at the consent origin."""

    person: str
    name: str | None
    key: ConsentKey


@dataclasses.dataclass(frozen=True, kw_only=True)
class WalletKey:
    """The public half of a key that a signer generated; `label` only if the file names one."""

    public_key: bytes
    address: str
    label: str | None


def _enrolment(value: object, at: str) -> Enrolment:
    if not isinstance(value, dict) or not isinstance(value.get("person"), str):
        raise DescriptionError([f"{at}: an object with 'person' and 'key' expected"])
    nested = value.get("key")
    key = nested if isinstance(nested, dict) else {name: value[name] for name in _KEY_FIELDS if name in value}
    # A software key has nothing to attest, and nobody has co-signed what comes straight from the page.
    key = {"attestation": None, "enrolment": None, **key}
    name = value.get("name")
    return Enrolment(
        person=value["person"],
        name=name if isinstance(name, str) and name else None,
        key=read_struct(ConsentKey, key, f"{at} ({value['person']}).key"),
    )


def enrolments_read(*, raw: bytes, at: str) -> tuple[Enrolment, ...]:
    """Read an enrolment file: one enrolment, or a list of them.

    Args:
        raw: The file's bytes.
        at: Its name, for messages.

    Raises:
        DescriptionError: Naming the file and what is wrong with it.
    """
    try:
        value = parse(raw)
        rows = value if isinstance(value, list) else [value]
        return tuple(_enrolment(row, at) for row in rows)
    except CoreError as error:
        message = str(error)
        raise DescriptionError([message if message.startswith(at) else f"{at}: {message}"]) from error


def certificate_read(text: str) -> bytes:
    """Read a maker's root certificate, PEM or the same base64 alone, into DER.

    Raises:
        RowValueError: It is none.
    """
    body = text.replace("-----BEGIN CERTIFICATE-----", "").replace("-----END CERTIFICATE-----", "")
    try:
        raw = base64.b64decode("".join(body.split()), validate=True)
        return x509.load_der_x509_certificate(raw).public_bytes(Encoding.DER)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise RowValueError(f"{text[:40]!r} is no X.509 certificate in PEM") from error


def _hex(value: object) -> bytes:
    return bytes.fromhex(value.removeprefix("0x")) if isinstance(value, str) else b""


def wallet_key_read(*, raw: bytes, at: str) -> WalletKey:
    """Read what ``python -m signer keygen`` printed.

    Raises:
        DescriptionError: Naming the file and what is wrong with it.
    """
    try:
        value = parse(raw)
        if not isinstance(value, dict):
            raise DescriptionError([f"{at}: an object with 'public_key' and 'address' expected"])
        public_key = _hex(value.get("public_key"))
        address = address_of(public_key)
    except (CoreError, ValueError) as error:
        raise DescriptionError([f"{at}: no uncompressed secp256k1 public key: {error}"]) from error
    if value.get("address") not in (None, address):
        raise DescriptionError([f"{at}: the address is not the public key's, which is {address}"])
    label = value.get("label")
    return WalletKey(public_key=public_key, address=address, label=label if isinstance(label, str) else None)
