"""The script of a refresh believes no party: whatever one answers, it ends with a reason, or goes on."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from core.ceremony_script import Renewal, Renewed, refresh_script
from core.documents.control import CeremonyKind
from core.documents.renewal import Said
from core.epochs import message_of_test
from core.party_script import Batch, ScriptError, catch_up
from core.schema import write_struct
from tests.factories.ceremonies import ceremony, signed
from tests.factories.renewals import SESSION, SOURCE, Refresh

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.documents.renewal import Made, SignedWord

Answer = dict[str, Any]
Lie = "Callable[[Batch, str, Answer], object]"


class Table:
    """Parties that answer as honest ones would, but for what `lie` makes of it."""

    def __init__(self) -> None:
        self.refresh = Refresh()
        group = self.refresh.group
        order = signed(group.world, ceremony(group.world, CeremonyKind.REFRESH, group.wallet, epoch=1))
        self.renewal = Renewal(signed=order, wallet=group.wallet, chance=b"c" * 32)
        self.refresh.record = dataclasses.replace(self.refresh.record, ceremony=order.document.digest)
        self.made: Made = self.refresh.made()
        self.kept, self.active, self.gone = False, False, False
        self.lie: Callable[[Batch, str, Answer], object] = lambda _batch, _name, answer: answer
        self.steps: list[str] = []
        self.quorum: tuple[str, ...] = ()

    def word(self, name: str, said: Said) -> Answer:
        word: SignedWord = self.refresh.word(name, said, self.made)
        return write_struct(word, "word")

    def stands(self, name: str) -> Answer:
        return {
            "active": int(self.active),
            "source": "0x" + SOURCE.hex(),
            "steps": {},
            "kept": [self.word(name, Said.KEPT)] if self.kept and not self.active else [],
            "proof": write_struct(self.refresh.proof(), "proof") if self.active else None,
            "activated": self.word(name, Said.ACTIVATED) if self.active else None,
            "destroyed": self.word(name, Said.DESTROYED) if self.gone else None,
        }

    def hello(self, name: str, terms: Answer) -> Answer:
        header = {"type": "hello", "version": 1, "deployment": "ab" * 32, "id": "0" * 32, "created": 1, "expires": 2}
        keys = {"exchange_key": "0x" + "01" * 32, "envelope_key": "0x" + "02" * 32}
        return {
            "document": {"header": header, "party": name, "terms": terms, **keys},
            "signature": "0x" + "00" * 64,
        }

    def answer(self, batch: Batch) -> dict[str, Any]:
        """Answer a batch; sessions are one round long."""
        frame: Any = next(iter(batch.frames.values()))
        if batch.step == "destroy":
            self.gone = True
        if batch.step == "activate":
            self.active = True
        if frame["op"] == "greet":
            self.quorum = tuple(frame["terms"]["quorum"])
            return {name: self.hello(name, frame["terms"]) for name in batch.frames}
        if frame["op"] == "begin":
            return {name: {"envelopes": [{"sender": name, "receiver": None}]} for name in batch.frames}
        if frame["op"] == "turn":
            return self.ended(tuple(batch.frames))
        if frame["op"] == "ceremony":
            return {name: {"records": 0} for name in batch.frames}
        return {name: self.stands(name) for name in batch.frames}

    def ended(self, names: tuple[str, ...]) -> dict[str, Any]:
        if not self.kept:
            self.kept = True
            return {name: {"envelopes": [], "kept": self.word(name, Said.KEPT)} for name in names}
        test = self.refresh.test(
            *(int(name[-1]) for name in self.quorum), made=self.made, message=message_of_test(self.made, self.quorum)
        )
        return {name: {"envelopes": [], "test": write_struct(test, "test")} for name in names}

    def run(self) -> Renewed:
        """Carry the script to its end."""
        script = refresh_script(self.renewal)
        batch = next(script)
        while True:
            self.steps.append(batch.step)
            answers = {name: self.lie(batch, name, one) for name, one in self.answer(batch).items()}
            refused = {name: one for name, one in answers.items() if isinstance(one, dict) and "code" in one}
            good: Any = {name: one for name, one in answers.items() if name not in refused}
            try:
                batch = script.send((good, refused))
            except StopIteration as end:
                done: Renewed = end.value
                return done


@pytest.fixture
def table() -> Table:
    return Table()


def test_honest_parties_come_to_the_end_and_a_second_run_asks_little(table: Table) -> None:
    assert table.run().epoch == 1
    assert [step for step in table.steps if ":" not in step and not step.startswith(("begin", "round"))] == [
        *("order", "ask", "ask", "stage", "activate", "destroy")
    ]
    assert sum("greet" in step for step in table.steps) == 3
    table.steps = []
    assert set(table.run().words) == set(table.refresh.names)
    assert table.steps == ["order", "ask", "destroy"]


LIES: dict[str, object] = {
    "nothing": {},
    "a list": [],
    "null": None,
    "a number for a list": {"active": 0, "source": "0x" + "03" * 32, "steps": {}, "kept": 5},
    "no source": {"active": 0, "source": None, "steps": {}, "kept": []},
    "a truth for an epoch": {"active": True, "source": "0x" + "03" * 32, "steps": {}, "kept": []},
    "steps of another kind": {"active": 0, "source": "0x" + "03" * 32, "steps": [], "kept": []},
    "a word of another kind": {"active": 0, "source": "0x" + "03" * 32, "steps": {}, "kept": [{}]},
    "a proof of another kind": {"active": 0, "source": "0x" + "03" * 32, "steps": {}, "kept": [], "proof": {}},
    "a refusal": {"code": "halted", "message": "halted", "retry": True},
    "far ahead": {"active": 10**6, "source": "0x" + "04" * 32, "steps": {"staged": []}, "kept": []},
}


UNUSED = (LIES["a number for a list"], LIES["far ahead"])
"""What is said after settling is read and not needed: the next step shows whether it was true."""


@pytest.mark.parametrize("step", ["ask", "stage", "activate", "destroy"])
@pytest.mark.parametrize("lie", LIES)
def test_a_party_that_answers_anything_ends_it_with_a_reason(table: Table, step: str, lie: str) -> None:
    table.lie = lambda batch, name, answer: LIES[lie] if (batch.step, name) == (step, "party-3") else answer
    if step == "stage" and LIES[lie] in UNUSED:
        assert table.run().epoch == 1
    else:
        with pytest.raises(ScriptError, match=r"[a-z]+"):
            table.run()
    # What one party said ends nothing for good.
    table.lie = lambda _batch, _name, answer: answer
    assert table.run().epoch == 1


@pytest.mark.parametrize("test", [None, {}, [], {"quorum": ["party-1"], "signature": "0x" + "00" * 64}])
def test_one_liar_does_not_hide_a_test_that_the_others_have(table: Table, test: object) -> None:
    def lie(batch: Batch, name: str, answer: Answer) -> object:
        return {**answer, "test": test} if batch.step.startswith("round") and name == "party-1" else answer

    table.lie = lie
    assert table.run().epoch == 1


def test_shares_of_different_sessions_are_no_agreement(table: Table) -> None:
    other = dataclasses.replace(table.made, session=b"\x09" * 32)
    assert other.session != SESSION

    def lie(batch: Batch, name: str, answer: Answer) -> object:
        if batch.step != "ask" or name != "party-2" or not answer["kept"]:
            return answer
        return {**answer, "kept": [write_struct(table.refresh.word(name, Said.KEPT, other), "word")]}

    table.lie = lie
    with pytest.raises(ScriptError, match="shares of one session"):
        table.run()


def caught_up(table: Table, answers: dict[str, Callable[[str], object]]) -> dict[str, int]:
    """Bring two parties along that a third is ahead of; `answers` says what each step brings."""
    script = catch_up(table.refresh.group.wallet, {"party-1": 1, "party-2": 0, "party-3": 0})
    batch = next(script)
    while True:
        table.steps.append(f"{batch.step} {' '.join(batch.frames)}")
        good: Any = {name: answers[batch.step](name) for name in batch.frames}
        try:
            batch = script.send((good, {}))
        except StopIteration as end:
            done: dict[str, int] = end.value
            return done


def test_whoever_is_behind_is_shown_the_proof_of_whoever_is_ahead(table: Table) -> None:
    wallet, proof = table.refresh.group.wallet.id, write_struct(table.refresh.proof(), "proof")
    honest: dict[str, Callable[[str], object]] = {
        "status": lambda _: {"shares": {wallet: {"ceremony": table.renewal.ceremony}}},
        "ask": lambda _: {"proof": proof},
        "activate": lambda _: {"active": 1},
    }
    assert caught_up(table, honest) == {"party-1": 1, "party-2": 1, "party-3": 1}
    assert table.steps == ["status party-1", "ask party-1", "activate party-2 party-3"]
    stays = {"party-1": 1, "party-2": 0, "party-3": 0}
    lies: list[dict[str, Callable[[str], object]]] = [
        {"status": lambda _: {}},
        {"status": lambda _: {"shares": []}},
        {"status": lambda _: {"shares": {wallet: []}}},
        {"status": lambda _: {"shares": {wallet: {"ceremony": [1]}}}},
        {"ask": lambda _: {"proof": None}},
        {"ask": lambda _: {"proof": [1]}},
        {"activate": lambda _: {"active": True}},
        {"activate": lambda _: {}},
    ]
    for lie in lies:
        assert caught_up(table, honest | lie) == stays
