"""Handing a signed policy to signers: once each, whatever breaks in between, and in force only when they say so."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from approvals.models import User
from audit.models import AuditEntry
from core.control import check_veto
from core.documents.consent import Decision, SubjectType
from core.documents.control import VetoOrder
from core.documents.roster import SignerRole
from custody.answers import Refused
from custody.errors import SignerAnswerError
from custody.policies import Accepted, read_acceptance
from policies.models import PolicyHandover, PolicyVersion
from policies.proposals import proposal_view, signer_behind
from policies.selectors import policy_active, policy_chain
from policies.services import genesis_store
from policies.services.handovers import LEASE, handover_claim, handover_try, handovers_advance
from policies.sweep import sweep_once
from tests.factories.proposals import proposed, signed_by
from tests.factories.succession import next_policy, without
from tests.factories.world import PEOPLE, World, header
from tests.fakes.odd_signer import OddSigner, Silence, garbling, refusing
from tests.fakes.signer import FakeSigner

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.documents.policy import Policy

pytestmark = pytest.mark.django_db
DELAY = 120


@dataclasses.dataclass
class Town:
    """An institution, its accounts, and a signer that behaves."""

    world: World
    users: dict[str, User]
    signer: FakeSigner

    def sign(self, **changes: Any) -> PolicyVersion:  # noqa: ANN401 - fields of Policy
        """Have a successor proposed and signed by both admins."""
        return signed_by(self.world, proposed(self.world, self.users["adam"], **changes), self.users, "adam", "anna")

    def loosening(self) -> dict[str, Any]:
        return {"institution": "Example Bank 2"}

    def tightening(self) -> dict[str, Any]:
        """Change nothing but the roster: somebody leaves, and the policy ends no later."""
        expires = self.world.policy.header.expires
        made = header("policy", self.world.deployment, now=self.world.now)
        return {"header": dataclasses.replace(made, expires=expires), "people": without(self.world, "tom")}


@pytest.fixture
def town(settings: Any) -> Iterator[Town]:  # noqa: ANN401 - pytest-django's wrapper
    world = World(now=int(time.time()))
    controls = dataclasses.replace(world.policy.controls, succession_delay=DELAY)
    world = World(now=world.now, overrides={"controls": controls})
    genesis_store(signed=world.signed_policy, digest=world.deployment, actor="system:tests", now=world.now)
    users = {name: User.objects.create_user(name, display_name=name.title()) for name in PEOPLE}
    with FakeSigner(world) as signer:
        settings.COUNTERSIGN_SIGNER_SOCKETS = {world.signer: signer.path}
        settings.COUNTERSIGN_SIGNER_TIMEOUT_SECONDS = 2.0
        yield Town(world, users, signer)


def now() -> dt.datetime:
    return timezone.now()


def entries(tag: str) -> int:
    return AuditEntry.objects.filter(tag=tag).count()


def test_a_loosening_waits_until_the_signers_own_time(town: Town) -> None:
    version = town.sign(**town.loosening())
    assert sweep_once(now=now()) == 1
    row = PolicyHandover.objects.get()
    assert (row.state, row.kind) == ("accepted", "loosening")
    assert row.effective_at is not None
    assert abs((row.effective_at - now()).total_seconds() - DELAY) < 5
    assert sweep_once(now=row.effective_at - dt.timedelta(seconds=1)) == 0
    assert policy_active() == town.world.policy
    assert "brings policy 2 into force at" in signer_behind(signer="hsm-1", digest=version.digest, now=now())
    assert sweep_once(now=row.effective_at) == 1
    active = policy_active()
    assert active is not None
    assert active.digest == version.digest
    assert [signed.policy.number for signed in policy_chain()] == [1, 2]
    assert signer_behind(signer="hsm-1", digest=version.digest, now=row.effective_at) == ""
    assert sweep_once(now=row.effective_at + dt.timedelta(days=1)) == 0
    assert town.signer.asked["policy"] == 2, "once to take it, once whether it still has it"
    assert [entries(f"policies:version:{what}") for what in ("activated", "retired")] == [2, 1]


def test_a_tightening_is_in_force_at_once(town: Town) -> None:
    version = town.sign(**town.tightening())
    assert sweep_once(now=now() + dt.timedelta(seconds=1)) == 2
    version.refresh_from_db()
    assert (version.status, PolicyHandover.objects.get().kind) == ("active", "tightening")


def test_a_loosening_that_is_called_a_tightening_waits_all_the_same(town: Town) -> None:
    """The seed's case: nothing in a document or a row makes it one; the signer compares for itself."""
    limits = tuple(dataclasses.replace(limit, most=limit.most * 10) for limit in town.world.policy.limits)
    town.sign(limits=limits, institution="Tightening")
    sweep_once(now=now())
    row = PolicyHandover.objects.get()
    assert row.kind == "loosening"
    with pytest.raises(DatabaseError), transaction.atomic():
        PolicyHandover.objects.update(kind="tightening", effective_at=now())


