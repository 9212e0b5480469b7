"""What parties, signers and couriers can put into their answers to custody, and what it must not do there."""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar

import pytest

from audit.models import AuditAlarm
from chains.services import chain_create
from core.documents.control import CeremonyKind
from core.records import CeremonyStep
from custody import leases
from custody.answers import lane_read, result_read
from custody.ceremony_transitions import LINES_MOST, has_room, step_postponed
from custody.errors import SignerAnswerError, SignerWaitsError
from custody.models import CeremonyLine, CeremonyProgress, KeyCeremony, ProgressState
from custody.signer_ports import QueueSignerPort
from signer import wire
from tests.custody.ceremony_rig import PORT, Rig
from tests.factories.custody_wallets import wallet_row
from tests.factories.world import CHAIN, NOW

Json = dict[str, Any]
ODD = {
    "a NUL": "\x00",
    "half a surrogate pair": "\ud800",
    "right to left": "\u202eon",
    "lines": "a\nb\r",
    "long": "x" * 100_000,
    "empty": "",
}


class LyingPort:
    """A way to signers on which everybody answers what the test says."""

    answer: Json

    def request(self, signer_id: str, frame: Json) -> Json:  # noqa: ARG002 - the port's own shape
        """Answer."""
        return self.answer


@pytest.fixture
def rig(db: None, settings: Any) -> Rig:  # noqa: ARG001, ANN401 - asks for the database; pytest-django's wrapper
    settings.COUNTERSIGN_SIGNER_PORT = PORT
    settings.COUNTERSIGN_WITNESSES = {}
    return Rig(now=NOW)


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD.keys())
def test_a_refusal_in_odd_letters_is_written_down_like_any_other(rig: Rig, settings: Any, odd: str) -> None:  # noqa: ANN401 - as above
    made = rig.order(CeremonyKind.DRILL)
    LyingPort.answer = wire.failure("denied", "no", retry=False)
    LyingPort.answer["error"] = {"code": odd, "message": f"no {odd}"}
    settings.COUNTERSIGN_SIGNER_PORT = f"{__name__}.LyingPort"
    rig.sweep()
    taking = CeremonyProgress.objects.filter(ceremony=made, step="take")
    assert {row.state for row in taking} == {ProgressState.AWAY}
    for row in taking:
        assert len(row.code) <= 64
        assert (row.code + row.message).isprintable()
    assert CeremonyLine.objects.filter(ceremony=made, what="take").count() == taking.count()


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD.keys())
def test_what_is_read_of_a_refusal_can_be_stored(odd: str) -> None:
    with pytest.raises(SignerWaitsError) as caught:
        result_read({"v": wire.VERSION, "ok": False, "error": {"code": odd, "message": odd}})
    assert (caught.value.code + caught.value.message).isprintable()
    assert len(caught.value.code) <= 64


@pytest.mark.parametrize(
    "lane",
    [
        {"next": -1, "held": {}},
        {"next": 10**30, "held": {}},
        {"next": 0, "held": {}, "cancels": -1},
        {"next": 0, "held": {}, "cancels": 2**63},
        {"next": True, "held": {}},
        {"next": 0, "held": {"-1": "aa" * 32}},
        {"next": 0, "held": {"9" * 5000: "aa" * 32}},
        {"next": 0, "held": {str(2**256): "aa" * 32}},
        {"next": 0, "held": {"0": 7}},
        {"next": 0, "held": []},
        [],
    ],
)
def test_a_lane_that_there_cannot_be_is_no_answer(lane: object) -> None:
    with pytest.raises(SignerAnswerError):
        lane_read({"lanes": {"w": lane}}, wallet="w")


class _Pending:
    def __init__(self, answer: object) -> None:
        self.answer = answer

    def get(self, **_: object) -> object:
        return self.answer

    def forget(self) -> None:
        pass


