"""Conditions over what does not exist are refused with their row, and so is everything else that could not hold."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from core.abi import selector_of
from core.documents.policy import (
    Condition,
    ConditionOp,
    Demand,
    Effect,
    Evidence,
    EvidenceKind,
    Property,
    Rule,
    Seat,
    Zone,
    ZoneOffset,
)
from core.documents.roster import AbiFunction, NamedKey, Role
from core.policy_check import validate, warnings
from core.policy_conditions import MOST_DEPTH
from tests.factories.contracts import CONTRACTS, ROUTER, SWAP, TRANSFER, contract
from tests.factories.world import CHAIN, LISTED, NOW, STRANGER, TOKEN_CONTRACT, World, compare, seats

EQ, IN, LE, GE, HAS, ALL, ANY, NOT, SOME, EVERY, WITHIN, OWN, FLOOR = (
    ConditionOp.EQ, ConditionOp.IN, ConditionOp.LE, ConditionOp.GE, ConditionOp.HAS, ConditionOp.ALL, ConditionOp.ANY,
    ConditionOp.NOT, ConditionOp.SOME, ConditionOp.EVERY, ConditionOp.WITHIN, ConditionOp.OWN_WALLET,
    ConditionOp.FLOOR,
)  # fmt: skip
KINDS = "every(uint8,int16,bool,string,bytes,bytes4,address,uint256[2],(address,uint256)[],(bool,bytes32))"
PROBE = contract(STRANGER, "Probe", KINDS)
ZURICH = Zone(name="Europe/Zurich", offsets=(ZoneOffset(since=NOW - 10**8, minutes=60),))
WORLD = World(overrides={"contracts": (*CONTRACTS, PROBE)})
POLICY = WORLD.policy


def join(op: ConditionOp, *parts: Condition) -> Condition:
    return Condition(op=op, field=None, values=(), parts=parts)


def over(op: ConditionOp, field: str, *parts: Condition, values: tuple[str, ...] = ()) -> Condition:
    return Condition(op=op, field=field, values=values, parts=parts)


def calling(address: str, signature: str, *parts: Condition) -> Condition:
    selector = "0x" + selector_of(signature).hex()
    return join(ALL, compare("contract", EQ, address), compare("selector", EQ, selector), *parts)


def swap(*parts: Condition) -> Condition:
    return calling(ROUTER, SWAP, *parts)


def probe(*parts: Condition) -> Condition:
    return calling(STRANGER, KINDS, *parts)


def problems(when: Condition, **changes: Any) -> list[str]:  # noqa: ANN401 - Policy's fields
    rule = Rule(id="g", label="Guard", order=50, when=when, effect=Effect.BLOCK, quorum=None)
    return validate(dataclasses.replace(POLICY, guards=(*POLICY.guards, rule), **changes))


def nested(depth: int) -> Condition:
    tree = compare("usd", GE, "1")
    for _ in range(depth - 1):
        tree = join(NOT, tree)
    return tree


WINDOW = ("Europe/Zurich", "mon,fri", "22:00", "06:00")
RIGHT: dict[str, Condition] = {
    "an address argument": swap(compare("arg.0", EQ, LISTED)),
    "an own wallet": swap(compare("arg.0", OWN)),
    "a number beyond 2^255": swap(compare("arg.2", LE, str(2**256 - 1))),
    "a floor": swap(compare("arg.2", FLOOR, "effects.received", "50")),
    "every tuple of an array": swap(
        over(EVERY, "arg.1", join(ALL, compare("item.0", GE, "1"), compare("item.1", OWN)))
    ),
    "one tuple of an array": swap(compare("arg.1.3.1", OWN)),
    "pinned deeper": join(ALL, join(ALL, compare("contract", EQ, ROUTER)), swap(join(ANY, compare("arg.0", OWN)))),
    "pinned around": swap(join(NOT, join(ANY, compare("arg.0", OWN), compare("arg.2", GE, "5")))),
    "each call": over(EVERY, "calls", swap(compare("arg.0", OWN))),
    "each call by its kind": over(SOME, "calls", compare("call.kind", EQ, "unknown")),
    "lists in each call": over(EVERY, "calls", swap(over(SOME, "arg.1", compare("item.1", OWN)))),
    "a token's own contract": compare("contract", EQ, TOKEN_CONTRACT),
    "a negative number": probe(compare("arg.1", GE, "-5")),
    "a flag": probe(compare("arg.2", EQ, "false")),
    "a text": probe(compare("arg.3", IN, "any", "text")),
    "bytes": probe(compare("arg.4", EQ, "0x"), compare("arg.5", EQ, "0x01020304")),
    "a fixed array": probe(over(SOME, "arg.7", compare("item", GE, "1")), compare("arg.7.1", GE, "1")),
    "a tuple's part": probe(compare("arg.9.0", EQ, "true")),
    "as deep as may be": nested(MOST_DEPTH),
}  # fmt: skip
WRONG: dict[str, tuple[Condition, str]] = {
    "an unknown person": (compare("initiator", HAS, "nobody"), "initiator: unknown person or client 'nobody'"),
    "an unknown desk": (compare("desk", EQ, "desk-z"), "desk: unknown desk"),
    "an unknown wallet": (compare("wallet", EQ, f"{CHAIN}:{STRANGER}"), "wallet: unknown wallet"),
    "an unknown chain": (compare("chain", IN, CHAIN, "eip155:999"), "chain: unknown chain 'eip155:999'"),
    "an unknown asset": (compare("asset", EQ, "eip155:999/slip44:60"), "asset: unknown asset"),
    "an unknown contract": (compare("contract", EQ, LISTED), "contract: unknown contract"),
    "an unknown protocol": (compare("contract.protocol", EQ, "curve"), "contract.protocol: unknown protocol"),
    "an unknown entry": (compare("destination.entry", EQ, "friend"), "destination.entry: unknown whitelist entry"),
    "an unknown label": (compare("destination.label", EQ, "Friend"), "destination.label: unknown whitelist label"),
    "an unknown beneficiary": (compare("destination.beneficiary", EQ, "x"), "unknown beneficiary"),
    "no such field": (compare("arg", EQ, "1"), "unknown field 'arg'"),
    "an argument with a leading zero": (compare("arg.01", EQ, "1"), "unknown field 'arg.01'"),
    "an argument of any call": (compare("arg.0", EQ, LISTED), "arg.0: its type is unknown"),
    "an argument of any contract": (
        join(ALL, compare("selector", EQ, "0x" + selector_of(SWAP).hex()), compare("arg.0", OWN)),
        "arg.0: its type is unknown",
    ),
    "an argument of any function": (
        join(ALL, compare("contract", EQ, ROUTER), compare("arg.0", OWN)),
        "arg.0: its type is unknown",
    ),
    "pinned in another branch": (join(ANY, swap(), compare("arg.0", OWN)), "arg.0: its type is unknown"),
    "pinned by what must not be": (
        join(
            ALL,
            join(NOT, compare("contract", EQ, ROUTER)),
            compare("selector", EQ, "0x01020304"),
            compare("arg.0", OWN),
        ),
        "arg.0: its type is unknown",
    ),
    "pinned outside of the calls": (swap(over(EVERY, "calls", compare("arg.0", OWN))), "arg.0: its type is unknown"),
    "a function that is not registered": (calling(ROUTER, TRANSFER, compare("arg.0", OWN)), "no such function"),
    "pinned to nothing": (swap(compare("selector", EQ, "0x01020304"), compare("arg.0", OWN)), "no such function"),
    "no such argument": (swap(compare("arg.3", GE, "1")), "arg.3: the function has no such argument"),
    "nothing inside": (swap(compare("arg.0.0", EQ, "1")), "arg.0.0: the function has no such argument"),
    "beyond a fixed array": (probe(compare("arg.7.2", GE, "1")), "arg.7.2: the function has no such argument"),
    "a number for an address": (swap(compare("arg.0", EQ, "5")), "arg.0 is address: '5' is none"),
    "a lower-case address": (swap(compare("arg.0", EQ, LISTED.lower())), "arg.0 is address"),
    "less than an address": (swap(compare("arg.0", LE, LISTED)), "arg.0 is address and does not take 'le'"),
    "a wallet for a number": (swap(compare("arg.2", OWN)), "arg.2 is uint256 and does not take 'own_wallet'"),
    "a negative uint": (swap(compare("arg.2", GE, "-1")), "arg.2 is uint256: '-1' is none"),
    "a list for a number": (swap(over(SOME, "arg.2", compare("item", GE, "1"))), "does not take 'some'"),
    "equal to a list": (swap(compare("arg.1", EQ, "1")), "arg.1 is (uint256,address)[] and does not take 'eq'"),
    "equal to a tuple": (probe(compare("arg.9", EQ, "1")), "arg.9 is (bool,bytes32) and does not take 'eq'"),
    "each part of a tuple": (probe(over(SOME, "arg.9", compare("item", EQ, "1"))), "does not take 'some'"),
    "a flag of another word": (probe(compare("arg.2", EQ, "yes")), "arg.2 is bool: 'yes' is none"),
    "bytes without 0x": (probe(compare("arg.4", EQ, "ab")), "arg.4 is bytes"),
    "bytes in capitals": (probe(compare("arg.4", EQ, "0xAB")), "arg.4 is bytes"),
    "bytes of another length": (probe(compare("arg.5", EQ, "0x0102")), "arg.5 is bytes4"),
    "a text that stands for a longer one": (probe(compare("arg.3", EQ, "sha256:00")), "arg.3 is string"),
    "two values": (swap(compare("arg.2", LE, "1", "2")), "needs one value"),
    "an element of nothing": (compare("item", GE, "1"), "item: an element is only there inside"),
    "an element of a call": (over(EVERY, "calls", compare("item", GE, "1")), "item: an element is only there inside"),
    "an element of another type": (swap(over(EVERY, "arg.1", compare("item.0", OWN))), "item.0 is uint256"),
    "a list with a value": (over(EVERY, "calls", compare("value", GE, "1"), values=("1",)), "has no values"),
    "a list of two conditions": (over(EVERY, "calls", *[compare("value", GE, "1")] * 2), "holds one condition"),
    "a list of none": (over(EVERY, "calls"), "holds one condition"),
    "all calls of each call": (
        over(EVERY, "calls", over(SOME, "calls", compare("value", GE, "1"))),
        "inside another list",
    ),
    "an argument's elements for each element": (
        swap(over(EVERY, "arg.1", over(SOME, "arg.1", compare("item.0", GE, "1")))),
        "inside another list",
    ),
    "every of a number": (over(EVERY, "usd", compare("item", GE, "1")), "usd does not take 'every'"),
    "a window of another field": (compare("time.minute", WITHIN, *WINDOW), "time.minute does not take 'within'"),
    "a window of an unknown zone": (compare("time.now", WITHIN, "Asia/Tokyo", *WINDOW[1:]), "unknown zone Asia"),
    "a window that never opens": (compare("time.now", WITHIN, *WINDOW[:2], "06:00", "06:00"), "never opens"),
    "a window without days": (compare("time.now", WITHIN, "UTC", "", "06:00", "07:00"), "weekdays are some of"),
    "a wallet with a value": (compare("destination", OWN, LISTED), "destination own_wallet takes no values"),
    "a floor of a derived fact": (compare("amount", FLOOR, "value", "1"), "takes an attested number's field"),
    "a floor of a flag": (compare("amount", FLOOR, "code.unchanged", "1"), "takes an attested number's field"),
    "a floor of a claim": (compare("amount", FLOOR, "web.simulation", "1"), "takes an attested number's field"),
    "a floor without basis points": (compare("amount", FLOOR, "effects.received"), "takes an attested number"),
    "a floor of more than all": (compare("amount", FLOOR, "effects.received", "10001"), "basis points are 0 to"),
    "a comparison with parts": (over(EQ, "chain", compare("usd", GE, "1"), values=(CHAIN,)), "does not take 'eq'"),
    "nested too deep": (nested(MOST_DEPTH + 1), "nested more than 28 deep"),
    "nested far too deep": (nested(400), "nested more than 28 deep"),
}  # fmt: skip


@pytest.mark.parametrize("when", RIGHT.values(), ids=RIGHT)
def test_what_can_hold_is_accepted(when: Condition) -> None:
    assert problems(when) == []


@pytest.mark.parametrize(("when", "named"), WRONG.values(), ids=WRONG)
def test_what_cannot_hold_is_refused_with_its_row(when: Condition, named: str) -> None:
    found = problems(when)
    assert any(line.startswith("guard g: ") and named in line for line in found), found


def test_a_window_needs_its_zone_and_a_zone_its_window() -> None:
    window = compare("time.now", WITHIN, *WINDOW)
    assert problems(window, zones=(ZURICH,)) == []
    assert problems(compare("usd", GE, "1"), zones=(ZURICH,)) == ["zone Europe/Zurich: no time window uses it"]
    assert "zone Europe/Zurich: named 2 times" in problems(window, zones=(ZURICH, ZURICH))


@pytest.mark.parametrize(
    ("since", "named"),
    [((5, 5), "not in the order of time"), ((9, 5), "not in the order of time"), ((NOW,), "begin after the policy")],
)
def test_a_zones_offsets_are_in_order_and_begin_in_time(since: tuple[int, ...], named: str) -> None:
    zone = Zone(name="Europe/Zurich", offsets=tuple(ZoneOffset(since=at, minutes=0) for at in since))
    assert any(named in line for line in problems(compare("time.now", WITHIN, *WINDOW), zones=(zone,)))


def stated(name: str = "p", when: Condition | None = None, **demand: Any) -> Property:  # noqa: ANN401 - Demand's fields
    fields: dict[str, Any] = {"approvers": 2, "sites": 0, "seats": ()}
    return Property(
        id=name, label="Stated", when=when or compare("usd", GE, "1"), demand=Demand(**(fields | demand))
    )  # fmt: skip


@pytest.mark.parametrize(
    ("properties", "named"),
    [
        ((stated(), stated()), "property p: named 2 times"),
        ((stated(when=compare("colour", EQ, "red")),), "property p: unknown field 'colour'"),
        ((stated(when=compare("web.first_use", EQ, "true")),), "property p: nothing can be proven"),
        ((stated(sites=3),), "property p: 2 approvers cannot be of 3 sites"),
        ((stated(seats=(Seat(role=Role.CRO, count=3, stage=0),)),), "take 3 seats"),
        ((stated(seats=(Seat(role=Role.CRO, count=1, stage=1),)),), "its seats have no stages"),
        ((stated(seats=(Seat(role=Role.CRO, count=2, stage=0),)),), "property p: the roster cannot fill"),
        ((stated(approvers=16),), "property p: 16 approvers needed"),
    ],
)
def test_a_property_that_cannot_be_meant_is_refused(properties: tuple[Property, ...], named: str) -> None:
    found = validate(dataclasses.replace(POLICY, properties=properties))
    assert any(named in line for line in found), found


def test_a_property_that_can_be_meant_is_accepted() -> None:
    one = stated(sites=2, seats=(Seat(role=Role.CRO, count=1, stage=0),))
    never = dataclasses.replace(one, id="never", demand=None)
    assert validate(dataclasses.replace(POLICY, properties=(one, never))) == []


def test_evidence_of_one_kind_is_there_once() -> None:
    twice = (Evidence(kind=EvidenceKind.PROOF, digest="aa" * 32), Evidence(kind=EvidenceKind.PROOF, digest="bb" * 32))
    assert "evidence proof: named 2 times" in validate(dataclasses.replace(POLICY, evidence=twice))


@pytest.mark.parametrize(
    ("function", "named"),
    [
        (AbiFunction(selector=b"\1\2\3\4", signature=SWAP), "its selector is 0x"),
        (AbiFunction(selector=b"\1\2\3\4", signature="f(uint)"), "no signature of types that are understood"),
        (AbiFunction(selector=b"\1\2\3\4", signature="f(uint256[0])"), "no signature of types"),
        (AbiFunction(selector=b"\1\2\3\4", signature="f(fixed128x18)"), "no signature of types"),
        (AbiFunction(selector=b"\1\2\3\4", signature="f(())"), "no signature of types"),
        (AbiFunction(selector=b"\1\2\3\4", signature=f"f(bool{'[]' * 20})"), "no signature of types"),
        (AbiFunction(selector=b"\1\2\3\4", signature="f((bool)"), "no signature of types"),
    ],
)
def test_a_function_that_nobody_could_decode_is_refused(function: AbiFunction, named: str) -> None:
    entry = dataclasses.replace(CONTRACTS[0], functions=(function,))
    assert any(named in line for line in validate(dataclasses.replace(POLICY, contracts=(entry,))))


def test_functions_that_clash_and_contracts_twice_are_refused() -> None:
    clash = contract(ROUTER, "Router", "burn(uint256)", "collate_propagate_storage(bytes16)")
    found = validate(dataclasses.replace(POLICY, contracts=(clash, clash)))
    assert any("another function has the same selector" in line for line in found)
    assert any(line.startswith("contract (") and "named 2 times" in line for line in found)


def test_a_document_that_nobody_would_read_is_refused() -> None:
    entries = tuple(
        dataclasses.replace(POLICY.addresses[0], id=f"e{n}", address=f"0x{n:040d}", reason="x" * 280)
        for n in range(3000)
    )
    found = validate(dataclasses.replace(POLICY, addresses=(*POLICY.addresses, *entries)))
    assert any("at most 1048576 are read" in line for line in found), found[:3]


def test_rules_of_one_order_are_named() -> None:
    again = dataclasses.replace(POLICY.grants[0], id="again")
    found = validate(dataclasses.replace(POLICY, grants=(*POLICY.grants, again)))
    assert f"grants: order {again.order}: named 2 times ({POLICY.grants[0].id}, again)" in found


def test_warnings_name_whom_nobody_can_replace() -> None:
    found = warnings(POLICY)
    assert "quorum succession: 2 policy_admin needed, 2 on the roster hold a key: nobody is spare" in found
    assert any(line.startswith("recovery: no recovery keys") for line in found)
    officer = dataclasses.replace(POLICY.people[0], id="xena", roles=(Role.POLICY_ADMIN,), keys=POLICY.people[0].keys)
    more = dataclasses.replace(POLICY, people=(*POLICY.people, officer))
    assert not [line for line in warnings(more) if line.startswith("quorum succession")]
    # Without its key, the same person is no help.
    keyless = dataclasses.replace(POLICY, people=(*POLICY.people, dataclasses.replace(officer, keys=())))
    assert [line for line in warnings(keyless) if line.startswith("quorum succession")]


def test_a_site_that_depends_on_one_person_is_a_warning() -> None:
    people = tuple(dataclasses.replace(p, roles=(Role.RISK_OFFICER,), site="zurich") for p in POLICY.people[:3])
    away = dataclasses.replace(people[0], id="away", site="tokyo")
    grant = dataclasses.replace(POLICY.grants[0], quorum=seats((Role.RISK_OFFICER, 2), sites=2))
    found = warnings(dataclasses.replace(POLICY, people=(*people, away), grants=(grant,)))
    assert f"grant {grant.id}: cannot be filled without away" in found


def test_keys_of_which_all_are_needed_are_a_warning() -> None:
    keys = tuple(NamedKey(id=name, public_key=bytes([n]) * 32, host="h") for n, name in enumerate("abc"))
    both = dataclasses.replace(POLICY, recovery=keys, recovery_threshold=3)
    assert "recovery: all 3 keys are needed: losing one loses all" in warnings(both)
    assert not [x for x in warnings(dataclasses.replace(both, recovery_threshold=2)) if x.startswith("recovery")]
