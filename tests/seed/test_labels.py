"""The seed's case: a loosening labelled a tightening. Two admins signed it; it waits all the same.

No document says of itself what it is. Whatever whoever owns the web tier writes beside it, a signer compares the two
policies and counts the delay from its own receipt.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from typing import TYPE_CHECKING, Any

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from approvals.errors import ApprovalsError
from approvals.models import User
from core.errors import Refusal
from core.schema import write_struct
from oms.errors import OmsError
from policies.models import PolicyHandover, PolicyVersion
from policies.selectors import policy_active, version_signed
from policies.services import genesis_store
from policies.services.handovers import versions_activate
from policies.sweep import sweep_once
from tests.factories.documents import header
from tests.factories.proposals import proposed, signed_by
from tests.factories.succession import next_policy
from tests.factories.world import PEOPLE
from tests.seed.institution import CUSTODIAN, DAY, pay
from tests.seed.shapes import LOOSENINGS, MALLORY, NAMED_BY_THE_SEED, TIGHTENINGS

if TYPE_CHECKING:
    from core.documents.policy import Policy
    from tests.factories.world import World
    from tests.seed.shapes import Probe
    from tests.seed.tiers import Attacker, Web

ADMINS = ("adam", "anna")
_later = itertools.count(1)
"""What waits at a signer gives way only to what was drafted later."""


def successor(world: World, changes: dict[str, Any]) -> Policy:
    made = header("policy", world.deployment, now=world.now - 600 + next(_later), lifetime=30 * DAY)
    named = changes.get("header", made)
    return next_policy(world, **(changes | {"header": dataclasses.replace(named, created=made.created)}))


def still_refused(attacker: Attacker, probe: Probe) -> None:
    """Try the case that the loosening was for; who has no other key on the roster signs with mallory's."""
    keys = attacker.world.keys
    attacker.world.keys = keys | {"mallory": MALLORY} | ({"clara": MALLORY} if probe.as_clara else {})
    code, words = attacker.refused(probe.intent(attacker.world), *probe.people, by=probe.by)
    attacker.world.keys = keys
    assert code is probe.code, words


def still_not_approved(web: Web, probe: Probe) -> None:
    web.world.keys["mallory"] = MALLORY
    web.users["mallory"] = User.objects.create_user("mallory", display_name="Mallory")
    request = web.ask(probe.intent(web.world), by=probe.by)
    for actor in probe.people:
        with contextlib.suppress(OmsError, ApprovalsError):
            request = web.approve(request, actor)
    request.refresh_from_db()
    assert request.state in ("denied", "pending")


@pytest.mark.django_db
@pytest.mark.parametrize("name", NAMED_BY_THE_SEED)
def test_a_loosening_labelled_a_tightening_in_the_web_tier(web: Web, name: str) -> None:
    shape, world = LOOSENINGS[name], web.world
    version = proposed(world, web.users["adam"], **shape.change(world.policy))
    version = signed_by(world, version, web.users, *ADMINS)
    assert version.status == "signed"
    # Nobody but a signer says how a version comes into force, and none has.
    assert not PolicyHandover.objects.exclude(kind="", effective_at=None).exists()
    assert versions_activate(now=timezone.now()) == 0
    assert policy_active() == world.policy
    assert shape.probe is not None
    still_not_approved(web, shape.probe)
    web.paid(pay(world, 1, to=CUSTODIAN), "ravi")


@pytest.mark.parametrize("name", LOOSENINGS)
def test_a_loosening_labelled_a_tightening_at_the_signer(neighbour: Attacker, name: str) -> None:
    shape, world = LOOSENINGS[name], neighbour.world
    policy = successor(world, shape.change(world.policy))
    answer = neighbour.succeed(world.sign_policy(policy, *ADMINS))
    assert answer.code is None, answer
    accepted, waits = answer.result["accepted"], answer.result["pending"]
    assert accepted["kind"] == waits["kind"] == "loosening"
    assert accepted["effective"] >= world.now + DAY
    assert (answer.result["policy"], waits["policy"]) == (world.policy.digest, policy.digest)
    mandate = world.mandate(pay(world, 1), policy=policy.digest)
    early = neighbour.send(mandate, world.consent(mandate.digest, "ravi", policy=policy.digest))
    assert early.code is Refusal.WRONG_POLICY, "its own quorum signed under it before its time"
    if shape.probe is not None:
        still_refused(neighbour, shape.probe)
    neighbour.signed(pay(world, 1), "ravi")


