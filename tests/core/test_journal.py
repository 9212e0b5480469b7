"""A signer's memory: what its lines mean, and that no other line continues it."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.canonical import canonical
from core.documents.consent import Decision
from core.errors import CoreError, JournalError
from core.journal import ORIGIN, Journal, line_hash
from core.records import (
    AccessionKind,
    HaltRecord,
    PolicyRecord,
    ReserveRecord,
    ResumeRecord,
    SignatureRecord,
    StartRecord,
    UsedConsent,
    VetoRecord,
)
from tests.factories.world import DAY, NOW, World
from tests.soak import bounded

if TYPE_CHECKING:
    from core.records import Record

WORLD = World()
SUBJECT, HALT = "5a" * 32, "4a" * 32


def start(**changes: Any) -> StartRecord:  # noqa: ANN401 - StartRecord's fields
    journal = WORLD.make_journal(**changes)
    assert journal.start is not None
    return journal.start


def reserve(nonce: int, *, intent: str = "", time: int = NOW, **changes: Any) -> ReserveRecord:  # noqa: ANN401
    fields: dict[str, Any] = {
        "kind": "reserve",
        "time": time,
        "intent": intent or f"{nonce:064x}",
        "mandate": "aa" * 32,
        "policy": WORLD.policy.digest,
        "newest": WORLD.policy.digest,
        "wallet": WORLD.wallet,
        "nonce": nonce,
        "max_fee_per_gas": 10,
        "max_priority_fee_per_gas": 1,
        "cancel": None,
        "signing_hash": bytes([nonce + 1]) * 32,
        "draw": None,
        "consents": (UsedConsent(id=f"c-{nonce}", challenge=bytes([nonce]) * 32, credential=b"key", counter=nonce),),
    }
    return ReserveRecord(**(fields | changes))


def succeeded(**changes: Any) -> PolicyRecord:  # noqa: ANN401 - PolicyRecord's fields
    fields: dict[str, Any] = {
        "kind": "policy",
        "time": NOW,
        "policy": "7a" * 32,
        "number": 2,
        "effective": NOW + DAY,
        "how": AccessionKind.LOOSENING,
        "consents": (),
    }
    return PolicyRecord(**(fields | changes))


def lifted(halt: str, resume: str) -> ResumeRecord:
    return ResumeRecord(kind="resume", time=NOW + 7, halt=halt, resume=resume, consents=())


RECORDS: list[Record] = [
    start(),
    reserve(0),
    SignatureRecord(kind="signature", time=NOW, signing_hash=bytes([1]) * 32, raw=b"raw-0"),
    reserve(1, time=NOW + 5),
    HaltRecord(kind="halt", time=NOW + 6, halt=HALT, actor="olga", consents=()),
    VetoRecord(kind="veto", time=NOW + 6, subject=SUBJECT, actor="tom", decision=Decision.REJECT, consents=()),
    lifted(HALT, "6a" * 32),
    succeeded(time=NOW + 8),
]


def written(records: list[Record]) -> list[bytes]:
    journal, lines = Journal(), []
    for record in records:
        lines.append(journal.encode(record))
        assert journal.apply(lines[-1]) == record
    return lines


LINES = written(RECORDS)


def test_a_journal_that_was_written_is_loaded_to_the_same_state() -> None:
    journal = Journal.load(LINES)
    assert (journal.sequence, journal.head, journal.clock) == (len(LINES), line_hash(LINES[-1]), NOW + 8)
    assert journal.lanes == {WORLD.wallet: 2}
    assert journal.intents[f"{1:064x}"] == (WORLD.wallet, 1)
    assert journal.signatures == {bytes([1]) * 32: b"raw-0"}
    assert journal.consents == {"c-0": bytes(32), "c-1": bytes([1]) * 32}
    assert journal.counters == {(b"key", 1): bytes([1]) * 32}, "a counter of 0 never counts"
    assert journal.vetoes == {(SUBJECT, "tom"): Decision.REJECT}
    assert (journal.halted, journal.lifted) == (False, {HALT})


def test_a_journal_without_a_line_is_missing_and_does_not_start() -> None:
    with pytest.raises(JournalError, match="empty"):
        Journal.load([])


@pytest.mark.parametrize("gone", range(len(LINES) - 1))
def test_no_line_can_be_taken_out(gone: int) -> None:
    with pytest.raises(JournalError):
        Journal.load(LINES[:gone] + LINES[gone + 1 :])


@pytest.mark.parametrize("again", range(len(LINES)))
def test_no_line_can_be_played_twice(again: int) -> None:
    with pytest.raises(JournalError):
        Journal.load([*LINES[: again + 1], LINES[again], *LINES[again + 1 :]])


@pytest.mark.parametrize("place", range(len(LINES) - 1))
def test_no_two_lines_can_change_places(place: int) -> None:
    with pytest.raises(JournalError):
        Journal.load([*LINES[:place], LINES[place + 1], LINES[place], *LINES[place + 2 :]])


@bounded(200)
@given(st.integers(0, len(LINES) - 1), st.integers(0, 2**20), st.integers(0, 7))
def test_no_bit_of_a_line_can_be_flipped_unseen(number: int, place: int, bit: int) -> None:
    line = bytearray(LINES[number])
    line[place % len(line)] ^= 1 << bit
    changed = [*LINES[:number], bytes(line), *LINES[number + 1 :]]
    try:
        journal = Journal.load(changed)
    except JournalError:
        return
    # Only the last line can be another one, and then the head, which the token keeps, is another one too.
    assert number == len(LINES) - 1
    assert journal.head != line_hash(LINES[-1])


def test_a_journal_cut_at_its_end_loads_with_another_head() -> None:
    assert Journal.load(LINES[:-1]).head == json.loads(LINES[-1])["previous"] != Journal.load(LINES).head


@bounded(150)
@given(st.binary(max_size=60))
def test_any_line_ends_as_a_record_or_as_a_journal_error(line: bytes) -> None:
    with pytest.raises(JournalError):
        Journal().apply(line)


def forged(record: object, *, sequence: object = 1, previous: object = ORIGIN, **more: object) -> bytes:
    return canonical({"sequence": sequence, "previous": previous, "record": record, **more})


START: Any = json.loads(LINES[0])["record"]


@pytest.mark.parametrize(
    "line",
    [
        forged(START, sequence=True),
        forged(START, sequence=0),
        forged(START, sequence=2),
        forged(START, sequence="1"),
        forged(START, previous="1" * 64),
        forged(START, previous=None),
        forged(START, extra=1),
        forged(START | {"kind": "restart"}),
        forged(START | {"extra": 1}),
        forged([START]),
        LINES[0] + b"\n",
        b" " + LINES[0],
        LINES[0].replace(b'":', b'": ', 1),
        b"[]",
        b"null",
    ],
)
def test_a_first_line_has_one_spelling(line: bytes) -> None:
    assert Journal().apply(LINES[0]) == RECORDS[0]
    with pytest.raises(JournalError):
        Journal().apply(line)


@pytest.mark.parametrize("record", [record for record in RECORDS if not isinstance(record, StartRecord)])
def test_a_journal_begins_with_its_start(record: Record) -> None:
    journal = Journal()
    with pytest.raises(JournalError, match="start"):
        journal.apply(journal.encode(record))


def test_a_journal_starts_once() -> None:
    journal = Journal.load(LINES[:1])
    with pytest.raises(JournalError, match="start"):
        journal.apply(journal.encode(start()))


def test_time_never_runs_backwards() -> None:
    journal = Journal.load(LINES)
    journal.apply(journal.encode(reserve(2, time=NOW + 8)))
    with pytest.raises(JournalError, match="backwards"):
        journal.apply(journal.encode(reserve(3, time=NOW + 7)))


def test_lanes_are_dense_and_a_nonce_holds_one_intent() -> None:
    journal = Journal.load(LINES)
    for record in (reserve(3, time=NOW + 9), reserve(0, intent="ee" * 32, time=NOW + 9)):
        with pytest.raises(JournalError, match="nonce"):
            journal.apply(journal.encode(record))


def test_a_nonce_may_begin_with_a_cancel_and_its_intent_has_it_for_ever() -> None:
    journal = Journal.load(LINES)
    with pytest.raises(JournalError, match="nonce"):
        journal.apply(journal.encode(reserve(3, time=NOW + 9, cancel="cc" * 32)))
    journal.apply(journal.encode(reserve(2, time=NOW + 9, intent="ee" * 32, cancel="cc" * 32)))
    slot = journal.slots[(WORLD.wallet, 2)]
    assert (slot.intent, slot.attempts, slot.cancel) == ("ee" * 32, [], "cc" * 32)
    with pytest.raises(JournalError, match="nonce"):
        journal.apply(journal.encode(reserve(2, time=NOW + 9, intent="ef" * 32)))


def test_attempts_and_the_cancel_of_a_nonce_are_kept_apart() -> None:
    journal = Journal.load(LINES)
    journal.apply(journal.encode(reserve(1, time=NOW + 9, max_fee_per_gas=20)))
    journal.apply(journal.encode(reserve(1, time=NOW + 9, max_fee_per_gas=30, cancel="cc" * 32)))
    slot = journal.slots[(WORLD.wallet, 1)]
    assert slot.attempts == [(10, 1), (20, 1)]
    assert (slot.cancel, slot.cancel_attempts) == ("cc" * 32, [(30, 1)])
    assert journal.next_nonce(WORLD.wallet) == 2


def test_the_token_keeps_the_last_authority_and_signatures_are_none() -> None:
    journal = Journal.load(LINES[:2])
    authority = journal.authority
    journal.apply(LINES[2])
    assert journal.authority == authority == (line_hash(LINES[0]), line_hash(LINES[1]))
    journal.apply(LINES[3])
    assert journal.authority == (line_hash(LINES[1]), line_hash(LINES[3]))


def test_a_successor_counts_from_the_moment_of_its_delay() -> None:
    journal = Journal.load(LINES)
    assert journal.policy_at(NOW + DAY - 1) == WORLD.policy.digest
    assert journal.policy_at(NOW + DAY) == "7a" * 32
    later = succeeded(time=NOW + DAY, policy="8a" * 32, number=3, effective=NOW + 2 * DAY)
    journal.apply(journal.encode(later))
    assert (journal.policy, journal.number) == ("7a" * 32, 2)
    assert journal.policy_at(NOW + DAY) == "7a" * 32
    assert journal.policy_at(NOW + 2 * DAY) == "8a" * 32


def test_a_successor_that_was_replaced_while_it_waited_never_counts() -> None:
    journal = Journal.load(LINES)
    other = succeeded(time=NOW + 9, policy="8a" * 32, effective=NOW + DAY + 1)
    journal.apply(journal.encode(other))
    assert journal.policy_at(NOW + DAY) == WORLD.policy.digest
    assert journal.policy_at(NOW + DAY + 1) == "8a" * 32


def test_two_halts_are_lifted_one_by_one() -> None:
    journal = Journal.load(LINES[:5])
    journal.apply(journal.encode(HaltRecord(kind="halt", time=NOW + 6, halt="4b" * 32, actor="tom", consents=())))
    journal.apply(journal.encode(lifted(HALT, "6a" * 32)))
    assert journal.halted
    journal.apply(journal.encode(lifted("4b" * 32, "6b" * 32)))
    assert not journal.halted


def test_a_later_rejection_replaces_a_withdrawal() -> None:
    journal = Journal.load(LINES)
    for decision in (Decision.WITHDRAW, Decision.REJECT):
        veto = VetoRecord(kind="veto", time=NOW + 9, subject="5b" * 32, actor="tom", decision=decision, consents=())
        journal.apply(journal.encode(veto))
    assert journal.vetoes[("5b" * 32, "tom")] is Decision.REJECT


def test_lanes_begin_where_the_start_says() -> None:
    from core.documents.control import LaneStart  # noqa: PLC0415 - only here

    journal = WORLD.make_journal(lanes=(LaneStart(wallet=WORLD.wallet, next_nonce=5_000_000),))
    assert journal.next_nonce(WORLD.wallet) == 5_000_000
    with pytest.raises(JournalError):
        journal.apply(journal.encode(reserve(4)))


def test_a_record_that_could_not_be_read_back_is_not_written() -> None:
    with pytest.raises(CoreError):
        Journal().encode(reserve(0, wallet="nowhere"))


def test_a_veto_ends_a_policy_that_waits_and_none_that_is_in_force() -> None:
    for at, following in ((NOW + 9, WORLD.policy.digest), (NOW + DAY, "7a" * 32)):
        journal = Journal.load(LINES)
        veto = VetoRecord(kind="veto", time=at, subject="7a" * 32, actor="tom", decision=Decision.REJECT, consents=())
        journal.apply(journal.encode(veto))
        assert journal.policy_at(NOW + 2 * DAY) == following
        assert journal.waiting_at(NOW + 10) is None


def test_what_waits_is_no_longer_waiting_when_it_is_in_force() -> None:
    journal = Journal.load(LINES)
    waiting = journal.waiting_at(NOW + DAY - 1)
    assert waiting is not None
    assert (waiting.policy, waiting.how) == ("7a" * 32, AccessionKind.LOOSENING)
    assert journal.waiting_at(NOW + DAY) is None


@pytest.mark.parametrize("kind", ["halt", "resume", "policy", "veto"])
def test_every_kind_of_record_uses_up_its_consents(kind: str) -> None:
    used = UsedConsent(id="nonce-1", challenge=bytes(32), credential=b"other", counter=7)
    journal = Journal.load(LINES[:4])
    for record in RECORDS[4:]:
        mine = dataclasses.replace(cast("Any", record), consents=(used,)) if record.kind == kind else record
        journal.apply(journal.encode(mine))
    assert journal.consents["nonce-1"] == bytes(32)
    assert journal.counters[(b"other", 7)] == bytes(32)