def test_a_signer_that_is_away_is_asked_again(town: Town) -> None:
    version = town.sign(**town.loosening())
    town.signer.down = True
    at = now()
    assert sweep_once(now=at) == 0
    row = PolicyHandover.objects.get()
    assert (row.state, row.trials, bool(row.error)) == ("away", 1, True)
    assert "has not taken policy 2 yet" in signer_behind(signer="hsm-1", digest=version.digest, now=at)
    assert sweep_once(now=at) == 0
    assert town.signer.asked["policy"] == 0
    assert PolicyHandover.objects.get().trials == 1, "it is not due yet"
    sweep_once(now=at + dt.timedelta(seconds=5))
    assert PolicyHandover.objects.get().trials == 2
    assert entries("policies:handover:not_taken") == 1, "the same trouble is told once"
    town.signer.down = False
    sweep_once(now=at + dt.timedelta(seconds=60))
    assert PolicyHandover.objects.get().state == "accepted"


def test_the_logs_signer_is_handed_no_policy(town: Town) -> None:
    """It signs checkpoints and nothing else: asked, it would refuse for ever, with an alarm for nothing."""
    (hsm,) = town.world.policy.signers
    log = dataclasses.replace(hsm, id="log-1", role=SignerRole.LOG, host="host-2", public_key=b"\x51" * 32)
    version = town.sign(signers=(hsm, log))
    sweep_once(now=timezone.now())
    (row,) = PolicyHandover.objects.filter(version=version)
    assert (row.signer, row.state) == ("hsm-1", "accepted")


def test_signers_that_are_away_hold_nobody_up_and_get_it_later(town: Town) -> None:
    """Two signers: the one that answers decides when; the other takes it when it is back, by its own clock."""
    entry = dataclasses.replace(town.world.policy.signers[0], id="hsm-2")
    version = town.sign(signers=(*town.world.policy.signers, entry))
    at = now()
    sweep_once(now=at)
    rows = {row.signer: row for row in PolicyHandover.objects.all()}
    assert (rows["hsm-1"].state, rows["hsm-2"].state) == ("accepted", "away")
    assert rows["hsm-1"].effective_at is not None
    sweep_once(now=rows["hsm-1"].effective_at)
    version.refresh_from_db()
    assert version.status == "active"
    assert rows["hsm-2"].error_code == "unknown_signer"
    assert "hsm-2" in signer_behind(signer="hsm-2", digest=version.digest, now=at)
    view = proposal_view(version=version, now=int(at.timestamp()))
    assert [step.state for step in view.steps] == ["done", "done", "done", "done"]


