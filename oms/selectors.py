"""Reading requests. Who may see what is decided here, once, for pages, admin and API alike."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from django.db.models import Q
from django.utils import timezone

from approvals.selectors import consent_documents
from core.documents.consent import Decision, SubjectType, WebAuthnProof
from core.documents.mandate import Mandate, SingleOrder
from core.documents.roster import Role
from core.facts import resolve_asker
from core.lifecycle import State
from core.quorum import EMPTY, Approver, describe, open_seats, parts_to_fill
from oms.errors import RequestMissingError
from oms.hidden import hidden_requests
from oms.models import TransactionEvent, TransactionRequest
from policies.inflight import is_listed, newest_word, rosters_now
from policies.selectors import decision_asked, decision_find, decision_required, policy_active, policy_find

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from django.db.models import QuerySet

    from approvals.models import User
    from core.documents.policy import Policy, Quorum
    from core.documents.roster import Person
    from core.quorum import OpenSeats
    from policies.facts import FactValue
    from policies.inflight import NewestWord

DESK_ROLES = frozenset({Role.TRADER, Role.PORTFOLIO_MANAGER})
"""Who holds no other role than these sees the own desk only."""
WAITING = (State.PENDING.value, State.APPROVED.value)


@dataclasses.dataclass(frozen=True, kw_only=True)
class NewestSeats:
    """What the version in force asks for of a case that was asked under an earlier one."""

    number: int
    allowed: bool
    reasons: tuple[str, ...]
    required: Quorum
    words: str
    open_roles: tuple[Role, ...]
    open_sites: int

    @property
    def filled(self) -> bool:
        """Whether it allows the case and nobody is missing."""
        return self.allowed and not self.open_roles and not self.open_sites


@dataclasses.dataclass(frozen=True, kw_only=True)
class Seats:
    """Who has to consent, who did, and what is still open."""

    required: Quorum
    words: str
    approved_by: tuple[str, ...]
    open_roles: tuple[Role, ...]
    open_sites: int
    newest: NewestSeats | None = None

    @property
    def filled(self) -> bool:
        """Whether nobody is missing, under the version of the case and under the one in force."""
        filled = not self.open_roles and not self.open_sites
        return filled and (self.newest is None or self.newest.filled)


def person_of(*, user: User, policy: Policy | None = None) -> Person | None:
    """Return the roster entry behind an account, or None."""
    policy = policy or policy_active()
    if policy is None:
        return None
    return next((person for person in policy.people if person.id == user.person_id), None)


def requests_visible(*, user: User) -> QuerySet[TransactionRequest]:
    """Return what a person may see: all for officers and auditors, the own desk's for traders, else nothing."""
    person = person_of(user=user)
    if person is None or not person.roles:
        return TransactionRequest.objects.none()
    if set(person.roles) <= DESK_ROLES:
        return _readable().filter(Q(desk=person.desk) | Q(asker=person.id))
    return _readable()


def _readable() -> QuerySet[TransactionRequest]:
    """Return all requests but those that the page leaves aside because their rows are damaged."""
    rows, hidden = TransactionRequest.objects.all(), hidden_requests()
    return rows.exclude(pk__in=hidden) if hidden else rows


def requests_of(*, user: User) -> QuerySet[TransactionRequest]:
    """Return the requests that a person asked."""
    return requests_visible(user=user).filter(asker=user.person_id)


def request_get(*, user: User, reference: str) -> TransactionRequest:
    """Return one request that this person may see.

    Raises:
        RequestMissingError: If there is none, or not for them.
    """
    request = requests_visible(user=user).filter(reference=reference).first()
    if request is None:
        raise RequestMissingError("There is no such request, or it is another desk's.")
    return request


def requests_waiting(*, user: User) -> list[TransactionRequest]:
    """Return the pending requests in which this person could fill an open seat, the first to expire first."""
    pending = requests_visible(user=user).filter(state=State.PENDING).order_by("expires_at")
    return [request for request in pending if can_approve(user=user, request=request)]


def can_approve(*, user: User, request: TransactionRequest) -> bool:
    """Whether a person's approval would fill a seat: rostered, not the initiator, not yet heard, and of use."""
    policy = policy_find(digest=request.policy_digest)
    person = person_of(user=user, policy=policy)
    if policy is None or person is None or State(request.state) is not State.PENDING:
        return False
    mandate = Mandate.from_bytes(request.mandate_text.encode())
    rosters = rosters_now()
    if not any(is_listed(actor=person.id, credential=key.credential_id, rosters=rosters) for key in person.keys):
        return False
    if person.id in resolve_asker(mandate, policy).persons:
        return False
    seats = seats_of(request=request)
    wanted = [seats.required, *([] if seats.newest is None else [seats.newest.required])]
    # A seat that is taken may be freed for others: what counts is a role that a quorum asks for at all.
    of_use = any(seat.role in person.roles for quorum in wanted for seat in quorum.seats)
    return person.id not in seats.approved_by and of_use and not _has_withdrawn(person.id, request)


def _has_withdrawn(person: str, request: TransactionRequest) -> bool:
    words = (one.statement for one in consent_documents(subject=request.mandate_digest))
    return any(word.actor == person and word.decision is Decision.WITHDRAW for word in words)


