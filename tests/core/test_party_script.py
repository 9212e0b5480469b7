"""The order of steps among parties: who is asked when, who is left out, and that no party's word breaks it."""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from core.documents.base import Header
from core.documents.bundle import Bundle
from core.documents.party import Certificate, Hello, SessionTerms, SignedHello
from core.errors import RefusedError
from core.party_quorums import JOINS_MOST
from core.party_script import ROUNDS_MOST, SESSIONS_MOST, Batch, Case, ScriptError, Signed, sign_script
from core.schema import read_struct, write_struct
from tests.factories.parties import Parties

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, Any]
SIGNATURE = {"signer": "party-1", "raw": "0x02c0", "transaction_hash": "0x" + "11" * 32, "repeated": False}
ROUNDS = 3


class Talk:
    """Parties that behave, but for what a test makes of their answers; everything that is asked is kept."""

    def __init__(self, group: Parties, bundle: Bundle) -> None:
        self.group, self.bundle = group, bundle
        self.lies: dict[str, Callable[[Batch, Json], Json | None]] = {}
        self.batches: list[Batch] = []
        self.round = 0

    def asked(self, name: str) -> list[str]:
        """Return what a party was asked, in order."""
        return [batch.step for batch in self.batches if name in batch.frames]

    def sign(self, **changes: Any) -> Signed:  # noqa: ANN401 - fields of Case
        """Play it to its end."""
        fields: dict[str, Any] = {
            "bundle": self.bundle.to_json(),
            "deployment": self.group.world.deployment,
            "wallet": self.group.wallet,
            "ask": self.group.wallet.signers,
            "chance": secrets.token_bytes(32),
        }
        script = sign_script(Case(**(fields | changes)))
        batch = next(script)
        while True:
            try:
                batch = script.send(self._hear(batch))
            except StopIteration as end:
                made: Signed = end.value
                return made

    def _hear(self, batch: Batch) -> tuple[dict[str, Json], dict[str, Json]]:
        self.batches.append(batch)
        self.round = self.round + 1 if batch.step.startswith("round") else 0
        good: dict[str, Json] = {}
        refused: dict[str, Json] = {}
        for name, frame in batch.frames.items():
            try:
                answer = self._answer(name, dict(frame))
                lie = self.lies.get(name)
                told = answer if lie is None else lie(batch, answer)
            except RefusedError as error:
                refused[name] = {"code": str(error.code), "message": error.message}
                continue
            if told is None or "code" in told:
                refused[name] = told or {"code": "unreachable", "message": "nobody listens"}
            else:
                good[name] = told
        return good, refused

    def _answer(self, name: str, frame: Json) -> Json:
        party, now = self.group.all[name], self.group.world.now
        if frame["op"] == "prepare":
            return {"epoch": 0, "stored": None}
        if frame["op"] == "reserve":
            return write_struct(party.reserve(Bundle.from_json(frame["bundle"]), now), "reservation")
        if frame["op"] == "join":
            joining = frame["joining"]
            terms = read_struct(SessionTerms, joining["terms"], "terms")
            party.join(self.bundle, read_struct(Certificate, joining["certificate"], "certificate"), terms, now)
            return self._hello(name, terms)
        if frame["op"] == "turn" and self.round == ROUNDS:
            return {"envelopes": [], "signature": SIGNATURE}
        return {"envelopes": [{"sender": name, "receiver": None}]}

    def _hello(self, name: str, terms: SessionTerms) -> Json:
        header = Header(
            type=Hello.TYPE,
            version=1,
            deployment=self.group.world.deployment,
            id="ab" * 16,
            created=self.group.world.now,
            expires=self.group.world.now + 60,
        )
        word = Hello(header=header, party=name, terms=terms, exchange_key=b"x" * 32, envelope_key=b"e" * 32)
        signature = self.group.all[name].key.sign(bytes.fromhex(word.digest))
        return write_struct(SignedHello(document=word, signature=signature), "hello")


@pytest.fixture
def talk() -> Talk:
    group = Parties()
    return Talk(group, group.case())


def silent(batch: Batch, answer: Json) -> None:
    """Say nothing."""


def test_all_are_asked_q_give_their_word_and_t_sign(talk: Talk) -> None:
    made = talk.sign()
    assert made.signature == SIGNATURE
    assert made.certificate is not None
    assert len(made.certificate["reservations"]) == 4  # type: ignore[arg-type]  # a list
    assert talk.asked("party-5") == ["prepare", "reserve"]
    assert talk.asked("party-1") == ["prepare", "reserve", "join", "begin", *(f"round {n}" for n in range(1, 4))]
    (begin,) = [batch for batch in talk.batches if batch.step == "begin"]
    assert begin.keep == made.certificate
    assert [batch.step for batch in talk.batches if batch.keep is not None] == ["begin"]


