"""A small institution: people with software security keys, one signer, one wallet, a genesis that they signed.

Everything is a real document with a real signature. Tests vary one thing and look at what a signer says.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from coincurve import PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.calldata import encode_transfer, movements_of
from core.documents.base import GENESIS_DEPLOYMENT
from core.documents.bundle import Attempt, Bundle
from core.documents.consent import Consent, Decision, Ed25519Proof, SignedConsent, SubjectType
from core.documents.mandate import Asker, AskerKind, Intent, Mandate, SingleOrder
from core.documents.policy import (
    ConsentOrigin,
    ControlQuorums,
    Policy,
    SignedPolicy,
)
from core.documents.roster import (
    DEMO_AAGUID,
    AddressEntry,
    ApiClient,
    AssetEntry,
    Person,
    Profile,
    ReferencePrice,
    Role,
    SignerEntry,
    SignerRole,
    Wallet,
    WalletKind,
)
from core.evm import address_of
from core.journal import Journal
from core.pins import Pins
from core.records import StartRecord
from demo.softkey import SoftKey
from tests.factories.documents import (
    CHAIN,
    COOLING,
    DAY,
    ETHER,
    LISTED,
    NATIVE,
    NOW,
    ORIGIN,
    PEOPLE,
    RP_ID,
    STRANGER,
    TOKEN,
    TOKEN_CONTRACT,
    compare,
    every,
    header,
    limit,
    seats,
)
from tests.factories.rules import rules

__all__ = [
    "CHAIN",
    "COOLING",
    "DAY",
    "ETHER",
    "LISTED",
    "NATIVE",
    "NOW",
    "ORIGIN",
    "PEOPLE",
    "RP_ID",
    "STRANGER",
    "TOKEN",
    "TOKEN_CONTRACT",
    "World",
    "compare",
    "every",
    "header",
    "limit",
    "seats",
]


@dataclasses.dataclass
class World:
    """Keys, policy and journal of one institution. `extra_rules` pads the policy for benchmarks."""

    now: int = NOW
    profile: Profile = Profile.DEMO
    signer: str = "hsm-1"
    wallet_public_key: bytes = b""
    extra_rules: int = 0
    overrides: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make all keys, the policy, and a journal that starts empty."""
        self.keys = {name: SoftKey.generate() for name in PEOPLE}
        self.client_key = Ed25519PrivateKey.generate()
        self.wallet_key = PrivateKey()
        if not self.wallet_public_key:
            self.wallet_public_key = self.wallet_key.public_key.format(compressed=False)
        self.wallet = f"{CHAIN}:{address_of(self.wallet_public_key)}"
        self.policy = self.make_policy()
        self.deployment = self.policy.digest
        self.signed_policy = self.sign_policy(self.policy, "adam", "anna")
        self.pins = Pins(
            deployment=self.deployment,
            signer=self.signer,
            role=SignerRole.HSM,
            policies={self.policy.digest: self.policy},
        )
        self.journal = self.make_journal()

    def make_journal(self, **changes: Any) -> Journal:  # noqa: ANN401 - fields of StartRecord
        """Return a journal that begins now."""
        start = StartRecord(
            kind="start",
            time=self.now,
            deployment=self.deployment,
            signer=self.signer,
            policy=self.policy.digest,
            number=1,
            full=False,
            not_before=0,
            ceremony=None,
            lanes=(),
            consents=(),
        )
        journal = Journal()
        journal.apply(journal.encode(dataclasses.replace(start, **changes)))
        return journal

    def _people(self) -> tuple[Person, ...]:
        return tuple(
            Person(
                id=name,
                name=name.title(),
                roles=roles,
                desk=desk,
                site=site,
                keys=(self.keys[name].entry,),
            )
            for name, (roles, desk, site) in PEOPLE.items()
        )

    def make_policy(self) -> Policy:
        """Compile the first policy; `overrides` replace whole fields."""
        wallet = Wallet(
            id=self.wallet,
            label="Treasury Hot",
            kind=WalletKind.HSM,
            public_key=self.wallet_public_key,
            signers=(self.signer,),
            threshold=1,
        )
        fields: dict[str, Any] = {
            "header": header("policy", GENESIS_DEPLOYMENT, now=self.now - DAY, lifetime=365 * DAY),
            "number": 1,
            "previous": None,
            "profile": self.profile,
            "institution": "Example Bank",
            "consent": ConsentOrigin(origin=ORIGIN, rp_id=RP_ID, aaguids=(DEMO_AAGUID,), attestation_roots=()),
            "people": self._people(),
            "clients": (
                ApiClient(
                    id="bot-1",
                    name="Rebalancer",
                    public_key=self.client_key.public_key().public_bytes_raw(),
                    desk="desk-a",
                    responsible=("rita",),
                ),
            ),
            "signers": (
                SignerEntry(
                    id=self.signer,
                    role=SignerRole.HSM,
                    public_key=None,
                    host="host-1",
                    site="zurich",
                    administrator="olga",
                    vendor="softhsm",
                ),
            ),
            "wallets": (wallet,),
            "assets": (
                AssetEntry(id=NATIVE, symbol="ETH", name="Ether", decimals=18),
                AssetEntry(id=TOKEN, symbol="USDC", name="USD Coin", decimals=6),
            ),
            "contracts": (),
            "addresses": (
                self._listed("binance", LISTED, self.now - DAY),
                self._listed("fresh", COOLING, self.now + DAY),
            ),
            "prices": (
                ReferencePrice(asset=NATIVE, usd_e8=2_500 * 10**8, expires=self.now + 30 * DAY),
                ReferencePrice(asset=TOKEN, usd_e8=10**8, expires=self.now + 30 * DAY),
            ),
            **rules(self.extra_rules),
            "controls": ControlQuorums(
                succession=seats((Role.POLICY_ADMIN, 2)),
                cancel=seats((Role.RISK_OFFICER, 1)),
                resume=seats((Role.SECURITY_COMMITTEE, 2)),
                ceremony=seats((Role.SECURITY_COMMITTEE, 2)),
                succession_delay=DAY,
                recovery_delay=7 * DAY,
            ),
            **dict.fromkeys(("witnesses", "attesters", "recovery", "zones", "properties", "evidence"), ()),
            **dict.fromkeys(("witness_threshold", "attester_threshold", "recovery_threshold"), 0),
        }
        return Policy(**(fields | self.overrides))

    def _listed(self, name: str, address: str, usable_from: int) -> AddressEntry:
        return AddressEntry(
            id=name,
            chain=CHAIN,
            address=address,
            label=name.title(),
            reason="onboarded",
            usable_from=usable_from,
            expires=self.now + 90 * DAY,
            beneficiary=None,
        )

    def intent(self, **changes: Any) -> Intent:  # noqa: ANN401 - fields of Intent
        """Make an intent: 1 ether to the listed address unless told otherwise."""
        fields: dict[str, Any] = {
            "header": header("intent", self.deployment, now=self.now),
            "wallet": self.wallet,
            "chain": CHAIN,
            "to": LISTED,
            "value": ETHER,
            "data": b"",
            "gas": 21_000,
            "max_fee_per_gas": 100 * 10**9,
            "max_priority_fee_per_gas": 2 * 10**9,
            "movements": (),
        }
        intent = Intent(**(fields | changes))
        if "movements" not in changes:
            intent = dataclasses.replace(intent, movements=movements_of(intent) or ())
        return intent

    def token_intent(self, amount: int, destination: str = LISTED, **changes: Any) -> Intent:  # noqa: ANN401
        """Make an ERC-20 transfer."""
        data = encode_transfer(destination, amount)
        return self.intent(**({"to": TOKEN_CONTRACT, "value": 0, "data": data, "gas": 90_000} | changes))

    def mandate(self, intent: Intent | None = None, asker: str = "tessa", **changes: Any) -> Mandate:  # noqa: ANN401
        """Make a mandate over one intent."""
        kind = AskerKind.PERSON if asker in PEOPLE else AskerKind.CLIENT
        fields: dict[str, Any] = {
            "header": header("mandate", self.deployment, now=self.now),
            "policy": self.policy.digest,
            "asker": Asker(kind=kind, id=asker),
            "purpose": "Collateral",
            "order": SingleOrder(kind="intent", intent=intent or self.intent()),
        }
        return Mandate(**(fields | changes))

    def statement(
        self,
        subject: str,
        actor: str,
        decision: Decision = Decision.APPROVE,
        *,
        subject_type: SubjectType = SubjectType.MANDATE,
        **changes: Any,  # noqa: ANN401 - fields of Consent
    ) -> Consent:
        """Make the statement that a consent signs."""
        fields: dict[str, Any] = {
            "header": header("consent", self.deployment, now=self.now),
            "subject_type": subject_type,
            "subject": subject,
            "policy": self.policy.digest,
            "decision": decision,
            "actor": actor,
            "reason": "",
        }
        return Consent(**(fields | changes))

    def consent(
        self,
        subject: str,
        actor: str,
        decision: Decision = Decision.APPROVE,
        **changes: Any,  # noqa: ANN401
    ) -> SignedConsent:
        """Have a person (or the API client, which asks) sign a statement as they properly would."""
        statement = self.statement(subject, actor, decision, **changes)
        if actor not in self.keys:
            signature = self.client_key.sign(statement.challenge)
            return SignedConsent(statement=statement, proof=Ed25519Proof(kind="ed25519", signature=signature))
        return self.keys[actor].consent(statement, origin=ORIGIN, rp_id=RP_ID)

    def sign_policy(self, policy: Policy, *actors: str) -> SignedPolicy:
        """Have people sign a policy under its predecessor (a genesis: under itself)."""
        judge = policy.digest if policy.is_genesis else policy.previous
        consents = tuple(
            self.consent(
                policy.digest,
                actor,
                subject_type=SubjectType.POLICY,
                policy=judge,
                header=header("consent", policy.header.deployment, now=self.now),
            )
            for actor in actors
        )
        return SignedPolicy(policy=policy, consents=consents)

    def bundle(
        self,
        mandate: Mandate | None = None,
        *,
        approvers: tuple[str, ...] = ("rita", "ravi"),
        nonce: int | None = None,
        **changes: Any,  # noqa: ANN401 - fields of Bundle
    ) -> Bundle:
        """Make a whole case that a signer accepts, unless told otherwise."""
        mandate = mandate or self.mandate()
        order = mandate.order
        intent = order.intent if isinstance(order, SingleOrder) else self.intent()
        asked = self.consent(mandate.digest, mandate.asker.id, Decision.ASK)
        approved = tuple(self.consent(mandate.digest, name) for name in approvers)
        next_nonce = self.journal.next_nonce(self.wallet)
        fields: dict[str, Any] = {
            "header": header("bundle", self.deployment, now=self.now),
            "policy": self.policy.digest,
            "mandate": mandate,
            "intent": intent,
            "attempt": Attempt(
                nonce=next_nonce if nonce is None else nonce,
                max_fee_per_gas=min(50 * 10**9, intent.max_fee_per_gas),
                max_priority_fee_per_gas=min(10**9, intent.max_priority_fee_per_gas),
            ),
            "consents": (asked, *approved),
            "attestations": (),
            "cancel": None,
        }
        return Bundle(**(fields | changes))
