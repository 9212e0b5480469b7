"""Proposals: what stands in the way, who signs, what ends them; each step in the log, none without its quorum."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import time
from typing import Any

import pytest
from django.utils import timezone

from approvals.errors import ConsentRefusedError
from approvals.models import ConsentRecord, User
from audit.models import AuditEntry
from core.canonical import canonical, tagged_digest
from core.documents.consent import Decision, SubjectType
from core.documents.policy import EvidenceKind
from policies.drafts import draft_text
from policies.errors import ProposalMissingError, ProposalRefusedError
from policies.models import PolicyHandover, PolicyReport, PolicyVersion
from policies.proposals import proposal_view, proposals_waiting
from policies.selectors import policy_active, version_policy
from policies.services import draft_save, genesis_store
from policies.services.proposals import (
    proposal_consent,
    proposal_make,
    proposal_withdraw,
    proposals_expire,
)
from tests.factories.proposals import draft_of, proposed, report_make, reported, signed_by, word
from tests.factories.succession import next_policy, without
from tests.factories.world import DAY, PEOPLE, World, header

pytestmark = pytest.mark.django_db
WEEK = dt.timedelta(days=7)


@pytest.fixture
def world() -> World:
    made = World(now=int(time.time()))
    genesis_store(signed=made.signed_policy, digest=made.deployment, actor="system:tests", now=made.now)
    return made


@pytest.fixture
def users(world: World) -> dict[str, User]:  # noqa: ARG001 - the institution comes first
    return {name: User.objects.create_user(name, display_name=name.title()) for name in PEOPLE}


def tags() -> list[str]:
    return [
        tag
        for tag in AuditEntry.objects.order_by("seq").values_list("tag", flat=True)
        if tag.startswith(("policies:version", "policies:handover"))
    ]


def refused(**arguments: Any) -> str:  # noqa: ANN401 - of proposal_make
    with pytest.raises(ProposalRefusedError) as caught:
        proposal_make(now=timezone.now(), **arguments)
    return str(caught.value)


def test_a_proposal_freezes_the_document_with_its_evidence(world: World, users: dict[str, User]) -> None:
    policy = next_policy(world, institution="Example Bank 2")
    draft = draft_of(policy, users["adam"])
    digests = {kind: report_make(draft, kind) for kind in EvidenceKind}
    version = proposal_make(draft=draft, by=users["adam"], now=timezone.now())
    frozen = version_policy(version=version)
    assert {row.kind: row.digest for row in frozen.evidence} == digests
    assert frozen.content_digest == policy.content_digest
    assert (version.status, version.number, version.proposed_by) == ("proposed", 2, users["adam"])
    assert version.expires_at is not None
    assert version.expires_at - version.stored_at == WEEK
    assert policy_active() == world.policy, "nothing is in force by being proposed"
    assert tags()[-1] == "policies:version:proposed"
    draft_save(draft=draft, title="changed", body="{}", by=users["anna"])
    version.refresh_from_db()
    assert version_policy(version=version) == frozen, "what becomes of the draft changes nothing"


def test_without_both_reports_nothing_is_proposed(world: World, users: dict[str, User]) -> None:
    draft = draft_of(next_policy(world), users["adam"])
    said = refused(draft=draft, by=users["adam"])
    assert "Replay of history" in said
    assert "Proof of properties" in said
    report_make(draft, EvidenceKind.REPLAY)
    assert "Replay of history" not in refused(draft=draft, by=users["adam"])
    assert not PolicyVersion.objects.filter(number=2).exists()


def test_a_report_about_an_earlier_text_does_not_count(world: World, users: dict[str, User]) -> None:
    draft = reported(next_policy(world), users["adam"])
    changed = next_policy(world, institution="Other")
    draft = draft_save(draft=draft, title=draft.title, body=draft_text(policy=changed), by=users["adam"])
    assert "no finished report" in refused(draft=draft, by=users["adam"])


def test_a_failed_proof_and_a_replay_of_one_quiet_day_do_not_count(world: World, users: dict[str, User]) -> None:
    draft = draft_of(next_policy(world), users["adam"])
    report_make(draft, EvidenceKind.PROOF)
    report_make(draft, EvidenceKind.PROOF, passed=False, again="1")
    report_make(draft, EvidenceKind.REPLAY, since="2026-01-01T00:00:00+00:00", until=None)
    said = refused(draft=draft, by=users["adam"])
    assert "does not pass" in said
    assert "over all of history" in said


def test_a_report_that_was_edited_does_not_count(world: World, users: dict[str, User]) -> None:
    draft = reported(next_policy(world), users["adam"])
    PolicyReport.objects.filter(kind="proof").update(body="{}")
    assert "somebody changed it" in refused(draft=draft, by=users["adam"])


@pytest.mark.parametrize("kind", list(EvidenceKind))
def test_a_report_that_only_its_row_calls_passed_does_not_count(
    world: World, users: dict[str, User], kind: EvidenceKind
) -> None:
    """People sign the report's digest, so what counts is what the report says itself."""
    draft = reported(next_policy(world), users["adam"])
    report_make(draft, kind, passed=False, again="1")
    PolicyReport.objects.filter(passed=False).update(passed=True)
    assert "does not pass" in refused(draft=draft, by=users["adam"])
    body = canonical({"content": "ab" * 32, "passed": True, "unreadable": 0})
    newest = PolicyReport.objects.filter(kind=kind.value).order_by("-pk")[:1].get()
    PolicyReport.objects.filter(pk=newest.pk).update(body=body.decode(), digest=tagged_digest("report", body))
    assert "does not pass" in refused(draft=draft, by=users["adam"])


