"""Ceremonies with custody: drafted, consented to, handed to every signer, followed to their end."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
from django.db import DatabaseError, connection, transaction

from approvals.errors import ConsentRefusedError
from audit.models import AuditAlarm, AuditEntry
from core.ceremony_lifecycle import TAKE, VETO, CeremonyState
from core.documents.consent import Decision
from core.documents.control import CeremonyKind
from core.records import CeremonyStep
from custody.ceremony_orders import rows_wake
from custody.ceremony_selectors import (
    banned_now,
    ceremonies_waiting,
    ceremony_seats,
    degraded_now,
    epoch_now,
    last_done,
    transcript,
    transcript_holds,
)
from custody.ceremony_services import ceremonies_expire, ceremony_abandon, ceremony_consent, ceremony_draft
from custody.errors import CeremonyMissingError, CeremonyRefusedError
from custody.models import CeremonyLine, CeremonyProgress, KeyCeremony, ProgressState
from tests.append_only import lifted
from tests.custody.ceremony_rig import PORT, REFRESHED, Rig
from tests.factories.world import DAY, NOW

if TYPE_CHECKING:
    from collections.abc import Callable

THREE = ("party-1", "party-2", "party-3")


@pytest.fixture
def rig(db: None, settings: Any) -> Rig:  # noqa: ARG001, ANN401 - asks for the database; pytest-django's wrapper
    settings.COUNTERSIGN_SIGNER_PORT = PORT
    settings.COUNTERSIGN_WITNESSES = {}
    return Rig(now=NOW)


def state(made: KeyCeremony) -> CeremonyState:
    made.refresh_from_db()
    return CeremonyState(made.state)


def rows(made: KeyCeremony, step: str) -> dict[str, str]:
    return {row.signer: row.state for row in CeremonyProgress.objects.filter(ceremony=made, step=step)}


def tags(tag: str) -> int:
    return AuditEntry.objects.filter(tag=tag).count()


def test_a_degraded_mode_from_its_draft_to_its_parties(rig: Rig) -> None:
    made = rig.draft(CeremonyKind.DEGRADED, signers=THREE)
    assert state(made) is CeremonyState.DRAFTED
    seats = ceremony_seats(document=rig.document(CeremonyKind.DEGRADED), policy=rig.world.policy, now=NOW)
    assert seats.open_roles == ("security committee", "security committee")
    assert [one.pk for one in ceremonies_waiting(person="anna", policy=rig.world.policy, now=rig.now)] == [made.pk]
    assert ceremonies_waiting(person="tessa", policy=rig.world.policy, now=rig.now) == []
    rig.consent(made, "adam")
    assert state(made) is CeremonyState.CONSENTING
    assert not CeremonyProgress.objects.exists()
    rig.consent(made, "anna")
    assert state(made) is CeremonyState.ORDERED
    assert set(rows(made, TAKE)) == set(rig.wallet.signers)
    rig.sweep()
    # It goes on, and can be ended, until its time is over.
    assert state(made) is CeremonyState.RUNNING
    assert set(rows(made, TAKE).values()) == {ProgressState.DONE}
    assert all(made.digest in party.journal.ceremonies for party in rig.parties.all.values())
    assert degraded_now(wallet=rig.wallet.id, now=rig.now) == made
    rig.wait(8 * DAY)
    assert degraded_now(wallet=rig.wallet.id, now=rig.now) is None
    rig.sweep()
    assert state(made) is CeremonyState.DONE
    assert tags("custody:ceremony:step") == 5
    lines = transcript(ceremony=made)
    assert [line.what for line in lines][:5] == ["draft", "hear", "hear", "fill", TAKE]
    assert transcript_holds(lines=lines)
    last = AuditEntry.objects.filter(tag="custody:ceremony:moved").latest("seq")
    assert lines[-1].digest in last.payload


def test_a_drill_ends_when_every_console_has_done_it(rig: Rig) -> None:
    made = rig.order(CeremonyKind.DRILL)
    rig.sweep()
    assert state(made) is CeremonyState.RUNNING
    assert set(rows(made, CeremonyStep.DRILLED).values()) == {ProgressState.OPEN}
    rig.console(made.digest, CeremonyStep.DRILLED, *THREE)
    rig.sweep(waits=11)
    assert state(made) is CeremonyState.RUNNING
    assert sorted(name for name, at in rows(made, CeremonyStep.DRILLED).items() if at == "done") == list(THREE)
    rig.console(made.digest, CeremonyStep.DRILLED, "party-4", "party-5")
    rig.sweep(waits=11)
    assert state(made) is CeremonyState.DONE
    assert last_done(wallet=rig.wallet.id, kind=CeremonyKind.DRILL) == made
    before = dict(rig.asked)
    rig.sweep(waits=3600)
    assert dict(rig.asked) == before


def test_the_epoch_is_that_of_the_last_refresh(rig: Rig) -> None:
    made = rig.order(CeremonyKind.REFRESH, epoch=7)
    assert epoch_now(wallet=rig.wallet.id) == 0
    rig.sweep()
    for step in REFRESHED:
        rig.console(made.digest, step)
    rig.sweep(waits=11)
    assert state(made) is CeremonyState.DONE
    assert epoch_now(wallet=rig.wallet.id) == 7


def test_one_rejection_ends_it_and_a_second_word_comes_too_late(rig: Rig) -> None:
    made = rig.draft(CeremonyKind.BAN, signers=("party-5",))
    rig.consent(made, "adam")
    with pytest.raises(CeremonyRefusedError, match="Say why"):
        rig.consent(made, "anna", Decision.REJECT)
    rig.consent(made, "anna", Decision.REJECT, "party five is well")
    assert state(made) is CeremonyState.REJECTED
    assert "party five is well" in made.why
    with pytest.raises(CeremonyRefusedError, match="rejected by now"):
        rig.consent(made, "anna")
    rig.sweep()
    assert not rig.asked


def test_a_rejection_after_the_order_reaches_signers_that_took_it(rig: Rig) -> None:
    made = rig.order(CeremonyKind.DRILL)
    rig.sweep()
    rig.wait(1)
    rig.consent(made, "rita", Decision.REJECT, "not today")
    assert state(made) is CeremonyState.REJECTED
    assert set(rows(made, VETO).values()) == {ProgressState.OPEN}
    rig.sweep()
    assert set(rows(made, VETO).values()) == {ProgressState.DONE}
    assert set(rows(made, CeremonyStep.DRILLED).values()) == {ProgressState.MISSED}


def test_a_party_that_is_away_is_asked_again_and_named(rig: Rig) -> None:
    rig.away = {"party-4"}
    made = rig.order(CeremonyKind.DRILL)
    rig.sweep()
    assert state(made) is CeremonyState.RUNNING
    assert rows(made, TAKE)["party-4"] == ProgressState.AWAY
    assert tags("custody:ceremony:not_taken") == 1
    for _ in range(6):
        rig.sweep(waits=61)
    assert tags("custody:ceremony:not_taken") == 1, "told once for each new trouble"
    assert CeremonyProgress.objects.get(ceremony=made, signer="party-4", step=TAKE).attempts == 7
    rig.sweep(waits=600)
    alarm = AuditAlarm.objects.get(tag="custody:ceremony:waits", closed_us__isnull=True)
    assert "party-4 has not taken it" in alarm.message
    rig.away = set()
    rig.sweep(waits=61)
    assert set(rows(made, TAKE).values()) == {ProgressState.DONE}
    rig.console(made.digest, CeremonyStep.DRILLED)
    rig.sweep(waits=11)
    rig.sweep(waits=11)
    assert state(made) is CeremonyState.DONE
    assert not AuditAlarm.objects.filter(tag="custody:ceremony:waits", closed_us__isnull=True).exists()


def test_a_party_that_is_back_is_asked_at_once(rig: Rig) -> None:
    rig.away = {"party-4"}
    made = rig.order(CeremonyKind.DRILL)
    for _ in range(4):
        rig.sweep(waits=61)
    rig.away = set()
    rig.sweep(waits=1)
    assert rows(made, TAKE)["party-4"] == ProgressState.AWAY, "its turn comes later"
    rows_wake(signer="party-4", now=rig.now)
    rig.sweep()
    assert rows(made, TAKE)["party-4"] == ProgressState.DONE


def test_a_ban_is_done_without_the_banned_and_goes_on_asking(rig: Rig) -> None:
    rig.away = {"party-5"}
    made = rig.order(CeremonyKind.BAN, signers=("party-5",))
    rig.sweep()
    assert state(made) is CeremonyState.DONE
    assert "party-5" in made.why
    assert banned_now(wallet=rig.wallet.id) == {"party-5"}
    rig.away = set()
    rig.sweep(waits=61)
    assert set(rows(made, TAKE).values()) == {ProgressState.DONE}


def test_a_ban_that_too_few_hold_is_not_done(rig: Rig) -> None:
    rig.away = {"party-3", "party-4", "party-5"}
    made = rig.order(CeremonyKind.BAN, signers=("party-5",))
    rig.sweep()
    assert state(made) is CeremonyState.RUNNING
    rig.away = {"party-4", "party-5"}
    rig.sweep(waits=61)
    assert state(made) is CeremonyState.DONE


def test_what_every_signer_keeps_refusing_comes_to_nothing(rig: Rig) -> None:
    made = rig.order(CeremonyKind.REFRESH, epoch=0)
    for _ in range(4):
        rig.sweep(waits=61)
    assert state(made) is CeremonyState.FAILED
    assert "every signer refused it" in made.why
    assert AuditAlarm.objects.filter(tag="custody:ceremony:moved").exists()
    asked = dict(rig.asked)
    rig.sweep(waits=3600)
    assert dict(rig.asked) == asked


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"ceremony": "0" * 64, "records": 1, "steps": []},
        {"ceremony": 2**256 - 1, "steps": None},
        {"ceremony": "x", "steps": [{}, 2**256 - 1, "\x00"]},
    ],
)
def test_an_answer_that_is_none_takes_nothing(rig: Rig, answer: dict[str, Any]) -> None:
    rig.lie = {"party-1": answer}
    made = rig.order(CeremonyKind.DRILL)
    rig.sweep()
    assert rows(made, TAKE)["party-1"] == ProgressState.AWAY
    assert state(made) is CeremonyState.RUNNING


def test_steps_that_no_book_knows_are_no_steps(rig: Rig) -> None:
    made = rig.order(CeremonyKind.DRILL)
    steps = ["drilled" * 9, "\x00drilled", 7, None, ["drilled"], "take"]
    rig.lie = {name: {"ceremony": made.digest, "records": 1, "steps": steps} for name in rig.wallet.signers}
    rig.sweep()
    assert set(rows(made, CeremonyStep.DRILLED).values()) == {ProgressState.OPEN}


def test_a_party_that_abandoned_it_ends_it(rig: Rig) -> None:
    made = rig.order(CeremonyKind.REFRESH)
    rig.sweep()
    rig.console(made.digest, CeremonyStep.ABANDONED, "party-2")
    rig.sweep(waits=11)
    assert state(made) is CeremonyState.FAILED
    assert "party-2" in made.why


def test_time_ends_what_waits_for_people_and_fails_what_was_begun(rig: Rig) -> None:
    waiting, begun = rig.draft(CeremonyKind.DRILL), rig.order(CeremonyKind.REFRESH)
    rig.sweep()
    rig.wait(40 * DAY)
    assert ceremonies_expire(now=rig.now) == 2
    assert state(waiting) is CeremonyState.EXPIRED
    assert state(begun) is CeremonyState.FAILED
    assert "party-1 staged" in begun.why


def test_a_refresh_that_some_parties_use_goes_on_to_its_end(rig: Rig) -> None:
    made = rig.order(CeremonyKind.REFRESH)
    rig.sweep()
    rig.console(made.digest, CeremonyStep.STAGED)
    rig.console(made.digest, CeremonyStep.ACTIVATED, "party-1")
    rig.sweep(waits=11)
    with pytest.raises(CeremonyRefusedError, match="go on to its end"):
        ceremony_abandon(digest=made.digest, person="olga", why="too slow", now=rig.now)
    rig.sweep(waits=40 * DAY)
    assert state(made) is CeremonyState.RUNNING
    rig.console(made.digest, CeremonyStep.ACTIVATED, "party-2", "party-3", "party-4", "party-5")
    rig.console(made.digest, CeremonyStep.DESTROYED)
    rig.sweep(waits=11)
    assert state(made) is CeremonyState.DONE


def test_a_successor_policy_ends_what_waits_for_people(rig: Rig) -> None:
    waiting = rig.draft(CeremonyKind.DRILL)
    assert ceremonies_expire(now=rig.now, policy=rig.world.policy) == 0
    other = dataclasses.replace(rig.world.policy, institution="Another Bank")
    assert ceremonies_expire(now=rig.now, policy=other) == 1
    assert state(waiting) is CeremonyState.EXPIRED


def test_abandoning_takes_a_reason_and_stops_the_asking(rig: Rig) -> None:
    made = rig.order(CeremonyKind.DRILL)
    with pytest.raises(CeremonyRefusedError, match="Say why"):
        ceremony_abandon(digest=made.digest, person="olga", why=" ", now=rig.now)
    ceremony_abandon(digest=made.digest, person="olga", why="wrong wallet", now=rig.now)
    assert state(made) is CeremonyState.ABANDONED
    rig.sweep()
    assert not rig.asked
    with pytest.raises(CeremonyRefusedError, match="abandoned by now"):
        ceremony_abandon(digest=made.digest, person="olga", why="again", now=rig.now)
    with pytest.raises(CeremonyMissingError):
        ceremony_abandon(digest="f" * 64, person="olga", why="again", now=rig.now)


def test_one_of_a_kind_waits_at_a_time(rig: Rig) -> None:
    rig.draft(CeremonyKind.DRILL)
    with pytest.raises(CeremonyRefusedError, match="waits for consents"):
        rig.draft(CeremonyKind.DRILL)
    rig.draft(CeremonyKind.REFRESH)


def test_whose_words_count(rig: Rig) -> None:
    made = rig.draft(CeremonyKind.DRILL)
    rig.consent(made, "adam")
    with pytest.raises(ConsentRefusedError, match="once"):
        rig.consent(made, "adam")
    rig.consent(made, "rita")
    assert state(made) is CeremonyState.CONSENTING, "no seat for a risk officer"
    with pytest.raises(ConsentRefusedError):
        ceremony_consent(
            user=rig.users["tessa"],
            digest=made.digest,
            consent_raw=rig.word(made.digest, "anna"),
            policy=rig.world.policy,
            now=rig.now,
        )
    other = rig.draft(CeremonyKind.REFRESH)
    with pytest.raises(ConsentRefusedError):
        ceremony_consent(
            user=rig.users["anna"],
            digest=made.digest,
            consent_raw=rig.word(other.digest, "anna"),
            policy=rig.world.policy,
            now=rig.now,
        )
    assert state(made) is CeremonyState.CONSENTING


def _sql(statement: str) -> Callable[[], None]:
    def run() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)

    return run


def test_the_database_keeps_documents_states_and_transcripts(rig: Rig) -> None:
    made = rig.order(CeremonyKind.DRILL)
    rig.sweep()
    for statement in (
        "UPDATE custody_keyceremony SET state = 'drafted'",
        "UPDATE custody_keyceremony SET document = '{}'",
        "UPDATE custody_keyceremony SET wallet = 'x'",
        "UPDATE custody_keyceremony SET consents = '[]'",
        "DELETE FROM custody_ceremonyprogress",
        "UPDATE custody_ceremonyprogress SET state = 'open' WHERE step = 'take'",
        "UPDATE custody_ceremonyprogress SET signer = 'x'",
        "UPDATE custody_ceremonyline SET words = 'x'",
        "DELETE FROM custody_ceremonyline",
    ):
        with pytest.raises(DatabaseError):
            _sql(statement)()
    assert CeremonyLine.objects.filter(ceremony=made).count() >= 9


def test_a_transcript_that_was_changed_past_us_is_seen(rig: Rig) -> None:
    made = rig.order(CeremonyKind.DRILL)
    rig.sweep()
    assert transcript_holds(lines=transcript(ceremony=made))
    with lifted():
        _sql("UPDATE custody_ceremonyline SET who = 'party-2' WHERE who = 'party-1'")()
    assert not transcript_holds(lines=transcript(ceremony=made))


def test_a_document_is_drafted_once(rig: Rig) -> None:
    document = rig.document(CeremonyKind.DRILL)
    ceremony_draft(document=document, person="olga", now=rig.now)
    with pytest.raises(CeremonyRefusedError):
        ceremony_draft(document=document, person="olga", now=rig.now)
