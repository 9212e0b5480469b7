"""What whoever carries the envelopes can do: end a session. It gets no signature, and the wallet goes on."""

from __future__ import annotations

import base64
import dataclasses
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from core.schema import write_struct
from tests.party.cheat import Steps
from tests.party.rig import Group, relay_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.party.rig import Founded, Process

Answer = dict[str, Any]
FIRST, SECOND, THIRD = "party-1", "party-2", "party-3"


@pytest.fixture(scope="module")
def serving(two_of_three: Founded) -> Iterator[tuple[Group, dict[str, Process]]]:
    """Three parties that serve all tests here; each test brings a case at the next nonce."""
    base = Path(tempfile.mkdtemp(prefix="cs-party-"))
    group = Group(two_of_three, base)
    with group.up() as parties:
        yield group, parties
    shutil.rmtree(base)


@pytest.fixture
def steps(serving: tuple[Group, dict[str, Process]]) -> Iterator[Steps]:
    group, parties = serving
    with relay_to(parties) as relay:
        made = Steps(group, relay, group.bundle())
        yield made
        # Whatever was tried: honest parties still sign this very case.
        signature, _ = relay.sign(made.case, group.wallet)
        assert signature["raw"].startswith("0x02")


def joined(steps: Steps, *quorum: str) -> dict[str, Answer]:
    steps.reserve(FIRST, SECOND, THIRD)
    hellos, refused = steps.join(steps.terms(*quorum, nonce=time.time_ns().to_bytes(32, "big")))
    assert not refused, refused
    return hellos


def codes(refused: dict[str, Answer]) -> set[str]:
    return {error["code"] for error in refused.values()}


def flipped(text: str) -> str:
    raw = bytearray(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    raw[len(raw) // 2] ^= 1
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize(
    "field", ["body", "signature", "echo", "sender", "receiver", "round", "sequence", "count", "session"]
)
def test_an_envelope_that_was_changed_ends_the_session(steps: Steps, number: int, field: str) -> None:
    answers, refused = steps.begin(joined(steps, FIRST, SECOND))
    assert not refused, refused
    for _ in range(1, number):
        answers, refused = steps.turn(answers)
        assert not refused, refused

    def change(envelope: Answer) -> list[Answer]:
        value = envelope[field]
        others: dict[str, Callable[[], object]] = {
            "body": lambda: flipped(value) if value else "AA",
            "sender": lambda: THIRD,
            "receiver": lambda: None if value else envelope["to"],
            "round": lambda: value + 1,
            "sequence": lambda: value + 1,
            "count": lambda: value + 1,
        }
        made = others[field]() if field in others else "0x" + ("00" if value[2:4] != "00" else "01") + value[4:]
        return [{**envelope, field: made}]

    _, refused = steps.turn(answers, change)
    assert codes(refused) == {"session"}


def test_envelopes_that_are_missing_doubled_or_replayed_end_the_session(steps: Steps) -> None:
    seen: list[Answer] = []
    for change in (lambda _: [], lambda one: [one, dict(one)], lambda one: [one, *({**e, "to": ""} for e in seen)]):
        answers, refused = steps.begin(joined(steps, FIRST, SECOND))
        assert not refused, refused
        if not seen:
            seen.extend(envelope for answer in answers.values() for envelope in answer["envelopes"])
        _, refused = steps.turn(answers, change)
        assert refused
        assert codes(refused) <= {"session"}


def test_a_session_that_ended_goes_on_for_nobody(steps: Steps) -> None:
    answers, _ = steps.begin(joined(steps, FIRST, SECOND))
    steps.turn(answers, lambda _: [])
    _, refused = steps.turn(answers)
    assert codes(refused) == {"session"}


def test_a_session_begins_once_and_its_name_is_spent(steps: Steps) -> None:
    hellos = joined(steps, FIRST, SECOND)
    terms = steps.terms(FIRST, SECOND, nonce=b"\x07" * 32)
    first, _ = steps.join(terms)
    _, refused = steps.join(terms)
    assert codes(refused) == {"session"}
    answers, _ = steps.begin(first)
    _, refused = steps.begin(first)
    assert codes(refused) == {"session"}
    assert hellos.keys() == answers.keys()


@pytest.mark.parametrize("field", ["exchange_key", "envelope_key"])
def test_transport_keys_that_a_relay_puts_in_are_not_the_partys_word(steps: Steps, field: str) -> None:
    hellos = joined(steps, FIRST, SECOND)
    hellos[SECOND]["document"][field] = "0x" + "05" * 32
    _, refused = steps.begin(hellos)
    assert codes(refused) == {"session"}


def test_hellos_of_other_sessions_or_of_fewer_parties_are_refused(steps: Steps) -> None:
    old = joined(steps, FIRST, SECOND)
    new, _ = steps.join(steps.terms(FIRST, SECOND, nonce=b"\x08" * 32))
    for hellos in ({FIRST: new[FIRST]}, {**new, SECOND: old[SECOND]}, {FIRST: new[FIRST], SECOND: new[FIRST]}):
        _, refused = steps.begin(hellos)
        assert codes(refused) == {"session"}
        new, _ = steps.join(steps.terms(FIRST, SECOND, nonce=time.time_ns().to_bytes(32, "big")))


@pytest.mark.parametrize(
    "change",
    [
        {"message_hash": b"\x01" * 32},
        {"epoch": 1},
        {"threshold": 1},
        {"quorum": (FIRST, THIRD)},
        {"subject": "ab" * 32},
    ],
)
def test_different_terms_for_different_parties_meet_before_the_first_round(steps: Steps, change: Answer) -> None:
    steps.reserve(FIRST, SECOND, THIRD)
    terms = steps.terms(FIRST, SECOND, nonce=time.time_ns().to_bytes(32, "big"))
    hellos, _ = steps.join(terms)
    other = dataclasses.replace(terms, **change)
    joining = {"bundle": steps.case, "certificate": steps.certificate, "terms": write_struct(other, "terms")}
    good, bad = steps.relay.ask({SECOND: {"op": "join", "joining": joining}})
    if good:
        _, bad = steps.begin({**hellos, SECOND: good[SECOND]})
    assert codes(bad) == {"session"}


def test_what_is_malformed_is_refused_and_nothing_changes(serving: tuple[Group, dict[str, Process]]) -> None:
    _, parties = serving
    before = parties[FIRST].ask("status")["result"]["head"]
    for op, fields in (
        ("turn", {"turn": {"session": "0x" + "00" * 32, "envelopes": []}}),
        ("turn", {"turn": {"session": "zz", "envelopes": []}}),
        ("begin", {"beginning": {"session": "0x" + "00" * 32, "hellos": []}}),
        ("begin", {"beginning": {}}),
        ("join", {"joining": {"bundle": {}, "certificate": {}, "terms": {}}}),
        ("learn", {"certificates": [{"reservations": []}]}),
        ("learn", {"certificates": "all"}),
        ("greet", {"terms": {}}),
        ("prepare", {"bundle": None}),
        ("reserve", {"bundle": []}),
        ("checkpoint", {"checkpoint": {}}),
    ):
        answer = parties[FIRST].ask(op, **fields)
        assert answer["ok"] is False
        assert answer["error"]["code"] in {"malformed", "unsupported", "session"}
    assert parties[FIRST].ask("status")["result"]["head"] == before
