"""What an attacker starts from: a real institution's policy, the keys of its demo people, and a wallet's next nonce.

He owns web server, database, broker and admin password, the initiator's key and one approver's (`Cast`). Honest
people's keys are here too, because honest people sign what they mean to sign; a forgery may use what they signed
for one thing as if it were for another, and never asks them to sign the forgery itself, unless its `why` says that
even then a signer refuses.
"""

from __future__ import annotations

import dataclasses
import secrets
from typing import TYPE_CHECKING, Any

from core.calldata import encode_transfer, movements_of
from core.documents.base import Header
from core.documents.bundle import Attempt, Bundle, CancelCase
from core.documents.consent import Consent, Decision, Ed25519Proof, SignedConsent, SubjectType
from core.documents.control import Cancel
from core.documents.mandate import Asker, AskerKind, Intent, Mandate, SingleOrder
from core.documents.policy import SignedPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from core.documents.policy import Policy
    from demo.softkey import SoftKey

GWEI = 10**9
PAYMENT = 10**16
"""What an honest payment in this catalogue moves: little, so that many fit under a live signer's limits. Wei."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cast:
    """Roster ids by part. The attacker owns `initiator` and `accomplice`, and nobody else's key."""

    initiator: str = "tessa"
    bystander: str = "tom"
    accomplice: str = "ravi"
    honest: str = "rita"
    chief: str = "clara"
    admins: tuple[str, str] = ("adam", "anna")
    operator: str = "olga"
    client: str = "bot-1"


