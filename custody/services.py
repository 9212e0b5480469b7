"""Taking over what others decided: wallets and signing jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError
from django.db import transaction

from audit.services import entry_append
from audit.tags import AuditTag
from core.canonical import canonical
from core.documents.consent import SIGNED_CONSENTS
from core.documents.mandate import SingleOrder
from core.errors import EncodingError
from core.evm import address_of
from custody.errors import JobInputError
from custody.models import Job, Wallet
from custody.wake import wake

if TYPE_CHECKING:
    import datetime as dt

    from core.documents.consent import SignedConsent
    from core.documents.mandate import Intent, Mandate
    from core.documents.roster import WalletKind


@transaction.atomic
def wallet_create(*, actor: str, caip10: str, label: str, kind: WalletKind, public_key: bytes, signer: str) -> Wallet:
    """Register a wallet's public half.

    Args:
        actor: Who does it.
        caip10: The account; its address must be the key's.
        label: For people.
        kind: Where the key lives.
        public_key: Uncompressed secp256k1, 65 bytes.
        signer: Roster id of the signer that is asked.

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
        caip10=caip10, chain_id=chain, label=label, kind=kind.value, public_key=public_key.hex(), signer=signer
    )
    wallet.full_clean()
    wallet.save(force_insert=True)
    entry_append(
        actor=actor,
        tag=AuditTag.WALLET_CHANGED,
        subject=caip10,
        payload={"change": "created", "kind": kind.value, "label": label, "signer": signer},
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
