"""Reconciling: what every hold says, what its reservations say, and what the counters say have to agree.

Nothing is repaired here: a difference means that somebody or something changed the database, and people look into it.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from django.db import transaction

from audit.models import Severity
from audit.services import entry_append
from audit.tags import AuditTag
from core.documents.policy import Dimension, Limit, Measure
from core.limits import amount_of
from core.schema import UINT256_MAX
from policies.errors import StoredPolicyError
from policies.facts import draw_read
from policies.limits import shares_of
from policies.models import CountedLimit, Decision, Hold, LimitCounter, Outcome, ReservationState
from policies.selectors import policy_find
from policies.services.history import history_keep

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Iterator

    from core.documents.policy import Policy

_CHUNK = 500
_NAMED_MOST = 50
_SYSTEM = "system:policies"
_CLOSE = 64
"""A hold that ended within so many decisions before another may or may not have counted in it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reconciliation:
    """What was compared, and a sentence for each difference."""

    holds: int
    counters: int
    differences: tuple[str, ...]


def _counted() -> list[Limit]:
    """Return what counts all of history, as limits: only their scopes matter here."""
    return [
        Limit(
            id=row.limit_id,
            label=row.limit_id,
            order=1,
            when=None,
            per=tuple(Dimension(name) for name in row.per.split(",") if name),
            measure=Measure(row.measure),
            asset=row.asset or None,
            window=None,
            most=0,
            quorum=None,
        )
        for row in CountedLimit.objects.all()
    ]


def _of_hold(hold: Hold, limits: list[Limit]) -> Iterator[str]:
    """Compare one hold with its reservations."""
    name = hold.decision.intent_digest[:16]
    try:
        draw = draw_read(text=hold.decision.draw)
    except StoredPolicyError:
        yield f"{name}: its draw cannot be read"
        return
    if hold.decision.outcome != Outcome.ALLOWED.value:
        yield f"{name}: it was denied and holds something"
    expected = {share.name: share.amount for share in shares_of(limits, draw)}
    names = {limit.id for limit in limits}
    found = set()
    for row in hold.decision.reservations.all():
        counter = row.counter
        place = (counter.limit_id, counter.scope_key, counter.measure, counter.asset)
        found.add(place)
        amount = min(amount_of(Measure(counter.measure), counter.asset or None, draw), UINT256_MAX)
        if row.amount != amount:
            yield f"{name}: {counter.limit_id} holds {row.amount}, and its draw says {amount}"
        if (row.state, row.time) != (hold.state, hold.time):
            said = f"{counter.limit_id} says {row.state} at {row.time}"
            yield f"{name}: {said}, and the hold {hold.state} at {hold.time}"
        if counter.limit_id in names and place not in expected and hold.state != ReservationState.RELEASED.value:
            yield f"{name}: {counter.limit_id} counts it in a scope that is not its own, {counter.scope_key}"
    if hold.state != ReservationState.RELEASED.value:
        yield from (f"{name}: {place[0]} does not count it" for place in sorted(expected.keys() - found))


def _holds(limits: list[Limit], only: Iterable[int] | None) -> Iterator[tuple[int, str]]:
    rows = Hold.objects.select_related("decision").prefetch_related("decision__reservations__counter")
    if only is not None:
        rows = rows.filter(decision_id__in=list(only))
    for hold in rows.order_by("decision_id").iterator(chunk_size=_CHUNK):
        yield from ((hold.decision_id, line) for line in _of_hold(hold, limits))


def _without_hold(only: Iterable[int] | None) -> Iterator[tuple[int, str]]:
    rows = Decision.objects.filter(outcome=Outcome.ALLOWED.value, hold__isnull=True)
    if only is not None:
        rows = rows.filter(pk__in=list(only))
    for pk, name in rows.values_list("pk", "intent_digest").iterator(chunk_size=_CHUNK):
        yield pk, f"{name[:16]}: it was allowed and holds nothing"


def _of_counter(counter: LimitCounter) -> str | None:
    """Compare a counter's own figure with what its reservations came to when the last of them was added."""
    rows = list(counter.reservations.select_related("decision__hold").order_by("-decision_id"))
    if not rows:
        return None if counter.drawn == 0 else f"{counter.limit_id} {counter.scope_key}: it counts what nobody holds"
    last = rows[0]
    policy = policy_find(digest=last.decision.policy_digest)
    limit = None if policy is None else _limit(policy, counter)
    if limit is None:
        # The last one came from history: no decision has counted here yet.
        return None
    start = None if limit.window is None else int(last.decision.decided_at.timestamp()) - limit.window
    sure = perhaps = 0
    for row in rows[1:] if limit.window != 0 else ():
        ended = row.decision.hold.ended_after
        was_held = ended is None or ended >= last.decision_id
        if was_held or (row.state == ReservationState.SPENT.value and (start is None or row.time >= start)):
            sure += row.amount
        elif ended is not None and ended >= last.decision_id - _CLOSE:
            perhaps += row.amount
    least = min(last.amount + sure, UINT256_MAX)
    most = min(last.amount + sure + perhaps, UINT256_MAX)
    if least <= counter.drawn <= most:
        return None
    return f"{counter.limit_id} {counter.scope_key}: it counts {counter.drawn}, and its reservations {least}"


def _limit(policy: Policy, counter: LimitCounter) -> Limit | None:
    keys = {str(limit.id): limit for limit in policy.limits}
    limit = keys.get(counter.limit_id)
    if limit is None or (str(limit.measure), limit.asset or "") != (counter.measure, counter.asset):
        return None
    return limit


def _compare(only: set[int] | None) -> list[tuple[int, str]]:
    limits = _counted()
    return [*_holds(limits, only), *_without_hold(only)]


def limits_reconcile(*, day: dt.date) -> Reconciliation:
    """Compare all holds, reservations and counters; a difference is an alarm in the log.

    Decisions go on meanwhile: what differs is looked at once more while nobody decides, and only that counts.

    Args:
        day: The day in the name of which it is done, for the log.
    """
    suspects = {pk for pk, _ in _compare(None)}
    odd = [counter.pk for counter in LimitCounter.objects.iterator(chunk_size=_CHUNK) if _of_counter(counter)]
    differences: list[str] = []
    if suspects or odd:
        # Nothing is written here: whoever holds the log's head may be waiting for this lock.
        with transaction.atomic():
            history_keep()
            differences.extend(line for _, line in _compare(suspects))
            again = (_of_counter(counter) for counter in LimitCounter.objects.filter(pk__in=odd))
            differences.extend(line for line in again if line is not None)
    found = Reconciliation(
        holds=Hold.objects.count(), counters=LimitCounter.objects.count(), differences=tuple(differences)
    )
    payload = {"holds": found.holds, "counters": found.counters, "differences": len(differences)}
    _record(day=day, differs=bool(differences), payload={**payload, "first": differences[:_NAMED_MOST]})
    return found


def reconcile_failed(*, day: dt.date, why: str) -> None:
    """Note that a reconciliation could not be done, which alarms like a difference."""
    _record(day=day, differs=True, payload={"error": why})


def reconcile_subject(*, day: dt.date) -> str:
    """Return under which subject the log keeps a day's reconciliation."""
    return f"limits:{day.isoformat()}"


def _record(*, day: dt.date, differs: bool, payload: dict[str, object]) -> None:
    with transaction.atomic():
        entry_append(
            actor=_SYSTEM,
            tag=AuditTag.LIMIT_MISMATCH if differs else AuditTag.LIMIT_RECONCILED,
            subject=reconcile_subject(day=day),
            payload=payload,
            severity=Severity.ALARM if differs else Severity.INFO,
        )
