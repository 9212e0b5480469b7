"""One token with a key for the session, one signer's folder for each test."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.signer.clone_rig import CloneHouse, Made, Second, make_second
from tests.signer.log_rig import log, made_log  # noqa: F401 - fixtures
from tests.signer.rig import Rig, Template, make_template

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def template() -> Iterator[Template]:
    # Not pytest's own folder: its names are longer than a unix socket's may be.
    folder = Path(tempfile.mkdtemp(prefix="cs-token-"))
    yield make_template(folder / "hsm-1")
    shutil.rmtree(folder)


@pytest.fixture
def unpinned(template: Template) -> Iterator[Rig]:
    folder = Path(tempfile.mkdtemp(prefix="cs-signer-"))
    yield Rig(template, folder / "hsm-1")
    shutil.rmtree(folder)


@pytest.fixture
def rig(unpinned: Rig) -> Rig:
    unpinned.pin()
    return unpinned


@pytest.fixture(scope="session")
def second() -> Iterator[Second]:
    folder = Path(tempfile.mkdtemp(prefix="cs-second-"))
    yield make_second(folder / "made")
    shutil.rmtree(folder)


@pytest.fixture
def house(template: Template, second: Second) -> Iterator[CloneHouse]:
    folder = Path(tempfile.mkdtemp(prefix="cs-clone-"))
    yield CloneHouse(template, second, folder)
    shutil.rmtree(folder)


@pytest.fixture
def made(house: CloneHouse) -> Made:
    given = house.order()
    return Made(house, given, house.make(given))
