"""A ceremony in the hands of several signers: asked side by side, each answer by itself."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from courier.ordain import _say, ask
from signer import wire
from tests.fakes.odd_signer import OddSigner, Silence, garbling, refusing

if TYPE_CHECKING:
    import pytest

REQUEST = {"op": "status"}


def taking(_: bytes) -> bytes:
    return wire.frame(wire.success({"steps": ["staged"]}))


def nonsense(_: bytes) -> bytes:
    return wire.frame({"v": 1, "ok": True, "result": [], "error": 7})


def test_a_silent_signer_keeps_no_other_from_being_asked(capsys: pytest.CaptureFixture[str]) -> None:
    with ExitStack() as stack:
        ways = {"refuses": refusing, "garbles": garbling, "nonsense": nonsense, "takes": taking}
        others = {name: stack.enter_context(OddSigner(way)) for name, way in ways.items()}
        silence = Silence(lambda: [one.asked for one in others.values()])
        quiet = stack.enter_context(OddSigner(silence))
        sockets = {"quiet": quiet.path} | {name: one.path for name, one in others.items()} | {"gone": "/nowhere/s"}
        answers = ask(sockets, REQUEST, 60.0)
    assert silence.outlasted, "it was asked beside the others, not before them"
    assert list(answers) == list(sockets)
    assert not _say(answers, "knows it")
    told = capsys.readouterr()
    assert told.out.splitlines() == ["garbles knows it", "takes knows it (done there: staged)"]
    said = [line.split(":")[1] for line in told.err.splitlines()]
    assert said == [f" {name} says no" for name in ("quiet", "refuses", "nonsense", "gone")]
    assert _say({"takes": answers["takes"]}, "knows it")
