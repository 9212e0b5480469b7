"""The decision: deny by default, unknown blocks, unknown never grants, what is asked for is joined."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from core.documents.policy import Condition, ConditionOp, Effect, Measure, Policy, Quorum, Rule
from core.documents.roster import Role
from core.facts import derive_facts, resolve_asker, usd_value, with_claims
from core.policy import Decision, Section, Verdict, decide
from core.registry import field_of, fits
from tests.factories.world import COOLING, DAY, ETHER, NATIVE, NOW, TOKEN, World, compare, limit, seats

if TYPE_CHECKING:
    from core.documents.mandate import Intent
    from core.facts import FactMap

EQ, GE = ConditionOp.EQ, ConditionOp.GE
YES = compare("destination.listed", EQ, "true")
NO = compare("destination.listed", EQ, "false")
UNKNOWN = compare("sanctions.clear", EQ, "true")
CLAIMED = compare("web.first_use", EQ, "true")
ONE, TWO, CHIEF = seats((Role.RISK_OFFICER, 1)), seats((Role.RISK_OFFICER, 2)), seats((Role.CRO, 1))
WORLD = World()


def rule(name: str, when: Condition, effect: Effect, quorum: Quorum | None = None, order: int = 0) -> Rule:
    return Rule(id=name, label=name, order=order, when=when, effect=effect, quorum=quorum)


def grant(name: str, when: Condition, quorum: Quorum = ONE, order: int = 0) -> Rule:
    return rule(name, when, Effect.ALLOW, quorum, order)


def block(name: str, when: Condition, order: int = 0) -> Rule:
    return rule(name, when, Effect.BLOCK, None, order)


def judge(
    *,
    enforce: bool = True,
    intent: Intent | None = None,
    claims: FactMap | None = None,
    now: int = NOW,
    details: bool = False,
    **sections: Any,  # noqa: ANN401 - Policy's sections
) -> Decision:
    empty: dict[str, Any] = {"guards": (), "grants": (), "escalations": (), "limits": ()}
    policy: Policy = dataclasses.replace(WORLD.policy, **(empty | sections))
    who = resolve_asker(WORLD.mandate(), policy)
    facts, draw = derive_facts(intent or WORLD.intent(), policy, who, order="aa" * 32, now=now)
    return decide(
        policy,
        with_claims(facts, claims or {}),
        draw,
        WORLD.make_journal(),
        now=now,
        enforce=enforce,
        details=details,
    )


def test_an_empty_policy_denies() -> None:
    decision = judge()
    assert not decision.allowed
    assert decision.reasons == ("no grant matches: denied by default",)


def test_a_grant_allows_under_its_quorum() -> None:
    decision = judge(grants=(grant("a", YES, TWO),))
    assert (decision.allowed, decision.grant, decision.required) == (True, "a", TWO)


def test_a_grant_without_seats_needs_nobody() -> None:
    assert judge(grants=(grant("a", YES, seats()),)).required.seats == ()


@pytest.mark.parametrize("when", [NO, UNKNOWN])
def test_a_grant_that_does_not_hold_or_is_unknown_grants_nothing(when: Condition) -> None:
    assert not judge(grants=(grant("a", when),)).allowed


def test_an_unknown_grant_lets_the_next_one_decide() -> None:
    decision = judge(grants=(grant("first", UNKNOWN, seats(), 1), grant("second", YES, TWO, 2)))
    assert (decision.grant, decision.required) == ("second", TWO)


def test_grants_are_tried_in_their_order_and_the_first_match_counts() -> None:
    decision = judge(grants=(grant("late", YES, ONE, 9), grant("early", YES, TWO, 1)), details=True)
    assert decision.grant == "early"
    assert [r.verdict for r in decision.results] == [Verdict.MATCHED, Verdict.NOT_REACHED]


@pytest.mark.parametrize("when", [YES, UNKNOWN])
def test_a_blocking_grant_ends_the_search_also_when_it_is_unknown(when: Condition) -> None:
    decision = judge(grants=(block("stop", when, 1), grant("after", YES, ONE, 2)))
    assert not decision.allowed
    assert decision.reasons == ("grant stop (stop) blocks",)


def test_a_blocking_grant_that_does_not_match_blocks_nothing() -> None:
    assert judge(grants=(block("stop", NO, 1), grant("after", YES, ONE, 2))).allowed


@pytest.mark.parametrize(("when", "allowed"), [(YES, False), (UNKNOWN, False), (NO, True)])
def test_a_guard_blocks_when_it_matches_or_is_unknown(when: Condition, allowed: bool) -> None:  # noqa: FBT001 - a table
    decision = judge(guards=(block("guard", when),), grants=(grant("a", YES),))
    assert decision.allowed is allowed


def test_all_guards_are_evaluated_and_all_reasons_given() -> None:
    decision = judge(guards=(block("g1", YES), block("g2", UNKNOWN)), grants=(grant("a", YES),))
    assert len(decision.reasons) == 2


@pytest.mark.parametrize(("when", "required"), [(YES, 3), (UNKNOWN, 3), (NO, 2)])
def test_an_escalation_adds_its_quorum_when_it_matches_or_is_unknown(when: Condition, required: int) -> None:
    decision = judge(grants=(grant("a", YES, TWO),), escalations=(grant("e", when, CHIEF),))
    assert decision.allowed
    assert sum(seat.count for seat in decision.required.seats) == required


def test_what_escalations_ask_for_is_joined_not_added() -> None:
    both = (grant("e1", YES, TWO, 1), grant("e2", YES, seats((Role.RISK_OFFICER, 1), (Role.CRO, 1), sites=2), 2))
    required = judge(grants=(grant("a", YES, ONE),), escalations=both).required
    assert {(seat.role, seat.count) for seat in required.seats} == {(Role.RISK_OFFICER, 2), (Role.CRO, 1)}
    assert required.sites == 2


def test_every_part_is_kept_beside_the_join() -> None:
    decision = judge(grants=(grant("a", YES, TWO),), escalations=(grant("e", YES, CHIEF),))
    assert decision.asked == (TWO, CHIEF)


def test_a_hard_limit_denies_and_a_soft_one_asks() -> None:
    hard = limit("hard", Measure.ASSET, ETHER, window=0, asset=NATIVE, order=1)
    soft = dataclasses.replace(hard, id="soft", quorum=CHIEF)
    assert not judge(grants=(grant("a", YES),), limits=(hard,)).allowed
    asked = judge(grants=(grant("a", YES),), limits=(soft,))
    assert asked.allowed
    assert (Role.CRO, 1) in {(seat.role, seat.count) for seat in asked.required.seats}


def test_a_limit_counts_gas_times_fee_cap_and_at_most_means_at_most() -> None:
    worst = ETHER + 21_000 * 100 * 10**9
    exact = limit("exact", Measure.ASSET, worst, window=0, asset=NATIVE, order=1)
    assert judge(grants=(grant("a", YES),), limits=(exact,)).allowed
    assert not judge(grants=(grant("a", YES),), limits=(dataclasses.replace(exact, most=worst - 1),)).allowed


def test_a_limit_with_a_condition_counts_when_it_holds_or_is_unknown() -> None:
    small = limit("small", Measure.ASSET, 1, window=0, asset=NATIVE, order=1)
    for when, allowed in ((YES, False), (UNKNOWN, False), (NO, True)):
        limits = (dataclasses.replace(small, when=when),)
        assert judge(grants=(grant("a", YES),), limits=limits).allowed is allowed


def test_a_limit_of_another_token_is_not_reached() -> None:
    other = limit("other", Measure.ASSET, 1, window=0, asset=TOKEN, order=1)
    assert judge(grants=(grant("a", YES),), limits=(other,)).allowed


def test_a_call_that_nobody_understands_is_above_every_token_limit() -> None:
    other = limit("other", Measure.ASSET, 2**255, window=0, asset=TOKEN, order=1)
    unknown = WORLD.token_intent(1, data=b"\1\2\3\4")
    always = grant("a", compare("call.kind", EQ, "unknown"), seats())
    assert judge(grants=(always,), intent=unknown).allowed
    assert not judge(grants=(always,), limits=(other,), intent=unknown).allowed


def test_a_token_that_the_policy_does_not_know_is_an_unknown_call() -> None:
    known = grant("a", YES, seats())
    assert judge(grants=(known,), intent=WORLD.token_intent(1)).allowed
    assert not judge(
        grants=(known,), intent=WORLD.token_intent(1), assets=WORLD.policy.assets[:1], prices=WORLD.policy.prices[:1]
    ).allowed


def test_a_price_that_is_missing_or_expired_makes_dollars_unbounded() -> None:
    dollars = limit("usd", Measure.USD, 2**256 - 1, window=0, order=1)
    grants = (grant("a", YES),)
    assert judge(grants=grants, limits=(dollars,)).allowed
    assert not judge(grants=grants, limits=(dollars,), prices=()).allowed
    assert not judge(grants=grants, limits=(dollars,), now=NOW + 30 * DAY).allowed


def test_an_expired_price_also_escalates() -> None:
    large = grant("large", compare("usd", GE, str(10**18)), CHIEF)
    assert judge(grants=(grant("a", YES, ONE),), escalations=(large,)).required == ONE
    later = judge(grants=(grant("a", YES, ONE),), escalations=(large,), now=NOW + 30 * DAY)
    assert len(later.required.seats) == 2


def test_dollars_are_rounded_against_us() -> None:
    # 1 base unit of a 6-decimals dollar token is 100 of 10⁻⁸ dollars; of ether at 2,500 a fraction, rounded up.
    assert usd_value(WORLD.policy, TOKEN, 1, now=NOW) == 100
    assert usd_value(WORLD.policy, NATIVE, 1, now=NOW) == 1
    assert usd_value(WORLD.policy, NATIVE, 0, now=NOW) == 0
    assert usd_value(WORLD.policy, NATIVE, 2**256 - 1, now=NOW) == -(-(2**256 - 1) * 2_500 * 10**8 // 10**18)
    assert usd_value(WORLD.policy, "eip155:1/slip44:60", 1, now=NOW) is None


def test_a_signer_leaves_web_rules_out_and_the_web_tier_says_that_they_are() -> None:
    guards = (block("web", CLAIMED),)
    enforced = judge(guards=guards, grants=(grant("a", YES),), details=True)
    assert enforced.allowed
    assert (enforced.results[0].verdict, enforced.results[0].web_rule) == (Verdict.WEB_ONLY, True)
    assert not judge(enforce=False, claims={"web.first_use": True}, guards=guards, grants=(grant("a", YES),)).allowed


def test_a_server_cannot_claim_a_derived_or_attested_fact() -> None:
    claims: FactMap = {"amount": 0, "sanctions.clear": True, "destination.listed": False, "web.first_use": True}
    facts = with_claims({"amount": 5}, claims)
    assert facts == {"amount": 5, "web.first_use": True}


def test_every_rule_has_its_result_and_says_why() -> None:
    decision = judge(
        guards=(block("g", NO),),
        grants=(grant("miss", NO, ONE, 1), grant("hit", YES, ONE, 2)),
        escalations=(grant("e", NO, ONE),),
        limits=(limit("l", Measure.COUNT, 5, window=DAY, order=1),),
        details=True,
    )
    assert [(r.section, r.verdict) for r in decision.results] == [
        (Section.GUARD, Verdict.NOT_MATCHED),
        (Section.GRANT, Verdict.NOT_MATCHED),
        (Section.GRANT, Verdict.MATCHED),
        (Section.ESCALATION, Verdict.NOT_MATCHED),
        (Section.LIMIT, Verdict.WITHIN),
    ]
    assert decision.results[0].details == ("destination.listed eq false: true",)
    assert decision.results[-1].details == ("1 of 5",)


def test_a_limit_that_a_case_does_not_touch_has_its_result_too() -> None:
    off = dataclasses.replace(limit("off", Measure.COUNT, 5, window=DAY, order=1), when=NO)
    other = limit("other", Measure.ASSET, 5, window=DAY, asset=TOKEN, order=2)
    decision = judge(grants=(grant("hit", YES, ONE),), limits=(off, other), details=True)
    assert [(r.rule, r.verdict) for r in decision.results if r.section is Section.LIMIT] == [
        ("off", Verdict.NOT_MATCHED),
        ("other", Verdict.NOT_MATCHED),
    ]


def test_every_derived_fact_is_in_the_registry_with_its_type() -> None:
    policy = WORLD.policy
    who = resolve_asker(WORLD.mandate(asker="bot-1"), policy)
    for intent in (WORLD.intent(), WORLD.token_intent(5), WORLD.intent(data=b"\1\2\3\4\5")):
        facts, _ = derive_facts(intent, policy, who, order="aa" * 32, now=NOW)
        for name, value in facts.items():
            field = field_of(name)
            assert field is not None
            assert field.provenance == "derived"
            assert fits(name, value)


def test_the_clock_facts_are_utc() -> None:
    who = resolve_asker(WORLD.mandate(), WORLD.policy)
    # 2027-01-15 08:00:00 UTC, a Friday.
    facts, _ = derive_facts(WORLD.intent(), WORLD.policy, who, order="aa" * 32, now=1_800_000_000)
    assert (facts["time.minute"], facts["time.weekday"]) == (480, 4)


def test_an_entry_that_cools_down_is_not_known_by_its_id_either() -> None:
    world = World()
    who = resolve_asker(world.mandate(), world.policy)
    usable, _ = derive_facts(world.intent(), world.policy, who, order="aa" * 32, now=NOW)
    cooling, _ = derive_facts(world.intent(to=COOLING), world.policy, who, order="aa" * 32, now=NOW)
    assert (usable["destination.entry"], usable["destination.listed"]) == ("binance", True)
    assert "destination.entry" not in cooling
    assert cooling["destination.listed"] is False
