"""Fixtures that many tests share."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from approvals.models import User
from tests.append_only import let_tests_flush
from tests.sign_in import signed_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.test import Client

    from demo.services.anvil import Node
    from tests.party.rig import Founded

let_tests_flush()

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


def _founded(threshold: int, parties: int) -> Iterator[Founded]:
    from tests.party.rig import found  # noqa: PLC0415 - most runs of a few tests need no parties

    with tempfile.TemporaryDirectory(prefix="cs-found-") as base:
        yield found(Path(base), threshold, parties)


@pytest.fixture(scope="session")
def two_of_three() -> Iterator[Founded]:
    """One 2-of-3 key for the session, made by its parties; whoever uses it copies their folders."""
    yield from _founded(2, 3)


@pytest.fixture(scope="session")
def three_of_five() -> Iterator[Founded]:
    """One 3-of-5 key for the session."""
    yield from _founded(3, 5)
