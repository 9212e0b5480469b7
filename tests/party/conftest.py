"""Groups of parties of their own, copied for each test from what the session has pinned."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.mpc.rig import generating, new_shares
from tests.party.recovery_rig import Site, make_site
from tests.party.renewing import clone
from tests.signer.rig import point_softhsm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.party.rig import Group


@pytest.fixture
def base() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="cs-party-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def blobs() -> dict[int, bytes]:
    """Shares of one 3-of-5 key, by index, for parties inside the test's process."""
    return {index: bytes(share.serialise()) for index, share in new_shares(generating(3, 5)).items()}


@pytest.fixture
def small(small_pinned: Group, base: Path) -> Group:
    return clone(small_pinned, base)


@pytest.fixture
def large(large_pinned: Group, base: Path) -> Group:
    return clone(large_pinned, base)


@pytest.fixture
def unlimited(unlimited_pinned: Group, base: Path) -> Group:
    return clone(unlimited_pinned, base)


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
