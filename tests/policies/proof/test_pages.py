"""The proof of a draft: on its page, in a process of its own, and from the command line."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from core.documents.policy import ConditionOp, Demand, EvidenceKind, Policy, Property
from policies.drafts import draft_text
from policies.models import PolicyReport, ReportState
from policies.proof.check import prove
from policies.reports import report_run
from policies.selectors import policy_active, version_active
from policies.services import draft_save, draft_start
from policies.services.reports import report_claim, report_request
from tests.factories.policies import world_in_force
from tests.factories.world import compare, every

if TYPE_CHECKING:
    from pathlib import Path

    from django.test import Client

    from approvals.models import User
    from policies.models import PolicyDraft

pytestmark = pytest.mark.django_db


@pytest.fixture
def draft(admin_user: User) -> PolicyDraft:
    world_in_force()
    version = version_active()
    assert version is not None
    return draft_start(version=version, by=admin_user)


def state(draft: PolicyDraft, by: User, approvers: int) -> Policy:
    """Have a draft state that listed transfers take so many approvers, of which the policy asks for two."""
    when = every(
        compare("destination.listed", ConditionOp.EQ, "true"), compare("call.kind", ConditionOp.EQ, "native_transfer")
    )
    demand = Demand(approvers=approvers, sites=0, seats=())
    stated = Property(id="listed", label="Listed <b>transfers</b>", when=when, demand=demand)
    policy = dataclasses.replace(Policy.from_json(json.loads(draft.body)), properties=(stated,))
    draft_save(draft=draft, title="Draft", body=draft_text(policy=policy), by=by)
    return policy


def made(draft: PolicyDraft, by: User) -> PolicyReport:
    now = timezone.now()
    report = report_request(draft=draft, kind=EvidenceKind.PROOF, options={}, by=by, now=now)
    assert report_claim(now=now, report_id=report.pk) == report.pk
    return report_run(report=PolicyReport.objects.get(pk=report.pk))


def page(client: Client, draft: PolicyDraft) -> str:
    answer = client.get(reverse("admin:policies_draft_proof", args=[draft.pk]))
    assert answer.status_code == 200
    return answer.content.decode()


def test_an_empty_page_says_that_nothing_is_proven_yet(admin_client: Client, draft: PolicyDraft) -> None:
    shown = page(admin_client, draft)
    assert "Nothing has been proven about this draft yet" in shown
    assert "states no properties" in shown


def test_asked_for_it_waits_and_is_polled_until_it_ends(
    admin_client: Client, admin_user: User, draft: PolicyDraft
) -> None:
    address = reverse("admin:policies_draft_proof", args=[draft.pk])
    assert admin_client.post(address).status_code == 302
    shown = page(admin_client, draft)
    status = reverse("admin:policies_draft_proof_status", args=[draft.pk])
    assert status in shown
    assert "Waiting to be started" in admin_client.get(status).content.decode()
    made(draft, admin_user)
    ended = admin_client.get(status)
    assert (ended.status_code, ended["HX-Refresh"]) == (286, "true")
    assert PolicyReport.objects.count() == 1


def test_a_proof_that_holds_is_shown_with_its_digest(
    admin_client: Client, admin_user: User, draft: PolicyDraft
) -> None:
    policy = state(draft, admin_user, 2)
    report = made(draft, admin_user)
    assert (report.state, report.passed) == (ReportState.DONE.value, True)
    assert report.digest == prove(policy=policy, previous=policy_active()).digest
    shown = page(admin_client, draft)
    assert "✓ Proven." in shown
    assert report.digest in shown
    assert "Listed &lt;b&gt;transfers&lt;/b&gt;" in shown


def test_a_violated_property_bars_the_draft_and_shows_the_case(
    admin_client: Client, admin_user: User, draft: PolicyDraft
) -> None:
    state(draft, admin_user, 3)
    report = made(draft, admin_user)
    assert report.passed is False
    shown = page(admin_client, draft)
    assert "This draft cannot be proposed:" in shown
    assert "would be allowed with 2 risk officers" in shown
    assert "The case in full" in shown


def test_a_draft_that_was_changed_since_is_said_to_be_unproven(
    admin_client: Client, admin_user: User, draft: PolicyDraft
) -> None:
    made(draft, admin_user)
    state(draft, admin_user, 2)
    assert "The draft was changed after this proof" in page(admin_client, draft)


def test_a_draft_with_problems_is_refused_in_words(
    admin_client: Client, admin_user: User, draft: PolicyDraft
) -> None:
    draft_save(draft=draft, title="Draft", body="{}", by=admin_user)
    answer = admin_client.post(reverse("admin:policies_draft_proof", args=[draft.pk]))
    assert answer.status_code == 422
    assert "Mend the draft first" in answer.content.decode()
    assert page(admin_client, draft)


def test_only_staff_see_it(client: Client, draft: PolicyDraft) -> None:
    for name in ("policies_draft_proof", "policies_draft_proof_status"):
        assert client.get(reverse(f"admin:{name}", args=[draft.pk])).status_code == 302
    assert client.get(reverse("admin:policies_draft_proof", args=[draft.pk + 1])).status_code == 302


def run(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = 0
    try:
        call_command("policy_check", *arguments)
    except CommandError as error:
        code = error.returncode
        return code, capsys.readouterr().out + str(error)
    return code, capsys.readouterr().out


def test_the_command_says_it_in_sentences_and_by_its_code(
    admin_user: User, draft: PolicyDraft, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = run("--draft", str(draft.pk), capsys=capsys)
    assert (code, "[proven] Is it weaker anywhere than policy 1? No, for no case." in said) == (0, True)
    state(draft, admin_user, 3)
    code, said = run("--draft", str(draft.pk), capsys=capsys)
    assert code == 1
    assert "[FAILED] Property" in said
    assert "would be allowed with 2 risk officers" in said
    assert run("--version", "1", capsys=capsys)[0] == 0
    assert run("--draft", str(draft.pk), "--timeout", "0", capsys=capsys)[0] == 1
    file = tmp_path / "policy.json"
    file.write_text(draft.body)
    assert run("--file", str(file), capsys=capsys)[0] == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["--draft", "999"],
        ["--version", "999"],
        ["--file", "/nowhere/at/all"],
        ["--version", "1", "--timeout", "nan"],
        ["--version", "1", "--timeout", "-1"],
    ],
)
def test_what_cannot_be_asked_ends_with_two(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    world_in_force()
    assert run(*arguments, capsys=capsys)[0] == 2


def test_a_file_that_is_no_policy_ends_with_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "policy.json"
    for raw in (b"\xff\xfe", b"[]", b"{", b'{"number": 1}'):
        file.write_bytes(raw)
        assert run("--file", str(file), capsys=capsys)[0] == 2
