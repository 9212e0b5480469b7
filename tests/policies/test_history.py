"""A limit starts from history, also in the web tier; and once a day everything that was counted is compared."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import subprocess
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from audit.models import AuditEntry
from core.documents.policy import Dimension, Measure
from policies import reconcile
from policies.errors import DecisionConflictError, StoredPolicyError
from policies.inflight import _OthersTotals
from policies.limits import StoredTotals
from policies.models import CountedLimit, Decision, Hold, LimitCounter, PolicyVersion, Reservation
from policies.selectors import version_active
from policies.services import decision_make, reservation_release, reservation_settle
from policies.services.reconcile import limits_reconcile
from tests.append_only import lifted
from tests.factories.policies import CLAIMS, renumbered, world_in_force
from tests.factories.world import DAY, ETHER, NATIVE, NOW, World, limit

if TYPE_CHECKING:
    from core.documents.policy import Limit

TODAY = dt.date(2026, 11, 21)
WALLET_DAY = limit("day", Measure.ASSET, 100 * ETHER, window=DAY, asset=NATIVE, order=1)
TRADER_EVER = dataclasses.replace(
    limit("ever", Measure.COUNT, 3, window=None, order=2), per=(Dimension.INITIATOR, Dimension.DESTINATION)
)


def succeed(world: World, *limits: Limit) -> None:
    """Put a policy with these limits in force, as a succession does once its people have signed."""
    before = version_active()
    assert before is not None
    policy = dataclasses.replace(
        world.policy,
        header=dataclasses.replace(world.policy.header, id=f"{before.number:032x}", deployment=world.deployment),
        number=before.number + 1,
        previous=before.digest,
        limits=renumbered(*limits),
    )
    at = dt.datetime.fromtimestamp(NOW, tz=dt.UTC)
    PolicyVersion.objects.filter(pk=before.pk).update(status="retired", retired_at=at)
    PolicyVersion.objects.create(
        number=policy.number, digest=policy.digest, document=policy.to_bytes().decode(), consents="[]",
        status="active", previous=before, stored_at=at, activated_at=at,
    )  # fmt: skip
    world.policy = policy


def asked(world: World, value: int, now: int = NOW, **changes: Any) -> Decision:  # noqa: ANN401 - fields of Intent
    world.now = now
    intent = world.intent(value=value, max_fee_per_gas=0, max_priority_fee_per_gas=0, **changes)
    return decision_make(mandate=world.mandate(intent), claims=CLAIMS, now=now)


@pytest.fixture
def world() -> World:
    return world_in_force(limits=(WALLET_DAY,), escalations=())


@pytest.mark.django_db
def test_a_new_limit_counts_what_was_drawn_before_it(world: World) -> None:
    spent, held, released = (asked(world, 10 * ETHER) for _ in range(3))
    reservation_settle(intent_digest=spent.intent_digest, now=NOW + 60)
    reservation_release(intent_digest=released.intent_digest)
    week = limit("week", Measure.ASSET, 25 * ETHER, window=7 * DAY, asset=NATIVE, order=1)
    succeed(world, WALLET_DAY, week, TRADER_EVER)
    assert asked(world, 5 * ETHER + 1).outcome == "denied"
    assert asked(world, 5 * ETHER).outcome == "allowed"
    assert StoredTotals().used(week, (world.wallet,), now=NOW) == 25 * ETHER
    rows = {r.decision_id: (r.amount, r.state, r.time) for r in Reservation.objects.filter(counter__limit_id="week")}
    assert rows[spent.pk] == (10 * ETHER, "spent", NOW + 60)
    assert rows[held.pk] == (10 * ETHER, "held", NOW)
    assert released.pk not in rows
    # What is filled ends with its hold.
    reservation_settle(intent_digest=held.intent_digest, now=NOW + 90)
    assert Reservation.objects.get(counter__limit_id="week", decision=held).time == NOW + 90
    # Three were counted for this trader and place by now.
    assert asked(world, 1).outcome == "denied"


@pytest.mark.django_db
def test_a_look_before_anybody_decides_counts_history_and_stores_nothing(world: World) -> None:
    spent, held, released = (asked(world, 10 * ETHER) for _ in range(3))
    reservation_settle(intent_digest=spent.intent_digest, now=NOW + 60)
    reservation_release(intent_digest=released.intent_digest)
    week = limit("week", Measure.ASSET, 25 * ETHER, window=7 * DAY, asset=NATIVE, order=1)
    key = (world.wallet,)
    assert StoredTotals().used(week, key, now=NOW + 60 + 7 * DAY) == 20 * ETHER
    assert StoredTotals().used(week, key, now=NOW + 61 + 7 * DAY) == 10 * ETHER
    assert StoredTotals().used(week, ("elsewhere",), now=NOW) == 0
    assert not CountedLimit.objects.filter(limit_id="week").exists()
    # A case in flight does not count against itself, counted or not.
    others = _OthersTotals(held.intent_digest)
    assert others.used(week, key, now=NOW) == others.used(WALLET_DAY, key, now=NOW) == 10 * ETHER


@pytest.mark.django_db
def test_decisions_without_any_limit_count_in_a_later_one() -> None:
    world = world_in_force(limits=(), escalations=())
    for _ in range(3):
        asked(world, ETHER)
    assert (Hold.objects.count(), Reservation.objects.count()) == (3, 0)
    succeed(world, TRADER_EVER)
    assert asked(world, ETHER).outcome == "denied"


@pytest.mark.django_db
def test_a_limit_that_comes_back_counts_what_it_missed(world: World) -> None:
    asked(world, 10 * ETHER)
    succeed(world)
    asked(world, 20 * ETHER)
    succeed(world, WALLET_DAY)
    assert asked(world, 70 * ETHER + 1).outcome == "denied"
    assert asked(world, 70 * ETHER).outcome == "allowed"
    assert StoredTotals().used(WALLET_DAY, (world.wallet,), now=NOW) == 100 * ETHER


@pytest.mark.django_db
def test_what_nobody_counts_yet_is_not_decided(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy that comes into force between the two looks at it: refused, and asked again it is counted."""
    monkeypatch.setattr("policies.services.decisions.limits_count", lambda **_: 0)
    with pytest.raises(DecisionConflictError, match="changed at this moment"):
        asked(world, ETHER)
    assert not Decision.objects.exists()


