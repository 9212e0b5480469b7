"""What stands in a wallet's lane, in order, and what holds it up, in words. Reads only."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.custody_lifecycle import JOB_LIVE, JOB_UNSIGNED, JobState
from custody.models import Job, NonceAssignment, NonceLane, Transmission
from custody.selectors import JOB_UNMINED, transmission_list

if TYPE_CHECKING:
    from custody.models import Wallet

_OPEN = JOB_UNSIGNED | JOB_LIVE | {JobState.QUEUED, JobState.DOUBTED}


@dataclasses.dataclass(frozen=True, kw_only=True)
class LaneRow:
    """One case of a lane. `nonce` is None while it has none."""

    intent_digest: str
    nonce: int | None
    state: str
    words: str
    unmined: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class LaneView:
    """A wallet's lane. `blocked_by`: the first nonce that is not mined, and why; empty where nothing waits."""

    next_nonce: int | None
    rows: tuple[LaneRow, ...]
    blocked_by: str


def gwei_words(fee: int) -> str:
    """Write wei per gas in gwei, exactly."""
    whole, rest = divmod(fee, 10**9)
    return f"{whole}.{rest:09d}".rstrip("0").rstrip(".") + " gwei"


def _words(job: Job, sent: list[Transmission]) -> str:
    state, trouble = JobState(job.state), job.error
    if state is JobState.QUEUED:
        return trouble or "waits until the case before it is signed"
    if state is JobState.DOUBTED:
        return "a refusal was reported, and nothing proves it yet"
    if state in JOB_UNSIGNED:
        return f"is with {'its parties' if job.wallet.is_shared else 'the signer'}{f': {trouble}' if trouble else ''}"
    if state is JobState.INCLUDED:
        return "is in a block that is not final yet"
    fees = gwei_words(max(one.max_fee_per_gas for one in sent)) if sent else "nothing"
    unsent = "" if any(one.sent_at for one in sent) else ", and no node has it"
    return f"is signed and not mined: it offers {fees} for each gas{unsent}{f' ({trouble})' if trouble else ''}"


def lane_view(*, wallet: Wallet) -> LaneView:
    """Return what stands in a wallet's lane.

    Args:
        wallet: The wallet.
    """
    lane = NonceLane.objects.filter(chain_id=wallet.chain_id, address=wallet.address).first()
    held = dict(
        NonceAssignment.objects.filter(
            chain_id=wallet.chain_id, sender=wallet.address, released_at__isnull=True
        ).values_list("job_id", "nonce")
    )
    jobs = (
        Job.objects.select_related("wallet")
        .filter(wallet=wallet, state__in=[state.value for state in _OPEN])
        .order_by("pk")
    )
    rows = sorted(
        (
            LaneRow(
                intent_digest=job.intent_digest,
                nonce=held.get(job.pk),
                state=job.state,
                words=_words(job, transmission_list(job=job)),
                unmined=JobState(job.state) in JOB_UNMINED,
            )
            for job in jobs
        ),
        key=lambda row: (row.nonce is None, row.nonce or 0),
    )
    first = next((row for row in rows if row.unmined and row.nonce is not None), None)
    blocked = "" if first is None else f"nonce {first.nonce} {first.words}"
    return LaneView(next_nonce=None if lane is None else lane.next_nonce, rows=tuple(rows), blocked_by=blocked)


def behind_words(*, job: Job) -> str:
    """Say what an open case of a lane waits behind; empty where it is the first, or mined already."""
    if JobState(job.state) not in JOB_UNMINED | {JobState.QUEUED}:
        return ""
    view = lane_view(wallet=job.wallet)
    own = next((row.nonce for row in view.rows if row.intent_digest == job.intent_digest), None)
    first = next((row for row in view.rows if row.unmined and row.nonce is not None), None)
    if first is None or first.intent_digest == job.intent_digest or (own is not None and own < (first.nonce or 0)):
        return ""
    return f"Waits behind nonce {first.nonce} of the same wallet, which {first.words}."