def test_a_refusal_is_shown_and_tried_again_and_ends_what_nobody_takes(town: Town) -> None:
    version = town.sign(**town.loosening())
    error = {"code": "policy_invalid", "message": "a key of the wallet\u202e is missing", "retry": False}
    town.signer.distort = lambda _request, _answer: {"v": 1, "ok": False, "error": error}
    at = now()
    for step in range(2):
        sweep_once(now=at + dt.timedelta(minutes=2 * step))
        row = PolicyHandover.objects.get()
        assert (row.state, row.error_code) == ("refused", "policy_invalid")
        assert "\u202e" not in row.error
    assert AuditEntry.objects.get(tag="policies:handover:not_taken").severity == "alarm"
    sweep_once(now=at + dt.timedelta(minutes=10))
    version.refresh_from_db()
    assert version.status == "ended"
    assert "policy_invalid" in version.ended_why
    assert policy_active() == town.world.policy


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"v": 2, "ok": True, "result": {}},
        {"v": 1, "ok": True, "result": {}},
        {"v": 1, "ok": True, "result": {"policy": "ab" * 32, "pending": None, "accepted": None}},
        {"v": 1, "ok": True, "result": {"pending": {"policy": "own"}, "accepted": {"kind": "now", "effective": 1}}},
        {"v": 1, "ok": True, "result": {"policy": "own", "accepted": {"kind": "tightening", "effective": "1"}}},
        {"v": 1, "ok": True, "result": {"policy": "own", "accepted": {"kind": "tightening", "effective": True}}},
        {"v": 1, "ok": True, "result": {"policy": "own", "accepted": {"kind": "tightening", "effective": -1}}},
        {"v": 1, "ok": True, "result": {"policy": "own", "accepted": {"kind": "tightening", "effective": 10**14}}},
        {"v": 1, "ok": True, "result": {"policy": "own", "accepted": {"kind": ["tightening"], "effective": 1}}},
        {"v": 1, "ok": True, "result": {"policy": "own", "accepted": {"effective": 1}}},
        {"v": 1, "ok": True, "result": {"policy": "other", "accepted": {"kind": "tightening", "effective": 1}}},
    ],
)
def test_what_is_no_answer_is_none(answer: dict[str, Any]) -> None:
    with pytest.raises(SignerAnswerError):
        read_acceptance(answer, digest="own")


def test_answers_are_read() -> None:
    taken = {"kind": "loosening", "effective": 7}
    waits = {"policy": "old", "pending": {"policy": "own"}, "accepted": taken}
    assert read_acceptance({"v": 1, "ok": True, "result": waits}, digest="own") == Accepted(
        kind="loosening", effective=7
    )
    began = {"policy": "own", "pending": None, "accepted": None}
    assert read_acceptance({"v": 1, "ok": True, "result": began}, digest="own") == Accepted(
        kind="pinned", effective=0
    )
    no = {"v": 1, "ok": False, "error": {"code": "succession", "message": "no"}}
    assert isinstance(read_acceptance(no, digest="own"), Refused)


def test_a_lying_courier_brings_nothing_into_force(town: Town) -> None:
    version = town.sign(**town.loosening())
    answer = {"policy": "ab" * 32, "pending": None, "accepted": {"kind": "tightening", "effective": 1}}
    town.signer.distort = lambda _request, _answer: {"v": 1, "ok": True, "result": answer}
    sweep_once(now=now())
    version.refresh_from_db()
    assert (version.status, PolicyHandover.objects.get().state) == ("signed", "away")


def test_a_lying_courier_brings_nothing_into_force_early(town: Town) -> None:
    version = town.sign(**town.loosening())
    answer = {"policy": version.digest, "pending": None, "accepted": {"kind": "tightening", "effective": 1}}
    town.signer.distort = lambda _request, _answer: {"v": 1, "ok": True, "result": answer}
    at = now()
    sweep_once(now=at)
    sweep_once(now=at + dt.timedelta(seconds=DELAY - 3))
    version.refresh_from_db()
    assert (version.status, PolicyHandover.objects.get().kind) == ("signed", "tightening")
    sweep_once(now=at + dt.timedelta(seconds=DELAY + 1))
    version.refresh_from_db()
    assert version.status == "active"


def test_what_was_vetoed_at_the_signers_comes_to_nothing_here_too(town: Town) -> None:
    """The veto is handed to the signer itself; without this, the next version would follow one that never was."""
    version = town.sign(**town.loosening())
    sweep_once(now=now())
    row = PolicyHandover.objects.get()
    assert row.effective_at is not None
    world = town.world
    no = world.consent(version.digest, "olga", Decision.REJECT, subject_type=SubjectType.POLICY)
    order = VetoOrder(kind="veto", consents=(no,))
    (record,) = check_veto(order, world.pins, world.journal, now=int(time.time()))
    world.journal.apply(world.journal.encode(record))
    assert sweep_once(now=row.effective_at) == 1
    version.refresh_from_db()
    assert version.status == "ended"
    assert "hsm-1 says succession" in version.ended_why
    assert policy_active() == world.policy
    assert town.sign(institution="Example Bank 3").status == "signed"


def test_a_signer_that_is_away_when_the_time_has_come_is_waited_for(town: Town) -> None:
    version = town.sign(**town.loosening())
    sweep_once(now=now())
    row = PolicyHandover.objects.get()
    assert row.effective_at is not None
    town.signer.down = True
    assert sweep_once(now=row.effective_at) == 0
    version.refresh_from_db()
    assert version.status == "signed"
    town.signer.down = False
    assert sweep_once(now=row.effective_at) == 1
    version.refresh_from_db()
    assert version.status == "active"


