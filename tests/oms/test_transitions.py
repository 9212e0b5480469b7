"""Every (state, event) pair, in code and in the database."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from audit.models import AuditEntry
from core.lifecycle import FINAL, RELEASES, TRANSITIONS, Event, LifecycleError, State, apply
from oms.models import TransactionEvent, TransactionRequest
from oms.transitions import request_lock, request_move
from tests.append_only import lifted

if TYPE_CHECKING:
    from tests.oms.conftest import Desk


def put(request: TransactionRequest, state: State) -> None:
    """Put a request into a state as nobody but a test can."""
    with lifted(), connection.cursor() as cursor:
        cursor.execute("UPDATE oms_request SET state = %s WHERE id = %s", [state.value, request.pk])


def test_every_pair_moves_as_the_table_says_or_not_at_all(desk: Desk) -> None:
    request = desk.ask()
    for state, event in product(State, Event):
        put(request, state)
        entries, events = AuditEntry.objects.count(), TransactionEvent.objects.count()
        expected = TRANSITIONS.get((state, event))
        with transaction.atomic():
            locked = request_lock(reference=request.reference)
            if expected is None:
                with pytest.raises(LifecycleError):
                    request_move(request=locked, event=event, actor="system:test", now=timezone.now())
            else:
                assert request_move(request=locked, event=event, actor="system:test", now=timezone.now()) is expected
        request.refresh_from_db()
        assert request.state == (expected or state)
        assert TransactionEvent.objects.count() == events + (expected is not None)
        assert (AuditEntry.objects.count() > entries) is (expected is not None)


def test_the_database_refuses_every_move_that_the_table_lacks(desk: Desk) -> None:
    request = desk.ask()
    moves = {(before, after) for (before, _), after in TRANSITIONS.items()}
    for before, after in product(State, State):
        put(request, before)
        update = TransactionRequest.objects.filter(pk=request.pk)
        if before == after or (before, after) in moves:
            assert update.update(state=after.value) == 1
        else:
            with pytest.raises(DatabaseError), transaction.atomic():
                update.update(state=after.value)


@pytest.mark.parametrize("column", ["amount", "destination", "mandate_text", "intent_digest"])
def test_the_database_keeps_what_people_consented_to(desk: Desk, column: str) -> None:
    request = desk.ask()
    changed = 1 if column == "amount" else "x"
    with pytest.raises(DatabaseError), transaction.atomic():
        TransactionRequest.objects.filter(pk=request.pk).update(**{column: changed})


def test_requests_and_events_are_never_deleted(desk: Desk) -> None:
    request = desk.ask()
    for table in ("oms_event", "oms_request"):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM {table}")  # noqa: S608 - two literals
    assert TransactionEvent.objects.filter(request=request).exists()


def test_a_final_state_has_no_way_out() -> None:
    for state, event in product(FINAL, Event):
        with pytest.raises(LifecycleError):
            apply(state, event)


def test_only_unsigned_ends_give_limits_back() -> None:
    signed_before = {State.LIVE, State.CONFIRMING, State.CONFIRMED, State.FAILED, State.SUPERSEDED}
    assert RELEASES <= FINAL
    assert not RELEASES & signed_before
