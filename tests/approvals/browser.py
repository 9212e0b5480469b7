"""A person at a browser, at the level of the protocol: a software authenticator against the real views."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.urls import reverse
from fido2.utils import websafe_decode

from approvals.models import SecurityKey, User
from audit.models import AuditEntry
from demo.softkey import USER_PRESENT, USER_VERIFIED, SoftKey, b64url

if TYPE_CHECKING:
    from django.http import HttpResponse
    from django.test import Client

GOOD = USER_PRESENT | USER_VERIFIED
HARDWARE = bytes.fromhex("ee882879721c491397753dfcce97072a")


def enrolled(user: User, soft: SoftKey) -> SecurityKey:
    """Store a key as if it had been enrolled."""
    data = soft.aaguid + len(soft.credential_id).to_bytes(2, "big") + soft.credential_id + soft.cose
    key: SecurityKey = SecurityKey.objects.create(
        user=user,
        name="key",
        credential_id=b64url(soft.credential_id),
        public_key=b64url(data),
        aaguid=soft.aaguid.hex(),
    )
    return key


def options(client: Client) -> dict[str, Any]:
    body: dict[str, dict[str, Any]] = client.post(reverse("approvals:sign_in_options")).json()
    return body["options"]


def answer(soft: SoftKey, challenge: str, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - SoftKey.assertion's own
    raw = websafe_decode(challenge)
    parts: dict[str, Any] = {"origin": settings.COUNTERSIGN_WEB_ORIGIN, "rp_id": settings.COUNTERSIGN_RP_ID}
    proof = soft.assertion(raw, **(parts | changes))
    return {
        "id": b64url(soft.credential_id),
        "rawId": b64url(soft.credential_id),
        "type": "public-key",
        "clientExtensionResults": {},
        "response": {
            "clientDataJSON": b64url(proof.client_data_json),
            "authenticatorData": b64url(proof.authenticator_data),
            "signature": b64url(proof.signature),
        },
    }


def verify(client: Client, body: dict[str, Any], query: str = "") -> HttpResponse:
    address = reverse("approvals:sign_in_verify") + query
    return client.post(address, json.dumps(body), content_type="application/json")  # type: ignore[return-value]


def sign_in(client: Client, soft: SoftKey, **changes: Any) -> HttpResponse:  # noqa: ANN401 - as `answer`
    return verify(client, answer(soft, options(client)["challenge"], **changes))


def tags() -> list[str]:
    return list(AuditEntry.objects.order_by("seq").values_list("tag", flat=True))
