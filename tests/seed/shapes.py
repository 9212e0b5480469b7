"""What a policy can become: loosenings in many shapes, each with a case that it is for, and true tightenings."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from core.abi import selector_of
from core.documents.policy import ConditionOp, Dimension, Effect, Measure, Rule
from core.documents.roster import AbiFunction, Person, Role
from core.errors import Refusal
from demo.softkey import SoftKey
from tests.factories.contracts import INCREASE, ROUTER
from tests.factories.documents import DAY, compare, every, header, seats
from tests.factories.succession import holders
from tests.seed.institution import COOLING, MILLION, NATIVE, STRANGER, TOKEN, pay
from tests.seed.tiers import EVERYBODY, LARGE

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.documents.mandate import Intent
    from core.documents.policy import Policy
    from tests.factories.world import World

Changes = dict[str, Any]
"""Fields of a policy."""
MALLORY = SoftKey.generate()
LARGE_PAYMENT = 5 * MILLION


@dataclasses.dataclass(frozen=True)
class Probe:
    """A case that only the loosened policy lets pass, who signs it, and what the old one says to it.

    `as_clara`: somebody else signs in her name, with a key of their own.
    """

    intent: Callable[[World], Intent]
    people: tuple[str, ...]
    code: Refusal
    by: str = "tessa"
    as_clara: bool = False


@dataclasses.dataclass(frozen=True)
class Shape:
    """One loosening."""

    change: Callable[[Policy], Changes]
    probe: Probe | None = None


def row(rows: tuple[Any, ...], name: str, **changes: Any) -> tuple[Any, ...]:  # noqa: ANN401 - any row's fields
    """Change the row of this id (prices: of this asset)."""
    return tuple(dataclasses.replace(one, **changes) if _name(one) == name else one for one in rows)


def but(rows: tuple[Any, ...], name: str) -> tuple[Any, ...]:
    """Remove the row of this id."""
    return tuple(one for one in rows if _name(one) != name)


def _name(one: Any) -> str:  # noqa: ANN401 - any row
    return str(one.asset if hasattr(one, "usd_e8") else one.id)


def _limit(name: str, **changes: Any) -> Callable[[Policy], Changes]:  # noqa: ANN401 - Limit's fields
    return lambda policy: {"limits": row(policy.limits, name, **changes)}


def _grant(name: str, **changes: Any) -> Callable[[Policy], Changes]:  # noqa: ANN401 - Rule's fields
    return lambda policy: {"grants": row(policy.grants, name, **changes)}


def _person(name: str, *more: Role) -> Callable[[Policy], Changes]:
    def change(policy: Policy) -> Changes:
        roles = next(one.roles for one in policy.people if one.id == name)
        return {"people": row(policy.people, name, roles=(*roles, *more))}

    return change


def _controls(**changes: Any) -> Callable[[Policy], Changes]:  # noqa: ANN401 - ControlQuorums' fields
    return lambda policy: {"controls": dataclasses.replace(policy.controls, **changes)}


def _rule(name: str, order: int, *, quorum: Any = None) -> Rule:  # noqa: ANN401 - a quorum or none
    """Make a rule about addresses that look like known ones."""
    when = every(
        compare("call.kind", ConditionOp.IN, "native_transfer", "token_transfer"),
        compare("destination.lookalike", ConditionOp.EQ, "true"),
    )
    effect = Effect.BLOCK if quorum is None else Effect.ALLOW
    return Rule(id=name, label="Look-alikes", order=order, when=when, effect=effect, quorum=quorum)


def _hired(policy: Policy) -> Changes:
    roles = (Role.RISK_OFFICER, Role.CRO)
    person = Person(id="mallory", name="Mallory", roles=roles, desk="risk", site="london", keys=(MALLORY.entry,))
    return {"people": (*policy.people, person)}


def _whitelisted(policy: Policy) -> Changes:
    entry = dataclasses.replace(policy.addresses[0], id="mallory", address=STRANGER, beneficiary=None)
    return {"addresses": (*policy.addresses, entry)}


def _small(dollars: int) -> Callable[[Policy], Changes]:
    """Set up to what a payment counts as small."""

    def change(policy: Policy) -> Changes:
        grant = next(one for one in policy.grants if one.id == "listed-small")
        parts = tuple(
            dataclasses.replace(part, values=(str(dollars * 10**8),)) if part.field == "usd" else part
            for part in grant.when.parts
        )
        return {"grants": row(policy.grants, grant.id, when=dataclasses.replace(grant.when, parts=parts))}

    return change


def _blocking_last(policy: Policy) -> Changes:
    moved = row(policy.grants, "never-from-the-router", order=9)
    return {"grants": tuple(sorted(moved, key=lambda one: one.order))}


def _function_added(policy: Policy) -> Changes:
    function = AbiFunction(selector=selector_of(INCREASE), signature=INCREASE)
    token, *others = policy.contracts
    return {"contracts": (dataclasses.replace(token, functions=(*token.functions, function)), *others)}


def _model_added(policy: Policy) -> Changes:
    origin = policy.consent
    return {"consent": dataclasses.replace(origin, aaguids=(*origin.aaguids, bytes(range(16))))}


def _renewed(policy: Policy) -> Changes:
    made = header("policy", policy.deployment, now=policy.header.created + DAY, lifetime=400 * DAY)
    return {"header": made}


def _tightened_and_loosened(policy: Policy) -> Changes:
    return _limit("trader-day", most=1)(policy) | {"guards": but(policy.guards, "not-usable")}


_OVER = Probe(lambda world: pay(world, LARGE_PAYMENT + 1), EVERYBODY, Refusal.DENIED)
_LARGE_BY_TWO = Probe(lambda world: pay(world, 100_000), ("ravi",), Refusal.QUORUM)
_TO_ROUTER = Probe(lambda world: pay(world, 1, to=ROUTER, asset=NATIVE), EVERYBODY, Refusal.DENIED)
_COOLING = Probe(lambda world: pay(world, 1, to=COOLING), EVERYBODY, Refusal.DENIED)
_STRANGER = Probe(lambda world: pay(world, 1, to=STRANGER), ("ravi",), Refusal.QUORUM)
_BY_MALLORY = Probe(lambda world: pay(world, LARGE_PAYMENT), ("rita", "ravi", "mallory"), Refusal.UNKNOWN_PERSON)
_AS_CLARA = Probe(lambda world: pay(world, LARGE_PAYMENT), LARGE, Refusal.UNKNOWN_KEY, as_clara=True)
_BY_ADAM = Probe(lambda world: pay(world, 100_000), ("rita", "adam"), Refusal.QUORUM)
_OWN_CLIENT = Probe(lambda world: pay(world, 1), ("rita",), Refusal.QUORUM, by="bot-1")

LOOSENINGS: dict[str, Shape] = {
    "a higher limit": Shape(_limit("beneficiary-most", most=6 * MILLION * 10**8), _OVER),
    "a removed guard": Shape(lambda p: {"guards": but(p.guards, "not-usable")}, _COOLING),
    "reordered grants": Shape(_blocking_last, _TO_ROUTER),
    "a removed blocking grant": Shape(lambda p: {"grants": but(p.grants, "never-from-the-router")}, _TO_ROUTER),
    "an added person with a role": Shape(_hired, _BY_MALLORY),
    "lowered seats": Shape(_grant("listed", quorum=seats((Role.RISK_OFFICER, 1))), _LARGE_BY_TWO),
    "a guard that never matches": Shape(
        lambda p: {
            "guards": row(p.guards, "not-usable", when=every(p.guards[1].when, compare("fee", ConditionOp.LE, "0")))
        },
        _COOLING,
    ),
    "a removed limit": Shape(lambda p: {"limits": but(p.limits, "beneficiary-most")}, _OVER),
    "a limit that asks instead of denying": Shape(
        _limit("beneficiary-most", quorum=seats((Role.RISK_OFFICER, 1))), _OVER
    ),
    "a limit under a condition": Shape(
        _limit("beneficiary-most", when=compare("usd", ConditionOp.LE, str(MILLION * 10**8))), _OVER
    ),
    "a limit that counts by address": Shape(_limit("beneficiary-most", per=(Dimension.DESTINATION,))),
    "a limit that counts payments": Shape(_limit("beneficiary-most", measure=Measure.COUNT), _OVER),
    "a shorter window": Shape(_limit("trader-day", window=DAY - 1)),
    "a removed escalation": Shape(lambda p: {"escalations": but(p.escalations, "new-address")}, _STRANGER),
    "small that is larger": Shape(_small(100_000), _LARGE_BY_TWO),
    "a key more": Shape(
        lambda p: {
            "people": tuple(
                dataclasses.replace(one, keys=(*one.keys, MALLORY.entry)) if one.id == "clara" else one
                for one in p.people
            )
        },
        _AS_CLARA,
    ),
    "an officer of another site": Shape(lambda p: {"people": row(p.people, "clara", site="zurich")}),
    "a role more": Shape(_person("adam", Role.RISK_OFFICER), _BY_ADAM),
    "another person behind a client": Shape(
        lambda p: {"clients": row(p.clients, "bot-1", responsible=("olga",))}, _OWN_CLIENT
    ),
    "a stranger on the whitelist": Shape(_whitelisted, _STRANGER),
    "a shorter cool-down": Shape(
        lambda p: {"addresses": row(p.addresses, "newcomer", usable_from=p.header.created)}, _COOLING
    ),
    "one beneficiary made two": Shape(lambda p: {"addresses": row(p.addresses, "exchange-second", beneficiary=None)}),
    "a lower price": Shape(lambda p: {"prices": row(p.prices, TOKEN, usd_e8=10**6)}, _LARGE_BY_TWO),
    "more decimals": Shape(lambda p: {"assets": row(p.assets, TOKEN, decimals=12)}, _LARGE_BY_TWO),
    "a function of a contract": Shape(_function_added),
    "a model of keys": Shape(_model_added),
    "offline recovery keys": Shape(lambda _: holders()),
    "a shorter delay": Shape(_controls(succession_delay=60)),
    "a succession by one admin and an officer": Shape(
        _controls(succession=seats((Role.POLICY_ADMIN, 1), (Role.RISK_OFFICER, 1)))
    ),
    "a later end": Shape(_renewed),
    "a loosening behind a tightening": Shape(_tightened_and_loosened, _COOLING),
}
NAMED_BY_THE_SEED = tuple(LOOSENINGS)[:6]
"""These are tried in the web tier too."""

_MORE_SEATS = seats((Role.RISK_OFFICER, 2), (Role.CRO, 1))
TIGHTENINGS: dict[str, Callable[[Policy], Changes]] = {
    "a lower limit": _limit("beneficiary-most", most=4 * MILLION * 10**8),
    "an added guard": lambda p: {"guards": (*p.guards, _rule("lookalike", 9))},
    "a removed grant": lambda p: {"grants": but(p.grants, "listed-small")},
    "an added blocking grant": lambda p: {"grants": (_rule("lookalike", 0), *p.grants)},
    "a removed person": lambda p: {"people": but(p.people, "tom")},
    "raised seats": _grant("listed", quorum=_MORE_SEATS),
    "an added limit": lambda p: {
        "limits": (*p.limits, dataclasses.replace(p.limits[0], id="desk-day", order=9, per=(Dimension.DESK,)))
    },
    "a limit that denies instead of asking": _limit("beneficiary-day", quorum=None),
    "an added escalation": lambda p: {
        "escalations": (*p.escalations, _rule("lookalike", 9, quorum=seats((Role.CRO, 1))))
    },
    "a longer delay": _controls(succession_delay=2 * DAY),
}
