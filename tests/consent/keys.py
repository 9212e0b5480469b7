"""Assertions that a page has a security key make over whatever it likes, as only an attacker would."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from core.consents import Subject
from core.documents.consent import SubjectType, WebAuthnProof

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from core.documents.mandate import Mandate
    from demo.softkey import SoftKey
    from tests.factories.world import World

_ASK_KEY = """async ({challenge, rpId, id}) => {
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  try {
    const credential = await navigator.credentials.get({publicKey: {
      challenge: bytes(challenge), rpId, userVerification: "required", timeout: 3000,
      allowCredentials: [{type: "public-key", id: bytes(id)}],
    }});
    return credential.toJSON();
  } catch (error) { return {refused: error.name}; }
}"""


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _unb64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def ask_key(page: Page, challenge: bytes, key: SoftKey, rp_id: str = "localhost") -> dict[str, Any]:
    """Have a page ask a security key for an assertion over a challenge of its own choice."""
    asked = {"challenge": _b64(challenge), "rpId": rp_id, "id": _b64(key.credential_id)}
    answer: dict[str, Any] = page.evaluate(_ASK_KEY, asked)
    return answer


def proof_of(answer: dict[str, Any]) -> WebAuthnProof:
    response = answer["response"]
    return WebAuthnProof(
        kind="webauthn",
        credential_id=_unb64url(answer["rawId"]),
        authenticator_data=_unb64url(response["authenticatorData"]),
        client_data_json=_unb64url(response["clientDataJSON"]),
        signature=_unb64url(response["signature"]),
    )


def subject_of(world: World, mandate: Mandate) -> Subject:
    return Subject(
        type=SubjectType.MANDATE, digest=mandate.digest, policy=world.policy.digest, deployment=world.deployment
    )
