"""Security keys at the web origin: making one and signing in with one. Pure: no session, no database.

Source: W3C Web Authentication Level 3, sections 7.1 and 7.2. The library leaves counters, backup bits and
cross-origin assertions to its caller (measured), so they are checked here.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from django.conf import settings
from fido2.server import Fido2Server
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import (
    AttestationConveyancePreference,
    AttestedCredentialData,
    AuthenticationResponse,
    AuthenticatorData,
    CollectedClientData,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    RegistrationResponse,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from approvals.errors import EnrolmentRefusedError, SignInRefusedError
from core.canonical import parse
from core.errors import EncodingError

if TYPE_CHECKING:
    from collections.abc import Mapping

ALGORITHMS = (-7, -8)
"""ES256 and EdDSA (COSE)."""
_FLAG = AuthenticatorData.FLAG
_CLIENT_DATA_MOST = 4096


@dataclasses.dataclass(frozen=True, kw_only=True)
class NewKey:
    """What a registration established."""

    credential_id: str
    credential_data: str
    aaguid: str
    sign_count: int


def _server() -> Fido2Server:
    server = Fido2Server(
        PublicKeyCredentialRpEntity(id=settings.COUNTERSIGN_RP_ID, name="Countersign"),
        attestation=AttestationConveyancePreference.DIRECT,
        verify_origin=lambda origin: origin == settings.COUNTERSIGN_WEB_ORIGIN,
    )
    server.allowed_algorithms = [a for a in server.allowed_algorithms if a.alg in ALGORITHMS]
    return server


def _same_origin(client_data: CollectedClientData) -> bool:
    try:
        value = parse(bytes(client_data), max_bytes=_CLIENT_DATA_MOST)
    except EncodingError:
        return False
    return isinstance(value, dict) and value.get("crossOrigin", False) is False and "topOrigin" not in value


def registration_begin(*, user_id: bytes, name: str, known: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the options for the browser, and the state to keep until it answers."""
    credentials = [AttestedCredentialData(websafe_decode(data)) for data in known]
    options, state = _server().register_begin(
        PublicKeyCredentialUserEntity(id=user_id, name=name, display_name=name),
        credentials,
        resident_key_requirement=ResidentKeyRequirement.REQUIRED,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return dict(options)["publicKey"], dict(state)


def registration_complete(*, state: Mapping[str, Any], response: Mapping[str, Any]) -> NewKey:
    """Verify a new key.

    Raises:
        EnrolmentRefusedError: If it does not verify, or could be copied.
    """
    try:
        answer = RegistrationResponse.from_dict(response)
        data = _server().register_complete(state, answer)
    except Exception as error:  # hostile CBOR and JSON raise many kinds, and each of them means no
        raise EnrolmentRefusedError("The security key's answer does not verify. Please try again.") from error
    if not _same_origin(answer.response.client_data):
        raise EnrolmentRefusedError("The key was used inside another site's page.")
    if data.flags & (_FLAG.BE | _FLAG.BS):
        raise EnrolmentRefusedError("This key can be copied to other devices (a synced passkey). Use a hardware key.")
    credential = data.credential_data
    if credential is None or not data.flags & _FLAG.UV:
        raise EnrolmentRefusedError("The key did not verify its user. Set a PIN or a fingerprint on it first.")
    return NewKey(
        credential_id=websafe_encode(credential.credential_id),
        credential_data=websafe_encode(bytes(credential)),
        aaguid=bytes(credential.aaguid).hex(),
        sign_count=data.counter,
    )


def sign_in_begin() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the options for the browser, and the state to keep until it answers. The key says who it is."""
    options, state = _server().authenticate_begin(user_verification=UserVerificationRequirement.REQUIRED)
    return dict(options)["publicKey"], dict(state)


def sign_in_credential(*, response: Mapping[str, Any]) -> str:
    """Return the credential id that an answer names; nothing is verified yet.

    Raises:
        SignInRefusedError: If it names none.
    """
    try:
        return websafe_encode(AuthenticationResponse.from_dict(response).raw_id)
    except Exception as error:  # as above
        raise SignInRefusedError("The security key's answer cannot be read. Please try again.") from error


def sign_in_complete(*, state: Mapping[str, Any], response: Mapping[str, Any], credential_data: str) -> int:
    """Verify an assertion by a stored key, and return its signature counter.

    Raises:
        SignInRefusedError: If it does not verify.
    """
    try:
        answer = AuthenticationResponse.from_dict(response)
        stored = AttestedCredentialData(websafe_decode(credential_data))
        _server().authenticate_complete(state, [stored], answer)
        data, client_data = answer.response.authenticator_data, answer.response.client_data
    except Exception as error:  # as above
        raise SignInRefusedError("The security key's answer does not verify. Please try again.") from error
    if not _same_origin(client_data):
        raise SignInRefusedError("The key was used inside another site's page.")
    if data.flags & (_FLAG.BE | _FLAG.BS):
        raise SignInRefusedError("This key can be copied to other devices (a synced passkey) and is refused.")
    return int(data.counter)
