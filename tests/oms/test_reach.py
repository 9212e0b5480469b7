"""Every address as every role: what is reachable is what the permission table says, and nothing else."""

from __future__ import annotations

import copy
import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest
from django.apps import apps
from django.conf import settings
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, get_resolver, reverse
from django.utils import timezone

from approvals.models import EnrolmentCase, PersonSession, SecurityKey, User
from approvals.services import ticket_create
from audit.models import AuditEntry
from core.documents.consent import SubjectType
from core.documents.control import CeremonyKind
from core.documents.roster import Role
from core.schema import write_struct
from custody.ceremony_services import ceremony_consent, ceremony_draft
from demo.softkey import SoftKey
from policies.models import PolicyVersion
from tests.factories.ceremonies import QUORUM, ceremony
from tests.factories.documents import PEOPLE
from tests.factories.proposals import draft_of
from tests.oms.conftest import as_json
from tests.oms.reach import ADMIN_PAGES, ANYBODY, OF_A_DESK, PAGES, SKIPPED, allowed
from tests.oms.test_walk import patterns
from tests.sign_in import signed_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from custody.models import KeyCeremony
    from oms.models import TransactionRequest
    from tests.oms.conftest import Desk

OTHER_DESK = "another-desk"
"""Stands for a portfolio manager and a trader of desk-b."""