class _App:
    """A broker's client whose answers are the test's."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def send_task(self, *_: object, **__: object) -> _Pending:
        return _Pending(self.answer)


@pytest.mark.parametrize(
    "answer",
    [
        {"v": 1, "ok": True, "result": {"live": {"w": 10**400}}},
        {"v": 1, "ok": True, "result": {"live": 1.5}},
        {"v": 1, "ok": True, "result": {"live": float("nan")}},
        {"v": 1, "ok": True, "result": {"a": "\ud800"}},
        {"v": 1, "ok": True, "result": {"a": "x" * 1_100_000}},
        {"v": 1, "ok": True, "result": {7: "x"}},
        ["v"],
        None,
    ],
)
def test_a_queue_brings_nothing_that_a_socket_could_not(answer: object) -> None:
    port = QueueSignerPort()
    port._app = _App(answer)  # type: ignore[assignment]  # noqa: SLF001 - a broker that answers what a test says
    with pytest.raises(SignerAnswerError):
        port.request("party-1", {"op": "status"})
    port._app = _App({"v": 1, "ok": True, "result": {"live": {"w": 2**53 - 1}}})  # type: ignore[assignment]  # noqa: SLF001 - as above
    assert port.request("party-1", {"op": "status"})["ok"] is True


class BreakingPort:
    """A way to signers that fails with one of them as nobody foresaw."""

    asked: ClassVar[list[str]] = []

    def request(self, signer_id: str, frame: Json) -> Json:  # noqa: ARG002 - the port's own shape
        """Fail with the first party; say of any other that its policy names no witnesses."""
        self.asked.append(signer_id)
        if signer_id == "party-1":
            raise OverflowError
        return wire.success({"needed": 0})


def test_one_signer_whose_answer_breaks_us_keeps_no_other_from_its_lease(rig: Rig, settings: Any) -> None:  # noqa: ANN401 - as above
    wallet = rig.wallet
    chain_create(actor="system:test", caip2=CHAIN, name="Dev", native_symbol="ETH", confirmation_depth=2)
    wallet_row(wallet)
    for name in wallet.signers:
        leases.lease_forget(signer=name)
    BreakingPort.asked.clear()
    settings.COUNTERSIGN_WITNESSES = {"w": "http://127.0.0.1:9"}
    settings.COUNTERSIGN_SIGNER_PORT = f"{__name__}.BreakingPort"
    for seconds in (0, 5):
        leases.leases_sweep(now=rig.now + dt.timedelta(seconds=seconds))
    # The others said that they need no lease, and are not asked again for a minute.
    assert sorted(BreakingPort.asked) == sorted([*wallet.signers, "party-1"])
    assert AuditAlarm.objects.filter(tag="custody:signer:unleased", subject="party-1").exists()


def test_a_party_that_says_given_up_does_not_end_what_others_already_use(rig: Rig) -> None:
    made = rig.order(CeremonyKind.REFRESH)
    rig.sweep()
    rig.console(made.digest, CeremonyStep.STAGED)
    rig.console(made.digest, CeremonyStep.ACTIVATED, "party-1", "party-2")
    rig.sweep(waits=11)
    rig.lie["party-5"] = {"ceremony": made.digest, "steps": ["abandoned"]}
    rig.sweep(waits=11)
    made.refresh_from_db()
    assert made.state == "running"
    del rig.lie["party-5"]
    rig.console(made.digest, CeremonyStep.ACTIVATED, "party-3", "party-4", "party-5")
    rig.console(made.digest, CeremonyStep.DESTROYED)
    rig.sweep(waits=11)
    made.refresh_from_db()
    assert made.state == "done"


def _postponed(made: KeyCeremony, rig: Rig, code: str) -> None:
    row = CeremonyProgress.objects.select_related("ceremony").filter(ceremony=made).earliest("pk")
    step_postponed(row=row, away=False, code=code, message=f"because {code}", due_at=rig.now, now=rig.now)


def test_a_party_that_says_something_else_each_time_fills_no_transcript(rig: Rig) -> None:
    made = rig.order(CeremonyKind.DRILL)
    _fill(made, rig)
    assert not has_room(ceremony=made)
    before = CeremonyLine.objects.filter(ceremony=made).count()
    for number in range(5):
        _postponed(made, rig, f"code-{number}")
    assert CeremonyLine.objects.filter(ceremony=made).count() == before
    assert CeremonyProgress.objects.filter(ceremony=made).earliest("pk").code == "code-4"
    # What moves it is told all the same.
    rig.sweep()
    assert CeremonyLine.objects.filter(ceremony=made).count() > before


def _fill(made: KeyCeremony, rig: Rig) -> None:
    rows = [
        CeremonyLine(
            ceremony=made,
            at=rig.now,
            who="party-1",
            what="take",
            good=False,
            before=f"{n:064x}",
            digest=f"{LINES_MOST + n:064x}",
        )
        for n in range(LINES_MOST)
    ]
    CeremonyLine.objects.bulk_create(rows)
