"""The pages of a proposal: for who writes drafts, and for who signs them; each hostile visit a plain answer."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
from django.urls import reverse
from django.utils import timezone

from approvals.models import User
from core.documents.consent import Decision
from policies.models import PolicyVersion
from policies.services import genesis_store
from tests.factories.proposals import proposed, reported, signed_by, word
from tests.factories.succession import next_policy
from tests.factories.world import DAY, PEOPLE, World, header
from tests.sign_in import signed_in

if TYPE_CHECKING:
    from django.test import Client

    from policies.models import PolicyDraft

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    made = World(now=int(time.time()))
    genesis_store(signed=made.signed_policy, digest=made.deployment, actor="system:tests", now=made.now)
    return made


@pytest.fixture
def users(world: World) -> dict[str, User]:  # noqa: ARG001 - the institution comes first
    made = {}
    for name in PEOPLE:
        admin = name in {"adam", "anna"}
        made[name] = User.objects.create_user(name, display_name=name.title(), is_staff=admin, is_superuser=admin)
    return made


def page(draft: PolicyDraft) -> str:
    return reverse("admin:policies_draft_propose", args=[draft.pk])


def test_checks_lead_to_their_pages_and_the_button_waits_for_them(world: World, users: dict[str, User]) -> None:
    from tests.factories.proposals import draft_of  # noqa: PLC0415 - only here

    client = signed_in(users["adam"])
    draft = draft_of(next_policy(world), users["adam"])
    shown = client.get(page(draft)).content.decode()
    assert reverse("admin:policies_draft_replay", args=[draft.pk]) in shown
    assert reverse("admin:policies_draft_proof", args=[draft.pk]) in shown
    assert 'value="propose" disabled' in shown
    answer = client.post(page(draft), {"action": "propose"}, follow=True)
    assert "cannot be proposed yet" in answer.content.decode()
    assert not PolicyVersion.objects.filter(number=2).exists()


def test_proposed_signed_and_shown(world: World, users: dict[str, User]) -> None:
    client = signed_in(users["adam"])
    draft = reported(next_policy(world, institution="<b>Bank</b>"), users["adam"])
    assert 'value="propose"' in client.get(page(draft)).content.decode()
    shown = client.post(page(draft), {"action": "propose"}, follow=True).content.decode()
    version = PolicyVersion.objects.get(number=2)
    assert 'data-status="proposed"' in shown
    assert reverse("oms:policy", args=[version.digest]) in shown
    assert "Withdraw the proposal" in shown
    assert "Withdraw the proposal" not in signed_in(users["anna"]).get(page(draft)).content.decode()
    status = client.get(reverse("admin:policies_draft_propose_status", args=[draft.pk]))
    assert (status.status_code, b"Needed" in status.content) == (200, True)
    signed_by(world, version, users, "adam", "anna")
    shown = client.get(page(draft)).content.decode()
    assert "With the signers" in shown
    assert "hsm-1" in shown
    reader = signed_in(users["rita"]).get(reverse("oms:policy", args=[version.digest])).content.decode()
    assert "&lt;b&gt;Bank" in reader
    assert "<b>Bank" not in reader


def test_withdraw_and_renew(world: World, users: dict[str, User]) -> None:
    client = signed_in(users["adam"])
    version = proposed(world, users["adam"])
    draft = version.draft
    assert draft is not None
    client.post(page(draft), {"action": "withdraw"})
    version.refresh_from_db()
    assert version.status == "ended"
    shown = client.get(page(draft)).content.decode()
    assert "withdrawn by adam" in shown
    assert "renew the draft" in shown
    before = json.loads(draft.body)
    client.post(page(draft), {"action": "renew"})
    draft.refresh_from_db()
    after = json.loads(draft.body)
    assert after["header"]["id"] != before["header"]["id"]
    assert {name: after[name] for name in after if name != "header"} == {
        name: before[name] for name in before if name != "header"
    }
    lifetime = after["header"]["expires"] - after["header"]["created"]
    assert lifetime == before["header"]["expires"] - before["header"]["created"]
    assert "no finished report" in client.get(page(draft)).content.decode()


@pytest.mark.parametrize("action", ["", "sign", "activate", "<script>"])
def test_there_is_no_other_action(world: World, users: dict[str, User], action: str) -> None:
    draft = reported(next_policy(world), users["adam"])
    assert signed_in(users["adam"]).post(page(draft), {"action": action}).status_code == 403
    assert not PolicyVersion.objects.filter(number=2).exists()


def test_who_writes_no_drafts_proposes_none(world: World, users: dict[str, User]) -> None:
    draft = reported(next_policy(world), users["adam"])
    staff = User.objects.create_user("steve", display_name="Steve", is_staff=True)
    client = signed_in(staff)
    assert client.get(page(draft)).status_code == 403
    assert client.post(page(draft), {"action": "propose"}).status_code == 403
    assert signed_in(users["rita"]).get(page(draft)).status_code == 302
    assert signed_in(users["adam"]).get(reverse("admin:policies_draft_propose", args=[10**6])).status_code == 404


def test_the_queue_names_what_waits_for_a_signature(world: World, users: dict[str, User]) -> None:
    version = proposed(world, users["adam"])
    address = reverse("oms:policy", args=[version.digest])
    assert address in signed_in(users["anna"]).get("/queue/").content.decode()
    assert address not in signed_in(users["rita"]).get("/queue/").content.decode()
    signed_by(world, version, users, "anna")
    assert address not in signed_in(users["anna"]).get("/queue/").content.decode()


def posted(client: Client, version: PolicyVersion, raw: bytes) -> tuple[int, dict[str, object]]:
    body = json.dumps({"consent": json.loads(raw)})
    answer = client.post(reverse("oms:policy_consent", args=[version.digest]), body, content_type="application/json")
    return answer.status_code, answer.json()


def test_consents_come_in_over_the_api(world: World, users: dict[str, User]) -> None:
    version = proposed(world, users["adam"])
    status, answer = posted(signed_in(users["anna"]), version, word(world, version, "anna"))
    assert (status, answer["state"]) == (200, "proposed")
    status, answer = posted(signed_in(users["adam"]), version, word(world, version, "anna"))
    assert status == 403
    raw = word(world, version, "tessa", Decision.REJECT)
    status, answer = posted(signed_in(users["tessa"]), version, raw)
    assert (status, answer["state"]) == (200, "ended")
    status, answer = posted(signed_in(users["adam"]), version, word(world, version, "adam"))
    assert (status, "ended by now" in str(answer["detail"])) == (409, True)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"consent": 1.5}', b'{"consent": null}', b"\xff", b"[" * 5000])
def test_rubbish_over_the_api_is_refused(world: World, users: dict[str, User], body: bytes) -> None:
    version = proposed(world, users["adam"])
    client = signed_in(users["anna"])
    answer = client.post(reverse("oms:policy_consent", args=[version.digest]), body, content_type="application/json")
    assert 400 <= answer.status_code < 500


def test_what_is_no_proposal_is_not_found(world: World, users: dict[str, User]) -> None:
    client = signed_in(users["anna"])
    for digest in (world.policy.digest, "ab" * 32, "x"):
        assert client.get(reverse("oms:policy", args=[digest])).status_code == 404
        answer = client.post(
            reverse("oms:policy_consent", args=[digest]), '{"consent": {}}', content_type="application/json"
        )
        assert answer.status_code == 404


def test_strangers_to_the_roster_see_no_proposal(world: World, users: dict[str, User]) -> None:
    version = proposed(world, users["adam"])
    stranger = User.objects.create_user("stranger", display_name="Stranger")
    # Refused alike, whether there is such a proposal or not.
    for digest in (version.digest, "ab" * 32):
        assert signed_in(stranger).get(reverse("oms:policy", args=[digest])).status_code == 403
    assert signed_in(users["tessa"]).get(reverse("oms:policy", args=[version.digest])).status_code == 200


def test_the_consent_page_is_given_the_reports(world: World, users: dict[str, User]) -> None:
    import html  # noqa: PLC0415 - only here
    import re  # noqa: PLC0415 - as above

    version = proposed(
        world, users["adam"], header=header("policy", world.deployment, now=world.now, lifetime=90 * DAY)
    )
    shown = signed_in(users["anna"]).get(reverse("oms:policy", args=[version.digest])).content.decode()
    found = re.search(r'data-request="([^"]*)"', shown)
    assert found is not None
    asked = json.loads(html.unescape(found.group(1)))
    assert (asked["subject_type"], asked["actor"], asked["decision"]) == ("policy", "anna", "review")
    assert [report["kind"] for report in asked["reports"]] == ["replay", "proof"]
    assert asked["document"] == json.loads(version.document)


def test_whoever_objects_to_what_waits_is_led_to_sign_a_veto(world: World, users: dict[str, User]) -> None:
    """Its quorum has signed: only a rejection that somebody carries to the signers ends it, so the page gives one."""
    import html  # noqa: PLC0415 - only here
    import re  # noqa: PLC0415 - as above

    version = signed_by(world, proposed(world, users["adam"]), users, "adam", "anna")
    address = reverse("oms:policy", args=[version.digest])
    for name in ("tessa", "anna"):
        shown = signed_in(users[name]).get(address).content.decode()
        found = re.search(r'data-request="([^"]*)"', shown)
        assert found is not None
        asked = json.loads(html.unescape(found.group(1)))
        assert (asked["actor"], asked["decision"], asked["return_origin"]) == (name, "reject", None)
        assert asked["document"] == json.loads(version.document)
        assert "countersign-hand" in shown
    PolicyVersion.objects.filter(pk=version.pk).update(
        status="ended", ended_at=timezone.now(), ended_why="replaced by another"
    )
    assert "data-request" not in signed_in(users["tessa"]).get(address).content.decode()