@dataclasses.dataclass(kw_only=True)
class Case:
    """One institution as its people and its attacker see it. Times are Unix seconds."""

    policy: Policy
    wallet: str
    keys: Mapping[str, SoftKey]
    client_key: Ed25519PrivateKey
    now: int
    nonce: int
    listed: str
    cooling: str
    stranger: str
    token: str
    cast: Cast = dataclasses.field(default_factory=Cast)

    @property
    def deployment(self) -> str:
        """The genesis digest."""
        return self.policy.deployment

    @property
    def chain(self) -> str:
        """CAIP-2."""
        return self.wallet.rpartition(":")[0]

    @property
    def approvers(self) -> tuple[str, str]:
        """The two who approve a payment: one honest, one owned."""
        return self.cast.honest, self.cast.accomplice

    def at(self, seconds: int) -> Case:
        """Return the same institution some seconds later."""
        return dataclasses.replace(self, now=self.now + seconds)

    def header(self, kind: str, *, lifetime: int = 3600, **changes: Any) -> Header:  # noqa: ANN401 - Header's fields
        """Make a header with a fresh id."""
        fields: dict[str, Any] = {
            "type": kind,
            "version": 1,
            "deployment": self.deployment,
            "id": secrets.token_hex(16),
            "created": self.now,
            "expires": self.now + lifetime,
        }
        return Header(**(fields | changes))

    def intent(self, **changes: Any) -> Intent:  # noqa: ANN401 - Intent's fields
        """Make an intent: a small payment to the listed address, unless told otherwise."""
        fields: dict[str, Any] = {
            "header": self.header("intent"),
            "wallet": self.wallet,
            "chain": self.chain,
            "to": self.listed,
            "value": PAYMENT,
            "data": b"",
            "gas": 21_000,
            "max_fee_per_gas": 100 * GWEI,
            "max_priority_fee_per_gas": 2 * GWEI,
            "movements": (),
        }
        intent = Intent(**(fields | changes))
        return intent if "movements" in changes else shown(intent)

    def token_intent(self, amount: int = 10**6, **changes: Any) -> Intent:  # noqa: ANN401 - Intent's fields
        """Make an ERC-20 transfer of base units to the listed address."""
        data = encode_transfer(self.listed, amount)
        return self.intent(**({"to": self.token, "value": 0, "data": data, "gas": 90_000} | changes))

    def mandate(self, intent: Intent | None = None, **changes: Any) -> Mandate:  # noqa: ANN401 - Mandate's fields
        """Make a mandate over one intent, asked by the initiator."""
        fields: dict[str, Any] = {
            "header": self.header("mandate"),
            "policy": self.policy.digest,
            "asker": Asker(kind=AskerKind.PERSON, id=self.cast.initiator),
            "purpose": "Collateral",
            "order": SingleOrder(kind="intent", intent=intent or self.intent()),
        }
        return Mandate(**(fields | changes))

    def statement(
        self,
        subject: str,
        actor: str,
        decision: Decision = Decision.APPROVE,
        **changes: Any,  # noqa: ANN401 - Consent's fields
    ) -> Consent:
        """Make the statement that a consent signs."""
        fields: dict[str, Any] = {
            "header": self.header("consent"),
            "subject_type": SubjectType.MANDATE,
            "subject": subject,
            "policy": self.policy.digest,
            "decision": decision,
            "actor": actor,
            "reason": "",
        }
        return Consent(**(fields | changes))

    def sign(self, statement: Consent, by: str | None = None, **how: Any) -> SignedConsent:  # noqa: ANN401 - SoftKey.assertion's
        """Have the key of `by` (else of the statement's actor) sign; `how` changes what the authenticator says."""
        name = by or statement.actor
        if name == self.cast.client:
            signature = self.client_key.sign(statement.challenge)
            return SignedConsent(statement=statement, proof=Ed25519Proof(kind="ed25519", signature=signature))
        place = {"origin": self.policy.consent.origin, "rp_id": self.policy.consent.rp_id}
        proof = self.keys[name].assertion(statement.challenge, **(place | how))
        return SignedConsent(statement=statement, proof=proof)

    def consent(
        self,
        subject: str,
        actor: str,
        decision: Decision = Decision.APPROVE,
        **changes: Any,  # noqa: ANN401 - Consent's fields
    ) -> SignedConsent:
        """Have somebody sign as they properly would."""
        return self.sign(self.statement(subject, actor, decision, **changes))

    def ask(self, mandate: Mandate) -> SignedConsent:
        """Have the mandate's asker ask."""
        return self.consent(mandate.digest, mandate.asker.id, Decision.ASK)

    def approvals(self, mandate: Mandate) -> tuple[SignedConsent, ...]:
        """Have both approvers approve."""
        return tuple(self.consent(mandate.digest, name) for name in self.approvers)

    def bundle(self, mandate: Mandate | None = None, **changes: Any) -> Bundle:  # noqa: ANN401 - Bundle's fields
        """Make a whole case that a signer accepts, unless told otherwise."""
        mandate = mandate or self.mandate()
        intent = mandate.order.intent if isinstance(mandate.order, SingleOrder) else self.intent()
        fields: dict[str, Any] = {
            "header": self.header("bundle"),
            "policy": self.policy.digest,
            "mandate": mandate,
            "intent": intent,
            "attempt": self.attempt(self.nonce),
            "consents": changes.get("consents") or (self.ask(mandate), *self.approvals(mandate)),
            "attestations": (),
            "cancel": None,
        }
        return Bundle(**(fields | changes))

    def attempt(self, nonce: int, fee: int = 50 * GWEI, tip: int = GWEI) -> Attempt:
        """Make an attempt; fees in wei per gas."""
        return Attempt(nonce=nonce, max_fee_per_gas=fee, max_priority_fee_per_gas=tip)

    def cancel(self, bundle: Bundle, *, by: tuple[str, ...], **changes: Any) -> Bundle:  # noqa: ANN401 - Cancel's fields
        """Ask for the cancel of a bundle's intent."""
        fields: dict[str, Any] = {
            "header": self.header("cancel"),
            "policy": self.policy.digest,
            "intent": bundle.intent.digest,
            "wallet": self.wallet,
            "max_fee_per_gas": 200 * GWEI,
            "max_priority_fee_per_gas": 10 * GWEI,
            "reason": "Changed our minds",
        }
        cancel = Cancel(**(fields | changes))
        consents = tuple(self.consent(cancel.digest, name, subject_type=SubjectType.CANCEL) for name in by)
        attempt = self.attempt(bundle.attempt.nonce, 80 * GWEI, 2 * GWEI)
        case = CancelCase(document=cancel, consents=consents)
        return dataclasses.replace(bundle, header=self.header("bundle"), attempt=attempt, cancel=case)

    def sign_policy(self, policy: Policy, *names: str) -> SignedPolicy:
        """Have people sign a successor under the policy in force."""
        consents = tuple(self.consent(policy.digest, name, subject_type=SubjectType.POLICY) for name in names)
        return SignedPolicy(policy=policy, consents=consents)

    def successor(self, **changes: Any) -> Policy:  # noqa: ANN401 - Policy's fields
        """Draft the next policy."""
        fields: dict[str, Any] = {
            "header": self.header("policy", lifetime=30 * 86_400),
            "number": self.policy.number + 1,
            "previous": self.policy.digest,
        }
        return dataclasses.replace(self.policy, **(fields | changes))


def shown(intent: Intent) -> Intent:
    """Return the intent with the movements that its calldata means."""
    return dataclasses.replace(intent, movements=movements_of(intent) or ())
