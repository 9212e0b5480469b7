"""Taking over what others decided: wallets and signing jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError
from django.db import transaction

from audit.models import Severity
from audit.services import entry_append
from audit.tags import AuditTag
from core.canonical import canonical
from core.custody_lifecycle import JobState
from core.documents.consent import SIGNED_CONSENTS
from core.documents.mandate import SingleOrder
from core.errors import EncodingError
from core.evm import address_of
from custody.errors import JobInputError
from custody.key_brake import case_problem
from custody.key_transitions import key_activate
from custody.models import CancelOrder, CancelState, ChainRule, Job, Wallet
from custody.models_keys import WalletKey
from custody.wake import wake

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from core.documents.consent import SignedConsent
    from core.documents.control import Cancel
    from core.documents.mandate import Intent, Mandate
    from core.documents.roster import WalletKind


@transaction.atomic
def wallet_create(
    *,
    actor: str,
    caip10: str,
    label: str,
    kind: WalletKind,
    public_key: bytes,
    signers: Sequence[str],
    threshold: int = 1,
) -> Wallet:
    """Register a wallet's public half.

    Args:
        actor: Who does it.
        caip10: The account; its address must be the key's.
        label: For people.
        kind: Where the key lives.
        public_key: Uncompressed secp256k1, 65 bytes.
        signers: Roster ids, in the policy's order: the one signer, or every party of a shared key.
        threshold: How many of them sign together.

    Raises:
        ValidationError: For a field that is wrong.
    """
    chain, _, address = caip10.rpartition(":")
    try:
        named = address_of(public_key)
    except EncodingError as error:
        raise ValidationError({"public_key": str(error)}) from error
    if named != address:
        raise ValidationError({"caip10": f"the key's address is {named}"})
    wallet = Wallet(
        caip10=caip10,
        chain_id=chain,
        label=label,
        kind=kind.value,
        public_key=public_key.hex(),
        signers=list(signers),
        threshold=threshold,
    )
    wallet.full_clean()
    wallet.save(force_insert=True)
    WalletKey.objects.create(wallet=wallet)
    entry_append(
        actor=actor,
        tag=AuditTag.WALLET_CHANGED,
        subject=caip10,
        payload={
            "change": "created",
            "kind": kind.value,
            "label": label,
            "signers": list(signers),
            "threshold": threshold,
        },
    )
    return wallet


@transaction.atomic
def job_create(
    *, actor: str, mandate: Mandate, intent: Intent, consents: tuple[SignedConsent, ...], now: dt.datetime
) -> Job:
    """Take over a case for signing, in the caller's transaction. The same intent gives the same job.

    Args:
        actor: Who hands it over.
        mandate: What people consented to.
        intent: The exact transaction; the mandate's own.
        consents: The asker's and the approvers'.
        now: The current time.

    Raises:
        JobInputError: If the parts do not belong together, or custody does not hold the wallet.
    """
    if not isinstance(mandate.order, SingleOrder) or mandate.order.intent.digest != intent.digest:
        raise JobInputError("the mandate is about another intent")
    wallet = Wallet.objects.filter(pk=intent.wallet).first()
    if wallet is None:
        raise JobInputError(f"wallet {intent.wallet} is not held here")
    _key_takes(wallet, intent, actor, now)
    job, created = Job.objects.get_or_create(
        intent_digest=intent.digest,
        defaults={
            "wallet": wallet,
            "policy_digest": mandate.policy,
            "mandate": mandate.to_bytes().decode(),
            "intent": intent.to_bytes().decode(),
            "consents": canonical(SIGNED_CONSENTS.write(consents, "consents")).decode(),
            "created_at": now,
            "due_at": now,
        },
    )
    if created:
        payload: dict[str, object] = {
            "consents": [consent.statement.digest for consent in consents],
            "mandate": mandate.digest,
            "wallet": intent.wallet,
        }
        entry_append(actor=actor, tag=AuditTag.JOB_CREATED, subject=intent.digest, payload=payload)
    transaction.on_commit(wake)
    return job


def _key_takes(wallet: Wallet, intent: Intent, actor: str, now: dt.datetime) -> None:
    """Let a case in for a key that takes it; the first one begins its cryptoperiod.

    Locked, so that nobody retires the key at the same moment.
    """
    key = WalletKey.objects.select_for_update().filter(pk=wallet.pk).first()
    problem = case_problem(key=key, intent=intent)
    if problem:
        raise JobInputError(problem)
    if key is not None:
        key_activate(key=key, actor=actor, now=now)


CANCELLABLE = frozenset({JobState.PINNED, JobState.WAITING, JobState.SIGNED, JobState.LIVE})
"""A nonce is held, and nothing of it is mined."""


@transaction.atomic
def cancel_order_create(
    *, actor: str, document: Cancel, consents: tuple[SignedConsent, ...], now: dt.datetime
) -> CancelOrder:
    """Take over a cancel that its quorum consented to, in the caller's transaction. The same one gives the same row.

    Args:
        actor: Who hands it over.
        document: The cancel.
        consents: Of the policy's cancel quorum; the signer counts them for itself.
        now: The current time.

    Raises:
        JobInputError: If there is no such case, it is past cancelling, or another cancel is under way.
    """
    known = CancelOrder.objects.filter(digest=document.digest).first()
    if known is not None:
        return known
    job = Job.objects.select_for_update().filter(intent_digest=document.intent, wallet_id=document.wallet).first()
    if job is None:
        raise JobInputError("custody holds no such case")
    if JobState(job.state) not in CANCELLABLE:
        raise JobInputError(f"the case is {job.state}: there is nothing left to cancel")
    if CancelOrder.objects.filter(job=job).exclude(state=CancelState.FAILED).exists():
        raise JobInputError("another cancel of this nonce is under way, and signers take one for each nonce")
    order = CancelOrder.objects.create(
        job=job,
        digest=document.digest,
        document=document.to_bytes().decode(),
        consents=canonical(SIGNED_CONSENTS.write(consents, "consents")).decode(),
        ordered_at=now,
        retry_at=now,
    )
    Job.objects.filter(pk=job.pk).update(due_at=now)
    entry_append(
        actor=actor,
        tag=AuditTag.CANCEL_ORDERED,
        subject=job.intent_digest,
        payload={"cancel": document.digest, "consents": [one.statement.digest for one in consents]},
        severity=Severity.WARNING,
    )
    transaction.on_commit(wake)
    return order


@transaction.atomic
def chain_rule_set(*, actor: str, rule: ChainRule) -> ChainRule:
    """Set how custody works on a chain.

    Args:
        actor: Who does it.
        rule: The whole rule.

    Raises:
        ValidationError: For a field that is wrong, or a private node that the chain does not have.
    """
    rule.full_clean(validate_unique=False)
    rule.save()
    payload: dict[str, object] = {
        "finality": str(rule.finality),
        "gas_low": str(rule.gas_low),
        "guard_seconds": rule.guard_seconds,
        "private_nodes": sorted(rule.private_labels),
        "raise_seconds": rule.raise_seconds,
    }
    entry_append(actor=actor, tag=AuditTag.CHAIN_RULE_CHANGED, subject=rule.chain_id, payload=payload)
    return rule
