"""Ceremonies in the hands of several signers: one that says nothing delays nobody, and costs one time-out."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from core.ceremony_lifecycle import TAKE
from core.documents.control import CeremonyKind
from custody.models import CeremonyLine, CeremonyProgress
from tests.custody.ceremony_rig import Port, Rig
from tests.factories.world import NOW

if TYPE_CHECKING:
    from collections.abc import Iterator

QUIET, REFUSING, GARBLING, FOURTH, FIFTH = (f"party-{number}" for number in range(1, 6))


class Beside(Port):
    """A way to parties on which nobody gets an answer before all of them have been asked, side by side."""

    gate: threading.Barrier
    met: list[str]

    def request(self, signer_id: str, frame: dict[str, Any]) -> dict[str, Any]:
        """Ask."""
        self.gate.wait(60)
        self.met.append(signer_id)
        if signer_id == REFUSING:
            refusal = {"code": "ceremony", "message": "not this one", "retry": False}
            return {"v": 1, "ok": False, "error": refusal}
        return super().request(signer_id, frame)


@pytest.fixture
def rig(db: None, settings: Any) -> Iterator[Rig]:  # noqa: ARG001, ANN401 - asks for the database; pytest-django's wrapper
    settings.COUNTERSIGN_SIGNER_PORT = f"{__name__}.Beside"
    settings.COUNTERSIGN_WITNESSES = {}
    Beside.gate, Beside.met = threading.Barrier(5), []
    made = Rig(now=NOW)
    made.away, made.lie = {QUIET}, {GARBLING: {"ceremony": 7, "steps": "all"}}
    yield made
    Beside.gate.abort()


def told() -> dict[str, tuple[str, str]]:
    rows = CeremonyProgress.objects.filter(step=TAKE).order_by("pk")
    assert {row.lease_until for row in rows} == {None}
    return {row.signer: (row.state, row.code) for row in rows}


def test_each_answer_is_written_down_by_itself_and_in_order(rig: Rig) -> None:
    rig.order(CeremonyKind.DEGRADED, signers=(FOURTH, FIFTH, REFUSING))
    rig.sweep()
    assert sorted(Beside.met) == sorted(rig.wallet.signers), "all of them at the same time, once"
    assert told() == {
        QUIET: ("away", "unreachable"),
        REFUSING: ("refused", "ceremony"),
        GARBLING: ("away", "answer"),
        FOURTH: ("done", ""),
        FIFTH: ("done", ""),
    }
    who = list(CeremonyLine.objects.order_by("pk").values_list("who", flat=True))
    assert [one for one in who if one in rig.wallet.signers] == list(told()), "in the order of the rows"


def test_a_silent_one_with_two_ceremonies_is_asked_once(rig: Rig) -> None:
    rig.order(CeremonyKind.DEGRADED, signers=(FOURTH, FIFTH, REFUSING))
    rig.order(CeremonyKind.BAN, signers=(REFUSING,))
    Beside.gate = threading.Barrier(1)
    rig.sweep()
    assert rig.asked[QUIET, "ceremony"] == 1
    assert rig.asked[FIFTH, "ceremony"] == 2
    rig.sweep()
    assert rig.asked[QUIET, "ceremony"] == 1, "both wait as long as what it was asked"
    rig.sweep(waits=60)
    assert rig.asked[QUIET, "ceremony"] == 2