@pytest.mark.parametrize(
    "change",
    [
        {"number": 3},
        {"previous": "ab" * 32},
        {"wallets": ()},
        {"people": ()},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_draft_with_problems_is_not_proposed(world: World, users: dict[str, User], change: dict[str, Any]) -> None:
    document = json.loads(draft_text(policy=next_policy(world))) | {
        n: list(v) if v == () else v for n, v in change.items()
    }
    draft = draft_save(draft=None, title="bad", body=json.dumps(document), by=users["adam"])
    if "wallets" in change:
        # A policy without wallets says what it says; without reports it still goes nowhere.
        assert "no finished report" in refused(draft=draft, by=users["adam"])
    else:
        assert "The document:" in refused(draft=draft, by=users["adam"])


def test_one_that_would_expire_before_it_counts_is_not_proposed(world: World, users: dict[str, User]) -> None:
    short = header("policy", world.deployment, now=world.now, lifetime=7 * DAY)
    draft = reported(next_policy(world, header=short), users["adam"])
    assert "would expire before" in refused(draft=draft, by=users["adam"])


def test_one_proposal_at_a_time(world: World, users: dict[str, User]) -> None:
    proposed(world, users["adam"])
    other = reported(next_policy(world, institution="Other"), users["anna"])
    assert "one at a time" in refused(draft=other, by=users["anna"])


def test_the_quorum_signs_and_every_signer_is_to_hear(world: World, users: dict[str, User]) -> None:
    version = proposed(world, users["adam"])
    assert proposals_waiting(person="adam", now=world.now) == [version]
    assert proposals_waiting(person="rita", now=world.now) == []
    version = signed_by(world, version, users, "adam")
    assert version.status == "proposed", "whoever proposed it is one of two"
    assert proposals_waiting(person="adam", now=world.now) == []
    view = proposal_view(version=version, now=world.now)
    assert view.seats is not None
    assert (view.seats.signed_by, [str(role) for role in view.seats.open_roles]) == (("adam",), ["policy_admin"])
    version = signed_by(world, version, users, "anna")
    assert (version.status, version.signed_at is not None) == ("signed", True)
    assert list(PolicyHandover.objects.values_list("signer", "state")) == [("hsm-1", "waiting")]
    assert tags()[-2:] == ["policies:version:proposed", "policies:version:signed"]
    assert policy_active() == world.policy, "signed is not in force"


def test_one_admin_alone_changes_nothing(world: World, users: dict[str, User]) -> None:
    """The seed's case: one admin loosens the policy alone, with a proposal and with every key of theirs."""
    version = signed_by(world, proposed(world, users["adam"]), users, "adam")
    with pytest.raises(ConsentRefusedError) as caught:
        proposal_consent(
            user=users["adam"],
            digest=version.digest,
            consent_raw=word(world, version, "adam"),
            now=timezone.now(),
        )
    assert caught.value.code == "repeated"
    version.refresh_from_db()
    assert version.status == "proposed"
    assert not PolicyHandover.objects.exists()


def test_people_without_the_role_fill_no_seat(world: World, users: dict[str, User]) -> None:
    version = signed_by(world, proposed(world, users["adam"]), users, "adam", "rita", "ravi", "clara")
    assert version.status == "proposed"


def test_the_new_roster_has_no_say_about_itself(world: World, users: dict[str, User]) -> None:
    tom = next(p for p in world.policy.people if p.id == "tom")
    admin = dataclasses.replace(tom, roles=next(p for p in world.policy.people if p.id == "adam").roles)
    people = (*without(world, "tom"), admin)
    version = signed_by(world, proposed(world, users["adam"], people=people), users, "adam", "tom")
    assert version.status == "proposed", "tom is an admin only in the policy that is being voted on"


def test_one_rejection_ends_it_for_good(world: World, users: dict[str, User]) -> None:
    version = signed_by(world, proposed(world, users["adam"]), users, "adam")
    raw = word(world, version, "rita", Decision.REJECT)
    version = proposal_consent(user=users["rita"], digest=version.digest, consent_raw=raw, now=timezone.now())
    assert (version.status, version.ended_why) == ("ended", "rejected by rita: Not like this")
    with pytest.raises(ProposalRefusedError, match="ended by now"):
        signed_by(world, version, users, "anna")
    draft = version.draft
    assert draft is not None
    assert "renew the draft" in refused(draft=draft, by=users["adam"]), "the same document is not tried again"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"decision": Decision.WITHDRAW}, "consent_mismatch"),
        ({"decision": Decision.ASK}, "consent_mismatch"),
        ({"decision": Decision.REJECT, "reason": "  "}, "no_reason"),
    ],
    ids=["withdraw", "ask", "no reason"],
)
def test_words_that_mean_nothing_here(
    world: World, users: dict[str, User], changes: dict[str, Any], code: str
) -> None:
    version = proposed(world, users["adam"])
    raw = word(world, version, "anna", **changes)
    with pytest.raises(ProposalRefusedError) as caught:
        proposal_consent(user=users["anna"], digest=version.digest, consent_raw=raw, now=timezone.now())
    assert caught.value.code == code


