"""Putting the log's checkpoints on chain, through the same line as every other transaction.

An API client of the roster asks; the policy has to grant it, by a grant that needs no person and lets nothing else
through than a wallet's note to itself. The client's key is a file of the workers: who steals it can write notes.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.db import IntegrityError, transaction

from approvals.ceremony import consent_record, consent_verify
from approvals.errors import ApprovalsError
from audit.models import AuditCheckpoint
from audit.notes import coverage_get
from audit.services import entry_append
from audit.tags import AuditTag
from chains.errors import ChainsError
from chains.simulating import transaction_simulate
from core.anchor import Anchor
from core.consents import Subject
from core.documents.consent import Consent, Decision, Ed25519Proof, SignedConsent, SubjectType
from core.documents.mandate import Asker, AskerKind, Intent, Mandate, SingleOrder
from core.names import native_asset
from custody.fees import fees_capped
from custody.lanes import fees_ask
from custody.wake import wake
from oms.errors import OmsError
from oms.evidence import evidence_gather
from oms.intents import header_new
from oms.models import LogAnchor, TransactionRequest
from oms.services import decision_follow
from oms.workflow import intent_of
from policies.errors import PolicyAppError
from policies.selectors import policy_active
from policies.services import decision_make

if TYPE_CHECKING:
    from pathlib import Path

    from chains.simulation import Simulation
    from core.documents.policy import Policy
    from core.documents.roster import ApiClient, Wallet

_KEY_BYTES = 32


class AnchorError(OmsError):
    """No anchor can be asked for; the message says why."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Anchoring:
    """Who asks for anchors, with which key, and from which wallet."""

    client: ApiClient
    key: Ed25519PrivateKey
    wallet: Wallet
    policy: Policy


def anchoring_on() -> bool:
    """Whether this site anchors its log at all."""
    return bool(settings.COUNTERSIGN_ANCHOR_WALLET)


def _key_read(path: Path) -> Ed25519PrivateKey:
    try:
        raw = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError) as error:
        raise AnchorError("the anchor client's key file cannot be read") from error
    if len(raw) != _KEY_BYTES:
        raise AnchorError("the anchor client's key file holds no Ed25519 key: 32 bytes in hex expected")
    return Ed25519PrivateKey.from_private_bytes(raw)


def anchoring_get() -> Anchoring:
    """Return what anchors are asked with, as the policy in force has it.

    Raises:
        AnchorError: If a setting is missing or the policy does not know what it names.
    """
    policy = policy_active()
    if policy is None:
        raise AnchorError("no policy is in force")
    client = next((one for one in policy.clients if one.id == settings.COUNTERSIGN_ANCHOR_CLIENT), None)
    wallet = next((one for one in policy.wallets if one.id == settings.COUNTERSIGN_ANCHOR_WALLET), None)
    if client is None or wallet is None:
        raise AnchorError("the policy in force does not name the anchor client, or not the anchor wallet")
    key = _key_read(settings.COUNTERSIGN_ANCHOR_KEY_FILE)
    if key.public_key().public_bytes_raw() != client.public_key:
        raise AnchorError("the anchor client's key is not the one that the policy in force names")
    return Anchoring(client=client, key=key, wallet=wallet, policy=policy)


def head_to_anchor() -> AuditCheckpoint | None:
    """Return the newest checkpoint that is worth an anchor: the log's signer stands behind it, where there is one."""
    if not settings.COUNTERSIGN_LOG_SIGNER:
        return AuditCheckpoint.objects.order_by("-size").first()
    return AuditCheckpoint.objects.filter(size=coverage_get().signed).first()


def _intent(anchoring: Anchoring, anchor: Anchor, now: int) -> Intent:
    wallet, data = anchoring.wallet, anchor.to_bytes()
    fees = fees_capped(fees_ask(chain=wallet.chain))
    tried = transaction_simulate(chain=wallet.chain, sender=wallet.address, to=wallet.address, value=0, data=data)
    if not tried.succeeded:
        raise AnchorError(f"the simulation of the anchor failed: {tried.reason}")
    return Intent(
        header=header_new("intent", anchoring.policy.deployment, now=now),
        wallet=wallet.id,
        chain=wallet.chain,
        to=wallet.address,
        value=0,
        data=data,
        gas=tried.gas_limit,
        max_fee_per_gas=fees.most,
        max_priority_fee_per_gas=fees.tip,
        movements=(),
    )


