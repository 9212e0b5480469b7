"""Signing in at the protocol's level: a software authenticator, the real views, the real verifier."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from fido2.utils import websafe_decode

from approvals.models import EnrolmentTicket, SecurityKey, User
from approvals.services import ticket_create
from approvals.sessions import ABSOLUTE_SECONDS, IDLE_SECONDS, OPENED, SEEN
from audit.models import AuditEntry
from demo.softkey import BACKED_UP, BACKUP_ELIGIBLE, USER_PRESENT, USER_VERIFIED, SoftKey, b64url

if TYPE_CHECKING:
    from django.http import HttpResponse
    from django.test import Client

GOOD = USER_PRESENT | USER_VERIFIED
HARDWARE = bytes.fromhex("ee882879721c491397753dfcce97072a")


@pytest.fixture
def tessa(db: None) -> User:  # noqa: ARG001 - asks for the database
    return User.objects.create_user("tessa", display_name="Tessa Trader", desk="desk-a")


@pytest.fixture
def soft() -> SoftKey:
    return SoftKey.generate(aaguid=HARDWARE)


@pytest.fixture
def stored(tessa: User, soft: SoftKey) -> SecurityKey:
    data = soft.aaguid + len(soft.credential_id).to_bytes(2, "big") + soft.credential_id + soft.cose
    key: SecurityKey = SecurityKey.objects.create(
        user=tessa,
        name="key",
        credential_id=b64url(soft.credential_id),
        public_key=b64url(data),
        aaguid=soft.aaguid.hex(),
    )
    return key


def options(client: Client) -> dict[str, Any]:
    body: dict[str, dict[str, Any]] = client.post(reverse("approvals:sign_in_options")).json()
    return body["options"]


def answer(soft: SoftKey, challenge: str, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - SoftKey.assertion's own
    raw = websafe_decode(challenge)
    parts: dict[str, Any] = {"origin": settings.COUNTERSIGN_WEB_ORIGIN, "rp_id": settings.COUNTERSIGN_RP_ID}
    proof = soft.assertion(raw, **(parts | changes))
    return {
        "id": b64url(soft.credential_id),
        "rawId": b64url(soft.credential_id),
        "type": "public-key",
        "clientExtensionResults": {},
        "response": {
            "clientDataJSON": b64url(proof.client_data_json),
            "authenticatorData": b64url(proof.authenticator_data),
            "signature": b64url(proof.signature),
        },
    }


def verify(client: Client, body: dict[str, Any], query: str = "") -> HttpResponse:
    address = reverse("approvals:sign_in_verify") + query
    return client.post(address, json.dumps(body), content_type="application/json")  # type: ignore[return-value]


def sign_in(client: Client, soft: SoftKey, **changes: Any) -> HttpResponse:  # noqa: ANN401 - as `answer`
    return verify(client, answer(soft, options(client)["challenge"], **changes))


def tags() -> list[str]:
    return list(AuditEntry.objects.order_by("seq").values_list("tag", flat=True))


@pytest.mark.usefixtures("stored")
def test_a_security_key_opens_a_session(client: Client, soft: SoftKey) -> None:
    assert sign_in(client, soft).status_code == 200
    assert client.session[OPENED] == client.session[SEEN]
    assert "approvals:session:opened" in tags()
    assert options(client)["userVerification"] == "required"


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize(
    "changes",
    [
        {"flags": USER_PRESENT},
        {"flags": USER_VERIFIED},
        {"flags": GOOD | BACKUP_ELIGIBLE},
        {"flags": GOOD | BACKUP_ELIGIBLE | BACKED_UP},
        {"origin": "http://localhost:8001"},
        {"origin": "https://evil.example"},
        {"rp_id": "evil.example"},
        {"kind": "webauthn.create"},
        {"cross_origin": True},
    ],
)
def test_what_does_not_prove_a_person_is_refused(client: Client, soft: SoftKey, changes: dict[str, Any]) -> None:
    refused = sign_in(client, soft, **changes)
    assert refused.status_code == 403
    assert refused["Content-Type"] == "application/problem+json"
    assert "_auth_user_id" not in client.session
    assert tags()[-1] == "approvals:session:refused"


@pytest.mark.usefixtures("stored")
def test_a_challenge_is_good_once(client: Client, soft: SoftKey) -> None:
    body = answer(soft, options(client)["challenge"])
    assert verify(client, body).status_code == 200
    client.post(reverse("approvals:sign_out"))
    assert verify(client, body).status_code == 403


@pytest.mark.usefixtures("stored")
def test_another_challenge_is_refused(client: Client, soft: SoftKey) -> None:
    options(client)
    assert verify(client, answer(soft, b64url(b"x" * 32))).status_code == 403


def test_a_counter_that_goes_back_locks_the_key(client: Client, soft: SoftKey, stored: SecurityKey) -> None:
    soft.counter = 5
    assert sign_in(client, soft).status_code == 200
    client.post(reverse("approvals:sign_out"))
    soft.counter = 4
    assert sign_in(client, soft).status_code == 403
    stored.refresh_from_db()
    assert stored.locked
    last = AuditEntry.objects.order_by("-seq")[0]
    assert (last.tag, last.severity) == ("approvals:key:locked", "critical")
    soft.counter = 9
    assert sign_in(client, soft).status_code == 403


@pytest.mark.parametrize("column", ["confirmed", "active"])
def test_who_was_shut_out_stays_out(client: Client, soft: SoftKey, stored: SecurityKey, column: str) -> None:
    if column == "confirmed":
        SecurityKey.objects.update(confirmed=False)
    else:
        User.objects.filter(pk=stored.user.pk).update(is_active=False)
    assert sign_in(client, soft).status_code == 403


def test_a_software_key_is_refused_outside_the_demo(client: Client, soft: SoftKey, stored: SecurityKey) -> None:
    SecurityKey.objects.filter(pk=stored.pk).update(software=True)
    assert sign_in(client, soft).status_code == 403


@pytest.mark.django_db
@pytest.mark.parametrize("body", ["", "[]", "{", '{"rawId":1}', '{"a":1.5}'])
def test_nonsense_is_refused(client: Client, body: str) -> None:
    options(client)
    address = reverse("approvals:sign_in_verify")
    assert client.post(address, body, content_type="application/json").status_code == 403


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize(("clock", "seconds"), [(SEEN, IDLE_SECONDS), (OPENED, ABSOLUTE_SECONDS)])
def test_sessions_end(client: Client, soft: SoftKey, clock: str, seconds: int) -> None:
    sign_in(client, soft)
    session = client.session
    session[clock] -= seconds
    session.save()
    client.get(reverse("admin:index"))
    assert "_auth_user_id" not in client.session
    assert tags()[-1] == "approvals:session:expired"


def test_a_session_that_no_key_opened_is_closed(client: Client, tessa: User) -> None:
    client.force_login(tessa)
    client.get(reverse("admin:index"))
    assert "_auth_user_id" not in client.session


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize(
    ("wanted", "given"), [("/admin/", "/admin/"), ("https://evil.example/", "/"), ("//evil.example", "/")]
)
def test_it_leads_back_to_this_site_only(client: Client, soft: SoftKey, wanted: str, given: str) -> None:
    body = answer(soft, options(client)["challenge"])
    assert json.loads(verify(client, body, f"?next={wanted}").content)["next"] == given


@pytest.mark.django_db
def test_there_is_no_password_page(client: Client) -> None:
    answered = client.get("/admin/login/?next=/admin/")
    assert (answered.status_code, answered["Location"]) == (302, "/sign-in/?next=/admin/")
    assert client.get("/sign-in/demo-key/tessa/").status_code == 404


@pytest.mark.parametrize("how", ["used", "too old", "unknown", "shut out"])
def test_an_enrolment_link_that_does_not_hold_opens_nothing(client: Client, tessa: User, how: str) -> None:
    now = timezone.now()
    token = ticket_create(user=tessa, actor="system:test", now=now)
    assert client.get(reverse("approvals:enrol", args=[token])).status_code == 200
    if how == "used":
        EnrolmentTicket.objects.update(used_at=now)
    elif how == "too old":
        EnrolmentTicket.objects.update(expires_at=now)
    elif how == "shut out":
        User.objects.filter(pk=tessa.pk).update(is_active=False)
    else:
        token = token[:-1] + ("a" if token[-1] != "a" else "b")
    assert client.get(reverse("approvals:enrol", args=[token])).status_code == 410
    assert client.post(reverse("approvals:enrol_options", args=[token])).status_code == 403
    assert client.post(reverse("approvals:enrol_verify", args=[token])).status_code == 403
    assert not SecurityKey.objects.exists()
