"""Roles: the signed roster is the source, Django's groups follow it, and what they disagree about is shown."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import AnonymousUser, Group
from django.contrib.auth.models import Permission as DjangoPermission
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.test import RequestFactory

from approvals.access import access_rows, access_sync, access_sync_user, groups_write, policy_in_force
from approvals.models import User
from approvals.permissions import ADMIN_ROLES, PERMISSIONS, WORDS
from approvals.roles import Permission, may, needs
from audit.models import AuditEntry
from core.documents.roster import Role
from policies.services import genesis_store
from tests.factories.world import PEOPLE, World

if TYPE_CHECKING:
    from core.documents.policy import Policy


@pytest.fixture
def world(db: None) -> World:  # noqa: ARG001 - asks for the database
    world = World()
    genesis_store(signed=world.signed_policy, digest=world.deployment, actor="system:test", now=world.now)
    return world


def account(name: str, **fields: Any) -> User:  # noqa: ANN401 - columns of an account
    _, desk, site = PEOPLE.get(name, ((), "", ""))
    return User.objects.create_user(name, display_name=name.title(), **{"desk": desk, "site": site, **fields})


def fresh(user: User) -> User:
    """Return the account without what Django remembers of its permissions."""
    return User.objects.get(pk=user.pk)


def without(policy: Policy, name: str) -> Policy:
    return dataclasses.replace(policy, people=tuple(person for person in policy.people if person.id != name))


def test_every_role_has_a_row_and_every_permission_words() -> None:
    assert set(PERMISSIONS) == set(Role)
    assert set(WORDS) == set(Permission)


def test_an_auditor_only_reads_and_a_trader_never_decides() -> None:
    writing = {Permission.ASK, Permission.DECIDE, Permission.CONSENT_POLICIES, Permission.RUN}
    writing |= {Permission.MANAGE_PEOPLE, Permission.COMPARE_KEYS}
    assert not writing & PERMISSIONS[Role.AUDITOR]
    assert all(".view_" in name or name in set(Permission) for name in PERMISSIONS[Role.AUDITOR])
    assert Permission.DECIDE not in PERMISSIONS[Role.TRADER]
    assert Permission.SEE_ALL not in PERMISSIONS[Role.TRADER] | PERMISSIONS[Role.PORTFOLIO_MANAGER]
    askers = {role for role in Role if Permission.ASK in PERMISSIONS[role]}
    assert askers == {Role.TRADER, Role.PORTFOLIO_MANAGER}


@pytest.mark.django_db
def test_each_role_is_a_group_with_exactly_its_permissions() -> None:
    Group.objects.get(name="trader").permissions.add(DjangoPermission.objects.get(codename="view_auditentry"))
    groups_write()
    for role in Role:
        rows = Group.objects.get(name=role.value).permissions.select_related("content_type")
        held = {f"{row.content_type.app_label}.{row.codename}" for row in rows}
        plain = {name for name in PERMISSIONS[role] if not name.endswith("_*")}
        wild = tuple(name[:-1] for name in PERMISSIONS[role] if name.endswith("_*"))
        assert plain <= held, role
        assert all(name.startswith(wild) for name in held - plain), role


def test_the_roster_decides_the_groups_and_who_may_open_the_admin(world: World) -> None:
    for name, (roles, _, _) in PEOPLE.items():
        user = account(name)
        assert access_sync_user(user=user, policy=policy_in_force())
        assert set(user.groups.values_list("name", flat=True)) == set(roles)
        assert fresh(user).is_staff == bool(ADMIN_ROLES & set(roles))
        assert not access_sync_user(user=user, policy=world.policy), "nothing to do the second time"
    assert may(fresh(User.objects.get(person_id="tessa")), Permission.ASK)
    assert AuditEntry.objects.filter(tag="approvals:roles:changed").count() == len(PEOPLE)


def test_what_somebody_put_into_the_groups_by_hand_goes(world: World) -> None:
    user = account("tessa", is_staff=True)
    user.groups.add(Group.objects.get(name="auditor"), Group.objects.create(name="choir"))
    access_sync(policy=world.policy)
    assert set(user.groups.values_list("name", flat=True)) == {"trader", "choir"}
    assert not fresh(user).is_staff
    assert not may(fresh(user), Permission.READ_LOG)


def test_who_leaves_the_roster_keeps_no_role(world: World) -> None:
    user = account("rita")
    access_sync(policy=world.policy)
    assert may(fresh(user), Permission.SEE_ALL)
    access_sync(policy=without(world.policy, "rita"))
    assert not any(may(fresh(user), permission) for permission in Permission)


def test_a_new_policy_changes_the_groups_at_once(world: World) -> None:
    user = account("rita")
    assert not may(fresh(user), Permission.DECIDE)
    access_sync(policy=world.policy)
    assert may(fresh(user), Permission.DECIDE)


@pytest.mark.django_db
def test_without_a_policy_nobody_has_a_role() -> None:
    user = account("rita")
    assert policy_in_force() is None
    assert not access_sync_user(user=user, policy=None)
    assert not any(may(user, permission) for permission in Permission)


def test_a_page_lets_in_whom_it_names(world: World) -> None:
    @needs(Permission.DECIDE, Permission.ASK)
    def page(request: object) -> HttpResponse:  # noqa: ARG001 - a view's signature
        return HttpResponse("in")

    request = RequestFactory().get("/")
    for name, allowed in (("tessa", True), ("rita", True), ("olga", False)):
        account(name)
        access_sync(policy=world.policy)
        request.user = User.objects.get(person_id=name)
        if allowed:
            assert page(request).content == b"in"
        else:
            with pytest.raises(PermissionDenied):
                page(request)
    request.user = AnonymousUser()
    with pytest.raises(PermissionDenied):
        page(request)


def test_somebody_shut_out_may_nothing(world: World) -> None:
    user = account("rita")
    access_sync(policy=world.policy)
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert not any(may(fresh(user), permission) for permission in Permission)


def disagreements(name: str) -> tuple[str, ...]:
    return next(row.disagreements for row in access_rows().rows if row.id == name)


def test_disagreements_are_named(world: World) -> None:
    for name in PEOPLE:
        account(name)
    account("ada", is_superuser=True, is_staff=True)
    access_sync(policy=world.policy)
    assert access_rows().disagreeing == 1
    assert disagreements("ada") == (
        "may sign in, and is not on the roster",
        "superuser: may use the whole admin, which no roster role gives",
    )
    User.objects.get(person_id="tessa").user_permissions.add(DjangoPermission.objects.get(codename="decide_requests"))
    assert disagreements("tessa") == (f"Django only: {WORDS[Permission.DECIDE]}",)
    User.objects.get(person_id="rita").groups.clear()
    assert f"roster only: {WORDS[Permission.DECIDE]}" in disagreements("rita")
    User.objects.filter(person_id="tom").update(is_active=False)
    assert disagreements("tom")[0].startswith("shut out here, and still on the roster")
    User.objects.filter(person_id="clara").update(site="paris")
    assert "desk and site here are" in disagreements("clara")[0]
    User.objects.filter(person_id="adam").delete()
    assert disagreements("adam") == ("on the roster, without an account here",)


def test_keys_are_counted(world: World) -> None:
    account("tessa")
    row = next(row for row in access_rows().rows if row.id == "tessa")
    assert (row.sign_in_keys, row.consent_keys, row.short_of_keys) == (0, len(world.policy.people[0].keys), True)
