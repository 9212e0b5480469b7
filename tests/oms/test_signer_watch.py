"""Asking signers how they are: what they say is shown, what cannot be read is not believed, and silence alarms."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from audit.alarms import alarms_open
from custody.errors import SignerWaitsError
from oms.dashboards import signer_healths
from oms.models import SignerSighting
from oms.signer_watch import EVERY, SILENT_AFTER, sighting_read, signers_look, signers_sweep
from tests.sign_in import signed_in

if TYPE_CHECKING:
    from tests.oms.conftest import Desk

HEAD = "ab" * 32
NOW = timezone.now()


class Port:
    """A way to a signer that answers as the test says."""

    answers: dict[str, dict[str, Any]] = {}  # noqa: RUF012 - the port is made anew for each question
    asked: list[str] = []  # noqa: RUF012 - as above

    def request(self, signer_id: str, frame: dict[str, object]) -> dict[str, object]:
        """Answer a status frame."""
        assert frame["op"] == "status"
        self.asked.append(signer_id)
        if signer_id not in self.answers:
            code = "unreachable"
            raise SignerWaitsError(code, "nobody listens there")
        return {"v": 1, "ok": True, "result": self.answers[signer_id]}


@pytest.fixture
def port(settings: Any) -> type[Port]:  # noqa: ANN401 - pytest-django's
    """The way to the signers."""
    settings.COUNTERSIGN_SIGNER_PORT = f"{__name__}.Port"
    Port.answers, Port.asked = {}, []
    return Port


def well(number: int = 1, **changes: object) -> dict[str, Any]:
    status = {"policy": HEAD, "number": number, "halted": False, "leases": {"needed": 0, "live": {}}, "head": HEAD}
    return status | changes


@pytest.mark.django_db(transaction=True)
def test_what_a_signer_says_is_shown(desk: Desk, port: type[Port]) -> None:
    # The page has a clock of its own, and this file may have been read long ago.
    now = timezone.now()
    until = int(now.timestamp()) + 300
    port.answers[desk.world.signer] = well(leases={"needed": 2, "live": {"w1": until, "w2": until + 9}})
    assert signers_sweep(now=now) >= 1
    row = SignerSighting.objects.get(signer=desk.world.signer)
    assert (row.number, row.halted, row.leases_live, row.head) == (1, False, 2, HEAD)
    assert row.lease_until == dt.datetime.fromtimestamp(until, tz=dt.UTC)
    page = signed_in(desk.users["rita"]).get("/")
    health = {one.signer: one for one in page.context["signers"]}
    assert health[desk.world.signer].words == "✓ well"


@pytest.mark.django_db(transaction=True)
def test_each_is_asked_once_in_its_turn(desk: Desk, port: type[Port]) -> None:
    name = desk.world.signer
    port.answers[name] = well()
    assert signers_look(signers=[name], now=NOW)
    assert not signers_look(signers=[name], now=NOW + EVERY / 2)
    assert signers_look(signers=[name], now=NOW + EVERY)
    assert port.asked == [name, name]


@pytest.mark.django_db(transaction=True)
def test_silence_alarms_once_and_is_over_with_an_answer(desk: Desk, port: type[Port]) -> None:
    name = desk.world.signer
    port.answers[name] = well()
    signers_look(signers=[name], now=NOW)
    port.answers.clear()
    signers_look(signers=[name], now=NOW + EVERY)
    assert not alarms_open().exists()
    for later in (SILENT_AFTER + EVERY, SILENT_AFTER + 3 * EVERY):
        signers_look(signers=[name], now=NOW + later)
    (alarm,) = alarms_open()
    assert (alarm.tag, alarm.subject) == ("custody:signer:silent", name)
    states = {one.signer: one.words for one in signer_healths(now=NOW + 2 * SILENT_AFTER)}
    assert states[name] == "⚠ silent"
    port.answers[name] = well()
    signers_look(signers=[name], now=NOW + 2 * SILENT_AFTER)
    assert not alarms_open().exists()


@pytest.mark.parametrize(
    "result",
    [
        {},
        {"policy": 1, "number": "1", "halted": "no", "leases": [], "head": "x" * 64},
        {"number": True, "halted": None, "leases": {"needed": -1, "live": {"w": 2**70}}},
        {"number": 2**200, "leases": {"needed": 10**9, "live": "w"}, "head": "AB" * 32},
    ],
)
def test_what_cannot_be_read_stays_empty_and_counts_as_halted(result: dict[str, object]) -> None:
    columns = sighting_read(result=result)
    assert (columns["number"], columns["policy"], columns["head"], columns["halted"]) == (None, "", "", True)
    assert columns["leases_live"] == 0
    assert columns["leases_needed"] <= 1000
