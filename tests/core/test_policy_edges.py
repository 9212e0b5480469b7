"""The last value that is still right, the first that is wrong, and rows of which there are two."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from core.canonical import MAX_BYTES
from core.documents.policy import ConditionOp, Demand, Dimension, Measure, Property, Quorum, Seat, Zone, ZoneOffset
from core.documents.roster import AbiFunction, ContractEntry, NamedKey, Profile, Role
from core.policy_check import MOST_DELAY, validate, warnings
from core.policy_roster import duplicates
from core.quorum import EMPTY
from tests.factories.world import CHAIN, NATIVE, World, compare, limit, seats

if TYPE_CHECKING:
    from core.documents.policy import Policy
    from core.documents.roster import AddressEntry

WORLD = World()
POLICY = WORLD.policy
KEYED = sum(1 for person in POLICY.people if person.keys)
OTHER = "0x000000000000000000000000000000000000dEaD"


def problems(**changes: Any) -> list[str]:  # noqa: ANN401 - Policy's fields
    return validate(dataclasses.replace(POLICY, **changes))


def demanding(approvers: int, sites: int = 0, *rows: Seat) -> dict[str, Any]:
    when = compare("destination.listed", ConditionOp.EQ, "false")
    demand = Demand(approvers=approvers, sites=sites, seats=rows)
    return {"properties": (Property(id="p", label="P", when=when, demand=demand),)}


def asking(quorum: Quorum) -> dict[str, Any]:
    made = limit("extra", Measure.ASSET, 5, window=0, asset=NATIVE, order=50)
    return {"limits": (*POLICY.limits, dataclasses.replace(made, quorum=quorum))}


def unkeyed(*names: str) -> Policy:
    people = tuple(dataclasses.replace(p, keys=()) if p.id in names else p for p in POLICY.people)
    return dataclasses.replace(POLICY, people=people)


def contract(*functions: AbiFunction) -> ContractEntry:
    return ContractEntry(chain=CHAIN, address=OTHER, label="C", code_hash=None, functions=functions, protocol=None)


def test_a_name_of_bytes_is_shown_by_its_beginning() -> None:
    assert list(duplicates("key", [b"\xab" * 32] * 2)) == ["key " + "ab" * 8 + ": named 2 times"]


CLIENT = POLICY.clients[0]
WALLET = POLICY.wallets[0]
TRANSFER = AbiFunction(selector=bytes.fromhex("a9059cbb"), signature="transfer(address,uint256)")
TWICE: dict[str, tuple[dict[str, Any], str]] = {
    "a client's key": ({"clients": (CLIENT, dataclasses.replace(CLIENT, id="bot-2"))}, "client key "),
    "a role of one person": (
        {"people": (dataclasses.replace(POLICY.people[0], roles=(Role.TRADER, Role.TRADER)), *POLICY.people[1:])},
        f"person {POLICY.people[0].id}: role trader: named 2 times",
    ),
    "a wallet": ({"wallets": (WALLET, dataclasses.replace(WALLET, label="Again"))}, f"wallet {WALLET.id}: named 2"),
    "a wallet's key": (
        {"wallets": (WALLET, dataclasses.replace(WALLET, id=f"{CHAIN}:{OTHER}"))},
        "wallet key 04",
    ),
    "a function": ({"contracts": (contract(TRANSFER, TRANSFER),)}, "function transfer(address,uint256): named 2"),
}


@pytest.mark.parametrize(("changes", "named"), TWICE.values(), ids=TWICE)
def test_what_is_named_twice_is_named(changes: dict[str, Any], named: str) -> None:
    found = problems(**changes)
    assert any(named in line and "named 2 times" in line for line in found), found


def test_a_recovery_key_that_a_signer_holds_is_not_offline() -> None:
    own = CLIENT.public_key
    recovery = (NamedKey(id="vault", public_key=own, host="safe"),)
    signers = (dataclasses.replace(POLICY.signers[0], public_key=own),)
    found = problems(clients=(), signers=signers, recovery=recovery, recovery_threshold=1)
    assert "recovery vault: its key has another purpose too" in found
    assert problems(clients=(), recovery=recovery, recovery_threshold=1) == []


def test_utc_is_no_zone_of_a_policy_and_offsets_may_begin_with_it() -> None:
    utc = Zone(name="UTC", offsets=(ZoneOffset(since=0, minutes=0),))
    assert "zone UTC: is always there and has no offsets" in problems(zones=(utc,))
    from_the_first = Zone(name="Europe/Zurich", offsets=(ZoneOffset(since=POLICY.header.created, minutes=60),))
    assert problems(zones=(from_the_first,)) == ["zone Europe/Zurich: no time window uses it"]


def test_the_last_number_that_is_still_right() -> None:
    two = Quorum(seats=(Seat(role=Role.RISK_OFFICER, count=2, stage=0),), sites=2)
    assert problems(**asking(two)) == []
    assert any("3 sites" in line for line in problems(**asking(dataclasses.replace(two, sites=3))))
    least = dataclasses.replace(POLICY.limits[0], id="extra", order=50, most=1)
    assert problems(limits=(*POLICY.limits, least)) == []
    pair = dataclasses.replace(least, per=(Dimension.ASSET, Dimension.DESTINATION))
    assert problems(limits=(*POLICY.limits, pair)) == []
    days = dataclasses.replace(POLICY.controls, succession_delay=MOST_DELAY, recovery_delay=MOST_DELAY)
    assert problems(controls=days) == []
    assert len(problems(controls=dataclasses.replace(days, recovery_delay=MOST_DELAY + 1))) == 1


def test_what_a_property_may_demand() -> None:
    officer = Seat(role=Role.RISK_OFFICER, count=1, stage=0)
    assert problems(**demanding(1, 1, officer)) == []
    assert problems(**demanding(KEYED)) == []
    assert f"property p: {KEYED + 1} approvers needed, {KEYED} on the roster hold a key" in problems(
        **demanding(KEYED + 1)
    )
    # No seats: nobody in particular, whoever holds which role.
    lonely = unkeyed(*(person.id for person in POLICY.people if Role.RISK_OFFICER in person.roles))
    lines = validate(dataclasses.replace(lonely, **demanding(1)))
    assert not any(line.startswith("property p") for line in lines)
    lines = validate(dataclasses.replace(lonely, **demanding(1, 0, officer)))
    assert "property p: the roster cannot fill these seats with people of their own" in lines


def test_a_document_that_cannot_be_written_is_a_problem() -> None:
    odd = dataclasses.replace(POLICY, institution="\x00")
    assert any(line.startswith("the document cannot be written") for line in validate(odd))


def filled(size: int) -> Policy:
    """Return the policy with a whitelist that makes it exactly so many bytes."""

    def row(number: int, more: int = 0) -> AddressEntry:
        return dataclasses.replace(POLICY.addresses[0], id=f"a{number:06d}", reason="x" * (1 + more))

    def made(rows: list[AddressEntry]) -> Policy:
        return dataclasses.replace(POLICY, addresses=(*POLICY.addresses, *rows))

    one = len(made([row(0)]).to_bytes()) - len(POLICY.to_bytes())
    count, left = divmod(size - len(POLICY.to_bytes()), one)
    return made([*(row(number) for number in range(count - 1)), row(count, left)])


@pytest.mark.parametrize("more", [0, 1])
def test_a_document_of_one_mebibyte_is_the_largest(more: int) -> None:
    large = filled(MAX_BYTES + more)
    assert len(large.to_bytes()) == MAX_BYTES + more
    told = [line for line in validate(large) if line.startswith("the document has")]
    assert len(told) == more


def test_production_has_problems_of_its_own() -> None:
    made = dataclasses.replace(POLICY, profile=Profile.PRODUCTION)
    assert any("https only" in line for line in validate(made))
    assert not any("https only" in line for line in validate(POLICY))


def test_nobody_spare_and_nobody_else() -> None:
    risk = sum(1 for person in POLICY.people if Role.RISK_OFFICER in person.roles and person.keys)
    tight = dataclasses.replace(POLICY, **asking(seats((Role.RISK_OFFICER, risk))))
    assert f"limit extra: {risk} risk_officer needed, {risk} on the roster hold a key: nobody is spare" in warnings(
        tight
    )
    # Enough of each role, and still one person is needed for both: said only where no role is short by itself.
    assert not any("cannot be filled without" in line and "limit extra" in line for line in warnings(tight))
    assert all("limit extra" not in line for line in warnings(dataclasses.replace(POLICY, **asking(EMPTY))))


def test_the_policy_that_the_signer_is_measured_with_can_be_used() -> None:
    assert validate(World(extra_rules=97).policy) == []
