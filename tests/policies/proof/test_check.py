"""The checks of a whole policy: planted defects are found by name, and shown with a case that the engine confirms."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from core.documents.policy import Condition, ConditionOp, Demand, Effect, Measure, Policy, Property, Quorum, Rule
from core.documents.roster import AddressEntry, Role
from policies.proof.check import prove
from policies.proof.findings import Check, CheckState, ProofReport
from tests.factories.world import CHAIN, DAY, NOW, STRANGER, World, compare, every, limit, seats

EQ, LE, GE, HAS = ConditionOp.EQ, ConditionOp.LE, ConditionOp.GE, ConditionOp.HAS
WORLD = World()
USD = 10**8
LISTED, UNLISTED = compare("destination.listed", EQ, "true"), compare("destination.listed", EQ, "false")
SMALL, LARGE = compare("usd", LE, str(1000 * USD)), compare("usd", GE, str(1_000_000 * USD + 1))
TRANSFER = Condition(op=ConditionOp.IN, field="call.kind", values=("native_transfer", "token_transfer"), parts=())
ONE, TWO = seats((Role.RISK_OFFICER, 1)), seats((Role.RISK_OFFICER, 2))


def rule(name: str, when: Condition, quorum: Quorum | None, order: int = 0) -> Rule:
    effect = Effect.BLOCK if quorum is None else Effect.ALLOW
    return Rule(id=name, label=name.replace("-", " "), order=order, when=when, effect=effect, quorum=quorum)


def policy(**sections: Any) -> Policy:  # noqa: ANN401 - Policy's sections
    empty: dict[str, Any] = {"guards": (), "grants": (), "escalations": (), "limits": ()}
    return dataclasses.replace(WORLD.policy, **(empty | sections))


def stated(when: Condition, demand: Demand | None) -> Property:
    return Property(id="stated", label="Stated", when=when, demand=demand)


def people(count: int, *, sites: int = 0) -> Demand:
    return Demand(approvers=count, sites=sites, seats=())


def checked(report: ProofReport, name: str) -> Check:
    found = [check for check in report.checks if check.id == name]
    assert found, report.checks[0].findings
    return found[0]


def one(new: Policy, name: str, previous: Policy | None = None) -> Check:
    return checked(prove(policy=new, previous=previous), name)


def test_the_factories_policy_passes_and_says_the_same_each_time() -> None:
    report = prove(policy=WORLD.policy, previous=WORLD.policy)
    assert report.passed
    assert {check.state for check in report.checks} == {CheckState.PROVEN}
    assert report.to_bytes() == prove(policy=WORLD.policy, previous=WORLD.policy).to_bytes()
    assert report.content == WORLD.policy.content_digest


def test_a_contradiction_is_named_and_bars_the_policy() -> None:
    never = every(compare("usd", LE, "5"), compare("usd", GE, "6"))
    report = prove(policy=policy(grants=(rule("never", never, ONE), rule("listed", LISTED, ONE, 1))), previous=None)
    found = checked(report, "contradictions")
    assert (found.state, found.findings[0].rules, report.passed) == (CheckState.FAILED, ("never",), False)
    assert checked(report, "reachable").state is CheckState.PROVEN


def test_an_alternative_that_contradicts_itself_is_found_inside_of_a_condition() -> None:
    never = every(compare("desk", EQ, "desk-a"), compare("desk", EQ, "desk-b"))
    either = Condition(op=ConditionOp.ANY, field=None, values=(), parts=(LISTED, never))
    found = one(policy(guards=(rule("guard", either, None),), grants=(rule("a", LISTED, ONE),)), "contradictions")
    assert "alternative" in found.findings[0].sentence


def test_a_shadowed_grant_names_exactly_the_rules_that_take_its_cases() -> None:
    grants = (
        rule("other", compare("desk", EQ, "desk-b"), ONE, 1),
        rule("large", LARGE, ONE, 2),
        rule("rest", compare("usd", LE, str(1_000_000 * USD)), ONE, 3),
        rule("shadowed", every(LISTED, compare("usd", GE, "0"), compare("desk", EQ, "desk-a")), TWO, 4),
        rule("reached", LISTED, TWO, 5),
    )
    found = one(policy(grants=grants), "reachable")
    assert found.state is CheckState.WARNING
    assert [finding.rules for finding in found.findings] == [("shadowed", "large", "rest")]


def test_a_blocking_grant_shadows_also_where_it_is_unknown() -> None:
    grants = (
        rule("stop", compare("sanctions.clear", EQ, "false"), None, 1),
        rule("unclear", every(LISTED, compare("risk.score", LE, "5")), ONE, 2),
    )
    assert one(policy(grants=grants), "reachable").state is CheckState.PROVEN
    unknown = Condition(op=ConditionOp.NOT, field=None, values=(), parts=(compare("sanctions.clear", EQ, "true"),))
    stop = dataclasses.replace(grants[0], when=unknown)
    never = dataclasses.replace(grants[1], when=compare("sanctions.clear", EQ, "false"))
    found = one(policy(grants=(stop, never)), "reachable")
    assert found.findings[0].rules == ("unclear", "stop")


def test_a_grant_that_guards_always_block_is_found_with_the_guard() -> None:
    found = one(
        policy(
            guards=(rule("no-listed", LISTED, None),), grants=(rule("a", LISTED, ONE), rule("b", UNLISTED, ONE, 1))
        ),
        "barred",
    )
    assert (found.state, found.findings[0].rules) == (CheckState.WARNING, ("a", "no-listed"))


def test_rules_that_no_real_case_meets_are_warned_of() -> None:
    guards = (rule("too-early", every(LISTED, compare("destination.cooling", EQ, "true")), None),)
    escalations = (rule("both", every(compare("initiator", HAS, "tessa"), compare("desk", EQ, "desk-b")), TWO),)
    found = one(policy(guards=guards, grants=(rule("a", LISTED, ONE),), escalations=escalations), "matching")
    assert [finding.rules for finding in found.findings] == [("too-early",), ("both",)]


def test_a_property_is_proven_because_one_person_fills_one_seat() -> None:
    quorum = seats((Role.RISK_OFFICER, 1), (Role.CRO, 1))
    states = stated(every(TRANSFER, LARGE, UNLISTED), people(2))
    assert (
        one(policy(grants=(rule("a", UNLISTED, quorum),), properties=(states,)), "property:stated").state == "proven"
    )


def test_a_violated_property_is_shown_as_a_case() -> None:
    states = stated(every(TRANSFER, LARGE, UNLISTED), people(2))
    report = prove(policy=policy(grants=(rule("a", UNLISTED, ONE),), properties=(states,)), previous=None)
    found = checked(report, "property:stated")
    assert (found.state, report.passed) == (CheckState.FAILED, False)
    assert "1,000,000.0" in found.findings[0].sentence
    assert "to an address that is not listed" in found.findings[0].sentence
    assert "would be allowed with 1 risk officer" in found.findings[0].sentence
    case = found.findings[0].case
    assert case is not None
    assert dict(case.outcomes)["policy 1"] == "allowed with 1 risk officer, by a"
    assert dict(case.facts)["destination.listed"] == "no"


def test_what_may_meet_a_property_counts_as_meeting_it() -> None:
    # Where no price is live the value is unknown, and it might be more than a million.
    grants = (rule("small", every(UNLISTED, SMALL), ONE, 1), rule("any", UNLISTED, ONE, 2))
    escalations = (rule("large", LARGE, TWO),)
    guard = rule("unpriced", compare("usd", LE, "0"), None)
    known = every(TRANSFER, LARGE, UNLISTED)
    proven = policy(grants=grants, escalations=escalations, properties=(stated(known, people(2)),))
    assert one(proven, "property:stated").state == "proven"
    denied = dataclasses.replace(proven, properties=(stated(known, None),))
    assert one(denied, "property:stated").state == "failed"
    assert one(dataclasses.replace(denied, guards=(guard,)), "property:stated").state == "failed"


def test_limits_count_for_properties() -> None:
    cap = limit("each", Measure.USD, 1_000_000 * USD, window=0, order=1)
    grants = (rule("a", TRANSFER, ONE),)
    states = stated(every(TRANSFER, LARGE), None)
    assert one(policy(grants=grants, limits=(cap,), properties=(states,)), "property:stated").state == "proven"
    soft = dataclasses.replace(cap, quorum=seats((Role.CRO, 1)))
    found = one(policy(grants=grants, limits=(soft,), properties=(states,)), "property:stated")
    assert found.state == "failed"
    two = dataclasses.replace(states, demand=people(2))
    assert one(policy(grants=grants, limits=(soft,), properties=(two,)), "property:stated").state == "proven"


def test_web_rules_guarantee_nothing() -> None:
    guard = rule("simulated", every(LISTED, compare("web.simulation", EQ, "failed")), None)
    always = Condition(op=ConditionOp.NOT, field=None, values=(), parts=(compare("web.simulation", EQ, "ok"),))
    new = policy(
        guards=(guard, rule("always", always, None, 1)),
        grants=(rule("a", LISTED, ONE),),
        properties=(stated(LISTED, None),),
    )
    assert one(new, "property:stated").state == "failed"


def test_sites_seats_and_their_order_are_demanded_too() -> None:
    spread = seats((Role.RISK_OFFICER, 2), sites=2)
    for demand, state in (
        (people(2, sites=2), "proven"),
        (people(2, sites=1), "proven"),
        (people(3, sites=2), "failed"),
        (Demand(approvers=2, sites=0, seats=spread.seats), "proven"),
        (Demand(approvers=1, sites=0, seats=seats((Role.CRO, 1)).seats), "failed"),
    ):
        new = policy(grants=(rule("a", LISTED, spread),), properties=(stated(LISTED, demand),))
        assert one(new, "property:stated").state == state
    together = policy(grants=(rule("a", LISTED, TWO),), properties=(stated(LISTED, people(2, sites=2)),))
    assert one(together, "property:stated").state == "failed"


def test_a_weakened_policy_is_shown_with_an_example() -> None:
    old = policy(grants=(rule("a", LISTED, TWO),))
    for new in (
        policy(grants=(rule("a", LISTED, ONE),)),
        policy(grants=(rule("small", every(LISTED, SMALL), ONE, -0), rule("a", LISTED, TWO, 1))),
        policy(grants=(rule("a", LISTED, TWO), rule("b", UNLISTED, TWO, 1))),
    ):
        report = prove(policy=new, previous=old)
        found = checked(report, "weaker")
        assert (found.state, len(found.findings), report.passed) == (CheckState.INFORMATION, 1, True)
        assert "under policy 1 it" in found.findings[0].sentence
    assert one(old, "weaker", policy(grants=(rule("a", LISTED, ONE),))).state is CheckState.PROVEN


def test_a_raised_limit_a_new_entry_and_a_new_person_are_weaker() -> None:
    old = policy(
        grants=(rule("a", every(LISTED, compare("initiator.roles", HAS, "trader")), ONE),),
        limits=(limit("day", Measure.USD, 1000 * USD, window=DAY, order=1),),
    )
    entry = AddressEntry(
        id="new",
        chain=CHAIN,
        address=STRANGER,
        label="New",
        reason="new",
        usable_from=NOW,
        expires=NOW + DAY,
        beneficiary=None,
    )
    rita = next(person for person in old.people if person.id == "rita")
    people_now = tuple(
        dataclasses.replace(person, roles=(*person.roles, Role.TRADER)) if person is rita else person
        for person in old.people
    )
    raised = dataclasses.replace(old.limits[0], most=2000 * USD)
    for change in ({"limits": (raised,)}, {"addresses": (*old.addresses, entry)}, {"people": people_now}):
        fields: dict[str, Any] = dict(change)
        found = one(dataclasses.replace(old, **fields), "weaker", old)
        assert found.state is CheckState.INFORMATION
        assert found.findings[0].case is not None
    for change in (
        {"limits": (dataclasses.replace(old.limits[0], most=1),)},
        {"addresses": old.addresses[1:]},
        {"people": tuple(person for person in old.people if person.id != "tessa")},
    ):
        fields = dict(change)
        assert one(dataclasses.replace(old, **fields), "weaker", old).state is CheckState.PROVEN


def test_without_time_nothing_is_proven() -> None:
    states = stated(every(TRANSFER, LARGE, UNLISTED), people(2))
    new = dataclasses.replace(WORLD.policy, properties=(states,))
    report = prove(policy=new, previous=WORLD.policy, timeout_s=0)
    assert not report.passed
    assert {check.state for check in report.checks[1:]} == {CheckState.UNKNOWN}


@pytest.mark.parametrize(
    "odd",
    [compare("nobody.knows", EQ, "it"), compare("desk", LE, "5"), compare("usd", EQ, "many")],
)
def test_a_policy_that_cannot_be_used_is_never_proven(odd: Condition) -> None:
    report = prove(policy=policy(grants=(rule("a", odd, ONE),)), previous=None)
    assert not report.passed
    assert [check.id for check in report.checks] == ["usable"]


def test_a_report_without_checks_has_shown_nothing() -> None:
    assert not ProofReport(content="0" * 64, previous=None, checks=()).passed


def test_progress_grows_to_its_end() -> None:
    seen: list[tuple[int, int]] = []
    prove(policy=WORLD.policy, previous=None, progress=lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1][0] == seen[-1][1]
