"""Fixtures that many tests share."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import pickle
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings as hypothesis_settings

from approvals.models import User
from tests.append_only import let_tests_flush
from tests.environment import run_folder
from tests.sign_in import signed_in
from tests.soak import bounded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.test import Client

    from demo.services.anvil import Node
    from tests.party.rig import Founded, Group

let_tests_flush()
# Properties that say nothing of their own are bounded as the others are: the same commit gives the same result.
hypothesis_settings.register_profile("bounded", bounded(100))
hypothesis_settings.load_profile("bounded")

_DATABASE_FIXTURES = frozenset({"db", "transactional_db", "django_db_serialized_rollback", "live_server"})


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what touches the database, so that `-m database` finds it on whichever server it is to run."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if item.get_closest_marker("django_db") is not None or fixtures & _DATABASE_FIXTURES:
            item.add_marker(pytest.mark.database)


@pytest.fixture
def admin_user(db: None) -> User:  # noqa: ARG001 - asks for the database
    """Somebody who may use the whole admin; `admin_client` is signed in as them."""
    return User.objects.create_superuser("ada", display_name="Ada Admin", password="only-in-tests")


@pytest.fixture
def admin_client(admin_user: User) -> Client:
    """A client of theirs; pytest-django's own would not have come by a security key."""
    return signed_in(admin_user)


@pytest.fixture(scope="session")
def anvil_node() -> Iterator[Node]:
    """One EVM node for the session; each test uses accounts of its own."""
    from demo.services.anvil import anvil  # noqa: PLC0415 - most runs of a few tests need no node

    with anvil() as node:
        yield node


@contextlib.contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Let one process of the run at a time do something."""
    with file.open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _founded(base: Path, threshold: int, parties: int) -> Founded:
    """Have a key made once for the whole run, by whichever worker process is first; return a copy of its folders."""
    from tests.party.rig import found  # noqa: PLC0415 - most runs of a few tests need no parties
    from tests.signer.rig import point_softhsm  # noqa: PLC0415 - as above

    kept = run_folder() / f"founded-{threshold}-of-{parties}"
    told = kept.with_suffix(".pickle")
    with _alone(kept.with_suffix(".lock")):
        if not told.exists():
            made = found(base, threshold, parties)
            shutil.copytree(base, kept)
            told.write_bytes(pickle.dumps(made))
            return made
        shutil.copytree(kept, base, dirs_exist_ok=True)
        told_then: Founded = pickle.loads(told.read_bytes())  # noqa: S301 - our own, of this run
        made = dataclasses.replace(told_then, base=base)
    for party in made.plan.parties:
        point_softhsm(made.state(party.id))
    return made


@pytest.fixture(scope="session")
def two_of_three() -> Iterator[Founded]:
    """One 2-of-3 key for the session, made by its parties; whoever uses it copies their folders."""
    with tempfile.TemporaryDirectory(prefix="cs-found-") as base:
        yield _founded(Path(base), 2, 3)


@pytest.fixture(scope="session")
def three_of_five() -> Iterator[Founded]:
    """One 3-of-5 key for the session."""
    with tempfile.TemporaryDirectory(prefix="cs-found-") as base:
        yield _founded(Path(base), 3, 5)


@contextlib.contextmanager
def _pinned(founded: Founded, **world: Any) -> Iterator[Group]:  # noqa: ANN401 - fields of World
    """Pin a group once: a test that copies it saves a process for each party."""
    from tests.party.rig import Group  # noqa: PLC0415 - as above

    with tempfile.TemporaryDirectory(prefix="cs-pinned-") as folder:
        yield Group(founded, Path(folder), **world)


@pytest.fixture(scope="session")
def small_pinned(two_of_three: Founded) -> Iterator[Group]:
    """A deployment of the 2-of-3 key, to be copied."""
    with _pinned(two_of_three) as group:
        yield group


@pytest.fixture(scope="session")
def large_pinned(three_of_five: Founded) -> Iterator[Group]:
    """A deployment of the 3-of-5 key, to be copied."""
    with _pinned(three_of_five) as group:
        yield group


@pytest.fixture(scope="session")
def unlimited_pinned(two_of_three: Founded) -> Iterator[Group]:
    """A group without limits: a new journal's windows are full for as long as they last, which no test waits for."""
    with _pinned(two_of_three, overrides={"limits": ()}) as group:
        yield group
