"""Pages about people: who can do what, new sign-in keys, lost ones, and people who leave."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from approvals.access import access_sync
from approvals.errors import EnrolmentRefusedError
from approvals.models import EnrolmentTicket, PersonSession, SecurityKey, User
from approvals.selectors import key_fingerprint_of
from approvals.services import ticket_create
from approvals.webauthn import NewKey
from audit.models import AuditEntry
from demo.softkey import SoftKey
from policies.services import genesis_store
from tests.approvals.browser import HARDWARE, enrolled, sign_in, tags
from tests.factories.world import PEOPLE, World
from tests.sign_in import signed_in

if TYPE_CHECKING:
    from django.http import HttpResponse


@pytest.fixture
def world(db: None) -> World:  # noqa: ARG001 - asks for the database
    world = World()
    genesis_store(signed=world.signed_policy, digest=world.deployment, actor="system:test", now=world.now)
    for name, (_, desk, site) in PEOPLE.items():
        User.objects.create_user(name, display_name=name.title(), desk=desk, site=site)
    access_sync(policy=world.policy)
    return world


def of(name: str) -> User:
    return User.objects.get(person_id=name)


def acting(name: str) -> Client:
    return signed_in(of(name))


def post(client: Client, view: str, *args: object, **fields: str) -> HttpResponse:
    return client.post(reverse(f"approvals:{view}", args=args), fields)  # type: ignore[return-value]


@pytest.mark.usefixtures("world")
def test_who_can_do_what_is_one_page() -> None:
    body = acting("adam").get("/people/").content.decode()
    for name in PEOPLE:
        assert f"/people/of/{name}/" in body
    assert "Rebalancer" in body or "no API client" in body
    assert "ask, and never consent" in body
    assert "disagree about" not in body
    User.objects.filter(person_id="rita").update(is_superuser=True, desk="nowhere")
    body = acting("adam").get("/people/?show=disagreeing").content.decode()
    assert "Policy and site disagree about 1 person" in body
    assert "superuser: may use the whole admin" in body
    assert "/people/of/tom/" not in body


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("address", ["/people/", "/people/of/rita/", "/people/enrolments/"])
def test_only_those_in_charge_and_auditors_see_it(address: str) -> None:
    assert [acting(name).get(address).status_code for name in ("adam", "clara")] == [200, 200]
    assert [acting(name).get(address).status_code for name in ("tessa", "rita", "olga")] == [403, 403, 403]


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("who", ["nobody", "%3Cscript%3E", "x" * 300, "..", "a%00b"])
def test_nobody_is_not_found(who: str) -> None:
    assert acting("adam").get(f"/people/of/{who}/").status_code in (404, 302)


@pytest.mark.usefixtures("world")
def test_a_link_is_handed_to_others_and_shown_once() -> None:
    client = acting("adam")
    assert post(client, "person_link", "rita").status_code == 302
    page = client.get("/people/of/rita/").content.decode()
    token = page.partition(f"{settings.COUNTERSIGN_WEB_ORIGIN}/enrol/")[2].partition("/")[0]
    assert len(token) > 40
    assert token not in client.get("/people/of/rita/").content.decode()
    assert Client().get(f"/enrol/{token}/").status_code == 200
    assert EnrolmentTicket.objects.get().by == of("adam")
    post(client, "person_link", "adam")
    assert EnrolmentTicket.objects.count() == 1, "no self-service"
    assert b"Nobody hands a link to themselves" in client.get("/people/of/adam/").content


def waiting(name: str) -> tuple[SoftKey, SecurityKey]:
    soft = SoftKey.generate(aaguid=HARDWARE)
    key = enrolled(of(name), soft)
    SecurityKey.objects.filter(pk=key.pk).update(confirmed=False)
    return soft, key


@pytest.mark.usefixtures("world")
def test_two_others_confirm_a_key_before_it_opens_anything() -> None:
    soft, key = waiting("rita")
    assert sign_in(Client(), soft).status_code == 403
    adam, anna = acting("adam"), acting("anna")
    shown = adam.get("/people/of/rita/").content.decode().replace(" ", "")
    assert key_fingerprint_of(key=key) in shown
    post(adam, "key_confirm", key.pk)
    post(adam, "key_confirm", key.pk)
    assert b"another administrator has to" in adam.get("/people/of/rita/").content
    assert sign_in(Client(), soft).status_code == 403
    post(anna, "key_confirm", key.pk)
    assert sign_in(Client(), soft).status_code == 200
    entries = AuditEntry.objects.filter(tag="approvals:key:confirmed").order_by("seq")
    assert [(e.actor, json.loads(e.payload)["said"]) for e in entries] == [("adam", 1), ("anna", 2)]


@pytest.mark.usefixtures("world")
def test_nobody_confirms_their_own_key_or_without_the_permission() -> None:
    _, key = waiting("adam")
    post(acting("adam"), "key_confirm", key.pk)
    assert not key.confirmations.exists()
    for name in ("tessa", "rita", "olga", "clara"):
        assert post(acting(name), "key_confirm", key.pk).status_code == 403
    assert post(acting("anna"), "key_confirm", 10**9).status_code == 404


@pytest.mark.usefixtures("world")
def test_a_lost_key_is_locked_for_good_and_what_it_opened_ends() -> None:
    soft = SoftKey.generate(aaguid=HARDWARE)
    key = enrolled(of("rita"), soft)
    client = Client()
    sign_in(client, soft)
    assert post(acting("tessa"), "key_lock", key.pk).status_code == 403
    assert post(acting("adam"), "key_lock", key.pk).status_code == 302
    assert client.get("/sessions/").status_code == 302
    assert sign_in(Client(), soft).status_code == 403
    assert post(acting("anna"), "key_confirm", key.pk).status_code == 302
    assert SecurityKey.objects.get(pk=key.pk).locked


@pytest.mark.usefixtures("world")
def test_who_leaves_is_shut_out_with_all_they_hold() -> None:
    soft = SoftKey.generate(aaguid=HARDWARE)
    enrolled(of("rita"), soft)
    client = Client()
    sign_in(client, soft)
    token = ticket_create(user=of("rita"), actor="adam", now=timezone.now(), by=of("adam"))
    adam = acting("adam")
    assert post(adam, "person_lock", "rita", why="left the firm").status_code == 302
    assert not of("rita").is_active
    assert client.get("/sessions/").status_code == 302
    assert Client().get(f"/enrol/{token}/").status_code == 410
    assert not PersonSession.objects.filter(user=of("rita"), ended_at=None).exists()
    entry = AuditEntry.objects.get(tag="approvals:user:locked")
    assert (entry.actor, json.loads(entry.payload)["why"]) == ("adam", "left the firm")
    page = adam.get("/people/of/rita/").content
    assert b"signers still accept this person" in page
    with pytest.raises(EnrolmentRefusedError):
        ticket_create(user=of("rita"), actor="adam", now=timezone.now())
    post(adam, "person_lock", "adam", why="oops")
    assert of("adam").is_active


@pytest.mark.usefixtures("world")
def test_all_sessions_of_somebody_end_at_once() -> None:
    client, adam = acting("rita"), acting("adam")
    assert post(adam, "sessions_end", "rita").status_code == 302
    assert client.get("/sessions/").status_code == 302
    assert tags().count("approvals:session:ended") == 1


@pytest.mark.django_db
def test_a_new_key_says_its_fingerprint() -> None:
    soft = SoftKey.generate(aaguid=HARDWARE)
    user = User.objects.create_user("tessa", display_name="Tessa")
    key = enrolled(user, soft)
    assert len(key_fingerprint_of(key=key)) == 64
    assert NewKey.__dataclass_fields__.keys() >= {"aaguid", "sign_count"}
