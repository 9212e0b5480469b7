"""Deciding over the database: what is stored, what is refused, what the pages are told."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from audit.models import AuditEntry
from core.documents.mandate import Asker, AskerKind
from core.documents.policy import ConditionOp, Effect, Rule
from core.documents.roster import Role
from core.quorum import describe
from policies.errors import DecisionConflictError, MandateRefusedError, NoPolicyError
from policies.facts import snapshot_read
from policies.models import Decision, LimitCounter, Reservation
from policies.selectors import (
    decision_reasons,
    decision_required,
    decision_view,
    policy_active,
    policy_active_signed,
    policy_chain,
    policy_find,
)
from policies.services import decision_make, decision_preview
from tests.factories.policies import CLAIMS, world_in_force
from tests.factories.world import DAY, ETHER, NOW, STRANGER, World, compare, header, seats

if TYPE_CHECKING:
    from policies.explanation import DecisionView, RuleView

pytestmark = pytest.mark.django_db

TESSA = Asker(kind=AskerKind.PERSON, id="tessa")


def tags() -> list[str]:
    return list(AuditEntry.objects.order_by("seq").values_list("tag", flat=True))


def explained(view: DecisionView, rule: str) -> RuleView:
    (found,) = [one for section in view.sections for one in section.rules if one.node.rule == rule]
    return found


def test_it_stores_the_policy_and_reads_it_back() -> None:
    world = world_in_force()
    assert policy_active() == world.policy
    assert policy_active_signed() == world.signed_policy
    assert policy_chain() == (world.signed_policy,)
    assert policy_find(digest=world.policy.digest) == world.policy
    assert policy_find(digest="0" * 64) is None


def test_it_allows_with_a_quorum_and_keeps_everything() -> None:
    world = world_in_force()
    intent = world.intent()
    decision = decision_make(mandate=world.mandate(intent), claims=CLAIMS, now=NOW)
    assert (decision.outcome, decision.grant) == ("allowed", "listed")
    assert describe(decision_required(decision=decision)) == "2 risk officers"
    facts = snapshot_read(text=decision.facts)
    assert (facts["amount"], facts["destination.listed"], facts["web.simulation"]) == (ETHER, True, "ok")
    assert facts["initiator.roles"] == frozenset({"trader"})
    assert Reservation.objects.filter(decision=decision, state="held").count() == 5
    assert tags()[-2:] == ["policies:limit:reserved", "policies:decision:made"]


def test_it_denies_by_default_and_holds_nothing() -> None:
    world = world_in_force()
    decision = decision_make(mandate=world.mandate(world.intent(to=STRANGER)), claims=CLAIMS, now=NOW)
    assert decision.outcome == "denied"
    assert decision_reasons(decision=decision) == ("no grant matches: denied by default",)
    assert not Reservation.objects.exists()
    assert tags()[-1] == "policies:decision:made"


def test_a_hard_limit_denies_and_alarms() -> None:
    world = world_in_force()
    decision = decision_make(mandate=world.mandate(world.intent(value=21 * ETHER)), claims=CLAIMS, now=NOW)
    assert decision.outcome == "denied"
    assert "native-each" in decision_reasons(decision=decision)[0]
    alarm = AuditEntry.objects.get(tag="policies:limit:refused")
    assert (alarm.severity, json.loads(alarm.payload)) == ("warning", {"limits": ["native-each"]})


def test_the_same_mandate_is_decided_once() -> None:
    world = world_in_force()
    mandate = world.mandate()
    first = decision_make(mandate=mandate, claims=CLAIMS, now=NOW)
    assert decision_make(mandate=mandate, claims={}, now=NOW + 9) == first
    assert (Decision.objects.count(), Reservation.objects.count()) == (1, 5)


def test_an_intent_under_a_second_mandate_is_refused() -> None:
    world = world_in_force()
    intent = world.intent()
    decision_make(mandate=world.mandate(intent), claims=CLAIMS, now=NOW)
    with pytest.raises(DecisionConflictError):
        decision_make(mandate=world.mandate(intent), claims=CLAIMS, now=NOW)


def test_nothing_is_decided_without_a_policy_or_after_its_end() -> None:
    world = World()
    with pytest.raises(NoPolicyError):
        decision_make(mandate=world.mandate(), claims=CLAIMS, now=NOW)
    with pytest.raises(NoPolicyError):
        decision_preview(intent=world.intent(), asker=TESSA, claims=CLAIMS, now=NOW)
    world = world_in_force()
    late = NOW + 366 * DAY
    with pytest.raises(NoPolicyError, match="expired"):
        decision_make(mandate=world.mandate(), claims=CLAIMS, now=late)


def test_it_refuses_what_no_signer_would_accept() -> None:
    world = world_in_force()
    other = World()
    expired = dataclasses.replace(world.mandate(), header=header("mandate", world.deployment, now=NOW - DAY))
    cases = {
        "wrong_policy": dataclasses.replace(world.mandate(), policy="ab" * 32),
        "wrong_deployment": dataclasses.replace(world.mandate(), header=other.mandate().header),
        "expired": expired,
        "unknown_wallet": world.mandate(world.intent(wallet=other.wallet)),
        "movements": world.mandate(world.intent(movements=())),
        "unknown_person": world.mandate(asker="nobody"),
    }
    for code, mandate in cases.items():
        with pytest.raises(MandateRefusedError) as refused:
            decision_make(mandate=mandate, claims=CLAIMS, now=NOW)
        assert refused.value.code == code
    assert not Decision.objects.exists()


def test_a_preview_says_the_same_and_stores_nothing() -> None:
    world = world_in_force()
    intent = world.intent()
    before = len(tags())
    view = decision_preview(intent=intent, asker=TESSA, claims=CLAIMS, now=NOW)
    assert (Decision.objects.count(), LimitCounter.objects.count(), len(tags())) == (0, 0, before)
    decision = decision_make(mandate=world.mandate(intent), claims=CLAIMS, now=NOW)
    assert decision_view(decision=decision) == view
    assert view.summary == (
        "Allowed by grant 'Transfers to the whitelist' with 2 risk officers, "
        "because destination.listed is true and initiator.roles includes trader."
    )


def test_a_preview_counts_what_others_hold() -> None:
    world = world_in_force()
    for _ in range(2):
        decision_make(mandate=world.mandate(world.intent(value=19 * ETHER)), claims=CLAIMS, now=NOW)
    view = decision_preview(intent=world.intent(value=19 * ETHER), asker=TESSA, claims=CLAIMS, now=NOW)
    assert not view.allowed
    row = explained(view, "native-day")
    assert row.node.decisive
    assert row.sentence == ("Over the limit: 57.0063 ETH with this transaction, of 50 ETH. Denied.")


def test_a_preview_of_an_unknown_person_says_so() -> None:
    world = world_in_force()
    asker = Asker(kind=AskerKind.PERSON, id="nobody")
    view = decision_preview(intent=world.intent(), asker=asker, claims=CLAIMS, now=NOW)
    assert (view.allowed, view.reasons) == (False, ("the asker is not on the roster",))


def test_claims_reach_only_claimed_fields() -> None:
    guard = Rule(
        id="simulated",
        label="Only what was simulated",
        order=1,
        when=dataclasses.replace(
            compare("web.simulation", ConditionOp.EQ, "ok"),
            op=ConditionOp.NOT,
            field=None,
            values=(),
            parts=(compare("web.simulation", ConditionOp.EQ, "ok"),),
        ),
        effect=Effect.BLOCK,
        quorum=None,
    )
    world = world_in_force(guards=(guard,))

    def allowed(claims: dict[str, str | int | bool | frozenset[str]]) -> bool:
        return decision_preview(intent=world.intent(), asker=TESSA, claims=claims, now=NOW).allowed

    assert allowed({"web.simulation": "ok"})
    assert not allowed({"web.simulation": "failed"})
    assert not allowed({})
    assert not allowed({"web.simulation": True})
    assert allowed({"web.simulation": "ok", "no.such.fact": 1})
    # A derived fact cannot be claimed: the stranger stays unlisted.
    view = decision_preview(
        intent=world.intent(to=STRANGER), asker=TESSA, claims={**CLAIMS, "destination.listed": True}, now=NOW
    )
    assert not view.allowed


def test_a_web_rule_is_marked() -> None:
    guard = Rule(
        id="first",
        label="Never paid before",
        order=1,
        when=compare("web.first_use", ConditionOp.EQ, "true"),
        effect=Effect.BLOCK,
        quorum=None,
    )
    world = world_in_force(guards=(guard,))
    view = decision_preview(intent=world.intent(), asker=TESSA, claims={"web.first_use": False}, now=NOW)
    row = explained(view, "first")
    assert row.node.web_rule
    assert row.sentence == "Does not apply: web.first_use is false."


def test_escalations_are_joined_into_what_is_required() -> None:
    world = world_in_force()
    decision = decision_make(mandate=world.mandate(world.intent(value=5 * ETHER)), claims=CLAIMS, now=NOW)
    assert decision_required(decision=decision) == seats((Role.CRO, 1), (Role.RISK_OFFICER, 2), sites=2)


def test_the_largest_amounts_are_exact() -> None:
    world = world_in_force(limits=(), guards=(), escalations=())
    most = 2**256 - 1
    decision = decision_make(mandate=world.mandate(world.token_intent(most)), claims=CLAIMS, now=NOW)
    decision.refresh_from_db()
    assert snapshot_read(text=decision.facts)["amount"] == most


def test_the_database_keeps_decisions_as_they_are() -> None:
    world = world_in_force()
    decision = decision_make(mandate=world.mandate(), claims=CLAIMS, now=NOW)
    with pytest.raises(DatabaseError), transaction.atomic():
        Decision.objects.filter(pk=decision.pk).update(outcome="denied")
    with pytest.raises(IntegrityError), transaction.atomic():
        Decision.objects.create(
            intent_digest="cd" * 32, mandate_digest="", policy_digest="", asker="x", decided_at=decision.decided_at,
            facts="{}", draw="{}", results="[]", outcome="allowed", grant="", required="{}", reasons="[]",
        )  # fmt: skip