def may_reject(*, user: User, request: TransactionRequest) -> bool:
    """Whether a person's rejection would end a request: on its roster, not who asked, and nothing is signed yet."""
    policy = policy_find(digest=request.policy_digest)
    person = None if policy is None else person_of(user=user, policy=policy)
    if policy is None or person is None or request.state not in WAITING:
        return False
    rosters = rosters_now()
    held = any(is_listed(actor=person.id, credential=key.credential_id, rosters=rosters) for key in person.keys)
    mandate = Mandate.from_bytes(request.mandate_text.encode())
    return held and person.id not in resolve_asker(mandate, policy).persons


def may_withdraw(*, user: User, request: TransactionRequest) -> bool:
    """Whether a person can take back what they said: who asked, or who approved, until it goes to the signer."""
    if request.state not in WAITING:
        return False
    said = {
        signed.statement.decision
        for signed in consent_documents(subject=request.mandate_digest)
        if signed.statement.actor == user.person_id
    }
    return Decision.WITHDRAW not in said and (Decision.ASK in said or Decision.APPROVE in said)


def seats_of(
    *,
    request: TransactionRequest,
    claims: Mapping[str, FactValue] | None = None,
    now: int | None = None,
    attested: Mapping[str, FactValue] | None = None,
) -> Seats:
    """Return the seats of a request as its recorded consents fill them. For showing and routing only.

    Args:
        request: The request.
        claims: What this server knows now, for the version in force; None for what it knew at the decision.
        now: Unix seconds; None for the clock.
        attested: What attesters say now; None for what they had said at the decision.
    """
    policy = policy_find(digest=request.policy_digest)
    decision = decision_find(intent_digest=request.intent_digest)
    required = EMPTY if decision is None else decision_required(decision=decision)
    mandate = Mandate.from_bytes(request.mandate_text.encode())
    newest = None
    if isinstance(mandate.order, SingleOrder):
        at = int(timezone.now().timestamp()) if now is None else now
        newest = newest_word(mandate=mandate, intent=mandate.order.intent, claims=claims, now=at, attested=attested)
    barred = frozenset[str]() if newest is None else newest.barred
    approved = [] if policy is None else list(_approvers(request, mandate, policy, policy, barred))
    # As signers count: what is joined has to be filled, and so has each quorum that was joined in it.
    missing = _missing(required, () if decision is None else decision_asked(decision=decision), approved)
    return Seats(
        required=required,
        words=describe(required),
        approved_by=tuple(dict.fromkeys(one.person.id for one in approved)),
        open_roles=missing.roles,
        open_sites=missing.sites,
        newest=None if newest is None or policy is None else _newest_seats(request, mandate, policy, newest),
    )


def _missing(required: Quorum, asked: Iterable[Quorum], approved: list[Approver]) -> OpenSeats:
    return max((open_seats(part, approved) for part in parts_to_fill(required, asked)), key=lambda part: part.size)


def is_filled(*, request: TransactionRequest, mandate: Mandate, word: NewestWord) -> bool:
    """Whether nobody is missing under what the version in force says now."""
    policy = policy_find(digest=request.policy_digest)
    return policy is not None and _newest_seats(request, mandate, policy, word).filled


def _newest_seats(request: TransactionRequest, mandate: Mandate, policy: Policy, newest: NewestWord) -> NewestSeats:
    approved = list(_approvers(request, mandate, policy, newest.policy, newest.barred))
    missing = _missing(newest.required, newest.asked, approved)
    return NewestSeats(
        number=newest.policy.number,
        allowed=newest.allowed,
        reasons=newest.reasons,
        required=newest.required,
        words=describe(newest.required),
        open_roles=missing.roles,
        open_sites=missing.sites,
    )


def _approvers(
    request: TransactionRequest, mandate: Mandate, policy: Policy, roster: Policy, barred: frozenset[str]
) -> Iterable[Approver]:
    """Yield the approvals that count: consents under the case's own policy, by people as `roster` lists them."""
    signed_words = list(consent_documents(subject=request.mandate_digest))
    gone = {one.statement.actor for one in signed_words if one.statement.decision is Decision.WITHDRAW}
    out = resolve_asker(mandate, policy).persons | barred | gone
    own = {person.id for person in policy.people}
    people = {person.id: person for person in roster.people}
    rosters = rosters_now()
    for signed in signed_words:
        statement = signed.statement
        counts = statement.decision is Decision.APPROVE and statement.subject_type is SubjectType.MANDATE
        known = statement.actor in own and statement.actor in people and statement.actor not in out
        if not counts or not known or not isinstance(signed.proof, WebAuthnProof):
            continue
        if is_listed(actor=statement.actor, credential=signed.proof.credential_id, rosters=rosters):
            yield Approver(people[statement.actor], statement.header.created)


def request_timeline(*, request: TransactionRequest) -> QuerySet[TransactionEvent]:
    """Return what happened to a request, oldest first."""
    return request.events.order_by("pk")


def first_use(*, chain: str, destination: str) -> bool:
    """Whether no confirmed request ever paid this destination. A claim of the web tier, never a guarantee."""
    paid = TransactionRequest.objects.filter(chain=chain, destination=destination, state=State.CONFIRMED)
    return not paid.exists()


def request_states() -> Iterable[tuple[str, str]]:
    """Return intent digest and state of every request, for an export that is replayed."""
    return TransactionRequest.objects.order_by("pk").values_list("intent_digest", "state").iterator()
