"""A policy that names a key's clone, and the drill of one: real tokens, and a signer that believes neither."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from core.clones import CloneDrill, check_drill
from core.documents.control import CeremonyKind
from core.errors import RefusedError
from core.schema import write_struct
from signer.clones.kept import kept_path
from signer.errors import ConfigError, TokenKeyError
from tests.factories.world import DAY
from tests.signer.clone_rig import Made, clone_command


def test_a_policy_that_names_the_clone_is_taken_and_the_key_signs(made: Made) -> None:
    house, clone = made.house, made.clone
    good = house.named(house.wallet(clone))
    with house.rig.service() as service:
        told = service.succeed(good, now=house.world.now)
        assert told["accepted"] is not None
    # The start checks the key by the policy in force, and it did wait.
    with house.rig.service() as service:
        assert service.journal.policy_at(house.world.now + DAY) == good.policy.digest


@pytest.mark.parametrize("case", ["unnamed", "other ceremony", "first wallet", "unknown"])
def test_a_policy_that_promises_otherwise_is_refused(made: Made, case: str) -> None:
    house, clone = made.house, made.clone
    other = house.make(house.order())
    first, second = house.world.policy.wallets[0], house.wallet(clone)
    words, wallets = {
        "unnamed": ("NEVER_EXTRACTABLE is not True", (first, house.wallet(clone, clone=None))),
        "other ceremony": ("made another key", (first, house.wallet(clone, clone=other.ceremony))),
        "unknown": ("does not know", (first, house.wallet(clone, clone="ab" * 32))),
        "first wallet": ("made another key", (dataclasses.replace(first, clone=clone.ceremony),)),
    }[case]
    draft = dataclasses.replace(house.named(second).policy, wallets=wallets)
    policy = house.world.sign_policy(draft, "adam", "anna")
    with house.rig.service() as service, pytest.raises(RefusedError, match=words):
        service.succeed(policy, now=house.world.now)


def test_a_key_that_never_could_leave_is_no_clone_whatever_the_folder_says(made: Made) -> None:
    house = made.house
    ordinary = house.world.policy.wallets[0].public_key
    with house.rig.hsm() as hsm, pytest.raises(TokenKeyError, match="could never leave its token"):
        hsm.check_key(ordinary, cloned=True)
    with house.rig.hsm() as hsm, pytest.raises(TokenKeyError, match="NEVER_EXTRACTABLE is not True"):
        hsm.check_key(made.clone.public_key)


def test_what_the_folder_keeps_of_the_ceremony_is_held_against_the_journal(made: Made) -> None:
    house, clone = made.house, made.clone
    path = kept_path(house.rig.state, clone.ceremony)
    kept = json.loads(path.read_text())
    good = house.named(house.wallet(clone))
    for change in ({"clone": "ab" * 32}, {"kind": "other"}, None):
        path.chmod(0o600)
        if change is None:
            path.unlink()
        else:
            path.write_text(json.dumps(kept | change))
            path.chmod(0o400)
        with house.rig.service() as service, pytest.raises(RefusedError):
            service.succeed(good, now=house.world.now)


@pytest.fixture
def held(made: Made) -> Made:
    made.house.take(made.clone, made.given)
    return made


def drilled(made: Made, *names: str, **changes: Any) -> CloneDrill:  # noqa: ANN401 - the ceremony's fields
    house = made.house
    successor = house.named(house.wallet(made.clone))
    fields: dict[str, Any] = {"policy": successor.policy.digest, "wallet": house.wallet(made.clone).id} | changes
    given = house.order(CeremonyKind.DRILL, *names, **fields)
    raw = house.file(given, successor).read_bytes()
    with house.second.open() as site:
        return site.drill(raw)


def test_a_drill_proves_to_anybody_that_the_second_token_holds_the_key(held: Made) -> None:
    house = held.house
    said = drilled(held)
    wallet = house.wallet(held.clone)
    check_drill(said, wallet, house.world.deployment)
    for changed in (
        dataclasses.replace(said, time=said.time + 1),
        dataclasses.replace(said, ceremony="ab" * 32),
        dataclasses.replace(said, deployment="ab" * 32),
        dataclasses.replace(said, wallet=house.world.wallet),
        dataclasses.replace(said, signature=bytes(64)),
        dataclasses.replace(said, signature=b"\xff" * 64),
    ):
        with pytest.raises(RefusedError):
            check_drill(changed, wallet, house.world.deployment)
    with pytest.raises(RefusedError):
        check_drill(said, house.world.policy.wallets[0], house.world.deployment)
    # As people run it, with the policy as they were given it.
    policy, answer = house.folder / "policy.json", house.folder / "drill.json"
    policy.write_text(json.dumps(write_struct(house.named(wallet), "signed_policy")))
    answer.write_text(json.dumps(write_struct(said, "drill")))
    done = clone_command("check", "--policy", policy, answer)
    assert done.returncode == 0, done.stderr
    answer.write_text(json.dumps(write_struct(dataclasses.replace(said, time=1), "drill")))
    assert clone_command("check", "--policy", policy, answer).returncode == 78


def test_a_drill_takes_its_own_ceremony_and_the_clone_itself(held: Made) -> None:
    with pytest.raises(RefusedError):
        drilled(held, "adam")
    with pytest.raises(ConfigError, match="has taken no clone"):
        drilled(held, wallet=held.house.world.wallet)
    with held.house.second.hsm() as hsm:
        hsm.destroy_key(held.clone.public_key)
    with pytest.raises(TokenKeyError):
        drilled(held)


def test_a_token_that_took_nothing_has_nothing_to_drill(made: Made) -> None:
    with pytest.raises(ConfigError, match="has taken no clone"):
        drilled(made)
