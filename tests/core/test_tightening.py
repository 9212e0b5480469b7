"""What may call itself a tightening. The claim is about meaning, so it is tried out on real cases."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.documents.policy import (
    Condition,
    ConditionOp,
    Dimension,
    Effect,
    Measure,
    Policy,
    Property,
    Quorum,
    Rule,
    Seat,
    Zone,
    ZoneOffset,
)
from core.documents.roster import AbiFunction, ContractEntry, Role
from core.quorum import Approver, is_filled
from core.tightening import asks_as_much, loosenings
from tests.factories.succession import holders
from tests.factories.world import (
    CHAIN,
    DAY,
    NATIVE,
    NOW,
    STRANGER,
    TOKEN,
    World,
    compare,
    every,
    limit,
    seats,
)
from tests.forgery.institutions import two_wallets
from tests.soak import bounded

if TYPE_CHECKING:
    from collections.abc import Callable


WORLD = World()
OTHER = two_wallets(WORLD.policy)["wallets"][1]
YES = compare("fee", ConditionOp.GE, "0")
ALWAYS = compare("chain", ConditionOp.EQ, CHAIN)


def rule(name: str, when: Condition, quorum: Quorum | None, *, order: int = 1, block: bool = False) -> Rule:
    effect = Effect.BLOCK if block else Effect.ALLOW
    return Rule(id=name, label=name, order=order, when=when, effect=effect, quorum=None if block else quorum)


ONE, TWO = seats((Role.RISK_OFFICER, 1)), seats((Role.RISK_OFFICER, 2))
CONTRACT = ContractEntry(
    chain=CHAIN,
    address=STRANGER,
    label="Pool",
    code_hash=None,
    functions=(AbiFunction(selector=bytes.fromhex("b6b55f25"), signature="deposit(uint256)"),),
    protocol="pool",
)
BASE = dataclasses.replace(
    WORLD.policy,
    wallets=(*WORLD.policy.wallets, OTHER),
    contracts=(CONTRACT,),
    properties=(Property(id="p-1", label="P", when=ALWAYS, demand=None),),
    zones=(Zone(name="Europe/Zurich", offsets=(ZoneOffset(since=0, minutes=60),)),),
    **holders(),
)


def changed(policy: Policy = BASE, **changes: Any) -> Policy:  # noqa: ANN401 - Policy's fields
    return dataclasses.replace(policy, **changes)


def first(rows: tuple[Any, ...], **changes: Any) -> tuple[Any, ...]:  # noqa: ANN401 - any row's fields
    return (dataclasses.replace(rows[0], **changes), *rows[1:])


def controls(**changes: Any) -> Policy:  # noqa: ANN401 - ControlQuorums' fields
    return changed(controls=dataclasses.replace(BASE.controls, **changes))


GRANT, LARGE, NATIVE_EACH = BASE.grants[0], BASE.escalations[0], BASE.limits[0]
BLOCKING = rule("stop", ALWAYS, None, order=1, block=True)
TIGHTENINGS: dict[str, Policy] = {
    "nothing": BASE,
    "a person removed": changed(people=BASE.people[1:]),
    "a key removed": changed(people=first(BASE.people, keys=())),
    "a client removed": changed(clients=()),
    "an address removed": changed(addresses=BASE.addresses[1:]),
    "an address that expires sooner": changed(addresses=first(BASE.addresses, expires=NOW + DAY)),
    "an address that cools down longer": changed(addresses=first(BASE.addresses, usable_from=NOW + DAY)),
    "a price removed": changed(prices=BASE.prices[1:]),
    "a price that expires sooner": changed(prices=first(BASE.prices, expires=NOW + DAY)),
    "a wallet removed": changed(wallets=BASE.wallets[:1]),
    "a guard added": changed(guards=(*BASE.guards, rule("g-2", ALWAYS, None, order=2, block=True))),
    "a blocking grant added": changed(grants=(BLOCKING, *BASE.grants)),
    "the last grant removed": changed(grants=()),
    "an escalation added": changed(escalations=(*BASE.escalations, rule("e-2", ALWAYS, ONE, order=2))),
    "a limit added": changed(limits=(*BASE.limits, limit("l-2", Measure.COUNT, 1, window=DAY, order=9))),
    "a limit lowered": changed(limits=first(BASE.limits, most=1)),
    "a seat added to a grant": changed(grants=first(BASE.grants, quorum=seats((Role.RISK_OFFICER, 3)))),
    "a site added to a grant": changed(grants=first(BASE.grants, quorum=seats((Role.RISK_OFFICER, 2), sites=2))),
    "a seat added to a cancel": controls(cancel=TWO),
    "a longer delay": controls(succession_delay=2 * DAY, recovery_delay=30 * DAY),
    "an earlier expiry": changed(header=dataclasses.replace(BASE.header, expires=BASE.header.expires - 1)),
    "another id and date": changed(header=dataclasses.replace(BASE.header, id="ab" * 16, created=NOW)),
    "a number and a predecessor": changed(
        number=2, previous=BASE.digest, header=dataclasses.replace(BASE.header, deployment=BASE.digest)
    ),
    "fewer authenticator models": changed(
        consent=dataclasses.replace(BASE.consent, aaguids=()), people=tuple(
            dataclasses.replace(p, keys=()) for p in BASE.people
        )
    ),
    "a property added": changed(properties=(*BASE.properties, Property(id="p-2", label="P", when=YES, demand=None))),
    "a zone added": changed(zones=(*BASE.zones, Zone(name="UTC", offsets=(ZoneOffset(since=0, minutes=0),)))),
}  # fmt: skip
LOOSENINGS: dict[str, tuple[Policy, str]] = {
    "a person added": (changed(people=(*BASE.people, dataclasses.replace(BASE.people[0], id="x"))), "person x"),
    "a person under another name": (changed(people=first(BASE.people, id="tess")), "person tess: added"),
    "a role": (changed(people=first(BASE.people, roles=(Role.TRADER, Role.CRO))), "person tessa"),
    "a role taken away": (changed(people=first(BASE.people, roles=())), "person tessa"),
    "a desk": (changed(people=first(BASE.people, desk="other")), "person tessa"),
    "a site": (changed(people=first(BASE.people, site="tokyo")), "person tessa"),
    "somebody else's key": (changed(people=first(BASE.people, keys=BASE.people[1].keys)), "person tessa"),
    "people in another order": (changed(people=BASE.people[::-1]), "person: in another order"),
    "a person twice": (changed(people=(*BASE.people, BASE.people[0])), "person tessa: named twice"),
    "a client's responsible person": (changed(clients=first(BASE.clients, responsible=("ravi",))), "client bot-1"),
    "a client's key": (changed(clients=first(BASE.clients, public_key=bytes(32))), "client bot-1"),
    "an authenticator model added": (
        changed(consent=dataclasses.replace(BASE.consent, aaguids=(*BASE.consent.aaguids, b"0" * 16))),
        "authenticator model",
    ),
    "the consent origin": (
        changed(consent=dataclasses.replace(BASE.consent, origin="http://localhost:9")),
        "consent origin",
    ),
    "an address added": (
        changed(addresses=(*BASE.addresses, dataclasses.replace(BASE.addresses[0], id="x", address=STRANGER))),
        "address",
    ),
    "an address replaced under its id": (changed(addresses=first(BASE.addresses, address=STRANGER)), "addresses"),
    "an address relabelled": (changed(addresses=first(BASE.addresses, label="Kraken")), "addresses"),
    "an address that lives longer": (changed(addresses=first(BASE.addresses, expires=NOW + 999 * DAY)), "addresses"),
    "an address usable sooner": (changed(addresses=first(BASE.addresses, usable_from=0)), "addresses"),
    "a dearer price": (changed(prices=first(BASE.prices, usd_e8=10**12)), "prices"),
    "a cheaper price": (changed(prices=first(BASE.prices, usd_e8=1)), "prices"),
    "a price that lives longer": (changed(prices=first(BASE.prices, expires=NOW + 99 * DAY)), "prices"),
    "an asset's decimals": (changed(assets=first(BASE.assets, decimals=17)), "assets"),
    "a wallet's signer": (changed(wallets=first(BASE.wallets, signers=("hsm-2",))), "wallets"),
    "a contract's function added": (
        changed(contracts=first(BASE.contracts, functions=(*CONTRACT.functions, AbiFunction(
            selector=b"abcd", signature="f()"
        )))),
        "contracts",
    ),
    "a contract's protocol": (changed(contracts=first(BASE.contracts, protocol=None)), "contracts"),
    "a guard removed": (changed(guards=()), "guard unknown-call: removed"),
    "a guard that matches less": (
        changed(guards=first(BASE.guards, when=every(BASE.guards[0].when, ALWAYS))), "guard unknown-call: changed",
    ),
    "a guard under another name": (changed(guards=first(BASE.guards, id="g")), "guard unknown-call: removed"),
    "a grant added": (changed(grants=(*BASE.grants, rule("x", ALWAYS, TWO, order=99_999))), "grant x: added"),
    "a grant that matches more": (changed(grants=first(BASE.grants, when=ALWAYS)), "grant listed: changed"),
    "a grant in another order": (changed(grants=first(BASE.grants, order=7)), "grant listed: changed"),
    "a grant that allows instead of blocking": (
        changed(changed(grants=(dataclasses.replace(BLOCKING, effect=Effect.ALLOW, quorum=ONE), *BASE.grants))),
        "grant stop: added",
    ),
    "a smaller quorum": (changed(grants=first(BASE.grants, quorum=ONE)), "grant listed: its quorum asks less"),
    "no quorum": (changed(grants=first(BASE.grants, quorum=None)), "grant listed: its quorum asks less"),
    "another role": (changed(grants=first(BASE.grants, quorum=seats((Role.TRADER, 2)))), "grant listed"),
    "a later stage": (
        changed(grants=first(BASE.grants, quorum=Quorum(
            seats=(Seat(role=Role.RISK_OFFICER, count=2, stage=1),), sites=0
        ))),
        "grant listed",
    ),
    "an escalation removed": (changed(escalations=()), "escalation large: removed"),
    "an escalation from a higher amount": (
        changed(escalations=first(BASE.escalations, when=compare("usd", ConditionOp.GE, "9" * 20))),
        "escalation large",
    ),
    "an escalation at fewer sites": (
        changed(escalations=first(BASE.escalations, quorum=dataclasses.replace(LARGE.quorum or ONE, sites=1))),
        "escalation large",
    ),
    "a limit removed": (changed(limits=BASE.limits[1:]), "limit native-each: removed"),
    "a limit raised": (changed(limits=first(BASE.limits, most=NATIVE_EACH.most + 1)), "limit native-each: raised"),
    "a shorter window": (changed(limits=(BASE.limits[0], *first(BASE.limits[1:], window=60))), "limit native-day"),
    "a limit that asks instead of denying": (changed(limits=first(BASE.limits, quorum=TWO)), "limit native-each"),
    "a limit for some cases only": (changed(limits=first(BASE.limits, when=ALWAYS)), "limit native-each: changed"),
    "a limit counted apart": (
        changed(limits=first(BASE.limits, per=(Dimension.WALLET, Dimension.DESTINATION))), "limit native-each",
    ),
    "an easier succession": (controls(succession=seats((Role.POLICY_ADMIN, 1))), "quorum succession"),
    "an easier cancel by another role": (controls(cancel=seats((Role.TRADER, 1))), "quorum cancel"),
    "a shorter delay": (controls(succession_delay=0), "succession delay: shorter"),
    "a shorter recovery": (controls(recovery_delay=0), "recovery delay: shorter"),
    "a later expiry": (
        changed(header=dataclasses.replace(BASE.header, expires=BASE.header.expires + 1)), "expiry: later",
    ),
    "a lower recovery threshold": (changed(recovery_threshold=1), "recovery threshold"),
    "a recovery key fewer": (changed(recovery=BASE.recovery[1:]), "recovery: changed"),
    "another signer": (changed(signers=first(BASE.signers, host="host-2")), "signers: changed"),
    "the institution's name": (changed(institution="Other Bank"), "institution: changed"),
    "a property removed": (changed(properties=()), "property p-1"),
    "a zone moved": (changed(zones=first(BASE.zones, offsets=(ZoneOffset(since=0, minutes=0),))), "zone Europe"),
}  # fmt: skip

LISTED_IS = compare("destination.listed", ConditionOp.EQ, "true")
NOT_LISTED = compare("destination.listed", ConditionOp.EQ, "false")
LOOKALIKE = compare("destination.lookalike", ConditionOp.EQ, "true")
OWN = compare("destination.own", ConditionOp.EQ, "true")


def negated(part: Condition) -> Condition:
    return Condition(op=ConditionOp.NOT, field=None, values=(), parts=(part,))


def either(*parts: Condition) -> Condition:
    return Condition(op=ConditionOp.ANY, field=None, values=(), parts=parts)


def in_some_call(part: Condition) -> Condition:
    return Condition(op=ConditionOp.SOME, field="calls", values=(), parts=(part,))


def guarded(when: Condition) -> Policy:
    return changed(guards=(rule("g", when, None, block=True),))


def granted(*rows: tuple[Condition, Quorum | None]) -> Policy:
    rules = (rule(f"r-{n}", when, quorum, order=n, block=quorum is None) for n, (when, quorum) in enumerate(rows))
    return changed(grants=tuple(rules))


FEWER: dict[str, Callable[[Policy], Policy]] = {
    "addresses": lambda policy: changed(policy, addresses=policy.addresses[1:]),
    "shorter": lambda policy: changed(policy, addresses=first(policy.addresses, expires=NOW + 1)),
    "wallets": lambda policy: changed(policy, wallets=policy.wallets[:1]),
    "prices": lambda policy: changed(policy, prices=()),
    "contracts": lambda policy: changed(policy, contracts=()),
    "functions": lambda policy: changed(policy, contracts=first(policy.contracts, functions=())),
    "assets": lambda policy: changed(policy, assets=policy.assets[:1], prices=policy.prices[:1]),
}
PLAIN = changed(limits=(), guards=(), grants=granted((YES, TWO)).grants, escalations=())
TURNED: list[tuple[str, Policy, bool]] = [
    ("addresses", PLAIN, True),
    ("contracts", PLAIN, True),
    ("addresses", guarded(NOT_LISTED), True),
    ("addresses", guarded(LISTED_IS), False),
    ("shorter", guarded(LISTED_IS), False),
    ("addresses", guarded(negated(NOT_LISTED)), False),
    ("addresses", guarded(either(ALWAYS, LISTED_IS)), False),
    ("addresses", guarded(in_some_call(LISTED_IS)), False),
    ("addresses", guarded(in_some_call(NOT_LISTED)), True),
    ("addresses", guarded(LOOKALIKE), False),
    ("wallets", guarded(LOOKALIKE), False),
    ("addresses", guarded(compare("destination.entry", ConditionOp.EQ, "binance")), True),
    ("addresses", granted((LISTED_IS, TWO)), True),
    ("addresses", granted((NOT_LISTED, TWO)), False),
    ("addresses", granted((negated(LISTED_IS), TWO)), False),
    ("addresses", granted((NOT_LISTED, None), (ALWAYS, TWO)), True),
    ("addresses", granted((LISTED_IS, None), (ALWAYS, TWO)), False),
    # What the first granted for two people, the next would grant for one.
    ("addresses", granted((LISTED_IS, TWO), (ALWAYS, ONE)), False),
    ("addresses", granted((LISTED_IS, ONE), (ALWAYS, TWO)), True),
    ("addresses", granted((LISTED_IS, TWO), (ALWAYS, None)), True),
    ("wallets", granted((OWN, ONE)), True),
    ("wallets", granted((OWN, TWO), (ALWAYS, ONE)), False),
    ("wallets", guarded(OWN), False),
    ("prices", guarded(compare("usd", ConditionOp.GE, "5")), True),
    ("prices", granted((compare("usd", ConditionOp.GE, "5"), TWO), (ALWAYS, ONE)), False),
    ("contracts", guarded(compare("contract.known", ConditionOp.EQ, "true")), False),
    ("functions", granted((compare("call.kind", ConditionOp.EQ, "unknown"), TWO)), False),
    ("contracts", changed(PLAIN, limits=(limit("l", Measure.ASSET, 5, window=0, order=1, asset=NATIVE),)), False),
    ("assets", PLAIN, True),
    ("assets", granted((compare("asset", ConditionOp.EQ, TOKEN), TWO)), False),
]


@pytest.mark.parametrize(("fewer", "before", "fine"), TURNED, ids=range(len(TURNED)))
def test_removing_a_row_tightens_only_where_no_rule_turns_around(fewer: str, before: Policy, *, fine: bool) -> None:
    found = loosenings(before, FEWER[fewer](before))
    assert (found == ()) is fine, found


@pytest.mark.parametrize(
    ("before", "gone", "fine"),
    [
        (granted((ALWAYS, TWO), (YES, ONE)), 0, False),
        (granted((ALWAYS, ONE), (YES, TWO)), 0, True),
        (granted((ALWAYS, TWO), (YES, ONE)), 1, True),
        (granted((ALWAYS, None), (YES, ONE)), 0, False),
        (granted((ALWAYS, TWO), (YES, None), (YES, ONE)), 0, False),
    ],
)
def test_a_grant_is_removed_only_if_no_later_one_gives_it_for_less(before: Policy, gone: int, *, fine: bool) -> None:
    after = changed(before, grants=tuple(g for n, g in enumerate(before.grants) if n != gone))
    assert (loosenings(before, after) == ()) is fine


def test_an_address_counts_under_its_beneficiary_until_it_is_gone() -> None:
    beneficiary = first(BASE.addresses, beneficiary="acme")
    count = dataclasses.replace(BASE.limits[2], per=(Dimension.BENEFICIARY,))
    for per, fine in (((count,), False), (BASE.limits, True)):
        before = changed(addresses=beneficiary, limits=per)
        assert (loosenings(before, FEWER["addresses"](before)) == ()) is fine
        assert loosenings(before, FEWER["shorter"](before)) == ()


def test_a_field_that_a_later_version_adds_is_no_tightening(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.tightening._COMPARED", frozenset({"people"}))
    assert "limits: changed" in loosenings(BASE, changed(limits=first(BASE.limits, most=1)))


ROLES = (Role.RISK_OFFICER, Role.CRO, Role.TRADER)
QUORUMS = st.builds(
    lambda rows, sites: Quorum(seats=tuple(rows), sites=min(sites, sum(seat.count for seat in rows))),
    st.lists(
        st.builds(Seat, role=st.sampled_from(ROLES), count=st.integers(1, 2), stage=st.integers(0, 1)), max_size=3
    ),
    st.integers(0, 3),
)
ROSTERS = st.lists(
    st.tuples(st.frozensets(st.sampled_from(ROLES), min_size=1), st.sampled_from(("a", "b", "c")), st.integers(0, 3)),
    max_size=6,
)


def seated(rows: list[tuple[frozenset[Role], str, int]]) -> list[Approver]:
    person = WORLD.policy.people[0]
    return [
        Approver(dataclasses.replace(person, id=f"p{n}", roles=tuple(sorted(roles)), site=site), at)
        for n, (roles, site, at) in enumerate(rows)
    ]


@given(QUORUMS, QUORUMS, ROSTERS)
@bounded(400)
def test_whoever_fills_a_quorum_fills_every_one_that_asks_no_more(
    after: Quorum, more: Quorum, rows: list[tuple[frozenset[Role], str, int]]
) -> None:
    people = seated(rows)
    grown = Quorum(seats=(*after.seats, *more.seats), sites=max(after.sites, more.sites))
    for new, old in ((after, more), (grown, after), (grown, more)):
        if asks_as_much(new, old) and is_filled(new, people):
            assert is_filled(old, people)


def test_a_seat_that_could_lend_its_site_asks_no_more() -> None:
    old = seats((Role.RISK_OFFICER, 2), sites=2)
    assert not asks_as_much(seats((Role.RISK_OFFICER, 2), (Role.CRO, 1), sites=2), old)
    assert asks_as_much(seats((Role.RISK_OFFICER, 2), (Role.CRO, 1), sites=3), old)
    assert asks_as_much(seats((Role.RISK_OFFICER, 3), sites=2), old)


@pytest.mark.parametrize("after", TIGHTENINGS.values(), ids=TIGHTENINGS)
def test_it_is_a_tightening(after: Policy) -> None:
    assert loosenings(BASE, after) == ()


@pytest.mark.parametrize(("after", "names"), LOOSENINGS.values(), ids=LOOSENINGS)
def test_it_is_a_loosening_and_says_where(after: Policy, names: str) -> None:
    found = loosenings(BASE, after)
    assert any(sentence.startswith(names) for sentence in found), found