@pytest.mark.parametrize(
    "changes",
    [{"subject": "ab" * 32}, {"policy": "ab" * 32}, {"subject_type": SubjectType.MANDATE}],
    ids=lambda change: next(iter(change)),
)
def test_a_consent_about_anything_else_counts_for_nothing(
    world: World, users: dict[str, User], changes: dict[str, Any]
) -> None:
    version = proposed(world, users["adam"])
    raw = word(world, version, "anna", **changes)
    with pytest.raises(ConsentRefusedError):
        proposal_consent(user=users["anna"], digest=version.digest, consent_raw=raw, now=timezone.now())
    assert not ConsentRecord.objects.exists()
    assert AuditEntry.objects.filter(tag="approvals:consent:refused", severity="alarm").count() == 1


def test_nobody_hands_in_anothers_consent(world: World, users: dict[str, User]) -> None:
    version = proposed(world, users["adam"])
    raw = word(world, version, "anna")
    with pytest.raises(ConsentRefusedError):
        proposal_consent(user=users["adam"], digest=version.digest, consent_raw=raw, now=timezone.now())


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b"\xff", b'{"statement": {}, "proof": {}}', b"null"])
def test_rubbish_is_refused(world: World, users: dict[str, User], raw: bytes) -> None:
    version = proposed(world, users["adam"])
    with pytest.raises(ConsentRefusedError):
        proposal_consent(user=users["anna"], digest=version.digest, consent_raw=raw, now=timezone.now())


def test_a_genesis_and_a_stranger_are_no_proposals(world: World, users: dict[str, User]) -> None:
    for digest in (world.policy.digest, "ab" * 32, "", "'; --"):
        with pytest.raises(ProposalMissingError):
            proposal_consent(user=users["anna"], digest=digest, consent_raw=b"{}", now=timezone.now())
        with pytest.raises(ProposalMissingError):
            proposal_withdraw(digest=digest, by=users["anna"], now=timezone.now())


def test_only_who_proposed_withdraws(world: World, users: dict[str, User]) -> None:
    version = proposed(world, users["adam"])
    with pytest.raises(ProposalRefusedError, match="Only who proposed"):
        proposal_withdraw(digest=version.digest, by=users["anna"], now=timezone.now())
    version = proposal_withdraw(digest=version.digest, by=users["adam"], now=timezone.now())
    assert (version.status, version.ended_why) == ("ended", "withdrawn by adam")
    assert tags()[-1] == "policies:version:ended"
    with pytest.raises(ProposalRefusedError):
        proposal_withdraw(digest=version.digest, by=users["adam"], now=timezone.now())


def test_what_is_signed_is_no_longer_withdrawn(world: World, users: dict[str, User]) -> None:
    version = signed_by(world, proposed(world, users["adam"]), users, "adam", "anna")
    with pytest.raises(ProposalRefusedError):
        proposal_withdraw(digest=version.digest, by=users["adam"], now=timezone.now())


def test_it_expires_after_seven_days_and_not_before(world: World, users: dict[str, User]) -> None:
    version = signed_by(world, proposed(world, users["adam"]), users, "adam")
    assert version.expires_at is not None
    assert proposals_expire(now=version.expires_at - dt.timedelta(seconds=1)) == 0
    raw = word(world, version, "anna")
    with pytest.raises(ProposalRefusedError) as caught:
        proposal_consent(user=users["anna"], digest=version.digest, consent_raw=raw, now=version.expires_at)
    assert caught.value.code == "expired"
    assert proposals_expire(now=version.expires_at) == 1
    assert proposals_expire(now=version.expires_at) == 0
    version.refresh_from_db()
    assert version.status == "ended"
