"""A person at a browser, at the level of the protocol: signs in, fills forms, signs what the consent link holds.

The consent page itself is exercised in real Chromium by the tests; here its part is played by the person's software
key, which signs the digest of the document that the link carries.
"""

from __future__ import annotations

import base64
import html
import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import requests

from core.documents.consent import Decision, SubjectType
from core.documents.control import Ceremony
from core.documents.mandate import Mandate
from core.schema import write_struct
from demo.institution import web_origin
from demo.services.processes import ServiceError

if TYPE_CHECKING:
    from demo.institution import Institution

_SECONDS = 30
_ATTRIBUTE = r'data-{}="([^"]*)"'


class Browser:
    """One signed-in person."""

    def __init__(self, institution: Institution, person: str) -> None:
        """Sign in.

        Raises:
            ServiceError: If the site refuses.
        """
        self._institution = institution
        self.person = person
        self._session = requests.Session()
        self._page = self._get("/sign-in/")
        asked = self._post("/sign-in/options/", None)
        challenge = asked["options"]["challenge"]
        key = institution.cast.members[person].sign_in_key
        proof = key.assertion(
            base64.urlsafe_b64decode(challenge + "=" * (-len(challenge) % 4)),
            origin=web_origin(),
            rp_id=asked["rp_id"],
        )
        answer = write_struct(proof, "proof")
        credential = answer["credential_id"]
        self._post(
            "/sign-in/verify/",
            {
                "id": credential,
                "rawId": credential,
                "type": "public-key",
                "response": {
                    "clientDataJSON": answer["client_data_json"],
                    "authenticatorData": answer["authenticator_data"],
                    "signature": answer["signature"],
                },
                "clientExtensionResults": {},
            },
        )

    def _checked(self, response: requests.Response) -> requests.Response:
        if not response.ok:
            raise ServiceError(
                f"{self.person}: {response.url} answered {response.status_code}: {response.text[:600]}"
            )
        return response

    def _get(self, path: str) -> str:
        return self._checked(self._session.get(web_origin() + path, timeout=_SECONDS)).text

    def _token(self) -> str:
        found = re.search(r'name="csrf-token" content="([^"]+)"', self._page)
        if found is None:
            raise ServiceError("the page carries no CSRF token")
        return found.group(1)

    def _post(self, path: str, body: object) -> Any:  # noqa: ANN401 - JSON
        response = self._session.post(
            web_origin() + path,
            data=b"" if body is None else json.dumps(body).encode(),
            headers={
                "Content-Type": "application/json",
                "X-CSRFToken": self._token(),
                "Origin": web_origin(),
                "Accept": "application/json",
            },
            timeout=_SECONDS,
        )
        return self._checked(response).json()

    def _attribute(self, name: str) -> str:
        found = re.search(_ATTRIBUTE.format(name), self._page)
        if found is None:
            raise ServiceError(f"{self.person}: the page offers nothing to sign")
        return html.unescape(found.group(1))

    def _sign(self, decision: Decision, reason: str = "") -> tuple[Mandate, dict[str, object]]:
        """Sign what the page's consent link carries, as the consent page would after decoding it."""
        mandate = Mandate.from_json(json.loads(self._attribute("request"))["document"])
        signed = self._institution.cast.sign(
            self.person,
            decision,
            subject_type=SubjectType.MANDATE,
            subject=mandate.digest,
            policy=mandate.policy,
            deployment=mandate.header.deployment,
            reason=reason,
        )
        return mandate, write_struct(signed, "consent")

    def ask(self, *, wallet: str, asset: str, destination: str, amount: str, purpose: str) -> str:
        """Fill the form, look at the preview, sign and submit; return the request's reference."""
        self._page = self._get("/requests/new/")
        form = {
            "csrfmiddlewaretoken": self._token(),
            "wallet": wallet,
            "asset": asset,
            "listed": "",
            "destination": destination,
            "amount": amount,
            "purpose": purpose,
        }
        response = self._session.post(
            web_origin() + "/requests/new/", data=form, headers={"Origin": web_origin()}, timeout=_SECONDS
        )
        self._page = self._checked(response).text
        mandate, consent = self._sign(Decision.ASK)
        self._post(self._attribute("submit"), {"mandate": mandate.to_json(), "consent": consent})
        return mandate.header.id

    def decide(self, reference: str, decision: Decision = Decision.APPROVE, reason: str = "") -> str:
        """Open a case, sign it, and return the request's state."""
        self._page = self._get(f"/queue/{reference}/")
        _, consent = self._sign(decision, reason)
        state: str = self._post(f"/api/requests/{reference}/consents/", {"consent": consent})["state"]
        return state

    def order(self, **typed: object) -> str:
        """Draft a ceremony with what its form takes, and return its digest."""
        self._page = self._get("/ceremonies/new/?" + urlencode({"kind": typed["kind"], "wallet": typed["wallet"]}))
        form = {"csrfmiddlewaretoken": self._token(), **typed}
        response = self._session.post(
            web_origin() + "/ceremonies/new/", data=form, headers={"Origin": web_origin()}, timeout=_SECONDS
        )
        self._page = self._checked(response).text
        return response.url.rstrip("/").rpartition("/")[2]

    def say(self, ceremony: str, decision: Decision = Decision.APPROVE, reason: str = "") -> str:
        """Open a ceremony's page, sign what its consent link carries, and return where the ceremony stands."""
        self._page = self._get(f"/ceremonies/{ceremony}/")
        document = Ceremony.from_json(json.loads(self._attribute("request"))["document"])
        signed = self._institution.cast.sign(
            self.person,
            decision,
            subject_type=SubjectType.CEREMONY,
            subject=document.digest,
            policy=document.policy,
            deployment=document.header.deployment,
            reason=reason,
        )
        state: str = self._post(self._attribute("submit"), {"consent": write_struct(signed, "consent")})["state"]
        return state

    def read(self, reference: str) -> str:
        """Open a request's page; return its words, without markup."""
        text = re.sub(r"<[^>]*>", " ", self._get(f"/requests/{reference}/"))
        return " ".join(html.unescape(text).split())

    def status(self, reference: str) -> dict[str, Any]:
        """Ask where a request stands."""
        response = self._session.get(
            f"{web_origin()}/api/requests/{reference}/status/",
            headers={"Accept": "application/json"},
            timeout=_SECONDS,
        )
        answer: dict[str, Any] = self._checked(response).json()
        return answer
