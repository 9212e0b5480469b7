"""Drafts in the admin: every problem named with its row, nothing typed is lost, differences in sentences."""

from __future__ import annotations

import dataclasses
import html
import json
from typing import TYPE_CHECKING, Any

import pytest

from approvals.models import User
from audit.models import AuditEntry
from core.documents.policy import ConditionOp, Demand, Property
from core.documents.roster import Role
from policies.difference import policy_difference
from policies.drafts import draft_read, draft_text, successor_text
from policies.models import PolicyDraft, PolicyVersion
from policies.services import decision_make
from tests.factories.policies import CLAIMS, world_in_force
from tests.factories.world import ETHER, NOW, STRANGER, World, compare, header, seats

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

ADD = "/admin/policies/policydraft/add/"


def body(world: World, change: Callable[[dict[str, Any]], None] | None = None) -> str:
    value = json.loads(successor_text(active=world.policy, now=NOW))
    if change is not None:
        change(value)
    return json.dumps(value)


def problems(text: str, world: World) -> tuple[str, ...]:
    return draft_read(text=text, active=world.policy).problems


def test_a_draft_that_follows_the_active_version_has_no_problem() -> None:
    world = World()
    reading = draft_read(text=successor_text(active=world.policy, now=NOW), active=world.policy)
    assert reading.problems == ()
    assert reading.policy is not None
    (general,) = policy_difference(before=world.policy, after=reading.policy)
    assert general.sentences[0].startswith("It ended on")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "line 1, column 1: Expecting value"),
        ('{"number": 1,}', "line 1, column 14"),
        ("[]", "the draft: one JSON object expected"),
        ('{"a": 1, "a": 2}', "the draft: "),
        ('{"a": 0.5}', "the draft: "),
        ("[" * 100 + "]" * 100, "the draft: nested deeper than 64"),
        ("[" * 100_000, "the draft: nested deeper than 64"),
        ('["' + "[" * 100 + '\\"" 1]', "line 1, column 107"),
        ('"' + "x" * 1_100_000 + '"', "the draft: longer than 1048576 bytes"),
        ('{"a": "\ud800"}', "the draft: holds half of a character"),
        ('{"a": NaN}', "the draft: "),
    ],
)
def test_it_says_why_a_text_cannot_be_read(text: str, problem: str) -> None:
    (found,) = problems(text, World())
    assert found.startswith(problem)


def test_it_names_every_row_that_is_wrong() -> None:
    def spoil(value: dict[str, Any]) -> None:
        value["grants"][0]["quorum"]["seats"][0]["role"] = "boss"
        value["limits"][1]["most"] = "-5"
        value["people"][3]["desk"] = "Not A Slug"
        value["guards"][0]["extra"] = 1
        del value["prices"]
        value["colour"] = "red"
        value["number"] = "two"

    found = problems(body(World(), spoil), World())
    starts = (
        "prices: missing",
        "colour: no such field",
        "number: integer",
        "people[3] (ravi).desk",
        "guards[0] (unknown-call)",
        "grants[0] (listed).quorum.seats[0].role: one of trader",
        "limits[1] (native-day).most: amount expected",
    )
    assert len(found) == len(starts)
    assert all(any(one.startswith(start) for one in found) for start in starts)


def test_it_lists_what_the_policy_check_finds() -> None:
    world = World()

    def spoil(value: dict[str, Any]) -> None:
        value["grants"][0]["when"]["parts"][0]["field"] = "destination.nice"
        value["limits"][0]["most"] = "0"
        value["guards"][0]["when"]["op"] = "le"
        value["limits"][1]["order"] = value["limits"][2]["order"]
        value["controls"]["cancel"]["seats"] = []
        value["number"] = 7

    assert problems(body(world, spoil), world) == (
        "guard unknown-call: call.kind does not take 'le'",
        "grant listed: unknown field 'destination.nice'",
        "limits: order 3: named 2 times (native-day, usd-day)",
        "limit native-each: must be greater than 0",
        "quorum cancel: an empty quorum",
        "number: must be 2, to follow the active policy 1",
    )