def _signed(anchoring: Anchoring, mandate: Mandate, now: int) -> SignedConsent:
    statement = Consent(
        header=header_new("consent", anchoring.policy.deployment, now=now),
        subject_type=SubjectType.MANDATE,
        subject=mandate.digest,
        policy=mandate.policy,
        decision=Decision.ASK,
        actor=anchoring.client.id,
        reason="",
    )
    proof = Ed25519Proof(kind="ed25519", signature=anchoring.key.sign(statement.challenge))
    return SignedConsent(statement=statement, proof=proof)


def anchor_ask(*, now: dt.datetime) -> LogAnchor:
    """Ask for the newest checkpoint to be put on chain. Asks nodes, so not inside a database transaction.

    Args:
        now: The current time.

    Raises:
        AnchorError: If it cannot be asked for, or what is asked for is refused.
    """
    head, seconds = head_to_anchor(), int(now.timestamp())
    if head is None:
        raise AnchorError("there is no checkpoint to anchor yet")
    anchoring = anchoring_get()
    anchor = Anchor(size=head.size, root=bytes.fromhex(head.root))
    try:
        intent = _intent(anchoring, anchor, seconds)
        mandate = Mandate(
            header=header_new("mandate", anchoring.policy.deployment, now=seconds),
            policy=anchoring.policy.digest,
            asker=Asker(kind=AskerKind.CLIENT, id=anchoring.client.id),
            purpose=f"Anchor of the audit log at {anchor.size} entries",
            order=SingleOrder(kind="intent", intent=intent),
        )
        signed = _signed(anchoring, mandate, seconds)
        stored = _ask(anchoring, mandate, signed, anchor=anchor, now=now)
    except (ChainsError, ApprovalsError, PolicyAppError, IntegrityError) as error:
        raise AnchorError(str(error)) from error
    wake()
    return stored


def _ask(
    anchoring: Anchoring, mandate: Mandate, signed: SignedConsent, *, anchor: Anchor, now: dt.datetime
) -> LogAnchor:
    intent = intent_of(mandate)
    subject = Subject(
        type=SubjectType.MANDATE,
        digest=mandate.digest,
        policy=mandate.policy,
        deployment=mandate.header.deployment,
    )
    voice = consent_verify(signed=signed, subject=subject, policy=anchoring.policy, user=None, now=now)
    evidence = evidence_gather(intent=intent, policy=anchoring.policy, now=int(now.timestamp()))
    with transaction.atomic():
        request = _request_store(anchoring, mandate, intent, evidence.simulation, now)
        # Before any audit entry, as everywhere: counters are locked first.
        decision = decision_make(
            mandate=mandate,
            claims=evidence.claims(first_use=False),
            now=int(now.timestamp()),
            attested=evidence.attested.facts,
        )
        consent_record(signed=signed, voice=voice, user=None, now=now)
        entry_append(
            actor=request.asker,
            tag=AuditTag.ANCHOR_ASKED,
            subject=request.intent_digest,
            payload={
                "mandate": request.mandate_digest,
                "reference": request.reference,
                "size": str(anchor.size),
                "root": anchor.root.hex(),
            },
        )
        decision_follow(request, decision, now)
        return LogAnchor.objects.create(request=request, size=anchor.size, root=anchor.root.hex(), asked_at=now)


def _request_store(
    anchoring: Anchoring, mandate: Mandate, intent: Intent, simulation: Simulation | None, now: dt.datetime
) -> TransactionRequest:
    return TransactionRequest.objects.create(
        reference=mandate.header.id,
        asker=anchoring.client.id,
        desk=anchoring.client.desk,
        wallet=intent.wallet,
        chain=intent.chain,
        asset=native_asset(intent.chain),
        amount=0,
        destination=intent.to,
        purpose=mandate.purpose,
        policy_digest=anchoring.policy.digest,
        mandate_text=mandate.to_bytes().decode(),
        mandate_digest=mandate.digest,
        intent_digest=intent.digest,
        simulated_block=None if simulation is None else simulation.block_number,
        created_at=now,
        expires_at=dt.datetime.fromtimestamp(min(mandate.header.expires, intent.header.expires), tz=dt.UTC),
        moved_at=now,
    )
