"""Replay: history decided again under a draft, with the windows as they were and as they would have been."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from approvals.models import User
from core.documents.policy import EvidenceKind, Measure
from core.documents.roster import Role
from core.replay import Windows
from policies.drafts import draft_text, successor_text
from policies.models import Decision, PolicyReport
from policies.replay.records import Period, Records
from policies.replay.report import period_options
from policies.reports import report_run
from policies.services import decision_make, draft_save, reservation_release, reservation_settle
from policies.services.reports import report_claim, report_request
from tests.append_only import lifted
from tests.factories.policies import CLAIMS, world_in_force
from tests.factories.world import DAY, ETHER, LISTED, NATIVE, NOW, STRANGER, World, limit, seats
from tests.sign_in import signed_in

if TYPE_CHECKING:
    from django.test import Client

    from core.documents.policy import Policy
    from policies.models import PolicyDraft

from core.documents.policy import Policy as PolicyDocument

DAY_LIMIT = limit("day", Measure.ASSET, 30 * ETHER, window=DAY, asset=NATIVE, order=1)


@pytest.fixture
def world() -> World:
    return world_in_force(limits=(DAY_LIMIT,), escalations=())


def asked(world: World, value: int, now: int, asker: str = "tessa", **changes: Any) -> Decision:  # noqa: ANN401
    world.now = now
    intent = world.intent(value=value, max_fee_per_gas=0, max_priority_fee_per_gas=0, **changes)
    return decision_make(mandate=world.mandate(intent, asker=asker), claims=CLAIMS, now=now)


def successor(world: World, **changes: Any) -> Policy:  # noqa: ANN401 - fields of Policy
    text = successor_text(active=world.policy, now=NOW)
    return dataclasses.replace(PolicyDocument.from_bytes(text.encode()), **changes)


def drafted(policy: Policy, by: User) -> PolicyDraft:
    return draft_save(draft=None, title="next", body=draft_text(policy=policy), by=by)


def replayed(policy: Policy, by: User, period: Period | None = None) -> dict[str, Any]:
    report = report_request(
        draft=drafted(policy, by), kind=EvidenceKind.REPLAY, options=period_options(period or Period()), by=by,
        now=timezone.now(),
    )  # fmt: skip
    assert report_claim(now=timezone.now()) == report.pk
    made = report_run(report=report)
    assert (made.state, made.passed, made.error) == ("done", True, "")
    body: dict[str, Any] = json.loads(made.body)
    assert body["content"] == policy.content_digest
    return body


def changes(body: dict[str, Any], windows: Windows) -> dict[str, int]:
    (found,) = [one for one in body["windows"] if one["windows"] == windows]
    return {name: count for name, count in found["changes"].items() if count}


@pytest.mark.django_db
def test_nothing_differs_under_the_same_rules(world: World, admin_user: User) -> None:
    first = asked(world, 20 * ETHER, NOW)
    asked(world, 20 * ETHER, NOW + 1)
    reservation_release(intent_digest=first.intent_digest)
    asked(world, 20 * ETHER, NOW + 2)
    body = replayed(successor(world), admin_user)
    assert (body["decisions"], body["not_reproduced"], body["from_snapshot"], body["unreadable"]) == (3, 0, 0, 0)
    assert changes(body, Windows.RECORDED) == changes(body, Windows.COUNTERFACTUAL) == {}
    assert [one["allowed_before"] for one in body["windows"]] == [2, 2]


@pytest.mark.django_db
def test_windows_as_they_were_and_as_they_would_have_been(world: World, admin_user: User) -> None:
    """30 a day, three of 10. Under 15 a day the second is denied, and then there is room for 5 more."""
    for place in range(3):
        decision = asked(world, 10 * ETHER, NOW + place)
        reservation_settle(intent_digest=decision.intent_digest, now=NOW + place)
    asked(world, 5 * ETHER, NOW + 10)
    lower = dataclasses.replace(DAY_LIMIT, most=15 * ETHER)
    body = replayed(successor(world, limits=(lower,)), admin_user)
    # As it was, ten were drawn before the second and thirty before the fourth, which the active policy denied too.
    assert changes(body, Windows.RECORDED) == {"newly_denied": 2}
    # Had the lower limit been in force, only the first ten would have counted: the last five fit.
    assert changes(body, Windows.COUNTERFACTUAL) == {"newly_denied": 2, "newly_allowed": 1}
    (found,) = [e for e in body["windows"][1]["examples"] if e["change"] == "newly_allowed"]
    assert found["before"]["because"] == ["limit 'day': 35 ETH, of 30 ETH"]
    assert found["after"] == {
        "allowed": True, "grant": "listed", "quorum": "2 risk officers",
        "because": ["grant 'Transfers to the whitelist' allows"],
    }  # fmt: skip


@pytest.mark.django_db
def test_what_follows_from_the_lists_is_read_from_the_policy_under_test(world: World, admin_user: User) -> None:
    denied = asked(world, ETHER, NOW, to=STRANGER)
    allowed = asked(world, ETHER, NOW + 1)
    assert (denied.outcome, allowed.outcome) == ("denied", "allowed")
    (listed,) = [entry for entry in world.policy.addresses if entry.address == LISTED]
    swapped = dataclasses.replace(listed, address=STRANGER)
    rest = tuple(entry for entry in world.policy.addresses if entry is not listed)
    body = replayed(successor(world, addresses=(swapped, *rest)), admin_user)
    assert changes(body, Windows.RECORDED) == {"newly_allowed": 1, "newly_denied": 1}
    names = {e["change"]: e["intent"] for e in body["windows"][0]["examples"]}
    assert names == {"newly_allowed": denied.intent_digest, "newly_denied": allowed.intent_digest}


@pytest.mark.django_db
def test_who_left_the_roster_is_denied_whatever_the_rules_say(world: World, admin_user: User) -> None:
    asked(world, ETHER, NOW, asker="tom")
    people = tuple(person for person in world.policy.people if person.id != "tom")
    body = replayed(successor(world, people=people), admin_user)
    (example,) = body["windows"][0]["examples"]
    assert (example["change"], example["after"]["because"]) == ("newly_denied", ["the asker is not on the roster"])


@pytest.mark.django_db
def test_another_quorum_and_another_grant_are_told_apart(world: World, admin_user: User) -> None:
    asked(world, ETHER, NOW)
    (grant, *rest) = world.policy.grants
    stricter = dataclasses.replace(grant, quorum=seats((Role.CRO, 1), (Role.RISK_OFFICER, 2)))
    assert changes(replayed(successor(world, grants=(stricter, *rest)), admin_user), Windows.RECORDED) == {
        "other_quorum": 1
    }
    renamed = dataclasses.replace(grant, id="listed-too")
    assert changes(replayed(successor(world, grants=(renamed, *rest)), admin_user), Windows.RECORDED) == {
        "other_grant": 1
    }


@pytest.mark.django_db
def test_what_lies_before_the_period_still_counts(world: World, admin_user: User) -> None:
    asked(world, 20 * ETHER, NOW)
    asked(world, 10 * ETHER, NOW + 100)
    since = dt.datetime.fromtimestamp(NOW + 50, tz=dt.UTC)
    lower = dataclasses.replace(DAY_LIMIT, most=25 * ETHER)
    body = replayed(successor(world, limits=(lower,)), admin_user, Period(since=since))
    assert (body["decisions"], body["period"]["since"]) == (1, since.isoformat())
    assert changes(body, Windows.RECORDED) == changes(body, Windows.COUNTERFACTUAL) == {"newly_denied": 1}
    body = replayed(successor(world, limits=(lower,)), admin_user, Period(until=since))
    assert (body["decisions"], changes(body, Windows.RECORDED)) == (1, {})


@pytest.mark.django_db
def test_no_history_is_a_report_too(world: World, admin_user: User) -> None:
    assert replayed(successor(world), admin_user)["decisions"] == 0


@pytest.mark.django_db
@pytest.mark.parametrize("field", ["facts", "draw", "mandate", "required"])
def test_a_record_that_cannot_be_read_spoils_the_evidence(world: World, admin_user: User, field: str) -> None:
    decision = asked(world, ETHER, NOW)
    asked(world, ETHER, NOW + 1)
    with lifted():
        Decision.objects.filter(pk=decision.pk).update(**{field: '{"a":'})
    # Other lists, so that the mandate is read.
    policy = successor(world, addresses=())
    report = report_request(
        draft=drafted(policy, admin_user), kind=EvidenceKind.REPLAY, options={}, by=admin_user, now=timezone.now()
    )
    report_claim(now=timezone.now())
    made = report_run(report=report)
    body = json.loads(made.body)
    assert (made.state, made.passed, body["unreadable_intents"]) == ("done", False, [decision.intent_digest])


@pytest.mark.django_db
def test_another_mandate_under_a_decision_is_found(world: World) -> None:
    decision = asked(world, ETHER, NOW)
    other = world.mandate(world.intent(to=STRANGER))
    with lifted():
        Decision.objects.filter(pk=decision.pk).update(mandate=other.to_bytes().decode())
    records = Records(world.policy, successor(world, addresses=()), Period())
    assert (list(records), records.unreadable_names) == ([], [decision.intent_digest])


@pytest.mark.django_db
def test_the_command_shows_and_keeps_it(world: World, admin_user: User) -> None:
    asked(world, ETHER, NOW)
    draft = drafted(successor(world, grants=()), admin_user)
    out, err = StringIO(), StringIO()
    call_command("policy_replay", "--draft", str(draft.pk), "--since", "2020-01-01", stdout=out, stderr=err)
    report = PolicyReport.objects.get()
    assert report.digest in out.getvalue()
    assert "1 newly denied" in out.getvalue()
    assert err.getvalue() == ""
    for wrong, says in (
        (("--draft", "99"), "no such draft"),
        (("--draft", str(draft.pk), "--since", "yesterday"), "is no time"),
        (("--draft", str(draft.pk), "--since", "2026-01-02", "--until", "2026-01-01"), "ends before"),
    ):
        with pytest.raises(CommandError, match=says):
            call_command("policy_replay", *wrong)


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["replay", "proof"])
def test_whoever_only_looks_asks_for_no_report(kind: str, world: World, admin_user: User) -> None:
    draft = drafted(successor(world), admin_user)
    reader = User.objects.create_user("reader", display_name="Reader", is_staff=True)
    reader.user_permissions.set(Permission.objects.filter(codename="view_policydraft"))
    client = signed_in(reader)
    page = reverse(f"admin:policies_draft_{kind}", args=[draft.pk])
    assert client.get(page).status_code == 200
    assert client.post(page, {}).status_code == 403
    assert not PolicyReport.objects.exists()


@pytest.mark.django_db
def test_the_page_asks_watches_and_shows(world: World, admin_user: User, admin_client: Client) -> None:
    draft = drafted(successor(world, grants=()), admin_user)
    page = reverse("admin:policies_draft_replay", args=[draft.pk])
    status = reverse("admin:policies_draft_replay_status", args=[draft.pk])
    assert "no history to replay" in admin_client.get(page).content.decode()
    decision = asked(world, ETHER, NOW)
    answer = admin_client.post(page, {"since": "2027-01-02", "until": "2027-01-01"})
    assert (answer.status_code, "ends before it begins" in answer.content.decode()) == (422, True)
    assert admin_client.post(page, {"since": "nonsense"}).status_code == 422
    assert admin_client.post(page, {}).status_code == 302
    assert admin_client.post(page, {}).status_code == 302
    assert "hx-get" in admin_client.get(page).content.decode()
    assert admin_client.get(status).status_code == 200
    report_claim(now=timezone.now())
    report_run(report=PolicyReport.objects.get())
    answer = admin_client.get(status)
    assert (answer.status_code, answer["HX-Refresh"]) == (286, "true")
    shown = admin_client.get(page).content.decode()
    assert PolicyReport.objects.get().digest in shown
    assert reverse("oms:request_by_intent", args=[decision.intent_digest]) in shown
    assert "hx-get" not in shown
    assert admin_client.get(f"{page}?report=nonsense").status_code == 200
    assert admin_client.get(reverse("admin:policies_draft_replay", args=[10**6])).status_code == 404
