"""Sessions: clocks at their edges, one for each person, revocation at once, a fresh touch for what is sensitive."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from approvals.models import PersonSession, SecurityKey, User
from approvals.people_services import person_lock
from approvals.services import key_lock
from approvals.sessions import OPENED, PROVED, SEEN
from audit.models import AuditEntry
from demo.softkey import SoftKey
from tests.approvals.browser import HARDWARE, answer, enrolled, options, sign_in, tags, verify
from tests.sign_in import signed_in

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings

IDLE, MOST = settings.COUNTERSIGN_SESSION_IDLE_SECONDS, settings.COUNTERSIGN_SESSION_MOST_SECONDS


@pytest.fixture
def ada(db: None) -> User:  # noqa: ARG001 - asks for the database
    return User.objects.create_superuser("ada", display_name="Ada Admin")


def is_open(client: Client) -> bool:
    return client.get(reverse("approvals:sessions")).status_code == 200


def moved(client: Client, clock: str, seconds: int) -> Client:
    session = client.session
    session[clock] -= seconds
    session.save()
    return client


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize(
    ("clock", "seconds", "why"),
    [(SEEN, IDLE - 2, ""), (SEEN, IDLE, "idle"), (OPENED, MOST - 2, ""), (OPENED, MOST, "old"), (SEEN, -5, "idle")],
)
def test_clocks_at_their_edges(soft: SoftKey, clock: str, seconds: int, why: str) -> None:
    client = Client()
    sign_in(client, soft)
    assert is_open(moved(client, clock, seconds)) == (why == "")
    assert PersonSession.objects.get().ended_why == why
    if why:
        assert tags()[-1] == "approvals:session:expired"
        assert b"You were signed out" in client.get(reverse("approvals:sign_in")).content


@pytest.mark.usefixtures("stored")
def test_a_page_keeps_the_session_and_a_poll_does_not(soft: SoftKey, settings: Settings) -> None:
    client = Client()
    sign_in(client, soft)
    moved(client, SEEN, 100)
    before = client.session[SEEN]
    settings.COUNTERSIGN_POLL_VIEWS = ("approvals:sessions",)
    for _ in range(3):
        assert is_open(client)
    assert client.session[SEEN] == before
    settings.COUNTERSIGN_POLL_VIEWS = ()
    assert is_open(client)
    assert client.session[SEEN] > before


@pytest.mark.usefixtures("stored")
def test_two_tabs_share_a_session(soft: SoftKey) -> None:
    first = Client()
    sign_in(first, soft)
    second = Client()
    second.cookies = first.cookies
    assert is_open(first)
    assert is_open(second)
    second.post(reverse("approvals:sign_out"))
    assert not is_open(first)


@pytest.mark.usefixtures("stored")
def test_a_second_browser_ends_the_first_and_both_are_told(soft: SoftKey) -> None:
    first, second = Client(), Client()
    sign_in(first, soft)
    assert sign_in(second, soft).status_code == 200
    assert b"You were signed in elsewhere" in second.get(reverse("approvals:sessions")).content
    assert not is_open(first)
    assert b"because you signed in elsewhere" in first.get(reverse("approvals:sign_in")).content
    assert is_open(second)
    assert [row.ended_why for row in PersonSession.objects.order_by("pk")] == ["replaced", ""]


@pytest.mark.usefixtures("stored")
def test_how_many_sessions_somebody_has_is_a_setting(soft: SoftKey, settings: Settings) -> None:
    settings.COUNTERSIGN_SESSIONS_EACH = 2
    clients = [Client() for _ in range(3)]
    for client in clients:
        sign_in(client, soft)
    assert [is_open(client) for client in clients] == [False, True, True]


@pytest.mark.usefixtures("stored")
def test_the_session_key_changes_at_sign_in_and_an_old_cookie_is_nothing(soft: SoftKey) -> None:
    client = Client()
    challenge = options(client)["challenge"]
    before = client.session.session_key
    verify(client, answer(soft, challenge))
    assert client.session.session_key != before
    thief = Client()
    thief.cookies["session"] = str(before)
    assert not is_open(thief)


def test_a_locked_key_ends_its_session_at_once(soft: SoftKey, stored: SecurityKey) -> None:
    client = Client()
    sign_in(client, soft)
    key_lock(key_id=stored.pk, actor="ada", now=timezone.now())
    assert not is_open(client)
    assert PersonSession.objects.get().ended_why == "key_locked"
    assert b"was locked" in client.get(reverse("approvals:sign_in")).content


def test_a_key_that_was_locked_behind_our_back_opens_nothing_more(soft: SoftKey, stored: SecurityKey) -> None:
    client = Client()
    sign_in(client, soft)
    SecurityKey.objects.filter(pk=stored.pk).update(locked=True)
    assert not is_open(client)


@pytest.mark.usefixtures("stored")
def test_whoever_is_shut_out_is_out_at_once(soft: SoftKey, tessa: User, ada: User) -> None:
    client = Client()
    sign_in(client, soft)
    assert person_lock(user=tessa, by=ada, why="left", now=timezone.now()) == 1
    assert not is_open(client)
    assert sign_in(client, soft).status_code == 403
    assert not SecurityKey.objects.filter(user=tessa, locked=False).exists()
    assert "approvals:user:locked" in tags()


@pytest.mark.usefixtures("stored")
def test_an_account_that_the_admin_closes_is_out_at_once(soft: SoftKey, tessa: User, ada: User) -> None:
    client = Client()
    sign_in(client, soft)
    fields = {"display_name": "Tessa", "desk": "desk-a", "site": "", "person_id": "tessa"}
    answered = signed_in(ada).post(reverse("admin:approvals_user_change", args=[tessa.pk]), fields)
    assert answered.status_code == 302
    assert PersonSession.objects.get(user=tessa).ended_why == "person_locked"
    assert not is_open(client)


@pytest.mark.usefixtures("stored")
def test_people_end_their_own_sessions_and_officers_everybodys(soft: SoftKey, tessa: User, ada: User) -> None:
    client = Client()
    sign_in(client, soft)
    record = PersonSession.objects.get()
    tom = User.objects.create_user("tom", display_name="Tom")
    end = reverse("approvals:session_end", args=[record.pk])
    assert signed_in(tom).post(end).status_code == 404
    assert is_open(client)
    assert signed_in(ada).post(end).status_code == 302
    assert not is_open(client)
    sign_in(client, soft)
    own = PersonSession.objects.get(user=tessa, ended_at=None)
    assert client.post(reverse("approvals:session_end", args=[own.pk])).status_code == 302
    assert not is_open(client)
    entries = AuditEntry.objects.filter(tag="approvals:session:ended").order_by("seq")
    assert [entry.actor for entry in entries] == ["ada", "tessa"]
    assert {entry.severity for entry in entries} == {"warning"}


@pytest.mark.usefixtures("stored")
def test_the_page_lists_sessions_and_keys(soft: SoftKey) -> None:
    client = Client(HTTP_USER_AGENT="<script>alert(1)</script>Firefox")
    sign_in(client, soft)
    body = client.get(reverse("approvals:sessions")).content.decode()
    assert "this one" in body
    assert "&lt;script&gt;" in body
    assert "<script>alert" not in body
    assert "fewer than 2 sign-in keys" in body


def test_a_session_that_no_key_opened_or_of_another_person_is_closed(tessa: User, soft: SoftKey) -> None:
    stored = enrolled(tessa, soft)
    client = Client()
    client.force_login(tessa)
    assert not is_open(client)
    other = User.objects.create_user("tom", display_name="Tom")
    sign_in(client, soft)
    PersonSession.objects.update(user=other)
    assert not is_open(client)
    assert stored.user == tessa


# ------------------------------------------------------------------------------------------------ a fresh touch


def stale(client: Client) -> Client:
    return moved(client, PROVED, settings.COUNTERSIGN_STEP_UP_SECONDS)


def test_what_is_sensitive_takes_a_fresh_touch(ada: User) -> None:
    soft = SoftKey.generate(aaguid=HARDWARE)
    enrolled(ada, soft)
    tom = User.objects.create_user("tom", display_name="Tom")
    client = Client()
    sign_in(client, soft)
    stale(client)
    lock = reverse("approvals:person_lock", args=["tom"])
    refused = client.post(lock, {"why": "left"}, HTTP_REFERER=settings.COUNTERSIGN_WEB_ORIGIN + "/people/of/tom/")
    assert (refused.status_code, refused["Location"]) == (302, "/step-up/?next=%2Fpeople%2Fof%2Ftom%2F")
    assert User.objects.get(pk=tom.pk).is_active
    page = client.get(refused["Location"])
    assert b"Touch your key once more" in page.content
    begun = client.post(reverse("approvals:step_up_options")).json()
    assert [one["id"] for one in begun["options"]["allowCredentials"]] == [
        SecurityKey.objects.get(user=ada).credential_id
    ]
    proved = verify_at(
        client, "approvals:step_up_verify", answer(soft, begun["options"]["challenge"]), "/people/of/tom/"
    )
    assert proved == (200, "/people/of/tom/")
    assert client.post(lock, {"why": "left"}).status_code == 302
    assert not User.objects.get(pk=tom.pk).is_active
    assert "approvals:session:proved" in tags()


def verify_at(client: Client, view: str, body: dict[str, object], next_page: str) -> tuple[int, str]:
    answered = client.post(f"{reverse(view)}?next={next_page}", body, content_type="application/json")
    return answered.status_code, answered.json().get("next", answered.json().get("detail"))


def test_somebody_elses_key_proves_nothing(ada: User, tessa: User) -> None:
    own, others = SoftKey.generate(aaguid=HARDWARE), SoftKey.generate(aaguid=HARDWARE)
    enrolled(ada, own)
    enrolled(tessa, others)
    client = Client()
    sign_in(client, own)
    stale(client)
    before = client.session[PROVED]
    challenge = client.post(reverse("approvals:step_up_options")).json()["options"]["challenge"]
    status, said = verify_at(client, "approvals:step_up_verify", answer(others, challenge), "/")
    assert status == 403
    assert "did not open" in said
    assert client.session[PROVED] == before


def test_every_address_on_the_list_exists_and_the_admins_forms_ask_at_once(ada: User) -> None:
    client = stale(signed_in(ada))
    for name in settings.COUNTERSIGN_STEP_UP_VIEWS:
        arguments = {"add": [], "changelist": []}.get(name.rpartition("_")[2], ["0"])
        arguments = [] if name == "approvals:enrolment_new" else arguments
        address = reverse(name, args=arguments)
        answered = client.post(address)
        assert answered.status_code == 302, name
        assert answered["Location"].startswith("/step-up/?next="), name
    assert client.get(reverse("admin:approvals_user_add"))["Location"].startswith("/step-up/")
    assert client.get(reverse("admin:approvals_user_changelist")).status_code == 200


def test_a_program_is_told_in_its_own_words(ada: User) -> None:
    client = stale(signed_in(ada))
    refused = client.post(reverse("approvals:person_lock", args=["x"]), headers={"accept": "application/json"})
    assert (refused.status_code, refused["Content-Type"]) == (403, "application/problem+json")


@pytest.mark.parametrize(
    "moment", [-60, settings.COUNTERSIGN_STEP_UP_SECONDS, settings.COUNTERSIGN_STEP_UP_SECONDS - 3]
)
def test_a_touch_is_good_for_its_time_only(ada: User, moment: int) -> None:
    client = signed_in(ada)
    session = client.session
    session[PROVED] = int(time.time()) - moment
    session.save()
    answered = client.post(reverse("approvals:person_lock", args=["nobody"]))
    fresh = 0 <= moment < settings.COUNTERSIGN_STEP_UP_SECONDS
    assert (answered.status_code == 404) == fresh
