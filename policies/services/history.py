"""A limit starts from history: what was held and spent before the policy that brings it counts in it, as in a signer.

A signer keeps every draw and adds up whichever limit asks. Here each limit has counters; the first decision under a
policy fills those of its new limits from all holds, while nobody else decides or ends a hold.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from django.db import connection, transaction

from policies.facts import draw_read
from policies.limits import limit_name, shares_of
from policies.models import CountedLimit, Hold, LimitCounter, Reservation, ReservationState
from policies.selectors import limits_counted

if TYPE_CHECKING:
    from core.documents.policy import Limit, Policy
    from policies.limits import CounterName

_LOCK = 0x434F554E  # "COUN": of all advisory locks this one is for counting
_ROWS = 500


def _lock(function: str) -> None:
    """Wait for history. SQLite has one writer at a time (transaction_mode IMMEDIATE) and needs no such lock."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {function}(%s)", [_LOCK])


def history_share() -> None:
    """Keep a new limit from being filled until the transaction ends. Taken before counters and the log's head."""
    _lock("pg_advisory_xact_lock_shared")


def history_keep() -> None:
    """Keep everybody else from deciding and from ending a hold until the transaction ends."""
    _lock("pg_advisory_xact_lock")


def limits_missing(*, policy: Policy) -> list[Limit]:
    """Return the limits of a policy that do not count all of history."""
    there = limits_counted()
    return [limit for limit in policy.limits if limit_name(limit) not in there]


def limits_count(*, policy: Policy, now: int) -> int:
    """Count all of history in the limits of a policy that do not count it yet; return how many these were.

    Idempotent. In a caller's transaction it is the first thing that locks anything, or two may wait in a circle.

    Args:
        policy: The policy whose limits they are.
        now: Unix seconds, for the record.

    Raises:
        StoredPolicyError: A stored draw cannot be read.
    """
    if not limits_missing(policy=policy):
        return 0
    with transaction.atomic():
        history_keep()
        # Read again under the lock: somebody else may just have counted them.
        missing = limits_missing(policy=policy)
        if missing:
            _fill(missing)
            at = dt.datetime.fromtimestamp(now, tz=dt.UTC)
            CountedLimit.objects.bulk_create(
                CountedLimit(limit_id=name, per=per, measure=measure, asset=asset, counted_at=at)
                for name, per, measure, asset in dict.fromkeys(limit_name(limit) for limit in missing)
            )
        return len(missing)


def limits_leave(*, policy: Policy) -> None:
    """Note, as something is held under a policy, that other policies' limits no longer count all of history.

    One of them that comes back is filled again.
    """
    kept = {limit_name(limit) for limit in policy.limits}
    for row in CountedLimit.objects.all():
        if (row.limit_id, row.per, row.measure, row.asset) not in kept:
            row.delete()


def _fill(limits: list[Limit]) -> None:
    """Give every hold that was not released its share in each of these limits."""
    counters: dict[CounterName, LimitCounter] = {}
    batch: list[Reservation] = []
    kept = Hold.objects.exclude(state=ReservationState.RELEASED.value).order_by("decision_id")
    for hold in kept.select_related("decision").iterator(chunk_size=_ROWS):
        for share in shares_of(limits, draw_read(text=hold.decision.draw)):
            if share.name not in counters:
                limit_id, scope_key, measure, asset = share.name
                counters[share.name], _ = LimitCounter.objects.get_or_create(
                    limit_id=limit_id, scope_key=scope_key, measure=measure, asset=asset
                )
            batch.append(
                Reservation(
                    decision_id=hold.decision_id,
                    counter=counters[share.name],
                    amount=share.amount,
                    time=hold.time,
                    state=hold.state,
                )
            )
        if len(batch) >= _ROWS:
            # A limit that comes back finds what it counted when it was in force before.
            Reservation.objects.bulk_create(batch, ignore_conflicts=True)
            batch = []
    Reservation.objects.bulk_create(batch, ignore_conflicts=True)
