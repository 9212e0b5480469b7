"""What stands around every page, the admin's too: who is signed in, as what, under which policy, and the alarms."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib import admin
from django.utils import timezone

from approvals.models import User
from audit.alarms import alarms_open
from core.errors import CoreError
from oms.ceremony_due import due_count
from oms.selectors import DESK_ROLES, person_of
from policies.errors import PolicyAppError
from policies.selectors import policy_active

if TYPE_CHECKING:
    from django.http import HttpRequest

    from core.documents.policy import Policy
    from core.documents.roster import Person

_ABBREVIATIONS = {"cro": "CRO"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Link:
    """A page of the admin."""

    name: str
    url: str
    current: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Group:
    """The admin's pages of one app."""

    name: str
    models: tuple[Link, ...]

    @property
    def current(self) -> bool:
        """Whether one of them is the page that is shown."""
        return any(link.current for link in self.models)


def role_words(person: Person | None) -> str:
    """Write a person's roles of the roster as people say them."""
    if person is None:
        return "not on the roster"
    words = [_ABBREVIATIONS.get(role.value, role.value.replace("_", " ")) for role in person.roles]
    return ", ".join(words) or "no role"


class Frame:
    """Reads each thing when a page shows it, and once: a fragment that a page polls reads nothing here."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request
        self.demo = settings.COUNTERSIGN_DEMO

    @cached_property
    def user(self) -> User | None:
        """Who is signed in."""
        user = getattr(self._request, "user", None)
        return user if isinstance(user, User) else None

    @cached_property
    def _policy(self) -> Policy | None:
        try:
            return policy_active()
        except (CoreError, PolicyAppError):
            # It was edited past us. Pages that need it say so (`oms.damage`); those that refuse or fail still show.
            return None

    @cached_property
    def _person(self) -> Person | None:
        return None if self.user is None or self._policy is None else person_of(user=self.user, policy=self._policy)

    @property
    def policy_number(self) -> int | None:
        """The version in force."""
        return None if self._policy is None else self._policy.number

    @property
    def policy_digest(self) -> str:
        """The digest of the version in force."""
        return "" if self._policy is None else self._policy.digest

    @property
    def role_words(self) -> str:
        """The roles that the roster gives."""
        return role_words(self._person)

    @property
    def place(self) -> str:
        """Site and desk: the roster's, else the account's."""
        who = self._person or self.user
        return "" if who is None else " · ".join(word for word in (who.site, who.desk) if word)

    @cached_property
    def decides(self) -> bool:
        """Whether cases of others are this person's work."""
        return self._person is not None and bool(set(self._person.roles) - DESK_ROLES)

    @property
    def on_roster(self) -> bool:
        """Whether the policy in force names this person."""
        return self._person is not None

    @cached_property
    def sees_alarms(self) -> bool:
        """Whether alarms, which name people and cases of all desks, are for this person."""
        reads = self.user is not None and self.user.is_staff and self.user.has_perm("audit.view_auditentry")
        return self.decides or reads

    @cached_property
    def alarms(self) -> int:
        """How many alarms are open."""
        return alarms_open().count()

    @cached_property
    def ceremonies_due(self) -> int:
        """How many ceremonies wait for this person's consent, or for operators at consoles."""
        return 0 if self.user is None else due_count(user=self.user, now=timezone.now())

    @cached_property
    def admin_apps(self) -> tuple[Group, ...]:
        """The admin's pages that this person may open."""
        return tuple(
            Group(
                name=str(app["name"]),
                models=tuple(
                    Link(
                        name=str(model["name"]),
                        url=str(model["admin_url"]),
                        current=self._request.path.startswith(str(model["admin_url"])),
                    )
                    for model in app["models"]
                    if model["admin_url"]
                ),
            )
            for app in admin.site.get_app_list(self._request)
        )


def frame(request: HttpRequest) -> dict[str, Frame]:
    """Hand the frame to every template (context processor)."""
    return {"frame": Frame(request)}
