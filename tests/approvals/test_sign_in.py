"""Signing in at the protocol's level: a software authenticator, the real views, the real verifier."""

from __future__ import annotations

import contextlib
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from fido2.cose import ES256

from approvals.models import EnrolmentTicket, SecurityKey, User
from approvals.services import ticket_create
from approvals.sessions import OPENED, SEEN
from approvals.webauthn import CHALLENGE_SECONDS, sign_in_begin, sign_in_read, sign_in_verify
from audit.models import AuditEntry
from demo.softkey import BACKED_UP, BACKUP_ELIGIBLE, USER_PRESENT, USER_VERIFIED, SoftKey, b64url
from tests.approvals.browser import GOOD, answer, options, sign_in, tags, verify

if TYPE_CHECKING:
    from collections.abc import Iterator


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
    assert AuditEntry.objects.get(tag="approvals:key:locked").severity == "critical"
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
@pytest.mark.parametrize(
    ("clock", "seconds"),
    [(SEEN, settings.COUNTERSIGN_SESSION_IDLE_SECONDS), (OPENED, settings.COUNTERSIGN_SESSION_MOST_SECONDS)],
)
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


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"flags": USER_PRESENT}, "Set a PIN"),
        ({"flags": GOOD | BACKUP_ELIGIBLE}, "Use your hardware key"),
        ({"origin": "https://evil.example"}, "Open http://localhost:8000 yourself"),
        ({"rp_id": "evil.example"}, "Open http://localhost:8000 yourself"),
        ({"cross_origin": True}, "in a window of its own"),
        ({"kind": "webauthn.create"}, "Reload the page"),
    ],
)
def test_what_is_wrong_is_said_alike_to_known_and_unknown_keys(
    client: Client, soft: SoftKey, changes: dict[str, Any], words: str
) -> None:
    stranger = SoftKey.generate(aaguid=soft.aaguid)
    answers = [json.loads(sign_in(client, key, **changes).content)["detail"] for key in (soft, stranger)]
    assert words in answers[0]
    assert answers[0] == answers[1]


@pytest.mark.usefixtures("stored")
def test_a_challenge_runs_out(client: Client, soft: SoftKey) -> None:
    for age, status in ((CHALLENGE_SECONDS - 5, 200), (CHALLENGE_SECONDS, 403), (-60, 403)):
        challenge = options(client)["challenge"]
        session = client.session
        session["sign_in_state"] = session["sign_in_state"] | {"at": int(time.time()) - age}
        session.save()
        assert verify(client, answer(soft, challenge)).status_code == status
        client.post(reverse("approvals:sign_out"))


@pytest.mark.usefixtures("stored")
def test_somebody_elses_challenge_is_refused(client: Client, soft: SoftKey) -> None:
    theirs = options(Client())["challenge"]
    options(client)
    refused = verify(client, answer(soft, theirs))
    assert refused.status_code == 403
    assert "another attempt" in json.loads(refused.content)["detail"]


@pytest.mark.usefixtures("stored")
def test_an_answer_opens_one_session_even_if_two_requests_bring_it_at_once(client: Client, soft: SoftKey) -> None:
    body = answer(soft, options(client)["challenge"])
    state = client.session["sign_in_state"]
    assert verify(client, body).status_code == 200
    # The other request read the session before the first one had used the challenge up.
    other = Client()
    options(other)
    session = other.session
    session["sign_in_state"] = state
    session.save()
    assert verify(other, body).status_code == 403


def test_an_unknown_key_is_looked_at_as_long_as_a_known_one(soft: SoftKey) -> None:
    asked = sign_in_begin()[1]
    verified: list[bytes] = []
    body = answer(soft, asked["challenge"])
    with listening(verified):
        read = sign_in_read(state=asked, response=body)
        assert not sign_in_verify(state=asked, answer=read, credential_data=None)
    assert len(verified) == 1, "a signature was checked, in vain"


@contextlib.contextmanager
def listening(seen: list[bytes]) -> Iterator[None]:
    """Listen to the real verification."""
    real = ES256.verify

    def listen(self: ES256, message: bytes, signature: bytes) -> None:
        seen.append(signature)
        real(self, message, signature)  # type: ignore[no-untyped-call]  # fido2's

    ES256.verify = listen  # type: ignore[method-assign]  # put back below
    try:
        yield
    finally:
        ES256.verify = real  # type: ignore[method-assign]  # as above