def test_a_claim_is_held_by_one_and_ends_with_its_lease(town: Town) -> None:
    town.sign(**town.loosening())
    at = now()
    row, other = PolicyHandover.objects.get(), PolicyHandover.objects.get()
    assert handover_claim(row=row, now=at)
    assert not handover_claim(row=other, now=at), "the fence has moved on"
    assert not handover_claim(row=PolicyHandover.objects.get(), now=at), "the lease holds"
    assert handovers_advance(now=at) == 0
    late = PolicyHandover.objects.get()
    assert handover_claim(row=late, now=at + LEASE)
    assert not handover_try(row=row, now=at + LEASE), "whoever lost the claim writes nothing"
    assert PolicyHandover.objects.get().state == "waiting"
    assert handover_try(row=late, now=at + LEASE)
    assert town.signer.asked["policy"] == 2, "the signer answered the repetition as before"
    assert entries("policies:handover:accepted") == 1


def test_a_silent_signer_delays_nobody_and_each_answer_is_written_down_by_itself(
    town: Town,
    settings: Any,  # noqa: ANN401 - pytest-django's wrapper
) -> None:
    version = town.sign(**town.loosening())
    at = now()
    own = PolicyHandover.objects.get()
    own.delete()
    with OddSigner(refusing) as no, OddSigner(garbling) as odd:
        silence = Silence(lambda: [no.asked, odd.asked])
        with OddSigner(silence) as quiet:
            sockets = {"quiet": quiet.path, "no": no.path, "odd": odd.path, "hsm-1": town.signer.path}
            settings.COUNTERSIGN_SIGNER_SOCKETS = sockets
            settings.COUNTERSIGN_SIGNER_TIMEOUT_SECONDS = 60.0
            for name in sockets:
                PolicyHandover.objects.create(version=version, signer=name, due_at=at)
            assert handovers_advance(now=at) == 1
    assert silence.outlasted, "it was asked beside the others, not before them"
    rows = PolicyHandover.objects.order_by("pk")
    assert [(row.signer, row.state, row.error_code) for row in rows] == [
        ("quiet", "away", "unreachable"),
        ("no", "refused", "policy_invalid"),
        ("odd", "away", "answer"),
        ("hsm-1", "accepted", ""),
    ]
    told = AuditEntry.objects.filter(subject=version.digest, tag__startswith="policies:handover").order_by("seq")
    assert [json.loads(entry.payload)["signer"] for entry in told] == ["quiet", "no", "odd", "hsm-1"]


def test_a_signer_hears_versions_in_their_order(town: Town) -> None:
    """A signer that was away for two versions takes the older first, and the newer when that one is in force."""
    entry = dataclasses.replace(town.world.policy.signers[0], id="hsm-2")
    first = town.sign(signers=(*town.world.policy.signers, entry))
    at = now()
    sweep_once(now=at)
    sweep_once(now=at + dt.timedelta(seconds=DELAY + 5))
    first.refresh_from_db()
    assert first.status == "active"
    active: Policy | None = policy_active()
    assert active is not None
    second = PolicyVersion.objects.create(
        number=3, digest="cd" * 32, document="{}", consents="[]", status="signed", previous=first, stored_at=at
    )
    PolicyHandover.objects.create(version=second, signer="hsm-2", due_at=at)
    PolicyHandover.objects.filter(version=first, signer="hsm-2").update(due_at=at, lease_until=None)
    asked = PolicyHandover.objects.get(version=second)
    handovers_advance(now=at + dt.timedelta(minutes=5))
    asked.refresh_from_db()
    assert asked.tried_at is None, "not before it has taken the first"


def test_a_successor_of_a_retired_version_ends(town: Town) -> None:
    waiting = proposed(town.world, town.users["anna"])
    policy = next_policy(town.world, **town.tightening())
    from policies.services.versions import version_import  # noqa: PLC0415 - only here

    version = version_import(signed=town.world.sign_policy(policy, "adam", "anna"), actor="system:manage", now=now())
    sweep_once(now=now() + dt.timedelta(seconds=1))
    version.refresh_from_db()
    waiting.refresh_from_db()
    assert (version.status, waiting.status) == ("active", "ended")
