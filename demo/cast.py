"""The people of the demonstration and their software keys: one for consenting, another for signing in."""

from __future__ import annotations

import dataclasses
import json
import secrets
import time
import tomllib
from typing import TYPE_CHECKING

from core.documents.base import Header
from core.documents.consent import Consent, Decision, SignedConsent, SubjectType
from core.schema import write_struct
from demo.layout import ROOT
from demo.softkey import SoftKey, b64url

if TYPE_CHECKING:
    from pathlib import Path

DESCRIPTION = ROOT / "demo" / "policy.toml"
CONSENT_ORIGIN = "http://localhost:8001"
RP_ID = "localhost"
_LIFETIME_SECONDS = 3600


@dataclasses.dataclass(frozen=True)
class Member:
    """A person with both keys."""

    id: str
    name: str
    roles: tuple[str, ...]
    desk: str
    site: str
    consent_key: SoftKey
    sign_in_key: SoftKey


class Cast:
    """Everybody whom the demo's policy names."""

    def __init__(self) -> None:
        """Make everybody's keys."""
        people = tomllib.loads(DESCRIPTION.read_text(encoding="utf-8"))["people"]
        self.members = {
            p["id"]: Member(
                p["id"],
                p["name"],
                tuple(p["roles"]),
                p["desk"],
                p["site"],
                SoftKey.generate(),
                SoftKey.generate(),
            )
            for p in people
        }

    def enrolment_write(self, folder: Path) -> list[Path]:
        """Write what the consent origin's enrol page would give each person to hand over."""
        files = []
        for member in self.members.values():
            file = folder / f"enrolment-{member.id}.json"
            entry = write_struct(member.consent_key.entry, "key")
            file.write_text(json.dumps({"person": member.id, "name": member.name, "key": entry}), encoding="utf-8")
            files.append(file)
        return files

    def consent_keys_write(self, file: Path) -> None:
        """Write the private consent keys for the consent page. Whoever reads this file is everybody."""
        keys = [
            {
                "person": member.id,
                "credential_id": b64url(member.consent_key.credential_id),
                "jwk": member.consent_key.jwk,
            }
            for member in self.members.values()
        ]
        file.write_text(json.dumps({"keys": keys}), encoding="utf-8")

    def people_write(self, file: Path) -> None:
        """Write accounts and sign-in keys for `demo.seed`, private halves included."""
        people = [
            {
                "id": member.id,
                "name": member.name,
                "roles": member.roles,
                "desk": member.desk,
                "site": member.site,
                "credential_id": b64url(member.sign_in_key.credential_id),
                "cose": b64url(member.sign_in_key.cose),
                "jwk": member.sign_in_key.jwk,
            }
            for member in self.members.values()
        ]
        file.write_text(json.dumps(people), encoding="utf-8")

    def sign(
        self,
        actor: str,
        decision: Decision,
        *,
        subject_type: SubjectType,
        subject: str,
        policy: str,
        deployment: str,
        reason: str = "",
    ) -> SignedConsent:
        """Have a person sign at the consent origin, at the level of the protocol."""
        now = int(time.time())
        statement = Consent(
            header=Header(
                type="consent",
                version=1,
                deployment=deployment,
                id=secrets.token_hex(16),
                created=now,
                expires=now + _LIFETIME_SECONDS,
            ),
            subject_type=subject_type,
            subject=subject,
            policy=policy,
            decision=decision,
            actor=actor,
            reason=reason,
        )
        key = self.members[actor].consent_key
        return key.consent(statement, origin=CONSENT_ORIGIN, rp_id=RP_ID)
