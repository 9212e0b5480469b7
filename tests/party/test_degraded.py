"""Degraded mode with real processes: two of five parties are down, three go on, and the two come back."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any

import pytest

from core.documents.control import CeremonyKind
from core.documents.policy import Dimension, Measure
from core.schema import write_struct
from courier.relay import RelayError
from tests.factories.ceremonies import ceremony, signed
from tests.factories.world import DAY, ETHER, NATIVE, header, limit
from tests.party.rig import Group, relay_to

if TYPE_CHECKING:
    from pathlib import Path

    from tests.party.rig import Founded, Process

UP, AWAY = ("party-1", "party-2", "party-3"), ("party-4", "party-5")


@pytest.fixture
def limited(three_of_five: Founded, base: Path) -> Group:
    """Return a 3-of-5 wallet under 3 ether a day: 1 in degraded mode."""
    day = limit("day", Measure.ASSET, 3 * ETHER, order=1, asset=NATIVE, window=DAY)
    return Group(three_of_five, base, overrides={"limits": (dataclasses.replace(day, per=(Dimension.INITIATOR,)),)})


def opened(group: Group, seconds: int = DAY) -> dict[str, Any]:
    """Have people open a degraded mode."""
    group.world.now = now = int(time.time())
    lasting = dataclasses.replace(header("ceremony", group.world.deployment, now=now), expires=now + seconds)
    made = ceremony(group.world, CeremonyKind.DEGRADED, group.wallet, signers=UP, header=lasting)
    return write_struct(signed(group.world, made), "ceremony")


def told(parties: dict[str, Process], order: dict[str, Any]) -> None:
    for party in parties.values():
        answer = party.ask("ceremony", ceremony=order)
        assert "error" not in answer, answer


def test_with_two_down_a_small_transfer_is_signed_when_people_say_so(limited: Group) -> None:
    group = limited
    plain, named = group.bundle(nonce=0), group.bundle(nonce=0, value=ETHER // 2, named=True)
    with group.up(*UP) as parties, relay_to(parties) as relay:
        with pytest.raises(RelayError, match="3 of 5 parties agree, 4 have to"):
            relay.sign(named.to_json(), group.wallet)
        order = opened(group)
        told(parties, order)
        status = parties["party-1"].ask("status")["result"]["degraded"]
        assert [one["signers"] for one in status.values()] == [list(UP)]
        for refused in (plain, group.bundle(nonce=0, value=3 * ETHER // 2, named=True)):
            with pytest.raises(RelayError, match="0 of 5 parties agree"):
                relay.sign(refused.to_json(), group.wallet)
        _, certificate = relay.sign(named.to_json(), group.wallet)
        assert certificate is not None
        assert len(certificate["reservations"]) == len(UP)
        # The part is used up: what would be the second half of the limit waits for the others.
        with pytest.raises(RelayError) as caught:
            relay.sign(group.bundle(nonce=1, value=ETHER, named=True).to_json(), group.wallet)
        assert "denied" in {refusal["code"] for refusal in caught.value.refusals.values()}
    # Two come back. They learn by the same ceremony, and everybody goes on; while it is in force, by its rules.
    with group.up() as parties, relay_to(parties) as relay:
        told({name: parties[name] for name in AWAY}, order)
        following = group.bundle(nonce=1, value=ETHER // 4, named=True)
        made, whole = relay.sign(following.to_json(), group.wallet, [certificate])
        assert whole is not None
        assert len(whole["reservations"]) == 4
        assert made["repeated"] is False


def test_parties_that_come_back_when_it_is_over_learn_by_it_and_go_on_as_ever(limited: Group) -> None:
    group = limited
    with group.up(*UP) as parties, relay_to(parties) as relay:
        order = opened(group, 12)
        told(parties, order)
        _, certificate = relay.sign(group.bundle(nonce=0, value=ETHER // 2, named=True).to_json(), group.wallet)
        assert certificate is not None
    left = order["document"]["header"]["expires"] - time.time() + 1
    time.sleep(max(0, left))
    with group.up() as parties, relay_to(parties) as relay:
        told({name: parties[name] for name in AWAY}, order)
        assert parties["party-4"].ask("status")["result"]["degraded"] == {}
        made, whole = relay.sign(group.bundle(nonce=1, value=2 * ETHER).to_json(), group.wallet, [certificate])
        assert whole is not None
        assert made["repeated"] is False
        # All five have counted both by now.
        with pytest.raises(RelayError, match="0 of 5 parties agree"):
            relay.sign(group.bundle(nonce=2, value=ETHER).to_json(), group.wallet, [certificate, whole])
