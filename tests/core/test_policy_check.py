"""Each wrong row of a policy is named; a policy with a problem is never used."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from core.documents.policy import Condition, ConditionOp, Dimension, Effect, Measure, Quorum, Rule, Seat
from core.documents.roster import NamedKey, ReferencePrice, Role, SignerRole, WalletKind
from core.errors import PolicyError
from core.names import native_asset
from core.policy_check import check, validate
from tests.factories.world import CHAIN, LISTED, NATIVE, NOW, TOKEN, World, compare, limit, seats

EQ, IN, LE, HAS, ALL, NOT = (
    ConditionOp.EQ, ConditionOp.IN, ConditionOp.LE, ConditionOp.HAS, ConditionOp.ALL, ConditionOp.NOT,
)  # fmt: skip
WORLD = World()
POLICY = WORLD.policy
ONE = seats((Role.RISK_OFFICER, 1))
IDENTITY = (1).to_bytes(32, "little")


def guard(when: Condition, name: str = "g", order: int = 50) -> dict[str, Any]:
    made = Rule(id=name, label="Guard", order=order, when=when, effect=Effect.BLOCK, quorum=None)
    return {"guards": (*POLICY.guards, made)}


def grant(effect: Effect, quorum: Quorum | None, when: Condition | None = None) -> dict[str, Any]:
    made = Rule(
        id="extra", label="Extra", order=50, when=when or compare("chain", EQ, CHAIN), effect=effect, quorum=quorum
    )
    return {"grants": (*POLICY.grants, made)}


def tree(op: ConditionOp, *parts: Condition, field: str | None = None, values: tuple[str, ...] = ()) -> Condition:
    return Condition(op=op, field=field, values=values, parts=parts)


def person(name: str, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - Person's fields
    people = tuple(dataclasses.replace(p, **changes) if p.id == name else p for p in POLICY.people)
    return {"people": people}


def key(name: str, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - ConsentKey's fields
    return person(name, keys=(dataclasses.replace(WORLD.keys[name].entry, **changes),))


def wallet(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - Wallet's fields
    return {"wallets": (dataclasses.replace(POLICY.wallets[0], **changes),)}


def controls(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - ControlQuorums' fields
    return {"controls": dataclasses.replace(POLICY.controls, **changes)}


def one_limit(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - Limit's fields
    made = limit("extra", Measure.ASSET, 5, window=0, asset=NATIVE, order=50)
    return {"limits": (*POLICY.limits, dataclasses.replace(made, **changes))}


def client(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - ApiClient's fields
    return {"clients": (dataclasses.replace(POLICY.clients[0], **changes),)}


LISTED_TRUE = compare("destination.listed", EQ, "true")
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "two rules of one name": (guard(LISTED_TRUE, "listed"), "rule listed: named 2 times"),
    "rule and limit of one name": (guard(LISTED_TRUE, "fee-day"), "rule fee-day: named 2 times"),
    "two rules of one order": (guard(LISTED_TRUE, order=1), "guards: order 1: named 2 times"),
    "unknown field": (guard(compare("colour", EQ, "red")), "guard g: unknown field 'colour'"),
    "operator of another type": (guard(compare("chain", LE, CHAIN)), "chain does not take 'le'"),
    "has on a text": (guard(compare("chain", HAS, CHAIN)), "chain does not take 'has'"),
    "equal on a set": (guard(compare("initiator.roles", EQ, "cro")), "does not take 'eq'"),
    "no value": (guard(compare("amount", LE)), "needs one value"),
    "two values": (guard(compare("amount", LE, "1", "2")), "needs one value"),
    "no value to be in": (guard(compare("chain", IN)), "needs at least one value"),
    "a number that is none": (guard(compare("amount", LE, "1e3")), "whole numbers, not '1e3'"),
    "a negative number": (guard(compare("amount", LE, "-1")), "whole numbers"),
    "an empty number": (guard(compare("amount", LE, "")), "whole numbers"),
    "digits of another script": (guard(compare("amount", LE, "\u0661")), "whole numbers"),
    "a flag that is neither": (guard(compare("destination.listed", EQ, "yes")), "true or false"),
    "a lower-case address": (guard(compare("destination", EQ, LISTED.lower())), "EIP-55"),
    "one address of many": (guard(compare("destination", IN, LISTED, LISTED.upper())), "EIP-55"),
    "a contract in another spelling": (guard(compare("contract", EQ, LISTED.lower())), "EIP-55"),
    "a chain by number": (guard(compare("chain", EQ, "1")), "guard g: chain"),
    "an asset by symbol": (guard(compare("asset", EQ, "USDC")), "CAIP-19"),
    "a wallet by address": (guard(compare("wallet", EQ, LISTED)), "CAIP-10"),
    "a role that does not exist": (guard(compare("initiator.roles", HAS, "chief")), "initiator.roles"),
    "a kind of call that does not exist": (guard(compare("call.kind", EQ, "swap")), "call.kind"),
    "an upper-case selector": (guard(compare("selector", EQ, "0xA9059CBB")), "selector"),
    "a person by name": (guard(compare("initiator", HAS, "Tessa")), "initiator"),
    "a join of nothing": (guard(tree(ALL)), "joins 1 to 64"),
    "not of two": (guard(tree(NOT, LISTED_TRUE, LISTED_TRUE)), "joins 1 to 1"),
    "a join with a field": (guard(tree(ALL, LISTED_TRUE, field="chain")), "has no field of its own"),
    "a join with values": (guard(tree(ALL, LISTED_TRUE, values=("x",))), "has no field of its own"),
    "a comparison with parts": (
        guard(tree(EQ, LISTED_TRUE, field="chain", values=(CHAIN,))),
        "chain does not take 'eq'",
    ),
    "deep inside": (guard(tree(NOT, tree(ALL, LISTED_TRUE, compare("colour", EQ, "red")))), "unknown field 'colour'"),
    "a guard that allows": (
        {"guards": (dataclasses.replace(POLICY.guards[0], effect=Effect.ALLOW),)},
        "a guard blocks and asks nobody",
    ),
    "a guard with a quorum": (
        {"guards": (dataclasses.replace(POLICY.guards[0], quorum=ONE),)},
        "a guard blocks and asks nobody",
    ),
    "an escalation that blocks": (
        {"escalations": (dataclasses.replace(POLICY.escalations[0], effect=Effect.BLOCK),)},
        "an escalation names the quorum",
    ),
    "an escalation without quorum": (
        {"escalations": (dataclasses.replace(POLICY.escalations[0], quorum=None),)},
        "an escalation names the quorum",
    ),
    "an escalation of nobody": (
        {"escalations": (dataclasses.replace(POLICY.escalations[0], quorum=seats()),)},
        "an empty quorum",
    ),
    "a grant that allows without quorum": (grant(Effect.ALLOW, None), "one that allows names its quorum"),
    "a grant that blocks with a quorum": (grant(Effect.BLOCK, ONE), "one that blocks has none"),
    "a grant on a claimed fact": (
        grant(Effect.ALLOW, ONE, compare("web.first_use", EQ, "true")),
        "cannot rest on what a server claims",
    ),
    "a seat that nobody can fill": (grant(Effect.ALLOW, seats((Role.CRO, 2))), "2 cro needed, 1 on the roster"),
    "seats that need the same person": (
        grant(Effect.ALLOW, seats((Role.RISK_OFFICER, 2), (Role.SENIOR_RISK_OFFICER, 1))),
        "cannot fill these seats",
    ),
    "one role in two seats": (
        grant(Effect.ALLOW, Quorum(seats=(Seat(role=Role.CRO, count=1, stage=0),) * 2, sites=0)),
        "cannot fill these seats",
    ),
    "sites that do not exist": (grant(Effect.ALLOW, seats((Role.CRO, 1), sites=2)), "asks for 2 sites with 1 seats"),
    "sites that its people do not have": (
        grant(Effect.ALLOW, seats((Role.RISK_OFFICER, 2), (Role.CRO, 1), sites=3)),
        "from 3 sites",
    ),
    "stages that need the same person": (
        grant(Effect.ALLOW, Quorum(seats=tuple(Seat(role=Role.CRO, count=1, stage=n) for n in (0, 1)), sites=0)),
        "cannot fill these seats",
    ),
    "a limit over too much at once": (
        one_limit(per=(Dimension.ASSET, Dimension.DESTINATION, Dimension.CONTRACT)),
        "limit extra: counts by at most 2 of",
    ),
    "a limit of zero": (one_limit(most=0), "limit extra: must be greater than 0"),
    "base units of no asset": (one_limit(asset=None), "an asset is named exactly where"),
    "dollars of an asset": (one_limit(measure=Measure.USD), "an asset is named exactly where"),
    "a limit of an unknown asset": (one_limit(asset=native_asset("eip155:1")), "unknown asset"),
    "a limit on an unknown field": (one_limit(when=compare("colour", EQ, "red")), "limit extra: unknown field"),
    "a limit that asks nobody": (one_limit(quorum=seats()), "limit extra: an empty quorum"),
    "a limit by one thing twice": (one_limit(per=(Dimension.DESK, Dimension.DESK)), "dimension desk: named 2 times"),
    "two limits of one order": (one_limit(order=1), "limits: order 1: named 2 times"),
    "two people of one id": ({"people": (*POLICY.people, POLICY.people[0])}, "person tessa: named 2 times"),
    "a client with a person's id": (client(id="tessa"), "person tessa: named 2 times"),
    "one credential of two people": (
        key("tom", credential_id=WORLD.keys["rita"].credential_id),
        "credential",
    ),
    "one key of two people": (key("tom", public_key=WORLD.keys["rita"].cose), "consent key"),
    "a key that is none": (key("tom", public_key=b"\xa0"), "person tom: not a COSE public key"),
    "a key of an unlisted model": (key("tom", aaguid=bytes(16)), "person tom: authenticator model"),
    "a client of nobody": (client(responsible=("nobody",)), "client bot-1: unknown person nobody"),
    "a client's key that all can sign for": (client(public_key=IDENTITY), "anybody can sign for"),
    "two signers of one id": ({"signers": POLICY.signers * 2}, "signer hsm-1: named 2 times"),
    "two wallets of one account": ({"wallets": POLICY.wallets * 2}, "named 2 times"),
    "a wallet key of another address": (
        wallet(public_key=World().wallet_public_key),
        "the public key is not this address's",
    ),
    "a wallet key that is no point": (wallet(public_key=b"\x04" + bytes(64)), "not a point"),
    "a wallet of an unknown signer": (wallet(signers=("hsm-2",)), "hsm-2 is not a signer of role hsm"),
    "a wallet of another role": (wallet(kind=WalletKind.MPC), "is not a signer of role party"),
    "a threshold that cannot be": (wallet(threshold=2), "threshold and signers do not fit"),
    "an HSM wallet of two signers": (wallet(signers=("hsm-1", "hsm-1")), "threshold and signers do not fit"),
    "two assets of one id": ({"assets": (*POLICY.assets, POLICY.assets[0])}, "asset"),
    "two entries of one id": ({"addresses": (*POLICY.addresses, POLICY.addresses[0])}, "address binance: named 2"),
    "two entries of one address": (
        {"addresses": (*POLICY.addresses, dataclasses.replace(POLICY.addresses[0], id="again"))},
        "named 2 times",
    ),
    "an entry that was never usable": (
        {"addresses": (dataclasses.replace(POLICY.addresses[0], usable_from=NOW, expires=NOW),)},
        "address binance: expires before it becomes usable",
    ),
    "two prices of one asset": ({"prices": POLICY.prices * 2}, "price"),
    "a price of an unknown asset": (
        {"prices": (ReferencePrice(asset=native_asset("eip155:1"), usd_e8=1, expires=NOW + 1),)},
        "price: unknown asset",
    ),
    "a price of nothing": (
        {"prices": (ReferencePrice(asset=TOKEN, usd_e8=0, expires=NOW + 1),)},
        "must be greater than 0",
    ),
    "a succession by one": (controls(succession=seats((Role.POLICY_ADMIN, 1))), "quorum succession: at least 2"),
    "a resume by one": (controls(resume=seats((Role.POLICY_ADMIN, 1))), "quorum resume: at least 2"),
    "a ceremony by one": (controls(ceremony=seats((Role.POLICY_ADMIN, 1))), "quorum ceremony: at least 2"),
    "a cancel by nobody": (controls(cancel=seats()), "quorum cancel: an empty quorum"),
    "a delay for ever": (controls(succession_delay=366 * 86_400 + 1), "succession_delay: longer than 366 days"),
    "a recovery never": (controls(recovery_delay=10**10), "recovery_delay: longer than 366 days"),
    "a threshold without keys": ({"witness_threshold": 1}, "witness: threshold 1 of 0"),
    "keys without a threshold": (
        {"attesters": (NamedKey(id="a", public_key=b"\x09" * 32, host="h"),)},
        "attester: threshold 0 of 1",
    ),
    "one witness twice": (
        {"witnesses": (NamedKey(id="a", public_key=b"\x09" * 32, host="h"),) * 2, "witness_threshold": 1},
        "witness a: named 2 times",
    ),
    "one recovery key under two names": (
        {
            "recovery": tuple(NamedKey(id=i, public_key=b"\x09" * 32, host="h") for i in ("a", "b")),
            "recovery_threshold": 2,
        },
        "recovery key",
    ),
    "a witness key that all can sign for": (
        {"witnesses": (NamedKey(id="a", public_key=IDENTITY, host="h"),), "witness_threshold": 1},
        "witness a: an Ed25519 key that anybody can sign for",
    ),
    "a recovery key that a client's server holds": (
        {
            "recovery": (NamedKey(id="vault", public_key=POLICY.clients[0].public_key, host="offline"),),
            "recovery_threshold": 1,
        },
        "recovery vault: its key has another purpose too",
    ),
    "a signer's key that all can sign for": (
        {"signers": (dataclasses.replace(POLICY.signers[0], public_key=bytes(32)),)},
        "signer hsm-1: an Ed25519 key",
    ),
}


@pytest.mark.parametrize(("changes", "named"), WRONG.values(), ids=WRONG)
def test_a_wrong_row_is_named(changes: dict[str, Any], named: str) -> None:
    problems = validate(dataclasses.replace(POLICY, **changes))
    assert any(named in problem for problem in problems), problems


def test_the_policy_itself_has_no_problem() -> None:
    assert validate(POLICY) == []
    check(POLICY)


def test_all_problems_are_given_at_once() -> None:
    both = guard(compare("colour", EQ, "red")) | one_limit(most=0)
    with pytest.raises(PolicyError) as caught:
        check(dataclasses.replace(POLICY, **both))
    assert len(caught.value.problems) == 2


def test_roles_of_signers_are_a_closed_list() -> None:
    assert {role.value for role in SignerRole} == {"hsm", "party", "log"}
