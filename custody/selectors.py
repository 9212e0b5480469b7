"""Reading wallets, jobs and what became of them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.custody_lifecycle import JOB_FINAL, JOB_LIVE, JOB_UNSIGNED, JobState
from core.documents.bundle import Bundle, CaseFile
from custody.errors import JobMissingError
from custody.machine import Kind
from custody.models import (
    BalancePoint,
    CancelOrder,
    CancelState,
    ChainRule,
    Confirmation,
    ConfirmationStatus,
    HsmModule,
    Job,
    NonceAssignment,
    Transmission,
    Wallet,
    WalletKey,
)

if TYPE_CHECKING:
    import datetime as dt

    from django.db.models import QuerySet

    from core.documents.policy import SignedPolicy


JOB_UNMINED = JOB_UNSIGNED | {JobState.SIGNED, JobState.LIVE}
"""A nonce is held, and nothing at it is in a block."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class JobProgress:
    """What people are shown of a job. `live`: signed bytes exist, so it may be mined at any time."""

    intent_digest: str
    state: JobState
    live: bool
    code: str
    message: str
    nonce: int | None
    transaction_hash: str | None
    block_number: int | None
    depth: int
    depth_needed: int
    signed_at: dt.datetime | None
    unmined: bool
    contradicted: bool


def rule_of(*, chain: str) -> ChainRule:
    """Return how custody works on a chain: its row, or the defaults."""
    return ChainRule.objects.filter(pk=chain).first() or ChainRule(chain_id=chain)


def cancel_of(*, job: Job) -> CancelOrder | None:
    """Return the cancel of a job that was ordered or signed, else the newest that failed, or None."""
    orders = CancelOrder.objects.filter(job=job)
    return orders.exclude(state=CancelState.FAILED).first() or orders.last()


def wallet_list(*, chain: str | None = None) -> QuerySet[Wallet]:
    """Return the wallets, of one chain or of all."""
    wallets = Wallet.objects.select_related("chain")
    return wallets if chain is None else wallets.filter(chain_id=chain)


def wallet_find(*, caip10: str) -> Wallet | None:
    """Return a wallet, or None."""
    return Wallet.objects.select_related("chain").filter(pk=caip10).first()


def key_find(*, wallet: str) -> WalletKey | None:
    """Return where a wallet's key stands in its life, or None where nothing is known of it here."""
    return WalletKey.objects.filter(pk=wallet).first()


def balances_latest(*, wallet: Wallet) -> dict[str, BalancePoint]:
    """Return the newest balance of each asset that nodes agreed on, by CAIP-19 name."""
    points = BalancePoint.objects.filter(wallet=wallet)
    names = sorted(set(points.order_by().values_list("asset", flat=True).distinct()))
    found = {name: points.filter(asset=name).order_by("-pk").first() for name in names}
    return {name: point for name, point in found.items() if point is not None}


def module_find(*, manufacturer: str, model: str, firmware: str) -> HsmModule | None:
    """Return what was looked up about a module that says this of itself, or None."""
    return HsmModule.objects.filter(manufacturer=manufacturer, model=model, firmware=firmware).first()


def signers_asked() -> list[str]:
    """Return the roster ids of all who are asked to sign for any wallet."""
    return sorted({name for wallet in Wallet.objects.all() for name in wallet.asked})


def job_find(*, intent_digest: str) -> Job | None:
    """Return the job of an intent, or None."""
    return Job.objects.select_related("wallet__chain").filter(intent_digest=intent_digest).first()


def job_list_open() -> QuerySet[Job]:
    """Return the jobs that are not over, oldest first."""
    final = [state.value for state in JOB_FINAL]
    return Job.objects.select_related("wallet__chain").exclude(state__in=final).order_by("pk")


def assignment_held(*, job: Job) -> NonceAssignment | None:
    """Return the nonce that a job holds, or None."""
    return NonceAssignment.objects.filter(job=job, released_at__isnull=True).first()


def is_first_open(*, job: Job) -> bool:
    """Say whether nothing before a job in its lane is still to be mined: only then do higher fees help."""
    held = assignment_held(job=job)
    if held is None:
        return False
    earlier = NonceAssignment.objects.filter(
        chain_id=held.chain_id, sender=held.sender, nonce__lt=held.nonce, released_at__isnull=True
    )
    return not earlier.filter(job__state__in=[state.value for state in JOB_UNMINED]).exists()


def transmission_list(*, job: Job) -> list[Transmission]:
    """Return all signed bytes of a job, oldest first: any of them may be the one mined."""
    return list(Transmission.objects.filter(job=job))


def sighting_of(*, job: Job) -> Confirmation | None:
    """Return the sighting in a block that counts, or None."""
    sightings = Confirmation.objects.filter(transmission__job=job).exclude(status=ConfirmationStatus.REORGED)
    return sightings.select_related("transmission").order_by("-pk").first()


def job_progress(*, intent_digest: str) -> JobProgress | None:
    """Return what people are shown of an intent's job, or None where there is none."""
    job = job_find(intent_digest=intent_digest)
    if job is None:
        return None
    held = assignment_held(job=job)
    sent = transmission_list(job=job)
    sighting = sighting_of(job=job)
    mined = sighting.transmission if sighting is not None else (sent[-1] if sent else None)
    state = JobState(job.state)
    return JobProgress(
        intent_digest=intent_digest,
        state=state,
        live=state in JOB_LIVE,
        code=job.error_code,
        message=job.error,
        nonce=held.nonce if held is not None else None,
        transaction_hash=f"0x{mined.transaction_hash}" if mined is not None else None,
        block_number=sighting.block_number if sighting is not None else None,
        depth=sighting.depth if sighting is not None else 0,
        depth_needed=job.wallet.chain.confirmation_depth,
        signed_at=job.signed_at,
        unmined=held is not None and state in JOB_UNMINED,
        contradicted=sighting is not None and sighting.status == ConfirmationStatus.CONTRADICTED,
    )


def case_file_get(*, intent_digest: str, policies: tuple[SignedPolicy, ...]) -> CaseFile:
    """Return the signed case for keeping: `countersign-verify` re-verifies it offline.

    Args:
        intent_digest: Which case.
        policies: The chain from the genesis to the policy that the bundle names.

    Raises:
        JobMissingError: If nothing is signed under this intent.
    """
    job = job_find(intent_digest=intent_digest)
    sent = transmission_list(job=job) if job is not None else []
    if job is None or job.signed_at is None or not sent:
        raise JobMissingError(f"no signed case for intent {intent_digest}")
    kept = next((one for one in sent if one.kind == Kind.PAYMENT), sent[0])
    return CaseFile(
        kind="countersign.case.v1",
        policies=policies,
        bundle=Bundle.from_bytes((kept.bundle or job.bundle).encode()),
        signed_at=int(job.signed_at.timestamp()),
        raw=bytes(kept.raw),
    )
