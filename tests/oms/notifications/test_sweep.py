"""Who is told what, once, by which way; what happens when it does not work, and after a restart."""

from __future__ import annotations

import datetime as dt
import json
import socket
from typing import TYPE_CHECKING, Any

import pytest
from django.core import mail
from django.utils import timezone

from audit.alarm_ports import alarms_sweep
from audit.alarms import alarms_open
from audit.models import AuditEntry
from core.documents.consent import Decision
from oms.models import Notice, NoticeChoice, NoticeKind, NoticeState
from oms.notifications.causes import EVERY
from oms.notifications.choices import choice_set
from oms.notifications.sweep import LEASE, TRIALS, deliver, notices_sweep, wait_after
from tests.fakes.mailbox import Hook, Mailbox, running
from tests.sign_in import signed_in

if TYPE_CHECKING:
    from tests.oms.conftest import Desk

pytestmark = pytest.mark.django_db(transaction=True)
ALL = [kind.value for kind in NoticeKind]


def choose(desk: Desk, name: str, *, kinds: list[str] = ALL, email: str = "", webhook: str = "") -> str:
    return choice_set(user=desk.users[name], kinds=kinds, email=email, webhook=webhook, demo=True)


def test_an_officer_is_told_once_that_a_case_waits(desk: Desk) -> None:
    choose(desk, "rita", email="rita@example.org")
    choose(desk, "tom", email="tom@example.org")
    request = desk.ask()
    now = timezone.now()
    assert notices_sweep(now=now) == 1
    assert notices_sweep(now=now + EVERY) == 0
    (message,) = mail.outbox
    assert message.to == ["rita@example.org"]
    assert request.reference[:8] in message.subject
    said = message.body
    # No link, no amount, no address, no digest.
    for secret in ("http", request.destination, request.mandate_digest, request.reference, "1 ETH", "/queue"):
        assert secret not in said
    (notice,) = Notice.objects.all()
    assert (notice.state, notice.trials) == (NoticeState.SENT, 1)


def test_a_reminder_comes_before_the_end(desk: Desk) -> None:
    choose(desk, "rita", kinds=[NoticeKind.CASE_EXPIRES], email="rita@example.org")
    request = desk.ask()
    assert notices_sweep(now=timezone.now()) == 0
    assert notices_sweep(now=request.expires_at - dt.timedelta(minutes=30)) == 1
    assert "about to expire" in mail.outbox[0].subject


def test_the_asker_is_told_what_became_of_it(desk: Desk) -> None:
    choose(desk, "tessa", email="tessa@example.org")
    request = desk.ask()
    desk.decide(request, "rita", Decision.REJECT, "The invoice names another address")
    assert notices_sweep(now=timezone.now()) == 1
    assert "was rejected" in mail.outbox[0].subject
    # The reason may name what is nobody else's business; it stands on the page.
    assert "invoice" not in mail.outbox[0].body


def test_who_chose_nothing_is_told_nothing(desk: Desk) -> None:
    choose(desk, "rita", kinds=[], email="rita@example.org")
    desk.ask()
    assert notices_sweep(now=timezone.now()) == 0
    assert not Notice.objects.exists()


def test_a_webhook_gets_the_same_without_secrets(desk: Desk, settings: Any) -> None:  # noqa: ANN401 - pytest-django's
    settings.COUNTERSIGN_DEMO = True
    with running(Hook()) as hook:
        key = choose(desk, "rita", webhook=hook.url)
        assert len(key) == 64
        request = desk.ask()
        assert notices_sweep(now=timezone.now()) == 1
        ((_, headers, body),) = hook.got
    said = json.loads(body)
    assert set(said) == {"v", "id", "kind", "title", "text", "at"}
    assert said["kind"] == "case_waits"
    assert headers["Countersign-Signature"].startswith("t=")
    assert request.reference not in body.decode()
    assert key not in body.decode()


def test_a_real_mail_server_takes_it_or_says_no(desk: Desk, settings: Any) -> None:  # noqa: ANN401 - pytest-django's
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_USE_TLS = False
    with running(Mailbox()) as box:
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", box.port
        choose(desk, "rita", email="rita@example.org")
        desk.ask()
        box.refuses = True
        now = timezone.now()
        assert notices_sweep(now=now) == 0
        assert Notice.objects.get().state == NoticeState.WAITING
        box.refuses = False
        assert deliver(now=now + wait_after(1)) == 1
    assert "Subject: Countersign: case" in box.messages[0]