def test_who_is_silent_once_is_not_asked_again(talk: Talk) -> None:
    talk.lies["party-2"] = silent
    talk.sign()
    assert talk.asked("party-2") == ["prepare"]


def test_two_that_are_silent_leave_nothing_reserved(talk: Talk) -> None:
    talk.lies = {"party-2": silent, "party-3": silent}
    with pytest.raises(ScriptError, match="3 of 5 parties agree, 4 have to") as caught:
        talk.sign()
    assert set(caught.value.refusals) == {"party-2", "party-3"}
    assert caught.value.agreed == ("party-1", "party-4", "party-5")
    assert {batch.step for batch in talk.batches} == {"prepare"}


@pytest.mark.parametrize("step", ["join", "begin", "round 1", "round 2", "round 3"])
def test_who_falls_silent_in_between_is_done_without(talk: Talk, step: str) -> None:
    talk.lies["party-1"] = lambda batch, answer: None if batch.step == step else answer
    assert talk.sign().signature == SIGNATURE
    assert talk.asked("party-1").count("join") == 1


@pytest.mark.parametrize("code", ["frozen", "behind", "certificate", "session", "denied", "no such code"])
def test_what_one_says_at_the_door_shuts_nobody_else_out(talk: Talk, code: str) -> None:
    no = {"code": code, "message": "frozen after an abort: party-2, party-3, party-4, party-5"}
    talk.lies["party-1"] = lambda batch, answer: no if batch.step == "join" else answer
    assert talk.sign().signature == SIGNATURE
    joins = [batch for batch in talk.batches if batch.step == "join"]
    assert len(joins) <= JOINS_MOST


def test_a_word_that_is_not_its_partys_is_left_out_of_the_certificate(talk: Talk) -> None:
    def forged(batch: Batch, answer: Json) -> Json:
        return {**answer, "signature": "0x" + "00" * 64} if batch.step == "reserve" else answer

    talk.lies["party-1"] = forged
    made = talk.sign()
    assert made.certificate is not None
    words: Any = made.certificate["reservations"]
    assert "party-1" not in {word["document"]["party"] for word in words}


def test_who_claims_to_know_more_than_there_is_is_left_out_of_the_certificate(talk: Talk) -> None:
    def ahead(batch: Batch, answer: Json) -> Json:
        if batch.step != "reserve":
            return answer
        party = talk.group.all["party-1"]
        document = party.reserve(talk.bundle, talk.group.world.now).document
        lanes = tuple(dataclasses.replace(lane, next_nonce=9, cancels=9) for lane in document.lanes)
        return write_struct(party.sign(dataclasses.replace(document, lanes=lanes)), "reservation")

    talk.lies["party-1"] = ahead
    made = talk.sign()
    assert made.certificate is not None
    words: Any = made.certificate["reservations"]
    assert "party-1" not in {word["document"]["party"] for word in words}


def test_sessions_that_always_end_are_not_begun_for_ever(talk: Talk) -> None:
    ended = {"code": "session", "message": "the session ended"}
    for name in talk.group.wallet.signers:
        talk.lies[name] = lambda batch, answer: ended if batch.step == "round 1" else answer
    with pytest.raises(ScriptError):
        talk.sign()
    assert Counter(batch.step for batch in talk.batches)["begin"] == SESSIONS_MOST


def test_a_session_without_an_end_is_ended(talk: Talk) -> None:
    for name in talk.group.wallet.signers:
        talk.lies[name] = lambda batch, answer, name=name: (  # type: ignore[misc]
            {"envelopes": [{"sender": name, "receiver": None}]} if batch.step.startswith("round") else answer
        )
    with pytest.raises(ScriptError):
        talk.sign()
    assert Counter(batch.step for batch in talk.batches)[f"round {ROUNDS_MOST}"] == SESSIONS_MOST


STRAY: tuple[Json, ...] = (
    {"sender": "party-1", "receiver": None},
    {"sender": "party-1", "receiver": "party-2"},
    {"sender": "party-1", "receiver": "party-1"},
    {"sender": "party-1", "receiver": "party-9"},
    {"sender": "party-2", "receiver": None},
    {"sender": [], "receiver": {}},
)


