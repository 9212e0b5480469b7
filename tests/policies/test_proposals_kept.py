"""What becomes of proposals that were made: kept as they were signed, replaced, or signed elsewhere."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone

from approvals.models import ConsentRecord, User
from policies.errors import VersionRefusedError
from policies.models import PolicyHandover, PolicyVersion
from policies.proposal_checks import proposal_read
from policies.proposals import proposal_view
from policies.services import genesis_store
from policies.services.proposals import proposal_withdraw
from policies.services.versions import version_import
from tests.append_only import lifted
from tests.factories.proposals import draft_of, proposed, reported, signed_by
from tests.factories.succession import next_policy, recover, recoverable, without
from tests.factories.world import DAY, World, header
from tests.policies.test_proposals import refused, tags, users, world

if TYPE_CHECKING:
    from core.documents.policy import Policy

__all__ = ["users", "world"]
pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "change",
    [
        {"document": "{}"},
        {"digest": "ab" * 32},
        {"consents": "[]"},
        {"expires_at": dt.datetime(2030, 1, 1, tzinfo=dt.UTC)},
        {"proposed_by": None},
        {"draft": None},
        {"status": "active"},
        {"status": "retired"},
        {"status": "proposed"},
        {"signed_at": None},
    ],
    ids=str,
)
def test_the_database_keeps_a_signed_version(world: World, users: dict[str, User], change: dict[str, object]) -> None:
    if change == {"status": "active"}:
        change = {"status": "active", "number": 7}
    version = signed_by(world, proposed(world, users["adam"]), users, "adam", "anna")
    with pytest.raises(DatabaseError), transaction.atomic():
        PolicyVersion.objects.filter(pk=version.pk).update(**change)


def test_a_proposal_cannot_become_active_in_the_database(world: World, users: dict[str, User]) -> None:
    version = proposed(world, users["adam"])
    PolicyVersion.objects.filter(number=1).update(status="retired")
    for status in ("active", "retired"):
        with pytest.raises(DatabaseError), transaction.atomic():
            PolicyVersion.objects.filter(pk=version.pk).update(status=status)


def test_an_ended_proposal_stays_ended(world: World, users: dict[str, User]) -> None:
    version = proposal_withdraw(digest=proposed(world, users["adam"]).digest, by=users["adam"], now=timezone.now())
    for change in ({"status": "proposed"}, {"status": "signed"}, {"ended_why": "never"}):
        with pytest.raises(DatabaseError), transaction.atomic():
            PolicyVersion.objects.filter(pk=version.pk).update(**change)


def test_a_draft_that_was_proposed_is_kept(world: World, users: dict[str, User]) -> None:
    draft = proposed(world, users["adam"]).draft
    assert draft is not None
    with pytest.raises(IntegrityError), transaction.atomic():
        draft.delete()


def test_a_forged_seat_in_the_database_fills_nothing(world: World, users: dict[str, User]) -> None:
    """Whoever owns the database writes rows as they like; each is verified when seats are counted."""
    version = signed_by(world, proposed(world, users["adam"]), users, "adam")
    record = ConsentRecord.objects.get(subject=version.digest)
    forged = json.loads(record.text)
    forged["statement"]["actor"] = "anna"
    with lifted():
        ConsentRecord.objects.create(
            nonce="ab" * 16, subject_type="policy", subject=version.digest, policy=world.policy.digest,
            decision="approve", actor="anna", text=json.dumps(forged), recorded_at=timezone.now(),
        )  # fmt: skip
    view = proposal_view(version=version, now=world.now)
    assert view.seats is not None
    assert view.seats.signed_by == ("adam",)


def test_a_later_one_replaces_what_waits(world: World, users: dict[str, User]) -> None:
    first = signed_by(world, proposed(world, users["adam"]), users, "adam", "anna")
    early = reported(next_policy(world, institution="Early"), users["adam"])
    assert "only what was drafted later" in refused(draft=early, by=users["adam"])
    head = header("policy", world.deployment, now=world.now + 1, lifetime=30 * DAY)
    second = signed_by(world, proposed(world, users["adam"], header=head), users, "adam", "anna")
    first.refresh_from_db()
    assert (first.status, second.status) == ("ended", "signed")
    assert second.digest in first.ended_why


def test_nothing_replaces_what_is_about_to_be_in_force(world: World, users: dict[str, User]) -> None:
    first = signed_by(world, proposed(world, users["adam"]), users, "adam", "anna")
    PolicyHandover.objects.update(
        state="accepted", kind="loosening", effective_at=timezone.now() + dt.timedelta(minutes=4), due_at=None
    )
    head = header("policy", world.deployment, now=world.now + 1, lifetime=30 * DAY)
    second = signed_by(world, proposed(world, users["adam"], header=head), users, "adam", "anna")
    first.refresh_from_db()
    assert (first.status, second.status) == ("signed", "ended")
    assert "about to come into force" in second.ended_why


def test_checks_name_what_is_missing(world: World, users: dict[str, User]) -> None:
    draft = draft_of(next_policy(world), users["adam"])
    reading = proposal_read(draft=draft, now=world.now)
    assert [(check.name, check.passed) for check in reading.checks] == [
        ("document", True), ("lifetime", True), ("size", True), ("replay", False), ("proof", False), ("alone", True),
        ("new", True),
    ]  # fmt: skip
    assert reading.policy is None


class TestImport:
    """What was signed without this server."""

    @pytest.fixture
    def founded(self) -> World:
        made = recoverable()
        genesis_store(signed=made.signed_policy, digest=made.deployment, actor="system:tests", now=made.now)
        return made

    def at(self, world: World) -> dt.datetime:
        return dt.datetime.fromtimestamp(world.now, tz=dt.UTC)

    def recovery(self, world: World) -> Policy:
        return next_policy(world, people=without(world, "tom"))

    def test_a_recovery_is_taken_and_handed_on(self, founded: World) -> None:
        signed = recover(founded, ("vault-north", "notary"), policy=self.recovery(founded))
        version = version_import(signed=signed, actor="system:manage", now=self.at(founded))
        assert (version.status, version.proposed_by) == ("signed", None)
        again = version_import(signed=signed, actor="system:manage", now=self.at(founded))
        assert again.pk == version.pk
        assert tags()[-2:] == ["policies:version:imported", "policies:version:signed"]

    def test_one_holder_alone_brings_nothing(self, founded: World) -> None:
        signed = recover(founded, ("notary",), policy=self.recovery(founded))
        with pytest.raises(VersionRefusedError):
            version_import(signed=signed, actor="system:manage", now=self.at(founded))
        assert PolicyVersion.objects.count() == 1
