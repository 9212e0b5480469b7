"""Puts the signed roster into Django's groups, and says who can do what and which of the two says so."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, cast

from django.conf import settings
from django.contrib.auth.models import Group
from django.contrib.auth.models import Permission as DjangoPermission
from django.db import transaction
from django.utils.module_loading import import_string

from approvals.models import User
from approvals.permissions import ADMIN_ROLES, PERMISSIONS, WORDS, Permission
from audit.models import Severity
from audit.services import entry_append
from audit.tags import AuditTag
from core.documents.roster import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from core.documents.policy import Policy
    from core.documents.roster import ApiClient, Person

_ROLE_NAMES = tuple(role.value for role in Role)


def policy_in_force() -> Policy | None:
    """Return the signed policy whose roster counts, or None before the first one."""
    # Policies stand above this app, so the settings name who knows it.
    path: str = settings.COUNTERSIGN_POLICY_SELECTOR
    return cast("Callable[[], Policy | None]", import_string(path))()


def person_in_force(*, person_id: str, policy: Policy | None = None) -> Person | None:
    """Return somebody's roster entry in the policy in force, or None."""
    policy = policy or policy_in_force()
    return None if policy is None else next((one for one in policy.people if one.id == person_id), None)


def _stored(names: Iterable[str]) -> set[int]:
    """Return the rows of permissions; `app.view_*` stands for all tables of an app."""
    found: set[int] = set()
    rows = DjangoPermission.objects.values_list("pk", "content_type__app_label", "codename")
    known = {f"{app}.{codename}": pk for pk, app, codename in rows}
    for name in names:
        if name.endswith("_*"):
            found |= {pk for one, pk in known.items() if one.startswith(name[:-1])}
        elif name in known:
            found.add(known[name])
    return found


def groups_write() -> None:
    """Make one group for each role, with exactly the permissions of the table. Idempotent; `migrate` ends with it."""
    with transaction.atomic():
        for role, names in PERMISSIONS.items():
            group, _ = Group.objects.get_or_create(name=role.value)
            group.permissions.set(_stored(names))


def access_sync_user(*, user: User, policy: Policy | None) -> bool:
    """Give an account the groups of its roster roles and no other role's, and the admin where a role needs it.

    Who is not on the roster has no role. Flags that are not about roles stay, and `access_rows` names them.

    Returns:
        Whether anything was otherwise before; then the log says so.
    """
    if policy is None:
        return False
    person = person_in_force(person_id=user.person_id, policy=policy)
    roles = set() if person is None else {role.value for role in person.roles}
    held = set(user.groups.filter(name__in=_ROLE_NAMES).values_list("name", flat=True))
    staff = user.is_staff if person is None else bool(ADMIN_ROLES & set(person.roles)) or user.is_superuser
    if held == roles and staff == user.is_staff:
        return False
    with transaction.atomic():
        groups = Group.objects.filter(name__in=_ROLE_NAMES)
        user.groups.remove(*groups.exclude(name__in=roles))
        user.groups.add(*groups.filter(name__in=roles))
        User.objects.filter(pk=user.pk).update(is_staff=staff)
        entry_append(
            actor="system:roster",
            tag=AuditTag.ROLES_CHANGED,
            subject=user.person_id,
            payload={"after": sorted(roles), "before": sorted(held), "policy": policy.digest, "staff": staff},
            severity=Severity.WARNING,
        )
    user.is_staff = staff
    return True


def access_sync(*, policy: Policy) -> int:
    """Do that for every account, in the caller's transaction or its own, and return how many changed."""
    with transaction.atomic():
        return sum(access_sync_user(user=user, policy=policy) for user in User.objects.order_by("pk"))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Grant:
    """One permission of one person: by which roster roles, by which of Django's ways, and whether both agree."""

    permission: str
    words: str
    by_roster: tuple[str, ...]
    by_django: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        """Whether the signed policy and Django say the same."""
        return bool(self.by_roster) == bool(self.by_django)


