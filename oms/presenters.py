"""What pages show of a request: names and amounts as its own policy names them. Read-only."""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import TYPE_CHECKING

from django.utils import timezone

from approvals.selectors import consent_list_for_subject
from core.documents.mandate import Mandate, SingleOrder
from core.lifecycle import FINAL, State
from custody.lane_view import behind_words
from custody.selectors import job_find, job_progress
from oms.call_words import call_lines
from oms.intents import amount_format
from oms.selectors import request_timeline, seats_of
from policies.selectors import decision_find, decision_view, policy_find

if TYPE_CHECKING:
    from collections.abc import Iterable

    from approvals.models import ConsentRecord
    from core.documents.policy import Policy
    from core.documents.roster import AddressEntry
    from custody.selectors import JobProgress
    from oms.models import TransactionEvent, TransactionRequest
    from oms.selectors import Seats
    from policies.explanation import DecisionView

_GROUP = 4
STATE_WORDS: dict[State, tuple[str, str]] = {
    State.REQUESTED: ("busy", "Asked"),
    State.DENIED: ("bad", "Denied by policy"),
    State.PENDING: ("warn", "Waiting for consent"),
    State.REJECTED: ("bad", "Rejected"),
    State.WITHDRAWN: ("", "Withdrawn"),
    State.EXPIRED: ("", "Expired"),
    State.APPROVED: ("busy", "Approved, being re-checked"),
    State.BLOCKED: ("bad", "Blocked at the re-check"),
    State.SIGNING: ("busy", "With the signer"),
    State.REFUSED: ("bad", "Refused by the signer"),
    State.LIVE: ("warn", "Live: signed, may be mined"),
    State.CONFIRMING: ("busy", "Confirming"),
    State.CONFIRMED: ("good", "Confirmed"),
    State.FAILED: ("bad", "Failed on chain"),
    State.SUPERSEDED: ("bad", "Superseded at its nonce"),
    State.CANCELLED: ("", "Cancelled on chain"),
}
_EVENTS = {
    "deny": "Denied by policy",
    "require": "Policy asks for consent",
    "allow": "Allowed by policy",
    "fill": "Quorum complete",
    "reject": "Rejected",
    "withdraw": "Withdrawn",
    "expire": "Expired",
    "block": "Blocked at the re-check",
    "hand_over": "Handed to custody",
    "signer_waits": "Signer cannot answer, waiting",
    "signer_doubted": "A refusal by the signer was reported",
    "signer_refuses": "Signer refused",
    "sign": "Signed",
    "sign_cancel": "A cancel was signed",
    "raise": "Fees raised",
    "send": "Sent to nodes",
    "include": "Included in a block",
    "reorg": "Fell out of its block",
    "finalise": "Confirmed",
    "revert": "Failed on chain",
    "supersede": "Another transaction took its nonce",
    "cancel": "Cancelled on chain",
}


def digest_groups(digest: str) -> str:
    """Write a digest in groups of four, to be compared by people."""
    return " ".join(digest[i : i + _GROUP] for i in range(0, len(digest), _GROUP))


class Listing(StrEnum):
    """What the whitelist of a request's policy says of its destination at this moment."""

    UNLISTED = "unlisted"
    COOLING = "cooling"
    USABLE = "usable"
    EXPIRED = "expired"


def listing_of(entry: AddressEntry | None, *, now: int) -> Listing:
    """Tell an entry that can be used from one that only stands there, as policy does. `now` in Unix seconds."""
    if entry is None:
        return Listing.UNLISTED
    if now < entry.usable_from:
        return Listing.COOLING
    return Listing.USABLE if now < entry.expires else Listing.EXPIRED


@dataclasses.dataclass(frozen=True, kw_only=True)
class Summary:
    """A request as a row of a list."""

    request: TransactionRequest
    tone: str
    state_words: str
    amount: str
    symbol: str
    wallet: str
    destination: str
    listing: Listing

    @property
    def final(self) -> bool:
        """Whether nothing more happens by itself."""
        return State(self.request.state) in FINAL


@dataclasses.dataclass(frozen=True, kw_only=True)
class Step:
    """One line of the timeline."""

    event: TransactionEvent
    words: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Detail:
    """All that the pages about one request show."""

    summary: Summary
    sentence: str
    lines: tuple[str, ...]
    digest: str
    policy_number: int | None
    decision: DecisionView | None
    seats: Seats
    consents: list[ConsentRecord]
    steps: list[Step]
    progress: JobProgress | None
    behind: str


def summary_of(*, request: TransactionRequest, policy: Policy | None, now: int) -> Summary:
    """Name what a request moves; what its policy does not name is shown as it is. `now` in Unix seconds."""
    tone, words = STATE_WORDS[State(request.state)]
    asset = next((a for a in policy.assets if a.id == request.asset), None) if policy else None
    wallet = next((w for w in policy.wallets if w.id == request.wallet), None) if policy else None
    entries = policy.addresses if policy else ()
    entry = next((e for e in entries if (e.chain, e.address) == (request.chain, request.destination)), None)
    return Summary(
        request=request,
        tone=tone,
        state_words=words,
        amount=amount_format(request.amount, asset.decimals) if asset else f"{request.amount} base units",
        symbol=asset.symbol if asset else request.asset,
        wallet=wallet.label if wallet else request.wallet,
        destination=entry.label if entry else "",
        listing=listing_of(entry, now=now),
    )


def summary_list(*, requests: Iterable[TransactionRequest]) -> list[Summary]:
    """Summarise requests, reading each policy once."""
    rows = list(requests)
    policies = {digest: policy_find(digest=digest) for digest in {row.policy_digest for row in rows}}
    now = int(timezone.now().timestamp())
    return [summary_of(request=row, policy=policies[row.policy_digest], now=now) for row in rows]


def _lines(request: TransactionRequest, policy: Policy) -> tuple[str, ...]:
    """Say what a contract call does, line for line; nothing for a plain transfer."""
    order = Mandate.from_bytes(request.mandate_text.encode()).order
    if not isinstance(order, SingleOrder) or order.intent.movements:
        return ()
    intent = order.intent
    return call_lines(intent.chain, intent.to, intent.value, intent.data, policy)


def _sentence(request: TransactionRequest, policy: Policy | None, summary: Summary) -> str:
    lines = () if policy is None else _lines(request, policy)
    if lines:
        return f"{lines[0]}, from {summary.wallet}"
    return (
        f"Transfer {summary.amount} {summary.symbol} from {summary.wallet} "
        f"to {summary.destination or request.destination}"
    )


def detail_of(*, request: TransactionRequest) -> Detail:
    """Gather what the pages about one request show."""
    policy = policy_find(digest=request.policy_digest)
    summary = summary_of(request=request, policy=policy, now=int(timezone.now().timestamp()))
    decision = decision_find(intent_digest=request.intent_digest)
    job = job_find(intent_digest=request.intent_digest)
    steps = [
        Step(event=event, words=_EVENTS.get(event.event, event.event)) for event in request_timeline(request=request)
    ]
    return Detail(
        summary=summary,
        sentence=_sentence(request, policy, summary),
        lines=() if policy is None else _lines(request, policy),
        digest=digest_groups(request.mandate_digest),
        policy_number=None if policy is None else policy.number,
        decision=None if decision is None else decision_view(decision=decision),
        seats=seats_of(request=request),
        consents=consent_list_for_subject(subject=request.mandate_digest),
        steps=steps,
        progress=job_progress(intent_digest=request.intent_digest),
        behind="" if job is None else behind_words(job=job),
    )
