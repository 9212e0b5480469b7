"""Versions: what people signed is kept as they signed it, one is in force, and a changed text is noticed."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from audit.models import AuditEntry
from policies.errors import StoredPolicyError, VersionRefusedError
from policies.models import PolicyVersion
from policies.selectors import policy_active, policy_active_signed, policy_chain
from policies.services import genesis_store
from tests.factories.policies import world_in_force
from tests.factories.world import DAY, NOW, World

pytestmark = pytest.mark.django_db


def stored(world: World, **changes: object) -> PolicyVersion:
    fields: dict[str, object] = {
        "number": 1,
        "digest": world.policy.digest,
        "document": world.policy.to_bytes().decode(),
        "consents": "[]",
        "status": "active",
        "previous": None,
        "stored_at": dt.datetime.fromtimestamp(NOW, tz=dt.UTC),
    }
    return PolicyVersion.objects.create(**(fields | changes))


def test_there_is_none_before_the_genesis() -> None:
    assert policy_active() is None
    assert policy_active_signed() is None
    assert policy_chain() == ()


def test_activation_leaves_an_entry() -> None:
    world = world_in_force()
    entry = AuditEntry.objects.get(tag="policies:version:activated")
    assert (entry.subject, entry.payload) == (world.policy.digest, '{"number":1,"signed_by":["adam","anna"]}')


@pytest.mark.parametrize("now", [NOW - 2 * DAY, NOW + 400 * DAY])
def test_a_genesis_outside_its_lifetime_is_refused(now: int) -> None:
    world = World()
    with pytest.raises(VersionRefusedError):
        genesis_store(signed=world.signed_policy, digest=world.policy.digest, actor="system:tests", now=now)
    assert not PolicyVersion.objects.exists()


@pytest.mark.parametrize("change", [{"document": "{}"}, {"digest": "ab" * 32}, {"number": 2}, {"consents": "[]"}])
def test_the_database_keeps_what_was_signed(change: dict[str, object]) -> None:
    world_in_force()
    with pytest.raises(DatabaseError), transaction.atomic():
        PolicyVersion.objects.update(**change)


def test_a_version_retires_and_another_takes_its_place_but_never_two() -> None:
    world_in_force()
    other = World()
    with pytest.raises(IntegrityError), transaction.atomic():
        stored(other)
    PolicyVersion.objects.update(status="retired")
    with pytest.raises(IntegrityError), transaction.atomic():
        stored(other)
    with pytest.raises(IntegrityError), transaction.atomic():
        stored(other, number=2)


def test_a_text_that_is_not_what_its_digest_names_is_never_used() -> None:
    world = World()
    stored(world, digest="ab" * 32)
    with pytest.raises(StoredPolicyError):
        policy_active()


def test_a_second_spelling_of_the_same_policy_is_never_used() -> None:
    world = World()
    stored(world, document=world.policy.to_bytes().decode() + " ")
    with pytest.raises(StoredPolicyError):
        policy_active()


def test_a_chain_with_a_gap_is_never_used() -> None:
    world = world_in_force()
    other = World()
    stored(other, number=2, status="retired", previous=PolicyVersion.objects.get(digest=world.policy.digest))
    with pytest.raises(StoredPolicyError, match="does not follow"):
        policy_chain()