@pytest.mark.parametrize("name", TIGHTENINGS)
def test_a_true_tightening_is_in_force_at_once_at_the_signer(attacker: Attacker, name: str) -> None:
    world = attacker.world
    policy = successor(world, TIGHTENINGS[name](world.policy))
    answer = attacker.succeed(world.sign_policy(policy, *ADMINS))
    assert answer.code is None, answer
    assert (answer.result["accepted"]["kind"], answer.result["policy"]) == ("tightening", policy.digest)
    world.policy = policy
    attacker.signed(pay(world, 1), "ravi", "rita", "clara")


@pytest.mark.parametrize("name", ["a higher limit", "lowered seats"])
def test_a_loosening_comes_into_force_after_its_delay_and_no_second_before(timed: Attacker, name: str) -> None:
    shape, world = LOOSENINGS[name], timed.world
    policy = successor(world, shape.change(world.policy))
    answer = timed.succeed(world.sign_policy(policy, *ADMINS))
    assert answer.code is None
    assert answer.result["accepted"]["effective"] == world.now + DAY
    assert shape.probe is not None
    world.now += DAY - 1
    still_refused(timed, shape.probe)
    world.now += 1
    world.policy = policy
    timed.signed(shape.probe.intent(world), *shape.probe.people)


def test_a_label_beside_the_policy_is_not_read_at_the_signer(neighbour: Attacker) -> None:
    world = neighbour.world
    policy = successor(world, LOOSENINGS["a higher limit"].change(world.policy))
    signed: dict[str, Any] = write_struct(world.sign_policy(policy, *ADMINS), "signed_policy")
    request: dict[str, object] = {"v": 1, "op": "policy", "signed_policy": signed}
    label = {"kind": "tightening", "effective": world.now}
    assert neighbour.deliver(request | label).code is Refusal.MALFORMED
    assert neighbour.deliver(request | {"signed_policy": signed | label}).code is Refusal.MALFORMED
    named = signed | {"policy": signed["policy"] | label}
    assert neighbour.deliver(request | {"signed_policy": named}).code is Refusal.MALFORMED
    answer = neighbour.deliver(request)
    assert (answer.code, answer.result["accepted"]["kind"]) == (None, "loosening")


def signed_version(attacker: Attacker, settings: Any) -> PolicyVersion:  # noqa: ANN401 - pytest-django's wrapper
    """Found a web tier beside the signer, and have a loosening proposed and signed there."""
    world = attacker.world
    genesis_store(signed=world.signed_policy, digest=world.deployment, actor="system:tests", now=world.now)
    users = {name: User.objects.create_user(name, display_name=name.title()) for name in PEOPLE}
    settings.COUNTERSIGN_SIGNER_SOCKETS = {world.signer: attacker.path}
    change = LOOSENINGS["lowered seats"].change(world.policy)
    return signed_by(world, proposed(world, users["adam"], **change), users, *ADMINS)


@pytest.mark.django_db
def test_a_label_that_was_written_into_the_database_moves_no_signer(
    attacker: Attacker,
    settings: Any,  # noqa: ANN401 - pytest-django's wrapper
) -> None:
    """The web tier's own rows say "tightening, in force": not even it believes them, and no signer reads them."""
    world = attacker.world
    version = signed_version(attacker, settings)
    handover = PolicyHandover.objects.filter(version=version)
    told: dict[str, Any] = {
        "state": "accepted",
        "kind": "tightening",
        "effective_at": timezone.now(),
        "tried_at": timezone.now(),
    }
    handover.update(**told, due_at=None)
    assert versions_activate(now=timezone.now()) == 0
    assert policy_active() == world.policy
    answer = attacker.succeed(version_signed(version=version))
    assert answer.result["accepted"]["kind"] == "loosening"
    mandate = world.mandate(pay(world, 100_000), policy=version.digest)
    approved = world.consent(mandate.digest, "ravi", policy=version.digest)
    assert attacker.send(mandate, approved).code is Refusal.WRONG_POLICY
    assert attacker.refused(pay(world, 100_000), "ravi")[0] is Refusal.QUORUM
    attacker.signed(pay(world, 100_000), "ravi", "rita")


@pytest.mark.django_db
def test_what_a_signer_said_of_a_version_is_not_edited_in_the_web_tier(attacker: Attacker, settings: Any) -> None:  # noqa: ANN401
    world = attacker.world
    version = signed_version(attacker, settings)
    assert sweep_once(now=timezone.now()) == 1
    handover = PolicyHandover.objects.get(version=version)
    assert (handover.state, handover.kind) == ("accepted", "loosening")
    for edit in ({"kind": "tightening"}, {"effective_at": timezone.now()}):
        with pytest.raises(DatabaseError, match="what a signer accepted is not edited"), transaction.atomic():
            PolicyHandover.objects.filter(pk=handover.pk).update(**edit)
    assert versions_activate(now=timezone.now()) == 0
    assert policy_active() == world.policy
    assert handover.effective_at is not None
    assert versions_activate(now=handover.effective_at) == 1
