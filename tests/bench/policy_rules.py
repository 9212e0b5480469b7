"""A policy as large as one likes, and cases for it: what ours and the opponents all decide.

60 % of the rules are about transfers and 40 % about contract calls; each has 5 to 8 conditions; there are 10 assets.
One rule in twenty is a guard. Every number is below 2^63: Cedar's longs end there, and the CEL package turns larger
integers into floats. Every fact that a rule asks for is known, but that a contract call moves no asset of its own:
Cedar skips a `forbid` over a missing attribute, so unknown guards, which block here, cannot be compared.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from coincurve import PrivateKey

from core.documents.policy import Condition, ConditionOp, Effect, Policy, Rule
from core.documents.roster import (
    AbiFunction,
    AddressEntry,
    AssetEntry,
    ContractEntry,
    Person,
    Role,
    Wallet,
    WalletKind,
)
from core.evm import address_of
from core.keccak import keccak256
from core.names import address_from_bytes, token_asset
from tests.factories.world import CHAIN, DAY, NOW, World, compare, every, seats

if TYPE_CHECKING:
    import random

    from core.registry import FactMap

EQ, IN, LE, GE, HAS = ConditionOp.EQ, ConditionOp.IN, ConditionOp.LE, ConditionOp.GE, ConditionOp.HAS
ASSETS = [token_asset(CHAIN, address_from_bytes(bytes([0xA0 + i] * 20))) for i in range(10)]
CONTRACTS = [address_from_bytes(bytes([0xC0, i] * 10)) for i in range(40)]
SIGNATURES = [f"act{i}(address,uint256)" for i in range(12)]
FUNCTIONS = [AbiFunction(selector=keccak256(text.encode())[:4], signature=text) for text in SIGNATURES]
SELECTORS = ["0x" + function.selector.hex() for function in FUNCTIONS]
KEYS = [PrivateKey.from_int(1000 + i).public_key.format(compressed=False) for i in range(8)]
WALLETS = [f"{CHAIN}:{address_of(key)}" for key in KEYS]
DESKS = [f"desk-{i}" for i in range(12)]
ENTRIES = [f"entry-{i}" for i in range(60)]
ROLES = [Role.TRADER, Role.RISK_OFFICER, Role.OPERATOR]
LEAST_CONDITIONS, MOST_CONDITIONS = 5, 8


def _some(dice: random.Random, names: list[str], most: int) -> list[str]:
    return dice.sample(names, dice.randint(1, most))


def _member(dice: random.Random, field: str, names: list[str], most: int) -> Condition:
    chosen = _some(dice, names, most)
    return compare(field, EQ if len(chosen) == 1 else IN, *chosen)


def _common(dice: random.Random) -> list[Condition]:
    """Return what rules of both kinds may ask."""
    return [
        _member(dice, "wallet", WALLETS, 3),
        _member(dice, "desk", DESKS, 3),
        compare("chain", EQ, CHAIN),
        compare("initiator.roles", HAS, *dice.sample(ROLES, dice.randint(1, 2))),
        compare("time.minute", GE, str(dice.randint(0, 600))),
        compare("time.minute", LE, str(dice.randint(800, 1439))),
        compare("sanctions.clear", EQ, "true"),
        compare("risk.score", LE, str(dice.randint(300, 900))),
    ]


def _transfer(dice: random.Random) -> list[Condition]:
    needed = [
        compare("call.kind", EQ, "token_transfer"),
        compare("asset", EQ, dice.choice(ASSETS)),
        compare("amount", LE, str(dice.randint(10**6, 10**15))),
    ]
    optional = [
        *_common(dice),
        compare("destination.listed", EQ, "true"),
        _member(dice, "destination.entry", ENTRIES, 6),
        compare("usd", LE, str(dice.randint(10**12, 10**17))),
    ]
    return needed + dice.sample(optional, dice.randint(LEAST_CONDITIONS, MOST_CONDITIONS) - len(needed))


def _call(dice: random.Random) -> list[Condition]:
    needed = [
        compare("call.kind", EQ, "contract_call"),
        compare("contract", EQ, dice.choice(CONTRACTS)),
        _member(dice, "selector", SELECTORS, 3),
    ]
    optional = [*_common(dice), compare("value", LE, str(dice.randint(10**15, 10**18)))]
    return needed + dice.sample(optional, dice.randint(LEAST_CONDITIONS, MOST_CONDITIONS) - len(needed))


def make_policy(rules: int, dice: random.Random) -> Policy:
    """Generate a policy without limits and escalations.

    Args:
        rules: How many guards and grants.
        dice: A seeded source.
    """
    guards: list[Rule] = []
    grants: list[Rule] = []
    for place in range(rules):
        when = every(*(_transfer(dice) if place % 10 < 6 else _call(dice)))
        if place % 20 == 7:
            guards.append(
                Rule(id=f"guard-{place}", label="Stop", order=place, when=when, effect=Effect.BLOCK, quorum=None)
            )
        else:
            asks = seats((Role.RISK_OFFICER, 1))
            grants.append(
                Rule(id=f"grant-{place}", label="Go", order=place, when=when, effect=Effect.ALLOW, quorum=asks)
            )
    return _furnished(World().policy, tuple(guards), tuple(grants))


def _furnished(base: Policy, guards: tuple[Rule, ...], grants: tuple[Rule, ...]) -> Policy:
    """Give a policy all that the rules name."""
    wallets = tuple(
        Wallet(id=name, label=name[-6:], kind=WalletKind.HSM, public_key=key, signers=("hsm-1",), threshold=1)
        for name, key in zip(WALLETS, KEYS, strict=True)
    )
    people = tuple(
        Person(id=f"t-{desk}", name=desk, roles=(Role.TRADER,), desk=desk, site="zurich", keys=()) for desk in DESKS
    )
    contracts = tuple(
        ContractEntry(chain=CHAIN, address=a, label=a[-6:], code_hash=None, functions=tuple(FUNCTIONS), protocol=None)
        for a in CONTRACTS
    )
    addresses = tuple(
        AddressEntry(
            id=name,
            chain=CHAIN,
            address=address_from_bytes(bytes([0xE0, i] * 10)),
            label=name,
            reason="onboarded",
            usable_from=NOW - DAY,
            expires=NOW + 90 * DAY,
            beneficiary=None,
        )
        for i, name in enumerate(ENTRIES)
    )
    assets = tuple(
        AssetEntry(id=name, symbol=f"T{i}", name=f"Token {i}", decimals=6) for i, name in enumerate(ASSETS)
    )
    return dataclasses.replace(
        base,
        people=(*base.people, *people),
        wallets=(*base.wallets, *wallets),
        assets=(*base.assets, *assets),
        contracts=contracts,
        addresses=(*base.addresses, *addresses),
        guards=guards,
        grants=grants,
        escalations=(),
        limits=(),
    )


def _anything(dice: random.Random) -> FactMap:
    facts: FactMap = {
        "initiator": frozenset({"tessa"}),
        "initiator.roles": frozenset(str(role) for role in dice.sample(ROLES, dice.randint(1, 2))),
        "initiator.kind": "person",
        "desk": dice.choice(DESKS),
        "wallet": dice.choice(WALLETS),
        "wallet.kind": "hsm",
        "chain": CHAIN,
        "value": dice.choice([0, 0, 10**14, 10**17]),
        "fee": 10**15,
        "gas": 90_000,
        "time.minute": dice.randint(0, 1439),
        "time.weekday": dice.randint(0, 6),
        "sanctions.clear": dice.random() < 0.97,
        "risk.score": dice.randint(0, 1000),
    }
    if dice.random() < 0.6:
        listed = dice.random() < 0.8
        facts |= {
            "call.kind": "token_transfer",
            "asset": dice.choice(ASSETS),
            "amount": dice.randint(1, 10**15),
            "usd": dice.randint(1, 10**17),
            "destination.listed": listed,
            "destination.own": False,
            "destination.entry": dice.choice(ENTRIES) if listed else "nobody",
        }
    else:
        facts |= {
            "call.kind": "contract_call",
            "contract": dice.choice(CONTRACTS),
            "selector": dice.choice(SELECTORS),
        }
    return facts


def _satisfying(dice: random.Random, rule: Rule) -> FactMap:
    """Return a case that meets a rule's every condition."""
    facts = _anything(dice)
    while facts["call.kind"] != rule.when.parts[0].values[0]:
        facts = _anything(dice)
    for part in rule.when.parts:
        field, value = part.field or "", dice.choice(part.values)
        if part.op is HAS:
            facts[field] = frozenset({value})
        elif part.op in (LE, GE):
            facts[field] = int(value)
        else:
            facts[field] = value == "true" if field in ("destination.listed", "sanctions.clear") else value
    return facts


def make_cases(policy: Policy, count: int, dice: random.Random) -> list[FactMap]:
    """Generate cases: half meet some rule, a quarter miss one by one fact, a quarter are anything (mostly denied)."""
    rules = (*policy.guards, *policy.grants)
    cases = []
    for place in range(count):
        kind = place % 4
        facts = _anything(dice) if kind == 3 else _satisfying(dice, dice.choice(rules))
        if kind == 2:
            other = _anything(dice)
            field = dice.choice(["desk", "wallet", "time.minute", "risk.score", "initiator.roles"])
            facts[field] = other[field]
        cases.append(facts)
    return cases
