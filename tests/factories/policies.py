"""A world whose genesis is in force in the database."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from policies.services import genesis_store
from tests.factories.world import NOW, World

if TYPE_CHECKING:
    from core.documents.policy import Limit

CLAIMS = {"web.simulation": "ok"}


def world_in_force(**overrides: Any) -> World:  # noqa: ANN401 - fields of Policy
    """Make an institution and store its first policy; `overrides` replace fields of the policy."""
    world = World(overrides=overrides)
    genesis_store(signed=world.signed_policy, digest=world.policy.digest, actor="system:tests", now=NOW)
    return world


def renumbered(*limits: Limit) -> tuple[Limit, ...]:
    """Return limits in the order of their places."""
    return tuple(dataclasses.replace(limit, order=place) for place, limit in enumerate(limits, start=1))
