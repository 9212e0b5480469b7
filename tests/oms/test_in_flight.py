"""Requests on their way while another policy comes into force: both have to allow them, or they end and say why."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from core.documents.consent import Decision
from core.documents.roster import Role
from core.lifecycle import State
from custody.models import Job, Wallet
from oms.errors import RequestRefusedError
from oms.selectors import can_approve, requests_waiting, seats_of
from oms.sweep import sweep_once
from policies.models import PolicyHandover
from policies.selectors import policy_active, policy_chain, version_active
from tests.factories.proposals import brought_into_force
from tests.factories.succession import next_policy, without
from tests.factories.world import seats
from tests.sign_in import signed_in

if TYPE_CHECKING:
    from core.documents.policy import Policy
    from core.documents.roster import Person
    from tests.oms.conftest import Desk

pytestmark = pytest.mark.django_db


def stricter(desk: Desk) -> Policy:
    """Have every grant take the CRO as well."""
    grants = tuple(
        dataclasses.replace(rule, quorum=seats((Role.RISK_OFFICER, 2), (Role.CRO, 1)))
        for rule in desk.world.policy.grants
    )
    return next_policy(desk.world, grants=grants)


def closed(desk: Desk) -> Policy:
    return next_policy(desk.world, grants=())


def test_one_that_both_allow_goes_on_by_the_same_approvals(desk: Desk) -> None:
    request = desk.ask()
    desk.decide(request, "rita")
    brought_into_force(desk.world, next_policy(desk.world, institution="Example Bank 2"))
    request.refresh_from_db()
    shown = seats_of(request=request).newest
    assert shown is not None
    assert (shown.number, shown.allowed, len(shown.open_roles)) == (2, True, 1)
    request = desk.decide(request, "ravi")
    assert request.state == State.APPROVED
    assert sweep_once(now=timezone.now()) == 1
    request.refresh_from_db()
    assert (request.state, Job.objects.get().policy_digest) == (State.SIGNING, desk.world.policy.digest)


def test_one_that_waits_needs_what_the_newer_one_asks_for_too(desk: Desk) -> None:
    request = desk.ask()
    desk.decide(request, "rita")
    brought_into_force(desk.world, stricter(desk))
    request.refresh_from_db()
    assert can_approve(user=desk.users["clara"], request=request), "only the newer policy asks for her"
    request = desk.decide(request, "ravi")
    assert request.state == State.PENDING, "complete under policy 1, not under policy 2"
    page = signed_in(desk.users["clara"]).get(f"/queue/{request.reference}/").content.decode()
    assert "Asked under policy 1. Policy 2 is in force by now" in page
    request = desk.decide(request, "clara")
    assert request.state == State.APPROVED
    sweep_once(now=timezone.now())
    request.refresh_from_db()
    assert request.state == State.SIGNING


def test_one_that_was_approved_before_ends_and_says_what_is_missing(desk: Desk) -> None:
    request = desk.ask()
    desk.decide(request, "rita")
    request = desk.decide(request, "ravi")
    brought_into_force(desk.world, stricter(desk))
    sweep_once(now=timezone.now())
    request.refresh_from_db()
    assert request.state == State.BLOCKED
    assert "Policy 2 came into force since this was approved, and takes 1 CRO + 2 risk officers" in request.sub_status
    assert not Job.objects.exists()


@pytest.mark.parametrize("approvals", [(), ("rita", "ravi")], ids=["pending", "approved"])
def test_one_that_the_newer_one_denies_ends_visibly(desk: Desk, approvals: tuple[str, ...]) -> None:
    request = desk.ask()
    for name in approvals:
        desk.decide(request, name)
    brought_into_force(desk.world, closed(desk))
    assert sweep_once(now=timezone.now()) == 1
    request.refresh_from_db()
    assert request.state == State.BLOCKED
    assert "Policy 2 came into force since this was asked, and does not allow it" in request.sub_status


def test_people_whom_the_newer_one_removed_no_longer_count(desk: Desk) -> None:
    request = desk.ask()
    desk.decide(request, "rita")
    people = (*without(desk.world, "rita", "tom"), _second_officer(desk))
    brought_into_force(desk.world, next_policy(desk.world, people=people, clients=()))
    request.refresh_from_db()
    assert seats_of(request=request).approved_by == ()
    assert not can_approve(user=desk.users["rita"], request=request)
    assert requests_waiting(user=desk.users["rita"]) == []
    request = desk.decide(request, "ravi")
    assert request.state == State.PENDING


def _second_officer(desk: Desk) -> Person:
    tom = next(person for person in desk.world.policy.people if person.id == "tom")
    rita = next(person for person in desk.world.policy.people if person.id == "rita")
    return dataclasses.replace(tom, id="tina", roles=rita.roles)


def test_a_removal_in_one_that_waits_bars_at_once(desk: Desk) -> None:
    request = desk.ask()
    desk.decide(request, "rita")
    people = (*without(desk.world, "rita", "tom"), _second_officer(desk))
    version = brought_into_force(desk.world, next_policy(desk.world, people=people, clients=()), waits=True)
    assert (version.status, policy_active()) == ("signed", desk.world.policy)
    assert seats_of(request=request).approved_by == ()


def test_a_key_that_was_removed_no_longer_counts(desk: Desk) -> None:
    request = desk.ask()
    desk.decide(request, "rita")
    rita = next(person for person in desk.world.policy.people if person.id == "rita")
    other = dataclasses.replace(rita, keys=(dataclasses.replace(rita.keys[0], credential_id=b"another-key-of-hers"),))
    brought_into_force(desk.world, next_policy(desk.world, people=(*without(desk.world, "rita"), other)))
    assert seats_of(request=request).approved_by == ()


def test_new_requests_are_made_under_the_newer_one(desk: Desk) -> None:
    old = desk.preview().mandate
    version = brought_into_force(desk.world, next_policy(desk.world, institution="Example Bank 2"))
    with pytest.raises(RequestRefusedError, match="The policy changed meanwhile"):
        desk.ask(old)
    request = desk.ask()
    assert request.policy_digest == version.digest
    assert seats_of(request=request).newest is None


def test_a_signer_that_has_not_taken_it_yet_is_waited_for(desk: Desk) -> None:
    brought_into_force(desk.world, next_policy(desk.world, institution="Example Bank 2"))
    PolicyHandover.objects.all().delete()
    request = desk.ask()
    desk.decide(request, "rita")
    request = desk.decide(request, "ravi")
    version = version_active()
    assert version is not None
    row = PolicyHandover.objects.create(version=version, signer="hsm-1", due_at=timezone.now(), state="away")
    assert sweep_once(now=timezone.now()) == 0
    request.refresh_from_db()
    assert (request.state, "hsm-1 has not taken policy 2" in request.sub_status) == (State.APPROVED, True)
    PolicyHandover.objects.filter(pk=row.pk).update(
        state="accepted", kind="loosening", effective_at=timezone.now(), due_at=None
    )
    assert sweep_once(now=timezone.now() + dt.timedelta(minutes=1)) == 1
    request.refresh_from_db()
    assert request.state == State.SIGNING


def test_of_five_parties_one_may_be_behind(desk: Desk) -> None:
    parties = [f"party-{number}" for number in range(1, 6)]
    Wallet.objects.update(kind="mpc", signers=parties, threshold=3)
    brought_into_force(desk.world, next_policy(desk.world, institution="Example Bank 2"))
    PolicyHandover.objects.all().delete()
    request = desk.ask()
    desk.decide(request, "rita")
    request = desk.decide(request, "ravi")
    version = version_active()
    assert version is not None
    for name in parties[:2]:
        PolicyHandover.objects.create(version=version, signer=name, due_at=timezone.now(), state="away")
    assert sweep_once(now=timezone.now()) == 0
    request.refresh_from_db()
    assert request.sub_status.count("has not taken policy 2 yet") == 2
    PolicyHandover.objects.filter(signer=parties[0]).delete()
    assert sweep_once(now=timezone.now() + dt.timedelta(minutes=1)) == 1
    request.refresh_from_db()
    assert request.state == State.SIGNING


def test_a_rejection_still_ends_it(desk: Desk) -> None:
    request = desk.ask()
    brought_into_force(desk.world, stricter(desk))
    request = desk.decide(request, "rita", Decision.REJECT, "Not now")
    assert request.state == State.REJECTED


def test_a_case_is_kept_with_the_policies_of_its_time(desk: Desk) -> None:
    before = timezone.now()
    brought_into_force(desk.world, next_policy(desk.world, institution="Example Bank 2"))
    assert [signed.policy.number for signed in policy_chain()] == [1, 2]
    assert [signed.policy.number for signed in policy_chain(at=before)] == [1]
