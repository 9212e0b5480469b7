"""A party's share is held against the whole entry of its wallet whenever that changes, not only when it is new."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from core.schema import write_struct
from signer.errors import TokenKeyError
from signer.party.backend import PartyBackend
from tests.factories.succession import next_policy
from tests.mpc.rig import generating, new_shares
from tests.party.inside import Inside, SoftShares

if TYPE_CHECKING:
    from pathlib import Path

OTHERWISE: list[dict[str, Any]] = [
    {"threshold": 3},
    {"signers": ("party-2", "party-1", "party-3")},
    {"signers": ("party-1", "party-2")},
]


@pytest.fixture(scope="module")
def blobs() -> dict[int, bytes]:
    return {index: bytes(share.serialise()) for index, share in new_shares(generating(2, 3)).items()}


@pytest.fixture
def inside(blobs: dict[int, bytes], tmp_path: Path) -> Inside:
    return Inside(blobs, 2, tmp_path)


@pytest.mark.parametrize("changes", OTHERWISE)
def test_a_share_that_was_opened_once_does_not_fit_another_entry(inside: Inside, changes: dict[str, Any]) -> None:
    wallet = inside.group.wallet
    shares: Any = SoftShares(inside.folder, wallet.id, inside.blobs[1])
    backend = PartyBackend(shares, deployment=inside.group.world.deployment, party="party-1")
    for _ in range(2):
        backend.ready(wallet)
        with pytest.raises(TokenKeyError, match="another key, place, threshold"):
            backend.ready(dataclasses.replace(wallet, **changes))
    backend.ready(dataclasses.replace(wallet, label="Renamed"))


@pytest.mark.parametrize("changes", OTHERWISE)
def test_a_running_party_takes_no_policy_under_which_it_would_not_start(
    inside: Inside, changes: dict[str, Any]
) -> None:
    group = inside.group
    inside.sign(group.case())
    other = dataclasses.replace(group.wallet, **changes)
    following = group.world.sign_policy(next_policy(group.world, wallets=(other,)), "adam", "anna")
    request = {"op": "policy", "signed_policy": write_struct(following, "signed_policy")}
    _, bad = inside.ask({"party-1": request})
    assert bad["party-1"]["code"] == "policy_invalid"
    assert "another key, place, threshold" in bad["party-1"]["message"]
    # Nothing was taken: it starts, and signs on.
    inside.restart("party-1")
    inside.sign(group.case(1))
