"""New consent keys: proposed by one admin, co-signed by two others, carried by the next policy."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import time
from typing import TYPE_CHECKING

import pytest
from django.urls import reverse
from django.utils import timezone

from approvals.enrolments import enrolments_expire
from approvals.models import EnrolmentCase, User
from audit.models import AuditEntry
from core.documents.consent import Consent, Decision, SubjectType
from core.documents.roster import Role
from core.schema import write_struct
from core.succession import check_successor
from demo.softkey import SoftKey
from policies.genesis import enrolments_read
from policies.services import genesis_store
from tests.factories.enrolment import with_keys
from tests.factories.succession import next_policy
from tests.factories.world import ORIGIN, PEOPLE, RP_ID, World, header
from tests.sign_in import signed_in

if TYPE_CHECKING:
    from django.http import HttpResponse
    from django.test import Client

    from core.documents.roster import ConsentKey


@pytest.fixture
def world(db: None) -> World:  # noqa: ARG001 - asks for the database
    """Three admins: adam and anna, and clara of the security committee; olga may be one, too."""
    made = World(now=int(time.time()))
    more = {"clara": (Role.CRO, Role.SECURITY_COMMITTEE), "olga": (Role.OPERATOR, Role.POLICY_ADMIN)}
    people = tuple(dataclasses.replace(p, roles=more.get(p.id, p.roles)) for p in made.policy.people)
    made.policy = dataclasses.replace(made.policy, people=people)
    made.deployment = made.policy.digest
    made.signed_policy = made.sign_policy(made.policy, "adam", "anna")
    genesis_store(signed=made.signed_policy, digest=made.deployment, actor="system:test", now=made.now)
    for name, (_, desk, site) in PEOPLE.items():
        User.objects.create_user(name, display_name=name.title(), desk=desk, site=site)
    return made


@pytest.fixture
def key() -> ConsentKey:
    return SoftKey.generate().entry


def acting(name: str) -> Client:
    return signed_in(User.objects.get(person_id=name))


def file_of(person: str, key: ConsentKey) -> str:
    """What the consent page hands to a person."""
    return json.dumps({"person": person, "name": person.title(), "key": write_struct(key, "key")})


def propose(by: str, text: str) -> HttpResponse:
    return acting(by).post(reverse("approvals:enrolment_new"), {"enrolment": text})  # type: ignore[return-value]


def proposed(world: World, person: str, key: ConsentKey, by: str = "olga") -> EnrolmentCase:
    assert propose(by, file_of(person, key)).status_code == 302
    assert world.policy.digest == EnrolmentCase.objects.order_by("-pk")[0].policy
    return EnrolmentCase.objects.order_by("-pk")[0]


def word(
    world: World, case: EnrolmentCase, actor: str, decision: Decision = Decision.APPROVE, *, by: str | None = None
) -> HttpResponse:
    statement = Consent(
        header=header("consent", world.deployment, now=int(time.time())),
        subject_type=SubjectType.ENROLMENT,
        subject=case.digest,
        policy=case.policy,
        decision=decision,
        actor=actor,
        reason="not theirs" if decision is Decision.REJECT else "",
    )
    signed = world.keys[actor].consent(statement, origin=ORIGIN, rp_id=RP_ID)
    address = reverse("approvals:enrolment_consent", args=[case.digest])
    body = json.dumps({"consent": write_struct(signed, "consent")})
    return acting(by or actor).post(address, body, content_type="application/json")  # type: ignore[return-value]


def test_a_key_goes_the_whole_way_into_a_policy_that_signers_accept(world: World, key: ConsentKey) -> None:
    case = proposed(world, "rita", key)
    address = reverse("approvals:enrolment", args=[case.digest])
    adam = acting("adam")
    page = adam.get(address).content.decode()
    assert case.fingerprint in page.replace(" ", "")
    assert "Compare and co-sign" in page
    assert adam.get(address + "file/").status_code == 302
    assert word(world, case, "adam").status_code == 200
    assert b"Compare and co-sign" not in acting("adam").get(address).content
    case.refresh_from_db()
    assert case.status == "open"
    assert word(world, case, "anna").status_code == 200
    case.refresh_from_db()
    assert case.status == "ready"
    file = acting("olga").get(address + "file/")
    (read,) = enrolments_read(raw=file.content, at="file")
    policy = next_policy(world, people=with_keys(world.policy, "rita", read.key))
    accepted = check_successor(world.sign_policy(policy, "adam", "anna"), world.policy, now=int(time.time()))
    assert len(accepted.voices) == 4
    found = set(AuditEntry.objects.values_list("tag", flat=True))
    assert {"approvals:enrolment:proposed", "approvals:enrolment:cosigned"} <= found


@pytest.mark.parametrize("actor", ["rita", "ravi", "tessa"])
def test_who_is_no_admin_cosigns_nothing(world: World, key: ConsentKey, actor: str) -> None:
    case = proposed(world, "rita", key)
    assert word(world, case, actor).status_code == 403
    assert word(world, case, actor, by="adam").status_code == 403


def test_an_admin_does_not_cosign_or_propose_their_own_key(world: World, key: ConsentKey) -> None:
    case = proposed(world, "adam", key)
    assert word(world, case, "adam").status_code == 403
    assert b"Compare and co-sign" not in acting("adam").get(f"/people/enrolments/{case.digest}/").content
    own = propose("adam", file_of("adam", SoftKey.generate().entry))
    assert own.status_code == 422
    assert b"Nobody enrols a key of their own" in own.content


def test_nobody_hands_in_another_persons_word_or_the_same_one_twice(world: World, key: ConsentKey) -> None:
    case = proposed(world, "rita", key)
    assert word(world, case, "anna", by="adam").status_code == 403
    assert word(world, case, "adam").status_code == 200
    assert word(world, case, "adam").status_code == 403
    case.refresh_from_db()
    assert case.status == "open"


@pytest.mark.parametrize("decision", [Decision.ASK, Decision.WITHDRAW])
def test_only_a_yes_or_a_no_is_taken(world: World, key: ConsentKey, decision: Decision) -> None:
    assert word(world, proposed(world, "rita", key), "adam", decision).status_code == 403


def test_a_no_ends_it_for_good(world: World, key: ConsentKey) -> None:
    case = proposed(world, "rita", key)
    word(world, case, "adam")
    assert word(world, case, "anna", Decision.REJECT).status_code == 200
    assert word(world, case, "clara").status_code == 403
    case.refresh_from_db()
    assert (case.status, case.ended_why) == ("ended", "anna rejected it")


def test_words_about_another_enrolment_do_not_count(world: World, key: ConsentKey) -> None:
    one, other = proposed(world, "rita", key), proposed(world, "ravi", SoftKey.generate().entry)
    mixed = EnrolmentCase(digest=one.digest, policy="ab" * 32)
    assert word(world, mixed, "adam").status_code == 403
    assert word(world, other, "adam").status_code == 200
    assert word(world, EnrolmentCase(digest="0" * 64, policy=one.policy), "adam").status_code == 403


@pytest.mark.parametrize(
    "text",
    [
        "", "{}", "[]", "nonsense", '{"person":"rita"}', '{"person":"Rita!","key":{}}', '{"person":1,"key":{}}',
        '{"person":"rita","key":{"credential_id":"AA","public_key":"AA","aaguid":"0x00"}}', '{"a":1.5}', "x" * 99_999,
        "\ud800",
    ],
)  # fmt: skip
@pytest.mark.usefixtures("world")
def test_what_is_no_enrolment_is_said_to_be_none(text: str) -> None:
    answer = propose("adam", text.encode(errors="replace").decode())
    assert answer.status_code == 422
    assert b"That is no enrolment" in answer.content
    assert not EnrolmentCase.objects.exists()


def test_a_key_that_is_there_already_or_of_another_model_is_refused(world: World, key: ConsentKey) -> None:
    known = world.policy.people[0].keys[0]
    assert b"has this key already" in propose("adam", file_of("rita", known)).content
    strange = dataclasses.replace(key, aaguid=bytes(range(16)))
    assert b"not on the policy&#x27;s list" in propose("adam", file_of("rita", strange)).content
    proposed(world, "rita", key)
    assert b"waits for its co-signatures already" in propose("adam", file_of("rita", key)).content


@pytest.mark.usefixtures("world")
def test_an_attestation_that_does_not_hold_is_refused(key: ConsentKey) -> None:
    text = json.loads(file_of("rita", key))
    text["key"]["attestation"] = {"object": "oA", "client_data_hash": "0x" + "00" * 32}
    assert b"does not verify" in propose("adam", json.dumps(text)).content


def test_time_and_a_new_policy_end_what_waits(world: World, key: ConsentKey) -> None:
    case = proposed(world, "rita", key)
    assert enrolments_expire(now=timezone.now()) == 0
    assert enrolments_expire(now=timezone.now() + dt.timedelta(days=8)) == 1
    case.refresh_from_db()
    assert case.ended_why.startswith("it took too long")
    other = proposed(world, "rita", key)
    EnrolmentCase.objects.filter(pk=other.pk).update(policy="ab" * 32)
    assert enrolments_expire(now=timezone.now()) == 1
    assert word(world, other, "adam").status_code == 403


def test_an_admin_ends_what_nobody_wants(world: World, key: ConsentKey) -> None:
    case = proposed(world, "rita", key)
    end = reverse("approvals:enrolment_end", args=[case.digest])
    assert acting("tessa").post(end).status_code == 403
    assert acting("clara").post(end).status_code == 302
    case.refresh_from_db()
    assert (case.status, case.ended_why) == ("ended", "ended by clara")
    assert acting("clara").post(end).status_code == 302
    assert AuditEntry.objects.filter(tag="approvals:enrolment:ended").count() == 1


@pytest.mark.django_db
def test_before_the_first_policy_keys_are_compared_at_the_console(key: ConsentKey) -> None:
    ada = User.objects.create_superuser("ada", display_name="Ada")
    answer = signed_in(ada).post(reverse("approvals:enrolment_new"), {"enrolment": file_of("rita", key)})
    assert answer.status_code == 422
    assert b"compared at the console" in answer.content