@pytest.mark.parametrize("stray", STRAY)
def test_who_sends_on_when_others_have_signed_keeps_no_session_open(talk: Talk, stray: Json) -> None:
    def more(batch: Batch, answer: Json) -> Json:
        return {"envelopes": [stray]} if batch.step == f"round {ROUNDS}" else answer

    talk.lies["party-1"] = more
    assert talk.sign().signature == SIGNATURE
    assert Counter(batch.step for batch in talk.batches)["begin"] == 1


@pytest.mark.parametrize("stray", STRAY[2:])
def test_who_sends_to_nobody_is_named_and_done_without(talk: Talk, stray: Json) -> None:
    talk.lies["party-1"] = lambda batch, answer: {"envelopes": [stray]} if batch.step == "round 1" else answer
    assert talk.sign().signature == SIGNATURE
    assert talk.asked("party-1").count("join") == 1
    assert Counter(batch.step for batch in talk.batches)["begin"] == 2


def test_a_signature_of_something_else_ends_no_session_early(talk: Talk) -> None:
    wrong = {"envelopes": [{"sender": "party-1", "receiver": None}], "signature": {**SIGNATURE, "raw": "0x0200"}}
    talk.lies["party-1"] = lambda batch, answer: wrong if batch.step == "round 1" else answer
    assert talk.sign(accepts=lambda made: made["raw"] == SIGNATURE["raw"]).signature == SIGNATURE
    assert Counter(batch.step for batch in talk.batches)["begin"] == 1


def test_sessions_that_end_without_a_signature_are_not_begun_for_ever(talk: Talk) -> None:
    for name in talk.group.wallet.signers:
        talk.lies[name] = lambda batch, answer: {"envelopes": []} if batch.step == "round 1" else answer
    with pytest.raises(ScriptError):
        talk.sign()
    assert Counter(batch.step for batch in talk.batches)["begin"] == SESSIONS_MOST


def test_a_signature_of_something_else_is_not_taken(talk: Talk) -> None:
    stored = {"epoch": 0, "stored": {**SIGNATURE, "raw": "0x0200"}}
    talk.lies["party-1"] = lambda batch, answer: stored if batch.step == "prepare" else answer
    assert talk.sign(accepts=lambda made: made["raw"] == SIGNATURE["raw"]).certificate is not None
    assert talk.asked("party-1") == ["prepare"]


def test_what_was_signed_before_is_answered_without_a_session(talk: Talk) -> None:
    stored = {"epoch": 0, "stored": SIGNATURE}
    talk.lies["party-5"] = lambda batch, answer: stored if batch.step == "prepare" else answer
    assert talk.sign() == Signed(signature=SIGNATURE, certificate=None)
    assert len(talk.batches) == 1


GARBAGE: tuple[Json, ...] = (
    {},
    {"epoch": -1, "stored": None},
    {"epoch": True, "stored": None},
    {"epoch": 2**300, "stored": None},
    {"epoch": "0", "stored": []},
    {"epoch": 0, "stored": {"raw": 7}},
    {"document": None, "signature": None},
    {"document": {"party": "party-2"}, "signature": "0x"},
    {"envelopes": None},
    {"envelopes": [1, 2]},
    {"envelopes": [{"sender": [], "receiver": {}}]},
    {"envelopes": [], "signature": {"raw": 1}},
    {"envelopes": [], "signature": []},
)


@pytest.mark.parametrize("step", ["prepare", "reserve", "join", "begin", "round 1", "round 3"])
@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_from_one_party_stops_nobody(talk: Talk, step: str, garbage: Json) -> None:
    talk.lies["party-1"] = lambda batch, answer: garbage if batch.step == step else answer
    assert talk.sign().signature == SIGNATURE


@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_from_all_is_at_most_a_typed_error(talk: Talk, garbage: Json) -> None:
    for step in ("prepare", "reserve", "join", "begin", "round 1"):
        for name in talk.group.wallet.signers:
            talk.lies[name] = lambda batch, answer, step=step: garbage if batch.step == step else answer  # type: ignore[misc]
        with contextlib.suppress(ScriptError):
            assert talk.sign().signature == SIGNATURE


@pytest.mark.parametrize("chance", [b"", b"x" * 31, b"x" * 33])
def test_chance_has_32_bytes(talk: Talk, chance: bytes) -> None:
    with pytest.raises(ScriptError):
        talk.sign(chance=chance)
    assert not talk.batches
