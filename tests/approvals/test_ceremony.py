"""The one ceremony: what it takes in, and what it refuses with an alarm."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from django.db import transaction

from approvals.ceremony import RecordedConsent, consent_parse, consent_record, consent_verify
from approvals.errors import ConsentRefusedError
from approvals.models import ConsentRecord, User
from approvals.selectors import consent_documents
from audit.models import AuditEntry
from core.canonical import canonical
from core.consents import Subject
from core.documents.consent import Decision, SignedConsent, SubjectType
from core.schema import write_struct
from tests.factories.world import NOW, World

if TYPE_CHECKING:
    from core.documents.mandate import Mandate

AT = dt.datetime.fromtimestamp(NOW, tz=dt.UTC)
pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture
def rita() -> User:
    return User.objects.create_user("rita", display_name="Rita")


def take(world: World, signed: SignedConsent, mandate: Mandate, user: User | None) -> RecordedConsent:
    subject = Subject(
        type=SubjectType.MANDATE, digest=mandate.digest, policy=world.policy.digest, deployment=world.deployment
    )
    voice = consent_verify(signed=signed, subject=subject, policy=world.policy, user=user, now=AT)
    with transaction.atomic():
        return consent_record(signed=signed, voice=voice, user=user, now=AT)


def test_it_keeps_the_exact_text(world: World, rita: User) -> None:
    mandate = world.mandate()
    signed = world.consent(mandate.digest, "rita")
    recorded = take(world, signed, mandate, rita)
    assert recorded.decision is Decision.APPROVE
    assert recorded.record.text == canonical(write_struct(signed, "consent")).decode()
    assert consent_documents(subject=mandate.digest) == (signed,)
    assert consent_parse(raw=recorded.record.text.encode()) == signed
    assert AuditEntry.objects.filter(tag="approvals:consent:recorded", subject=mandate.digest).count() == 1


def test_nobody_hands_in_another_persons_consent(world: World, rita: User) -> None:
    mandate = world.mandate()
    with pytest.raises(ConsentRefusedError, match="signed in as rita"):
        take(world, world.consent(mandate.digest, "ravi"), mandate, rita)
    alarm = AuditEntry.objects.get(tag="approvals:consent:refused")
    assert (alarm.severity, alarm.actor) == ("alarm", "rita")


@pytest.mark.parametrize("what", ["other subject", "other policy", "web origin", "not on the roster", "expired"])
def test_what_does_not_hold_is_refused(world: World, rita: User, what: str) -> None:
    mandate = world.mandate()
    changes: dict[str, Any] = {"other policy": {"policy": "1" * 64}}.get(what, {})
    subject = "2" * 64 if what == "other subject" else mandate.digest
    statement = world.statement(subject, "rita", **changes)
    if what == "expired":
        late = world.statement(subject, "rita")
        statement = late.__class__.from_json(
            late.to_json() | {"header": late.to_json()["header"] | {"created": NOW - 50, "expires": NOW}}  # type: ignore[operator]  # a JSON object
        )
    key = world.keys["ravi" if what == "not on the roster" else "rita"]
    origin = "http://localhost:8000" if what == "web origin" else world.policy.consent.origin
    signed = key.consent(statement, origin=origin, rp_id=world.policy.consent.rp_id)
    with pytest.raises(ConsentRefusedError):
        take(world, signed, mandate, rita)
    assert not ConsentRecord.objects.exists()


def test_a_decision_counts_once(world: World, rita: User) -> None:
    mandate = world.mandate()
    signed = world.consent(mandate.digest, "rita")
    take(world, signed, mandate, rita)
    for again in (signed, world.consent(mandate.digest, "rita")):
        with pytest.raises(ConsentRefusedError) as refused:
            take(world, again, mandate, rita)
        assert refused.value.code == "repeated"


def test_a_counter_value_serves_one_challenge(world: World, rita: User) -> None:
    world.keys["rita"].counter = 7
    for number, mandate in enumerate((world.mandate(), world.mandate())):
        signed = world.consent(mandate.digest, "rita")
        if number:
            with pytest.raises(ConsentRefusedError):
                take(world, signed, mandate, rita)
        else:
            take(world, signed, mandate, rita)
    world.keys["rita"].counter = 0


@pytest.mark.parametrize("raw", [b"", b"{}", b"[1]", b"\xff", b'{"statement":{},"proof":{}}', b"1" * 40_000])
def test_nonsense_is_malformed(raw: bytes) -> None:
    with pytest.raises(ConsentRefusedError) as refused:
        consent_parse(raw=raw)
    assert refused.value.code == "malformed"
