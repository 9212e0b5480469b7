"""What kills, fills or restarts things while entries get their places: nothing is lost, and nothing is in twice."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from django.db import DatabaseError, connection, connections, transaction

from audit.models import AuditCheckpoint, AuditEntry, AuditLeaf, AuditPending, AuditTree
from audit.sequencer import tree_advance
from audit.services import entry_append
from tests.append_only import lifted
from tests.log import log_state
from tests.soak import SOAK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WRITERS = 32
SECONDS = 60 if SOAK else 10


def write(count: int) -> None:
    with transaction.atomic():
        for number in range(count):
            entry_append(actor="tess", tag="oms:request:asked", subject=str(number), payload={"n": number})


def placed_all(*, seconds: float = 30) -> None:
    """Give everything its place; a session that was killed may hold the tree's row for a moment longer."""
    deadline = time.monotonic() + seconds
    while AuditPending.objects.exists():
        tree_advance()
        assert time.monotonic() < deadline, "the queue is stuck"


def whole(entries: int) -> None:
    assert AuditEntry.objects.count() == entries
    assert list(AuditLeaf.objects.order_by("index").values_list("index", flat=True)) == list(range(entries))
    assert AuditLeaf.objects.values("entry_id").distinct().count() == entries
    state = log_state()
    assert (state.entries, state.broken) == (entries, None)


class _Killer:
    """Kills its own process before or after the n-th statement. A commit is no statement: after the last one."""

    def __init__(self, at: int, *, after: bool) -> None:
        self.at, self.after, self.count = at, after, 0

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:  # noqa: ANN401, FBT001 - Django's signature
        self.count += 1
        if self.count == self.at and not self.after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = execute(sql, params, many, context)
        if self.count == self.at and self.after:
            os.kill(os.getpid(), signal.SIGKILL)
        return result


def _sequence(at: int, *, after: bool) -> NoReturn:
    """Be the process that dies, or that gets through: then it ends with 7."""
    with contextlib.suppress(Exception), connection.execute_wrapper(_Killer(at, after=after)):
        tree_advance()
        os._exit(7)
    os._exit(1)


def _forked(at: int, *, after: bool) -> int:
    connections.close_all()
    child = os.fork()
    if child == 0:
        _sequence(at, after=after)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("after", [False, True])
def test_a_sequencer_that_is_killed_at_any_step_leaves_the_queue_as_it_was(*, after: bool) -> None:
    # Across the border of a tile: every kind of row is written.
    write(250)
    placed_all()
    entries = 250
    for step in range(1, 64):
        write(10)
        entries += 10
        before = AuditTree.objects.get().size
        ended = _forked(step, after=after)
        assert ended in {-signal.SIGKILL, 7}, ended
        size = AuditTree.objects.get().size
        if ended == 7:
            break
        assert size == before == AuditLeaf.objects.count()
        assert AuditCheckpoint.objects.filter(size__gt=before).count() == 0
        assert AuditPending.objects.count() == entries - before
    else:
        pytest.fail("it makes more steps than were tried")
    assert step > 5
    placed_all()
    whole(entries)


@pytest.mark.django_db(transaction=True)
def test_a_session_that_the_database_ends_is_made_good() -> None:
    if connection.vendor != "postgresql":
        # SQLite has no sessions: a process that dies is all that can happen, see above.
        test_a_sequencer_that_is_killed_at_any_step_leaves_the_queue_as_it_was(after=True)
        return
    write(20)

    def cut(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:  # noqa: ANN401, FBT001 - Django's signature
        if sql.startswith("DELETE FROM audit_pending"):
            execute("SELECT pg_terminate_backend(pg_backend_pid())", (), False, context)  # noqa: FBT003 - as above
        return execute(sql, params, many, context)

    with pytest.raises(DatabaseError), connection.execute_wrapper(cut):
        tree_advance()
    connection.close()
    assert AuditPending.objects.count() == 20
    assert not AuditLeaf.objects.exists()
    placed_all()
    whole(20)


@pytest.mark.django_db(transaction=True)
def test_a_full_disk_places_nothing_and_loses_nothing() -> None:
    write(600)
    with lifted(), _full():
        with pytest.raises(DatabaseError):
            tree_advance()
        assert not AuditLeaf.objects.exists()
        assert AuditPending.objects.count() == 600
    placed_all()
    whole(600)


@contextlib.contextmanager
def _full(table: str = "audit_leaf", room: str = "NEW.index > 300") -> Iterator[None]:
    """Let the disk be full: on SQLite its file may not grow, on PostgreSQL a table gives the error that it would."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA page_count")
            (pages,) = cursor.fetchone() or (0,)
            cursor.execute(f"PRAGMA max_page_count = {pages}")
            yield
            cursor.execute("PRAGMA max_page_count = 1073741823")
            return
        cursor.execute(
            "CREATE FUNCTION tests_full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" IF {room} THEN RAISE EXCEPTION 'no space left on device' USING ERRCODE = 'disk_full'; END IF;"
            " RETURN NEW; END $$"
        )
        cursor.execute(
            f"CREATE TRIGGER tests_full BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION tests_full()"
        )
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION tests_full() CASCADE")


def _write_until_full() -> None:
    for _ in range(200):
        write(50)


@pytest.mark.django_db(transaction=True)
def test_writing_fails_whole_on_a_full_disk() -> None:
    write(1)
    room = "NEW.subject = '30' AND (SELECT count(*) FROM audit_entry) > 80"
    with _full("audit_entry", room), pytest.raises(DatabaseError):
        _write_until_full()
    count = AuditEntry.objects.count()
    assert count % 50 == 1
    placed_all()
    whole(count)


@pytest.mark.django_db(transaction=True)
@pytest.mark.timeout(SECONDS + 240)
def test_32_writers_leave_no_gap() -> None:
    until = time.monotonic() + SECONDS
    written: list[int] = []

    def writer() -> None:
        count = 0
        try:
            while time.monotonic() < until:
                write(1)
                count += 1
        finally:
            written.append(count)
            connection.close()

    def sequencer() -> None:
        try:
            while time.monotonic() < until:
                tree_advance()
                time.sleep(0.02)
        finally:
            connection.close()

    threads = [threading.Thread(target=writer) for _ in range(WRITERS)]
    threads += [threading.Thread(target=sequencer) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(written) == WRITERS
    assert sum(written) > WRITERS
    placed_all(seconds=120)
    whole(sum(written))
