"""A web tier and a signer of the same kind of institution. A token with two keys is made once for the session."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from approvals.models import User
from policies.services import genesis_store
from signer.config import load_config
from signer.console import open_hsm
from signer.provision import make_key
from tests.factories.world import PEOPLE
from tests.seed.institution import seed_world
from tests.seed.rigs import Token, pinned, served
from tests.seed.tiers import Attacker, Web, in_time
from tests.signer.rig import make_template

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def token() -> Iterator[Token]:
    # Not pytest's own folder: its names are longer than a unix socket's may be.
    folder = Path(tempfile.mkdtemp(prefix="cs-seed-"))
    template = make_template(folder / "hsm-1")
    hsm = open_hsm(load_config(template.state))
    try:
        cold = make_key(hsm, "cold").public_key
    finally:
        hsm.close()
    yield Token(template, cold)
    shutil.rmtree(folder)


@pytest.fixture
def attacker(token: Token) -> Iterator[Attacker]:
    """An attacker at the socket of a signer that has seen nothing yet."""
    with served(token) as made:
        yield made


@pytest.fixture(scope="module")
def neighbour(token: Token) -> Iterator[Attacker]:
    """As `attacker`, at one signer for the module: for what leaves next to nothing behind."""
    with served(token) as made:
        yield made


@pytest.fixture
def timed(token: Token) -> Iterator[Attacker]:
    """An attacker at a signer's service in this process: real token, real journal, and a clock to move."""
    with pinned(token) as rig, rig.service() as service:
        yield in_time(rig.world, service)


@pytest.fixture
def web(db: None) -> Web:  # noqa: ARG001 - asks for the database
    """The institution's web tier, with its first policy in force and everybody's account."""
    world = seed_world()
    genesis_store(signed=world.signed_policy, digest=world.deployment, actor="system:tests", now=world.now)
    return Web(world, {name: User.objects.create_user(name, display_name=name.title()) for name in PEOPLE})