def test_a_draft_of_another_deployment_is_refused() -> None:
    world, other = World(), World()
    found = problems(body(other), world)
    assert any(one.startswith("previous: must be the active policy's digest") for one in found)
    assert any(one.startswith("header.deployment: must be") for one in found)


def test_differences_are_sentences() -> None:
    world = World()
    policy = world.policy
    limits = (dataclasses.replace(policy.limits[0], most=30 * ETHER), *policy.limits[2:])
    entry = dataclasses.replace(policy.addresses[0], id="kraken", address=STRANGER, label="Kraken")
    people = (dataclasses.replace(policy.people[0], roles=(Role.TRADER, Role.RISK_OFFICER)), *policy.people[1:])
    grants = (dataclasses.replace(policy.grants[0], quorum=seats((Role.RISK_OFFICER, 1))),)
    controls = dataclasses.replace(policy.controls, succession_delay=3_600)
    after = dataclasses.replace(
        policy,
        header=header("policy", policy.digest, lifetime=30 * 86_400),
        number=2,
        previous=policy.digest,
        limits=limits,
        people=people,
        grants=grants,
        controls=controls,
        addresses=(*policy.addresses, entry),
    )
    found = {s.title: s.sentences for s in policy_difference(before=policy, after=after)}
    assert found["Limits"] == (
        "Removed native-day (native-day): at most 50 ETH within 1 day for each wallet; more is denied.",
        (
            "Changed native-each (native-each)."
            " Was: at most 20 ETH in one transaction for each wallet; more is denied."
            " Becomes: at most 30 ETH in one transaction for each wallet; more is denied."
        ),
    )
    assert "roles was" in found["People"][0]
    assert found["Whitelist"][0].startswith(f"Added kraken (Kraken): {STRANGER} on eip155:31337; usable from ")
    assert "allows with 2 risk officers" in found["Grants"][0]
    assert "allows with 1 risk officer" in found["Grants"][0]
    assert found["Who must agree to what is not a payment"] == ("Succession delay was 1 day, becomes 1 hour.",)


def test_a_wallets_clone_is_said_also_where_it_was_none_or_goes() -> None:
    """Documents from before do not have the field at all, and no difference may lose it."""
    policy = World().policy
    wallet = policy.wallets[0]
    cloned = dataclasses.replace(policy, wallets=(dataclasses.replace(wallet, clone="c1" * 32),))
    for before, after, words in ((policy, cloned, "was null, becomes 'c1c1"), (cloned, policy, "becomes null")):
        (sentence,) = {s.title: s.sentences for s in policy_difference(before=before, after=after)}["Wallets"]
        assert "clone" in sentence
        assert words in sentence


def test_moments_prices_and_properties_are_said_as_people_say_them() -> None:
    """Nobody signs by a number of seconds, or by a condition in JSON."""
    policy = World().policy
    stated = Property(
        id="large",
        label="Large takes two",
        when=compare("usd", ConditionOp.GE, str(1_000_000 * 10**8)),
        demand=Demand(approvers=2, sites=0, seats=()),
    )
    entry = dataclasses.replace(policy.addresses[0], expires=1_800_000_001)
    price = dataclasses.replace(policy.prices[0], usd_e8=3_000_50000000)
    before = dataclasses.replace(policy, properties=(stated,))
    demand = Demand(approvers=3, sites=0, seats=())
    after = dataclasses.replace(
        policy,
        addresses=(entry, *policy.addresses[1:]),
        prices=(price, *policy.prices[1:]),
        properties=(dataclasses.replace(stated, demand=demand),),
    )
    found = {s.title: s.sentences for s in policy_difference(before=before, after=after)}
    assert "expires was 20" in found["Whitelist"][0]
    assert found["Whitelist"][0].endswith("becomes 2027-01-15 08:00:01 UTC.")
    assert found["Reference prices"][0].endswith("becomes 3,000.5 USD.")
    (sentence,) = found["Properties"]
    assert sentence == (
        "Changed large (Large takes two)."
        " Was: whatever meets usd is at least 1,000,000 USD takes at least 2 distinct approvers."
        " Becomes: whatever meets usd is at least 1,000,000 USD takes at least 3 distinct approvers."
    )
    renamed = dataclasses.replace(before, properties=(dataclasses.replace(stated, label="Two"),))
    (only,) = policy_difference(before=before, after=renamed)
    assert only.sentences == ("Changed large (Two). It was called 'Large takes two'.",)


