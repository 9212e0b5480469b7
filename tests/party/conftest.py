"""Groups of parties of their own, pinned once a session and copied for each test."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.mpc.rig import generating, new_shares
from tests.party.recovery_rig import Site, make_site
from tests.party.renewing import clone
from tests.party.rig import Group
from tests.signer.rig import point_softhsm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.party.rig import Founded


@pytest.fixture
def base() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="cs-party-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def blobs() -> dict[int, bytes]:
    """Shares of one 3-of-5 key, by index, for parties inside the test's process."""
    return {index: bytes(share.serialise()) for index, share in new_shares(generating(3, 5)).items()}


def pinned(founded: Founded, **world: Any) -> Iterator[Group]:  # noqa: ANN401 - fields of World
    """Pin a group once: a test that copies it saves a process for each party."""
    folder = Path(tempfile.mkdtemp(prefix="cs-pinned-"))
    yield Group(founded, folder, **world)
    shutil.rmtree(folder)


def _copied(group: Group, base: Path) -> Group:
    made = clone(group, base)
    # Where a test begins; what was pinned is older.
    made.world.now = int(time.time())
    return made


@pytest.fixture(scope="session")
def small_pinned(two_of_three: Founded) -> Iterator[Group]:
    yield from pinned(two_of_three)


@pytest.fixture(scope="session")
def large_pinned(three_of_five: Founded) -> Iterator[Group]:
    yield from pinned(three_of_five)


@pytest.fixture(scope="session")
def unlimited_pinned(two_of_three: Founded) -> Iterator[Group]:
    """A group without limits: a new journal's windows are full for as long as they last, which no test waits for."""
    yield from pinned(two_of_three, overrides={"limits": ()})


@pytest.fixture
def small(small_pinned: Group, base: Path) -> Group:
    return _copied(small_pinned, base)


@pytest.fixture
def large(large_pinned: Group, base: Path) -> Group:
    return _copied(large_pinned, base)


@pytest.fixture
def unlimited(unlimited_pinned: Group, base: Path) -> Group:
    return _copied(unlimited_pinned, base)


@pytest.fixture(scope="session")
def vault() -> Iterator[Site]:
    """A recovery site of the session; what is pinned there is a test's own matter (see `site`)."""
    base = Path(tempfile.mkdtemp(prefix="cs-vault-"))
    yield make_site(base, "vault")
    shutil.rmtree(base)


@pytest.fixture
def site(vault: Site, base: Path) -> Site:
    """A copy of the session's recovery site."""
    shutil.copytree(vault.state, base / "vault")
    point_softhsm(base / "vault")
    return dataclasses.replace(vault, state=base / "vault")
