"""Signers of the institution: a token with two keys, copied for each of them."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.seed.institution import seed_fields
from tests.seed.tiers import Attacker, over_its_socket
from tests.signer.rig import Rig, Template

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclasses.dataclass(frozen=True)
class Token:
    """A signer's folder to copy, and the public key of its second wallet."""

    template: Template
    cold: bytes


@contextmanager
def pinned(token: Token) -> Iterator[Rig]:
    """Make a signer's folder whose pinned policy is the institution's."""
    folder = Path(tempfile.mkdtemp(prefix="cs-seed-"))
    fields = seed_fields(now=int(time.time()), hot=token.template.public_key, cold=token.cold)
    rig = Rig(token.template, folder / "hsm-1", overrides=fields)
    rig.pin()
    yield rig
    shutil.rmtree(folder)


@contextmanager
def served(token: Token) -> Iterator[Attacker]:
    """Run a signer in a process of its own, with an attacker at its socket."""
    with pinned(token) as rig, rig.served() as process:
        yield over_its_socket(rig.world, process)
