"""Lock-outs: counted in the database, the same for keys that exist and keys that do not, with one alarm each."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

import pytest
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from approvals import throttle
from approvals.addresses import UNKNOWN, address_of
from approvals.errors import SignInRefusedError
from approvals.models import SignInCounter, UsedChallenge, User
from approvals.sign_in import NOT_KNOWN
from approvals.sweep import challenges_prune
from approvals.throttle import MOST, WINDOW, Scope, Subject, throttle_check, throttle_count, throttle_prune
from audit.models import AuditEntry
from demo.softkey import SoftKey
from tests.approvals.browser import HARDWARE, enrolled, sign_in

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings

NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)


def said(client: Client, soft: SoftKey, **changes: object) -> str:
    body: dict[str, str] = json.loads(sign_in(client, soft, **changes).content)
    return body["detail"]


def alarms() -> list[str]:
    return [entry.payload for entry in AuditEntry.objects.filter(tag="approvals:sign_in:locked", severity="alarm")]


def wrong(soft: SoftKey) -> SoftKey:
    """Somebody who knows a key's id and not its private half."""
    other = SoftKey.generate(aaguid=HARDWARE)
    return SoftKey(other.private_key, soft.credential_id, HARDWARE)


@pytest.mark.usefixtures("stored")
def test_known_and_unknown_keys_get_the_same_answers(soft: SoftKey) -> None:
    stranger = SoftKey.generate(aaguid=HARDWARE)
    known = [said(Client(REMOTE_ADDR="10.0.0.1"), wrong(soft)) for _ in range(MOST[Scope.KEY] + 2)]
    unknown = [said(Client(REMOTE_ADDR="10.0.0.2"), stranger) for _ in range(MOST[Scope.KEY] + 2)]
    assert known == unknown
    assert set(known[: MOST[Scope.KEY]]) == {NOT_KNOWN}
    assert set(known[MOST[Scope.KEY] :]) == {"Too many attempts failed. Wait 15 min, or ask an administrator."}


@pytest.mark.usefixtures("stored")
def test_a_locked_out_key_is_refused_though_it_proves_itself_and_one_alarm_is_raised(soft: SoftKey) -> None:
    for number in range(MOST[Scope.KEY]):
        said(Client(REMOTE_ADDR=f"10.0.1.{number}"), wrong(soft))
    before = AuditEntry.objects.count()
    for _ in range(3):
        assert sign_in(Client(REMOTE_ADDR="10.0.2.1"), soft).status_code == 403
    assert AuditEntry.objects.count() == before, "a lock-out writes nothing more"
    assert len(alarms()) == 2, "the key and its person"
    SignInCounter.objects.update(locked_until=timezone.now() - dt.timedelta(seconds=1))
    assert sign_in(Client(REMOTE_ADDR="10.0.2.1"), soft).status_code == 200


@pytest.mark.usefixtures("stored")
def test_an_address_that_tries_many_keys_is_locked_out_and_others_are_not(soft: SoftKey) -> None:
    client = Client(REMOTE_ADDR="10.0.3.1")
    for _ in range(MOST[Scope.ADDRESS]):
        said(client, SoftKey.generate(aaguid=HARDWARE))
    assert said(client, soft).startswith("Too many attempts")
    assert sign_in(Client(REMOTE_ADDR="10.0.3.2"), soft).status_code == 200
    assert any('"scope":"address"' in payload for payload in alarms())


def test_a_person_is_counted_over_all_keys(tessa: User) -> None:
    keys = [SoftKey.generate(aaguid=HARDWARE) for _ in range(3)]
    for key in keys:
        enrolled(tessa, key)
    for number in range(MOST[Scope.PERSON]):
        said(Client(REMOTE_ADDR=f"10.0.4.{number}"), wrong(keys[number % 2]))
    assert said(Client(REMOTE_ADDR="10.0.5.1"), keys[2]).startswith("Too many attempts")


@pytest.mark.usefixtures("stored")
def test_proving_oneself_forgets_ones_failures(soft: SoftKey) -> None:
    for _ in range(2):
        for _ in range(MOST[Scope.KEY] - 1):
            said(Client(), wrong(soft))
        assert sign_in(Client(), soft).status_code == 200


@pytest.mark.django_db
def test_challenges_are_rationed() -> None:
    client = Client(REMOTE_ADDR="10.0.6.1")
    SignInCounter.objects.create(
        scope=Scope.CHALLENGE,
        subject=Subject(Scope.CHALLENGE, "10.0.6.1").digest,
        began_at=timezone.now(),
        count=MOST[Scope.CHALLENGE] - 1,
    )
    assert client.post(reverse("approvals:sign_in_options")).status_code == 200
    assert client.post(reverse("approvals:sign_in_options")).status_code == 403


@pytest.mark.django_db
def test_a_window_ends() -> None:
    subject = Subject(Scope.KEY, "k")
    for _ in range(MOST[Scope.KEY] - 1):
        assert not throttle_count(subject=subject, now=NOW)
    assert not throttle_count(subject=subject, now=NOW + WINDOW)
    assert SignInCounter.objects.get().count == 1
    for _ in range(MOST[Scope.KEY] - 2):
        assert not throttle_count(subject=subject, now=NOW + WINDOW)
    assert throttle_count(subject=subject, now=NOW + WINDOW)
    with pytest.raises(SignInRefusedError):
        throttle_check(subjects=[subject], now=NOW + WINDOW)
    throttle_check(subjects=[subject, Subject(Scope.ADDRESS, "a")], now=NOW + WINDOW + throttle.LOCKED)
    assert throttle_prune(now=NOW + 2 * WINDOW + throttle.LOCKED) == 1


@pytest.mark.django_db
def test_a_flood_of_subjects_shares_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "ROWS_MOST", 5)
    for number in range(50):
        throttle_count(subject=Subject(Scope.ADDRESS, f"a{number}"), now=NOW)
    assert SignInCounter.objects.count() == 6
    with pytest.raises(SignInRefusedError):
        throttle_check(subjects=[Subject(Scope.ADDRESS, "new")], now=NOW)


@pytest.mark.django_db
def test_used_challenges_are_forgotten_when_they_are_too_old_to_be_used() -> None:
    UsedChallenge.objects.create(digest="a", at=NOW)
    assert challenges_prune(now=NOW + dt.timedelta(minutes=5)) == 0
    assert challenges_prune(now=NOW + dt.timedelta(minutes=11)) == 1


@pytest.mark.parametrize(
    ("proxies", "given", "forwarded", "address"),
    [
        (0, "10.1.2.3", "6.6.6.6", "10.1.2.3"),
        (1, "10.1.2.3", "6.6.6.6, 7.7.7.7", "7.7.7.7"),
        (2, "10.1.2.3", "6.6.6.6, 7.7.7.7", "6.6.6.6"),
        (2, "10.1.2.3", "6.6.6.6", UNKNOWN),
        (0, "2001:db8:1:2:3:4:5:6", "", "2001:db8:1:2::/64"),
        (0, "::ffff:10.1.2.3", "", "10.1.2.3"),
        (0, "nonsense\n", "", UNKNOWN),
        (0, "", "", UNKNOWN),
    ],
)
def test_from_where_somebody_comes(
    settings: Settings, proxies: int, given: str, forwarded: str, address: str
) -> None:
    settings.COUNTERSIGN_PROXIES = proxies
    request = RequestFactory().get("/", REMOTE_ADDR=given, headers={"x-forwarded-for": forwarded})
    assert address_of(request) == address