@pytest.mark.django_db
def test_an_unreadable_draw_stops_a_new_limit(world: World) -> None:
    decision = asked(world, ETHER)
    with lifted():
        Decision.objects.filter(pk=decision.pk).update(draw="{}")
    succeed(world, WALLET_DAY, TRADER_EVER)
    with pytest.raises(StoredPolicyError, match="draw cannot be read"):
        asked(world, ETHER)
    assert not CountedLimit.objects.filter(limit_id="ever").exists()


def _differences() -> tuple[str, ...]:
    return limits_reconcile(day=TODAY).differences


@pytest.mark.django_db
def test_what_agrees_is_noted(world: World) -> None:
    spent, _, released = (asked(world, 10 * ETHER, NOW + place) for place in range(3))
    reservation_settle(intent_digest=spent.intent_digest, now=NOW + 60)
    reservation_release(intent_digest=released.intent_digest)
    succeed(world, WALLET_DAY, TRADER_EVER)
    assert asked(world, ETHER, NOW + 2 * DAY).outcome == "allowed"
    assert asked(world, ETHER, NOW + 2 * DAY).outcome == "denied"
    assert _differences() == ()
    entry = AuditEntry.objects.get(subject="limits:2026-11-21")
    assert (entry.tag, entry.severity) == ("policies:limit:reconciled", "info")
    out = StringIO()
    call_command("limits_reconcile", stdout=out)
    assert "4 holds and 2 counters" in out.getvalue()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("tamper", "says"),
    [
        (lambda: Reservation.objects.filter(counter__limit_id="day").update(amount=1), "its draw says"),
        (lambda: Reservation.objects.update(time=1), "and the hold"),
        (lambda: Reservation.objects.update(state="released"), "and the hold"),
        (lambda: Reservation.objects.all().delete(), "does not count it"),
        (lambda: LimitCounter.objects.update(drawn=1), "it counts 1, and its reservations"),
        (lambda: Decision.objects.update(draw="{}"), "cannot be read"),
        (lambda: Decision.objects.update(outcome="denied"), "denied and holds"),
        (lambda: (Reservation.objects.all().delete(), Hold.objects.all().delete()), "holds nothing"),
        (lambda: LimitCounter.objects.update(scope_key='{"wallet":"x"}'), "not its own"),
    ],
)
def test_what_somebody_changed_is_an_alarm_and_not_repaired(world: World, tamper: Any, says: str) -> None:  # noqa: ANN401
    asked(world, 10 * ETHER)
    with lifted():
        tamper()
    found = _differences()
    assert any(says in line for line in found), found
    entry = AuditEntry.objects.get(subject="limits:2026-11-21")
    assert (entry.tag, entry.severity) == ("policies:limit:mismatch", "alarm")
    assert json.loads(entry.payload)["differences"] == len(found)
    assert _differences() == found
    with pytest.raises(CommandError) as refused:
        call_command("limits_reconcile", stdout=StringIO())
    assert refused.value.returncode == 2


@pytest.mark.django_db
def test_the_days_reconciliation_is_started_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[str, ...]] = []

    sleeper = subprocess.Popen(["sleep", "60"])

    def start(*arguments: str) -> subprocess.Popen[bytes]:
        started.append(arguments)
        return sleeper

    monkeypatch.setattr(reconcile, "child_start", start)
    monkeypatch.setattr(reconcile, "_done", set())
    monkeypatch.setattr(reconcile, "_children", {})
    at = dt.datetime.fromtimestamp(NOW, tz=dt.UTC).replace(hour=2, minute=0, second=0)
    day = at.date() + dt.timedelta(days=1)
    due = at + dt.timedelta(days=1)
    # Nothing was decided before it was due: there is nothing to compare.
    assert reconcile.reconcile_sweep(now=due) == 0
    asked(world, ETHER)
    assert reconcile.reconcile_sweep(now=due) == 1
    assert reconcile.reconcile_sweep(now=due) == 0
    assert started == [("limits_reconcile", "--day", day.isoformat())]
    sleeper.kill()
    sleeper.wait(10)
    assert reconcile.reconcile_sweep(now=due) == 1
    entry = AuditEntry.objects.get(subject=f"limits:{day}")
    assert (entry.severity, json.loads(entry.payload)) == ("alarm", {"error": "its process was killed by signal 9"})
    assert reconcile.reconcile_sweep(now=due) == 0
    assert reconcile.reconcile_sweep(now=due + dt.timedelta(hours=23)) == 0
    assert reconcile.reconcile_sweep(now=due + dt.timedelta(hours=24)) == 1


@pytest.mark.django_db(transaction=True)
def test_a_hold_ends_once_in_the_database_itself(world: World) -> None:
    decision = asked(world, ETHER)
    reservation_release(intent_digest=decision.intent_digest)
    with pytest.raises(Exception, match="ends once"), transaction.atomic():
        Hold.objects.update(state="spent")
