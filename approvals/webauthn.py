"""Security keys at the web origin: making one and signing in with one. Pure: no session, no database.

Source: W3C Web Authentication Level 3, sections 7.1 and 7.2. The library leaves counters, backup bits and
cross-origin assertions to its caller (measured), so they are checked here.
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
from typing import TYPE_CHECKING, Any

from django.conf import settings
from fido2 import cbor
from fido2.server import Fido2Server
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import (
    AttestationConveyancePreference,
    AttestedCredentialData,
    AuthenticationResponse,
    AuthenticatorData,
    CollectedClientData,
    PublicKeyCredentialDescriptor,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialType,
    PublicKeyCredentialUserEntity,
    RegistrationResponse,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from approvals.errors import EnrolmentRefusedError, SignInRefusedError
from approvals.makers import maker_problem
from core.canonical import parse
from core.documents.roster import KeyAttestation
from core.errors import EncodingError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

ALGORITHMS = (-7, -8)
"""ES256 and EdDSA (COSE)."""
CHALLENGE_SECONDS = 300
"""How long an answer may take."""
_FLAG = AuthenticatorData.FLAG
_PUBLIC_KEY = PublicKeyCredentialType.PUBLIC_KEY
# A point of P-256 that was hashed onto the curve, "countersign nobody 1": nobody has its private half.
_NOBODYS_X = bytes.fromhex("d3a49b303654f67a64dcb7c6c485538cf543a0cc1cc44a290ce6b9a15facbebe")
_NOBODYS_Y = bytes.fromhex("61f11c21071b4a9995e6057f27fc74601386adf1189ec7db660f9f657d5faa3b")
_NOBODYS_COSE = cbor.encode({1: 2, 3: -7, -1: 1, -2: _NOBODYS_X, -3: _NOBODYS_Y})
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


def registration_complete(*, state: Mapping[str, Any], response: Mapping[str, Any], now: dt.datetime) -> NewKey:
    """Verify a new key: that it is one, that it cannot be copied, and that its maker vouches for it.

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
    problem = maker_problem(
        attestation=KeyAttestation(
            object=bytes(answer.response.attestation_object), client_data_hash=answer.response.client_data.hash
        ),
        aaguid=bytes(credential.aaguid),
        now=now,
    )
    if problem is not None:
        raise EnrolmentRefusedError(problem)
    return NewKey(
        credential_id=websafe_encode(credential.credential_id),
        credential_data=websafe_encode(bytes(credential)),
        aaguid=bytes(credential.aaguid).hex(),
        sign_count=data.counter,
    )


@dataclasses.dataclass(frozen=True)
class Answer:
    """An assertion as a browser sent it: well-formed, of this site, and by no key that can be copied.

    Nothing in it depends on which keys are enrolled, so a refusal so far tells nobody which are.
    """

    credential_id: str
    raw: AuthenticationResponse
    counter: int


def sign_in_begin(*, known: Sequence[str] = ()) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the options for the browser, and the state to keep until it answers.

    Args:
        known: Credential ids that may answer; none lets the key say who it is.
    """
    allowed = [PublicKeyCredentialDescriptor(type=_PUBLIC_KEY, id=websafe_decode(one)) for one in known]
    options, state = _server().authenticate_begin(
        allowed or None, user_verification=UserVerificationRequirement.REQUIRED
    )
    return dict(options)["publicKey"], dict(state)


def sign_in_read(*, state: Mapping[str, Any], response: Mapping[str, Any]) -> Answer:
    """Read an answer, and refuse what no enrolled key could mend.

    Args:
        state: What `sign_in_begin` returned for this visitor.
        response: What the browser sent.

    Raises:
        SignInRefusedError: Saying what to do.
    """
    try:
        raw = AuthenticationResponse.from_dict(response)
        client, data = raw.response.client_data, raw.response.authenticator_data
        challenge = websafe_decode(str(state["challenge"]))
        right_site = data.rp_id_hash == hashlib.sha256(settings.COUNTERSIGN_RP_ID.encode()).digest()
        answer = Answer(credential_id=websafe_encode(raw.raw_id), raw=raw, counter=int(data.counter))
    except Exception as error:  # hostile CBOR and JSON raise many kinds, and each of them means no
        raise SignInRefusedError(
            "The security key's answer cannot be read. Reload the page and try again."
        ) from error
    if client.type != "webauthn.get" or not hmac.compare_digest(client.challenge, challenge):
        raise SignInRefusedError("That answer belongs to another attempt. Reload the page and try again.")
    if client.origin != settings.COUNTERSIGN_WEB_ORIGIN or not right_site:
        here = settings.COUNTERSIGN_WEB_ORIGIN
        raise SignInRefusedError(f"The key was used at another address. Open {here} yourself and sign in there.")
    if not _same_origin(client):
        raise SignInRefusedError(
            "The key was used inside another site's page. Open this site in a window of its own."
        )
    if not data.flags & _FLAG.UP or not data.flags & _FLAG.UV:
        raise SignInRefusedError("The key did not verify you. Set a PIN or a fingerprint on it, and try again.")
    if data.flags & (_FLAG.BE | _FLAG.BS):
        raise SignInRefusedError("That is a passkey that can be copied to other devices. Use your hardware key.")
    return answer


def sign_in_verify(*, state: Mapping[str, Any], answer: Answer, credential_data: str | None) -> bool:
    """Verify the signature by a stored key; without one, do the same work in vain.

    Args:
        state: What `sign_in_begin` returned.
        answer: What `sign_in_read` returned.
        credential_data: The attested credential data as enrolled; None for a key that nobody enrolled.
    """
    data = _nobodys(answer.credential_id) if credential_data is None else websafe_decode(credential_data)
    try:
        _server().authenticate_complete(dict(state), [AttestedCredentialData(data)], answer.raw)
    except Exception:  # noqa: BLE001 - as above
        return False
    return credential_data is not None


def _nobodys(credential_id: str) -> bytes:
    """Return a key under this id whose private half nobody has."""
    raw = websafe_decode(credential_id)
    return bytes(16) + len(raw).to_bytes(2, "big") + raw + _NOBODYS_COSE
