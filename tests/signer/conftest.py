"""One token with a key for the session, one signer's folder for each test."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

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