@pytest.mark.django_db
def test_the_admin_starts_from_the_active_version_and_keeps_what_was_typed(admin_client: Client) -> None:
    world = world_in_force()
    page = html.unescape(admin_client.get(ADD).content.decode())
    assert "After policy 1" in page
    assert f'"previous": "{world.policy.digest}"' in page
    typed = body(world, lambda value: value["limits"][0].update(most="0", label="Typed <b>here</b>"))
    answer = admin_client.post(ADD, {"title": "Mine", "body": typed})
    page = html.unescape(answer.content.decode())
    assert answer.status_code == 200
    assert "limit native-each: must be greater than 0" in page
    assert "Typed <b>here</b>" in page
    assert "Typed <b>here</b>" not in answer.content.decode()
    assert not PolicyDraft.objects.exists()


@pytest.mark.django_db
def test_the_admin_saves_changes_and_removes_with_an_entry_each(admin_client: Client) -> None:
    world = world_in_force()
    admin_client.post(ADD, {"title": "Mine", "body": body(world)})
    draft = PolicyDraft.objects.get()
    assert draft.author.person_id == "ada"
    page = f"/admin/policies/policydraft/{draft.pk}/change/"
    changed = body(world, lambda value: value["limits"][0].update(most=str(30 * ETHER)))
    admin_client.post(page, {"title": "Mine, looser", "body": changed})
    shown = html.unescape(admin_client.get(page).content.decode())
    assert "at most 30 ETH in one transaction" in shown
    admin_client.post(f"/admin/policies/policydraft/{draft.pk}/delete/", {"post": "yes"})
    assert not PolicyDraft.objects.exists()
    tags = AuditEntry.objects.filter(tag__startswith="policies:draft").order_by("seq")
    assert [(e.tag, e.actor) for e in tags] == [
        ("policies:draft:saved", "user:ada"),
        ("policies:draft:saved", "user:ada"),
        ("policies:draft:removed", "user:ada"),
    ]


@pytest.mark.django_db
def test_versions_and_decisions_are_only_read(admin_client: Client) -> None:
    world = world_in_force()
    decision = decision_make(mandate=world.mandate(), claims=CLAIMS, now=NOW)
    version = PolicyVersion.objects.get()
    page = html.unescape(admin_client.get(f"/admin/policies/policyversion/{version.pk}/change/").content.decode())
    assert "allows with 2 risk officers when" in page
    page = html.unescape(admin_client.get(f"/admin/policies/decision/{decision.pk}/change/").content.decode())
    assert "Allowed by grant 'Transfers to the whitelist' with 2 risk officers, because " in page
    assert "Within the limit: 1.0021 ETH with this transaction, of 20 ETH." in page
    for model in ("policyversion", "decision", "limitcounter", "reservation"):
        assert admin_client.get(f"/admin/policies/{model}/").status_code == 200
        assert admin_client.get(f"/admin/policies/{model}/add/").status_code == 403
        row = {"policyversion": version, "decision": decision}.get(model)
        if row is not None:
            assert admin_client.post(f"/admin/policies/{model}/{row.pk}/change/", {}).status_code == 403
            assert admin_client.post(f"/admin/policies/{model}/{row.pk}/delete/", {"post": "yes"}).status_code == 403


@pytest.mark.django_db
def test_an_action_starts_a_draft_from_the_active_version(admin_client: Client) -> None:
    world = world_in_force()
    version = PolicyVersion.objects.get()
    answer = admin_client.post(
        "/admin/policies/policyversion/",
        {"action": "start_draft", "_selected_action": [version.pk]},
    )
    assert answer.status_code == 302
    draft = PolicyDraft.objects.get()
    assert draft_read(text=draft.body, active=world.policy).problems == ()
    assert User.objects.get() == draft.author
    assert AuditEntry.objects.filter(tag="policies:draft:saved").count() == 1


def test_a_draft_reads_back_what_was_written() -> None:
    world = World()
    assert draft_read(text=draft_text(policy=world.policy), active=None).policy == world.policy
