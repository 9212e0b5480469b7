"""A verified case serves the next step of the very same case, once, while nothing that it stands on has changed."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import pytest

from core.errors import DocumentError
from core.lease import Held
from core.verify import verify
from signer.party.kept import Ground, KeptCase
from tests.factories.world import World


@pytest.fixture
def world() -> World:
    return World()


def ground(world: World) -> Ground:
    return Ground(head=world.journal.head, now=world.now, pins=world.pins, held=Held(granted=()))


def test_a_token_is_given_away_once(world: World) -> None:
    kept, here = KeptCase(), ground(world)
    bundle = kept.read(world.bundle().to_json())
    assert kept.take(bundle, here) is None
    verified = verify(bundle, world.pins, world.journal, world.now)
    kept.keep(bundle, verified, here)
    assert kept.take(bundle, here) is verified
    assert kept.take(bundle, here) is None


@pytest.mark.parametrize("field", ["head", "now", "pins", "held"])
def test_what_changed_since_has_the_case_verified_anew(world: World, field: str) -> None:
    kept, here = KeptCase(), ground(world)
    bundle = kept.read(world.bundle().to_json())
    # Equal is not enough where things are replaced whole: whoever replaced them meant something.
    other: dict[str, Any] = {
        "head": "ab" * 32,
        "now": here.now + 1,
        "pins": copy.copy(here.pins),
        "held": copy.copy(here.held),
    }
    kept.keep(bundle, verify(bundle, world.pins, world.journal, world.now), here)
    assert kept.take(bundle, dataclasses.replace(here, **{field: other[field]})) is None
    # And what was asked for in vain is forgotten.
    assert kept.take(bundle, here) is None


def test_another_case_is_never_taken_for_this_one(world: World) -> None:
    kept, here = KeptCase(), ground(world)
    case = world.bundle()
    first = kept.read(case.to_json())
    kept.keep(first, verify(first, world.pins, world.journal, world.now), here)
    other = kept.read(dataclasses.replace(case, attempt=dataclasses.replace(case.attempt, nonce=1)).to_json())
    assert other != first
    assert kept.take(other, here) is None
    kept.keep(first, verify(first, world.pins, world.journal, world.now), here)
    assert kept.take(first, here) is None


def test_one_text_is_read_once_and_a_second_spelling_is_still_refused(world: World) -> None:
    kept = KeptCase()
    case = world.bundle().to_json()
    first = kept.read(case)
    assert kept.read(copy.deepcopy(case)) is first
    # To Python, True equals 1: to us it is no integer.
    header: dict[str, Any] = case["header"]  # type: ignore[assignment]
    assert header["version"] == 1
    with pytest.raises(DocumentError):
        kept.read({**case, "header": {**header, "version": True}})
