"""A wallet whose key has a clone: the field that older policies do not have, what a policy must name, the drill."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import TYPE_CHECKING, Any

import pytest

from core.clones import CloneDrill, CloneName, DrillStatement, allow_drill, check_drill, check_named, check_promise
from core.documents.control import CeremonyKind
from core.documents.roster import Wallet, WalletKind
from core.errors import DocumentError, RefusedError, SpentTokenError
from core.policy_check import validate
from core.records import CeremonyRecord
from core.schema import read_struct, write_struct
from core.tightening import loosenings
from core.verified import CloneDrillToken
from demo.forgeries.keepers import watched
from tests.factories.world import World
from tests.forgery.institutions import adapt

if TYPE_CHECKING:
    from core.documents.policy import Policy

CLONE = "c1" * 32


@pytest.fixture
def world() -> World:
    made = World()
    return adapt(made, **watched(made.policy.signers))


def named(world: World, **changes: Any) -> Wallet:  # noqa: ANN401 - fields of Wallet
    return dataclasses.replace(world.policy.wallets[0], **({"clone": CLONE} | changes))


def holding(world: World, *wallets: Wallet, **changes: Any) -> Policy:  # noqa: ANN401 - fields of Policy
    return dataclasses.replace(world.policy, wallets=wallets, **changes)


def name_of(world: World, wallet: Wallet) -> CloneName:
    return CloneName(
        deployment=world.deployment,
        ceremony=CLONE,
        signer="hsm-1",
        transport="7a" * 32,
        public_key=wallet.public_key,
    )


def record(world: World, kind: CeremonyKind = CeremonyKind.DRILL, **changes: Any) -> CeremonyRecord:  # noqa: ANN401
    fields: dict[str, Any] = {
        "kind": "ceremony",
        "time": world.now,
        "ceremony": "d7" * 32,
        "what": kind,
        "signers": ("hsm-1",),
        "wallet": world.wallet,
        "epoch": 0,
        "threshold": 1,
        "plan": None,
        "recovery": (),
        "expires": world.now + 3600,
        "consents": (),
    }
    return CeremonyRecord(**(fields | changes))


def test_policies_from_before_keep_their_bytes_and_nothing_has_two_spellings(world: World) -> None:
    plain = write_struct(world.policy.wallets[0], "wallet")
    assert "clone" not in plain
    assert read_struct(Wallet, plain, "wallet") == world.policy.wallets[0]
    assert read_struct(Wallet, plain, "wallet").clone is None
    said = write_struct(named(world), "wallet")
    assert said == plain | {"clone": CLONE}
    assert read_struct(Wallet, said, "wallet") == named(world)
    for wrong in (None, "", "C1" * 32, "c1" * 31, 0, ["c1" * 32]):
        with pytest.raises(DocumentError, match="clone"):
            read_struct(Wallet, plain | {"clone": wrong}, "wallet")
    with pytest.raises(DocumentError, match="clones"):
        read_struct(Wallet, plain | {"clones": CLONE}, "wallet")
    with pytest.raises(DocumentError, match="label"):
        read_struct(Wallet, {k: v for k, v in said.items() if k != "label"}, "wallet")


def test_a_policy_names_a_clone_only_of_an_hsm_and_only_under_most_of_its_witnesses(world: World) -> None:
    assert validate(holding(world, named(world))) == []
    one = holding(world, named(world), witness_threshold=1)
    assert any("more than half of the witnesses" in problem for problem in validate(one))
    none = holding(world, named(world), witness_threshold=0, witnesses=())
    assert any("more than half of the witnesses" in problem for problem in validate(none))
    software = holding(world, named(world, kind=WalletKind.SOFTWARE))
    assert any("only an HSM's key" in problem for problem in validate(software))
    twice = holding(world, named(world), named(world, id=world.wallet[:-1] + "0"))
    assert any(CLONE in problem for problem in validate(twice))


def test_to_name_another_clone_or_none_is_no_tightening(world: World) -> None:
    before = holding(world, named(world))
    for clone in (None, "ab" * 32):
        assert loosenings(before, holding(world, named(world, clone=clone)))
    assert loosenings(world.policy, before)
    assert not loosenings(before, before)


def test_a_name_is_held_against_ceremony_and_policy(world: World) -> None:
    wallet = named(world)
    name = name_of(world, wallet)
    made = record(world, CeremonyKind.CLONE, ceremony=CLONE)
    check_named(name, made, world.deployment)
    check_promise(name, wallet, "hsm-1", world.deployment)
    for other in (
        record(world),
        dataclasses.replace(made, ceremony="ab" * 32),
        dataclasses.replace(made, signers=("x",)),
    ):
        with pytest.raises(RefusedError):
            check_named(name, other, world.deployment)
    for changes in (
        {"deployment": "ab" * 32},
        {"public_key": b"\x04" + bytes(64)},
        {"signer": "x"},
        {"ceremony": "ab" * 32},
    ):
        with pytest.raises(RefusedError):
            check_promise(dataclasses.replace(name, **changes), wallet, "hsm-1", world.deployment)


def drill(
    world: World, policy: Policy, given: CeremonyRecord | None = None
) -> tuple[DrillStatement, CloneDrillToken]:
    (wallet, *_) = policy.wallets
    return allow_drill(given or record(world), name_of(world, wallet), policy, now=world.now)


def test_a_drill_is_allowed_for_the_named_clone_only(world: World) -> None:
    # The deployment's first policy stands for a successor: a drill looks at what it names, not at when it was made.
    policy = holding(
        world,
        named(world),
        previous=world.deployment,
        number=2,
        header=dataclasses.replace(world.policy.header, deployment=world.deployment),
    )
    statement, _ = drill(world, policy)
    assert statement.clone == CLONE
    for given in (
        record(world, CeremonyKind.CLONE),
        record(world, wallet=None),
        record(world, wallet="eip155:1:0x" + "0" * 40),
        record(world, signers=("log-1",)),
    ):
        with pytest.raises(RefusedError):
            drill(world, policy, given)
    for changes in ({"clone": None}, {"clone": "ab" * 32}, {"kind": WalletKind.MPC}):
        with pytest.raises(RefusedError):
            drill(world, dataclasses.replace(policy, wallets=(named(world, **changes),)))


def test_a_drills_token_is_spent_once_and_only_core_makes_it(world: World) -> None:
    policy = holding(
        world,
        named(world),
        previous=world.deployment,
        number=2,
        header=dataclasses.replace(world.policy.header, deployment=world.deployment),
    )
    statement, token = drill(world, policy)
    with pytest.raises(SpentTokenError):
        CloneDrillToken(object(), message=bytes(32), public_key=token.public_key)
    for work in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(SpentTokenError):
            work(token)
    message = token.spend()
    assert message == statement.message
    with pytest.raises(SpentTokenError):
        token.spend()
    signature = world.wallet_key.sign_recoverable(message, hasher=None)[:64]
    said = CloneDrill(**dataclasses.asdict(statement), signature=token.finish(signature))
    check_drill(said, policy.wallets[0], world.deployment)
    # What the same key signs for a transaction is no drill, and no drill is another one.
    other = dataclasses.replace(statement, ceremony="ab" * 32)
    assert other.message != message
    with pytest.raises(RefusedError):
        check_drill(dataclasses.replace(said, ceremony="ab" * 32), policy.wallets[0], world.deployment)
