"""One 2-of-3 key and one 3-of-5 key for the session; a group of its own, freshly pinned, for each test."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.party.recovery_rig import Site, make_site
from tests.party.rig import Founded, Group, found
from tests.signer.rig import point_softhsm

if TYPE_CHECKING:
    from collections.abc import Iterator


def _founded(threshold: int, parties: int) -> Iterator[Founded]:
    base = Path(tempfile.mkdtemp(prefix="cs-found-"))
    yield found(base, threshold, parties)
    shutil.rmtree(base)


@pytest.fixture(scope="session")
def two_of_three() -> Iterator[Founded]:
    yield from _founded(2, 3)


@pytest.fixture(scope="session")
def three_of_five() -> Iterator[Founded]:
    yield from _founded(3, 5)


@pytest.fixture
def base() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="cs-party-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def small(two_of_three: Founded, base: Path) -> Group:
    return Group(two_of_three, base)


@pytest.fixture
def large(three_of_five: Founded, base: Path) -> Group:
    return Group(three_of_five, base)


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