@dataclasses.dataclass(frozen=True, kw_only=True)
class AccessRow:
    """One person. `user` is null without an account, `person` without a roster entry."""

    id: str
    name: str
    user: User | None
    person: Person | None
    roles: tuple[str, ...]
    grants: tuple[Grant, ...]
    disagreements: tuple[str, ...]
    sign_in_keys: int
    consent_keys: int

    @property
    def short_of_keys(self) -> bool:
        """Whether somebody who may sign in or consent has fewer than two keys for it."""
        signs_in = self.user is not None and self.user.is_active
        return (signs_in and self.sign_in_keys < KEYS_EACH) or (
            self.person is not None and self.consent_keys < KEYS_EACH
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Access:
    """Who can do what. `clients` may ask and never consent; their responsible persons count as initiators."""

    number: int | None
    rows: tuple[AccessRow, ...]
    clients: tuple[ApiClient, ...]

    @property
    def disagreeing(self) -> int:
        """How many people the two sides disagree about."""
        return sum(1 for row in self.rows if row.disagreements)


KEYS_EACH = 2
"""How many keys of either kind a person should hold: there are no recovery codes."""
_WORDS = {permission.value: words for permission, words in WORDS.items()}


def _ways(user: User) -> dict[str, list[str]]:
    """Return how Django comes to each permission of an account."""
    ways: dict[str, list[str]] = {}
    for group in user.groups.all():
        for row in group.permissions.all():
            ways.setdefault(f"{row.content_type.app_label}.{row.codename}", []).append(f"group {group.name}")
    for row in user.user_permissions.all():
        ways.setdefault(f"{row.content_type.app_label}.{row.codename}", []).append("given directly")
    return ways


def _covers(names: frozenset[str], permission: str) -> bool:
    return permission in names or f"{permission.rpartition('_')[0]}_*" in names


def _grants(user: User | None, roles: tuple[Role, ...]) -> tuple[Grant, ...]:
    ways = _ways(user) if user is not None and user.is_active else {}
    if user is not None and user.is_active and user.is_superuser:
        for permission in Permission:
            ways.setdefault(permission.value, []).append("superuser")
    wanted = {name for role in roles for name in PERMISSIONS[role] if not name.endswith("_*")}
    names = sorted(wanted | set(ways), key=lambda name: (name not in _WORDS, name))
    return tuple(
        Grant(
            permission=name,
            words=_WORDS.get(name, name),
            by_roster=tuple(role.value for role in roles if _covers(PERMISSIONS[role], name)),
            by_django=tuple(ways.get(name, ())),
        )
        for name in names
    )


def _disagreements(user: User | None, person: Person | None, grants: tuple[Grant, ...]) -> tuple[str, ...]:
    found = []
    if user is None:
        return ("on the roster, without an account here",)
    if person is None and user.is_active:
        found.append("may sign in, and is not on the roster")
    if person is not None and not user.is_active:
        found.append("shut out here, and still on the roster: signers still accept this person's consents")
    if user.is_superuser:
        found.append("superuser: may use the whole admin, which no roster role gives")
    if person is not None and (user.desk, user.site) != (person.desk, person.site):
        said = f"{user.desk or 'none'}/{user.site or 'none'}"
        found.append(f"desk and site here are {said}, in the policy {person.desk}/{person.site}")
    if user.is_active:
        more = [grant.words for grant in grants if not grant.by_roster]
        less = [grant.words for grant in grants if not grant.by_django]
        found += [f"Django only: {words}" for words in more] if not user.is_superuser else []
        found += [f"roster only: {words}" for words in less]
    return tuple(found)


def access_rows() -> Access:
    """Return everybody whom the policy in force or an account names, with what they may do and who says so."""
    policy = policy_in_force()
    people = {} if policy is None else {person.id: person for person in policy.people}
    users = {
        user.person_id: user
        for user in User.objects.prefetch_related(
            "groups__permissions__content_type", "user_permissions__content_type", "securitykey_set"
        )
    }
    rows = []
    for name in sorted(set(people) | set(users)):
        user, person = users.get(name), people.get(name)
        grants = _grants(user, () if person is None else person.roles)
        keys = [] if user is None else [k for k in user.securitykey_set.all() if k.confirmed and not k.locked]
        rows.append(
            AccessRow(
                id=name,
                name=person.name if person is not None else str(user),
                user=user,
                person=person,
                roles=() if person is None else tuple(role.value for role in person.roles),
                grants=grants,
                disagreements=_disagreements(user, person, grants),
                sign_in_keys=len(keys),
                consent_keys=0 if person is None else len(person.keys),
            )
        )
    return Access(
        number=None if policy is None else policy.number,
        rows=tuple(rows),
        clients=() if policy is None else policy.clients,
    )