def test_it_is_tried_again_and_given_up_with_one_alarm(desk: Desk, settings: Any) -> None:  # noqa: ANN401 - pytest-django's
    settings.COUNTERSIGN_DEMO = True
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    choose(desk, "rita", webhook=f"http://127.0.0.1:{port}/")
    desk.ask()
    now = timezone.now()
    assert notices_sweep(now=now) == 0
    assert deliver(now=now) == 0
    assert Notice.objects.get().trials == 1
    for trial in range(1, TRIALS):
        now += wait_after(trial)
        deliver(now=now)
    notice = Notice.objects.get()
    assert (notice.state, notice.trials, notice.due_at) == (NoticeState.FAILED, TRIALS, None)
    (alarm,) = alarms_open()
    assert (alarm.tag, alarm.subject) == ("oms:notice:failed", "webhook:rita")
    # Whoever cannot be told is not told of that either: no circle.
    settings.COUNTERSIGN_ALARM_PORTS = ("oms.notifications.causes.alarm_port",)
    alarms_sweep(now=now + dt.timedelta(seconds=1))
    assert Notice.objects.count() == 1


def test_a_worker_that_died_leaves_it_for_the_next(desk: Desk) -> None:
    choose(desk, "rita", email="rita@example.org")
    desk.ask()
    now = timezone.now()
    notices_sweep(now=now)
    # As a worker leaves it that was killed between taking it and telling it.
    Notice.objects.update(state=NoticeState.WAITING, due_at=now + LEASE)
    assert deliver(now=now + LEASE / 2) == 0
    assert deliver(now=now + LEASE) == 1


def test_officers_are_told_of_alarms_and_others_are_not(desk: Desk, settings: Any) -> None:  # noqa: ANN401 - pytest-django's
    from django.db import transaction  # noqa: PLC0415 - only here

    from audit.alarms import alarm_raise  # noqa: PLC0415 - only here

    settings.COUNTERSIGN_ALARM_PORTS = ("oms.notifications.causes.alarm_port",)
    for name in ("rita", "tessa"):
        signed_in(desk.users[name])
        choose(desk, name, email=f"{name}@example.org")
    with transaction.atomic():
        alarm_raise(tag="custody:gas:low", severity="alarm", subject="treasury", message="Little gas is left.")
    assert alarms_sweep(now=timezone.now() + dt.timedelta(seconds=1)) == 1
    assert deliver(now=timezone.now()) == 1
    assert mail.outbox[0].to == ["rita@example.org"]


def test_the_page_keeps_a_choice_and_shows_the_key_once(desk: Desk, settings: Any) -> None:  # noqa: ANN401 - pytest-django's
    settings.COUNTERSIGN_DEMO = True
    client = signed_in(desk.users["rita"])
    typed = {"kinds": ["case_waits"], "email": "rita@example.org", "webhook": "http://127.0.0.1:9/"}
    first = client.post("/notices/", typed)
    key = NoticeChoice.objects.get().webhook_key
    assert key in first.content.decode()
    assert client.post("/notices/", typed).status_code == 302
    assert key not in client.get("/notices/").content.decode()
    assert NoticeChoice.objects.get().webhook_key == key
    entry = AuditEntry.objects.filter(tag="oms:notice:chosen").first()
    assert entry is not None
    assert "example.org" not in entry.payload


@pytest.mark.parametrize(
    "typed",
    [
        {"email": "nobody"},
        {"kinds": ["unheard"]},
        {"webhook": "http://example.org/"},
        {"webhook": "https://name:secret@example.org/"},
        {"email": "a@example.org\x00"},
        {"webhook": "x" * 10_000},
    ],
)
def test_what_cannot_be_kept_is_said_and_changes_nothing(desk: Desk, typed: dict[str, Any]) -> None:
    answer = signed_in(desk.users["rita"]).post("/notices/", typed)
    assert answer.status_code == 422
    assert not NoticeChoice.objects.exists()