@pytest.fixture
def everyone(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """One person with exactly each role, on desk-a; and one of another desk. Before the institution is founded."""
    names = {role.value: f"only-{role.value.replace('_', '-')}" for role in Role}
    for role in Role:
        monkeypatch.setitem(PEOPLE, names[role.value], ((role,), "desk-a", "zurich"))
    monkeypatch.setitem(PEOPLE, OTHER_DESK, ((Role.TRADER, Role.PORTFOLIO_MANAGER), "desk-b", "zurich"))
    return names


class Walk:
    """The institution, one of everything in it, and a client for each role."""

    def __init__(self, desk: Desk, names: dict[str, str]) -> None:
        self.request: TransactionRequest = desk.ask()
        self.clients = {role: signed_in(desk.users[name]) for role, name in names.items()}
        self.clients[OTHER_DESK] = signed_in(desk.users[OTHER_DESK])
        tom = desk.users["tom"]
        signed_in(tom)
        self.session = PersonSession.objects.get(user=tom)
        self.key = SecurityKey.objects.get(user=tom)
        newcomer = User.objects.create_user("newcomer", display_name="N")
        self.token = ticket_create(user=newcomer, actor="system:test", now=timezone.now())
        self.enrolment = self._enrolment(desk)
        self.version = self._proposal(desk)
        self.draft = draft_of(desk.world.policy, desk.users["adam"])
        self.ceremony = self._ceremony(desk)
        self.entry = AuditEntry.objects.filter(actor="tessa").order_by("seq")[0]

    @staticmethod
    def _enrolment(desk: Desk) -> EnrolmentCase:
        key = write_struct(SoftKey.generate().entry, "key")
        text = json.dumps({"person": "tom", "name": "Tom", "key": key})
        signed_in(desk.users["adam"]).post(reverse("approvals:enrolment_new"), {"enrolment": text})
        return EnrolmentCase.objects.get()

    @staticmethod
    def _ceremony(desk: Desk) -> KeyCeremony:
        document = ceremony(desk.world, CeremonyKind.DRILL, desk.world.policy.wallets[0])
        made = ceremony_draft(document=document, person="olga", now=timezone.now())
        for name in QUORUM:
            signed = desk.world.consent(made.digest, name, subject_type=SubjectType.CEREMONY)
            made = ceremony_consent(
                user=desk.users[name],
                digest=made.digest,
                consent_raw=as_json(signed),
                policy=desk.world.policy,
                now=timezone.now(),
            )
        return made

    @staticmethod
    def _proposal(desk: Desk) -> PolicyVersion:
        from tests.factories.succession import next_policy  # noqa: PLC0415 - beside its use

        first = PolicyVersion.objects.get()
        policy = next_policy(desk.world)
        now = timezone.now()
        return PolicyVersion.objects.create(
            number=2, digest=policy.digest, document=policy.to_bytes().decode(), consents="[]", status="proposed",
            previous=first, stored_at=now, proposed_by=desk.users["adam"], expires_at=now + dt.timedelta(days=9),
        )  # fmt: skip

    def arguments(self, name: str, pattern: URLPattern) -> dict[str, Any]:
        """Return an address's arguments: of what is there, or of nothing."""
        own = {
            "reference": self.request.reference,
            "person": "tom",
            "person_id": "tom",
            "token": self.token,
            "session_id": self.session.pk,
            "key_id": self.key.pk,
            "seq": self.entry.pk,
            "digest": self.enrolment.digest,
            "ceremony": self.ceremony.digest,
            "pk": self.draft.pk,
            "app_label": "approvals",
            "key": "people",
            "index": 0,
            "label": "anvil",
            "account": self.request.wallet,
        }
        if name in ("oms:policy", "oms:policy_consent"):
            own["digest"] = self.version.digest
        if name == "oms:request_by_intent":
            own["digest"] = self.request.intent_digest
        given: dict[str, Any] = {}
        for key, converter in pattern.pattern.converters.items():
            nothing = 0 if type(converter).__name__ == "IntConverter" else "x"
            given[key] = self._object(name) if key == "object_id" else own.get(key, nothing)
        if isinstance(next(iter(pattern.pattern.regex.groupindex), None), str) and not given:
            given = {key: own.get(key, "x") for key in pattern.pattern.regex.groupindex}
        return given

    @staticmethod
    def _object(name: str) -> str:
        app, _, rest = name.removeprefix("admin:").partition("_")
        if app not in {config.label for config in apps.get_app_configs()}:
            return "0"
        found = apps.get_model(app, rest.rpartition("_")[0]).objects.order_by("pk").first()
        return "0" if found is None else str(found.pk)

    def is_empty(self, name: str) -> bool:
        """Whether an address of the admin is about a row of a table that has none here."""
        about_one = name.startswith("admin:") and name.endswith(("_change", "_history"))
        return about_one and self._object(name) == "0"

    def reached(self, name: str, pattern: URLPattern, client: Client) -> tuple[bool, int]:
        """Go there and take everything back; whether somebody got in, and what was answered."""
        address = reverse(name, kwargs=self.arguments(name, pattern))
        kept = copy.deepcopy(client.cookies)
        with transaction.atomic():
            answer = client.get(address)
            if answer.status_code == 405:
                answer = client.post(address, "{}", content_type="application/json")
            where = answer.headers.get("Location", "")
            transaction.set_rollback(True)
        client.cookies = kept
        turned_away = where.startswith((settings.LOGIN_URL, "/admin/login/"))
        # The admin leads back to its first page from an object that is none for this reader.
        turned_away = turned_away or (where == "/admin/" and name.startswith("admin:"))
        return answer.status_code not in (401, 403, 404) and not turned_away, answer.status_code


def addresses() -> Iterator[tuple[str, URLPattern]]:
    for name, pattern in patterns(get_resolver()):
        if name not in SKIPPED:
            yield name, pattern


def test_every_address_has_a_row_and_every_row_an_address() -> None:
    named = {name for name, _ in addresses()}
    for name in named:
        allowed(name)
    assert set(PAGES) | set(ADMIN_PAGES) <= named


TAKES_DOCUMENTS = {"oms:request_consent", "oms:cancel_consent"}
MAY_BE_MISSING = {
    "approvals:sign_out": "leads to the sign-in page, as it should",
    "approvals:step_up_verify": "takes an answer to a challenge, and there was none",
    "approvals:demo_key": "there is one in the demonstration only",
    "oms:cancel": "there is nothing to cancel yet",
    "oms:cancel_consent": "as above",
    "oms:node_change_decide": "nobody asked for a change of a node",
    "oms:price_enter": "no feed is entered by hand",
    "oms:alarm_seen": "leads back to the list, as for any alarm",
    "oms:receipt": "no checkpoint covers the entry yet",
    "admin:app_list": "apps of which one sees no table do not exist for one",
    "admin:autocomplete": "asks for a field's name",
    "admin:view_on_site": "asks for an object",
}
"""Where people who may come find nothing here (404 or 403 by what is asked, not by who asks)."""


@pytest.mark.parametrize("role", list(Role))
def test_what_a_role_reaches_is_what_the_table_says(everyone: dict[str, str], desk: Desk, role: Role) -> None:
    walk = Walk(desk, everyone)
    wrong: list[str] = []
    for name, pattern in addresses():
        row = allowed(name)
        if row == ANYBODY:
            continue
        got, status = walk.reached(name, pattern, walk.clients[role.value])
        if got and role not in row:
            wrong.append(f"{name}: {role} got in ({status})")
        if not got and role in row and name not in MAY_BE_MISSING and not walk.is_empty(name):
            wrong.append(f"{name}: {role} was turned away ({status})")
    assert not wrong, "\n".join(wrong)


def test_what_a_visitor_and_another_desk_reach_is_what_the_table_says(everyone: dict[str, str], desk: Desk) -> None:
    walk = Walk(desk, everyone)
    wrong: list[str] = []
    for name, pattern in addresses():
        got, status = walk.reached(name, pattern, Client())
        if got and allowed(name) != ANYBODY:
            wrong.append(f"{name}: anonymous got {status}")
        if allowed(name) == ANYBODY and status in (302, 401):
            wrong.append(f"{name}: anonymous was sent away ({status})")
        if name not in OF_A_DESK:
            continue
        _, status = walk.reached(name, pattern, walk.clients[OTHER_DESK])
        # What takes a document reads it first: the answer is the same as for a request that does not exist.
        if status != (400 if name in TAKES_DOCUMENTS else 404):
            wrong.append(f"{name}: another desk got {status}")
    assert not wrong, "\n".join(wrong)


OWN = {
    "approvals:sign_out": "ends the own session",
    "approvals:step_up_options": "about the own key",
    "approvals:step_up_verify": "about the own key",
    "oms:notices": "what one is told oneself",
    "oms:hand_in": "passes on what others signed, to witnesses that check it",
    "oms:log_evidence": "reads, in a package",
    "oms:alarm_seen": "says that one has seen it, and changes nothing else",
    "admin:jsi18n": "reads",
    "admin:autocomplete": "reads",
    "admin:search": "reads",
    "admin:view_on_site": "reads",
    "admin:index": "reads",
    "admin:app_list": "reads",
    "admin:password_change": "there are no passwords: none fits, and the form refuses",
    "admin:password_change_done": "reads",
}
"""What an auditor may send: nothing that is anybody else's."""


def row_counts() -> list[int]:
    return [model._default_manager.count() for model in apps.get_models()]  # noqa: SLF001 - Django's documented name


def test_an_auditor_changes_nothing(everyone: dict[str, str], desk: Desk) -> None:
    walk = Walk(desk, everyone)
    client, wrong = walk.clients[Role.AUDITOR.value], []
    for name, pattern in addresses():
        if name in OWN or allowed(name) == ANYBODY:
            continue
        address, kept = reverse(name, kwargs=walk.arguments(name, pattern)), copy.deepcopy(client.cookies)
        before = row_counts()
        with transaction.atomic():
            answer = client.post(address, {"action": "lock", "_selected_action": str(walk.key.pk)})
            after = row_counts()
            transaction.set_rollback(True)
        client.cookies = kept
        reads = name.startswith("admin:") and answer.status_code in (200, 302)
        if answer.status_code not in (403, 404, 405) and not (reads and before == after):
            wrong.append(f"{name}: {answer.status_code}")
    walk.key.refresh_from_db()
    assert not walk.key.locked
    assert not wrong, "\n".join(wrong)


@pytest.mark.usefixtures("everyone")
def test_another_desks_request_is_nowhere_to_be_seen(everyone: dict[str, str], desk: Desk) -> None:
    reference = desk.ask().reference
    client = signed_in(desk.users[OTHER_DESK])
    assert everyone
    for address in ("/requests/?show=all", "/requests/csv/?show=all", "/queue/", "/queue/csv/", "/queue/rows/", "/"):
        answer = client.get(address)
        body = b"".join(getattr(answer, "streaming_content", (b"",))) if answer.streaming else answer.content
        assert answer.status_code == 200, address
        assert reference[:8].encode() not in body, address
    mine = AuditEntry.objects.filter(actor="tessa")[0]
    assert client.get(f"/receipts/{mine.pk}/").status_code == 404
    for address in ("/log/", "/log/csv/", "/log/evidence/", "/alarms/", "/admin/"):
        assert client.get(address).status_code in (302, 403), address


@pytest.mark.usefixtures("everyone")
def test_an_account_without_a_role_or_off_the_roster_sees_nothing_of_others(desk: Desk) -> None:
    reference = desk.ask().reference
    stranger = signed_in(User.objects.create_user("stranger", display_name="S", desk="desk-a"))
    superuser = signed_in(User.objects.create_superuser("root", display_name="Root"))
    for client, status in ((stranger, 403), (superuser, 404)):
        for address in (f"/requests/{reference}/", f"/queue/{reference}/", f"/requests/{reference}/log/"):
            assert client.get(address).status_code == status, address
    assert stranger.get("/sessions/").status_code == 200
    listed = superuser.get(reverse("admin:oms_transactionrequest_changelist")).content
    assert reference[:8].encode() not in listed
