"""Halt, resume, veto and journal start."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from core.control import check_halt, check_journal_start, check_resume, check_veto
from core.documents.base import SKEW
from core.documents.consent import Decision, SubjectType
from core.documents.control import (
    Ceremony,
    CeremonyKind,
    Halt,
    HaltOrder,
    LaneStart,
    Resume,
    ResumeOrder,
    VetoOrder,
)
from core.documents.roster import WalletKind
from core.errors import Refusal, RefusedError
from core.records import AccessionKind, PolicyRecord
from core.verify import verify
from tests.factories.world import DAY, NOW, World, header

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.documents.base import Document
    from core.records import Record

SUBJECT = "5a" * 32


@pytest.fixture
def world() -> World:
    return World()


def refused(act: Callable[[], object]) -> Refusal:
    with pytest.raises(RefusedError) as caught:
        act()
    return caught.value.code


def consents(world: World, document: Document, *names: str, decision: Decision = Decision.APPROVE) -> Any:  # noqa: ANN401
    kind = SubjectType(document.TYPE)
    return tuple(world.consent(document.digest, name, decision, subject_type=kind) for name in names)


def halt(world: World, *names: str, **changes: Any) -> HaltOrder:  # noqa: ANN401 - Halt's fields
    fields: dict[str, Any] = {
        "header": header("halt", world.deployment),
        "policy": world.policy.digest,
        "signers": (),
        "reason": "",
    }
    document = Halt(**(fields | changes))
    return HaltOrder(kind="halt", document=document, consents=consents(world, document, *names))


def resume(world: World, order: HaltOrder, *names: str, **changes: Any) -> ResumeOrder:  # noqa: ANN401 - Resume's
    fields: dict[str, Any] = {
        "header": header("resume", world.deployment),
        "policy": world.policy.digest,
        "halt": order.document.digest,
        "signers": (),
        "reason": "",
    }
    document = Resume(**(fields | changes))
    return ResumeOrder(kind="resume", document=document, consents=consents(world, document, *names))


def append(world: World, record: Record | None) -> None:
    assert record is not None
    world.journal.apply(world.journal.encode(record))


def succeed(world: World, *gone: str) -> World:
    """Put a successor in force whose roster lacks some people."""
    people = tuple(p for p in world.policy.people if p.id not in gone)
    new = dataclasses.replace(
        world.policy,
        header=header("policy", world.deployment, lifetime=30 * DAY),
        number=2,
        previous=world.policy.digest,
        people=people,
    )
    record = PolicyRecord(
        kind="policy",
        time=NOW,
        policy=new.digest,
        number=2,
        effective=NOW,
        how=AccessionKind.TIGHTENING,
        consents=(),
    )
    append(world, record)
    world.pins = dataclasses.replace(world.pins, policies=dict(world.pins.policies) | {new.digest: new})
    return world


@pytest.mark.parametrize("name", ["tessa", "olga", "clara"])
def test_any_one_person_halts(world: World, name: str) -> None:
    order = halt(world, name)
    append(world, check_halt(order, world.pins, world.journal, now=NOW))
    assert world.journal.halted
    assert refused(lambda: verify(world.bundle(), world.pins, world.journal, NOW)) is Refusal.HALTED


def test_a_halt_is_taken_once(world: World) -> None:
    order = halt(world, "olga")
    append(world, check_halt(order, world.pins, world.journal, now=NOW))
    assert check_halt(order, world.pins, world.journal, now=NOW) is None


def test_a_halt_that_was_lifted_does_not_come_back(world: World) -> None:
    order = halt(world, "olga")
    append(world, check_halt(order, world.pins, world.journal, now=NOW))
    append(world, check_resume(resume(world, order, "adam", "anna"), world.pins, world.journal, now=NOW))
    assert not world.journal.halted
    assert check_halt(order, world.pins, world.journal, now=NOW) is None
    append(world, check_halt(halt(world, "olga"), world.pins, world.journal, now=NOW))
    assert world.journal.halted


def test_a_halt_names_signers_or_all(world: World) -> None:
    assert check_halt(halt(world, "olga", signers=("hsm-2",)), world.pins, world.journal, now=NOW) is None
    named = check_halt(halt(world, "olga", signers=("hsm-2", "hsm-1")), world.pins, world.journal, now=NOW)
    assert named is not None
    assert named.actor == "olga"


def test_stopping_is_never_too_late_and_never_too_early(world: World) -> None:
    append(world, check_halt(halt(world, "tom"), world.pins, world.journal, now=NOW + 60))
    record = check_halt(halt(world, "olga"), world.pins, world.journal, now=NOW)
    assert record is not None
    assert record.time == NOW + 60, "a clock that went back does not stop a halt"


@pytest.mark.parametrize("decision", [Decision.ASK, Decision.REJECT, Decision.WITHDRAW])
def test_only_an_approval_halts(world: World, decision: Decision) -> None:
    order = halt(world)
    order = dataclasses.replace(order, consents=consents(world, order.document, "olga", decision=decision))
    assert refused(lambda: check_halt(order, world.pins, world.journal, now=NOW)) is Refusal.QUORUM


def test_whoever_left_the_roster_halts_nothing_even_under_the_old_policy(world: World) -> None:
    order = halt(world, "tom")
    succeed(world, "tom")
    assert refused(lambda: check_halt(order, world.pins, world.journal, now=NOW)) is Refusal.QUORUM
    stays = halt(world, "olga")
    assert check_halt(stays, world.pins, world.journal, now=NOW) is not None


def test_whoever_left_the_roster_vetoes_nothing_even_under_the_old_policy(world: World) -> None:
    gone, stays = (
        VetoOrder(kind="veto", consents=(world.consent(SUBJECT, name, Decision.REJECT),)) for name in ("tom", "olga")
    )
    succeed(world, "tom")
    assert refused(lambda: check_veto(gone, world.pins, world.journal, now=NOW)) is Refusal.UNKNOWN_PERSON
    assert len(check_veto(stays, world.pins, world.journal, now=NOW)) == 1


@pytest.mark.parametrize("names", [(), ("adam",), ("adam", "adam"), ("adam", "rita")])
def test_a_resume_takes_its_quorum(world: World, names: tuple[str, ...]) -> None:
    order = halt(world, "olga")
    append(world, check_halt(order, world.pins, world.journal, now=NOW))
    short = resume(world, order, *names)
    assert refused(lambda: check_resume(short, world.pins, world.journal, now=NOW)) is Refusal.QUORUM


def test_a_resume_that_somebody_rejects_is_refused(world: World) -> None:
    order = halt(world, "olga")
    append(world, check_halt(order, world.pins, world.journal, now=NOW))
    good = resume(world, order, "adam", "anna")
    no = consents(world, good.document, "tom", decision=Decision.REJECT)
    mixed = dataclasses.replace(good, consents=(*good.consents, *no))
    assert refused(lambda: check_resume(mixed, world.pins, world.journal, now=NOW)) is Refusal.REJECTED


def test_a_resume_for_another_signer_changes_nothing_here(world: World) -> None:
    order = halt(world, "olga")
    append(world, check_halt(order, world.pins, world.journal, now=NOW))
    elsewhere = resume(world, order, "adam", "anna", signers=("hsm-2",))
    assert check_resume(elsewhere, world.pins, world.journal, now=NOW) is None


def test_a_resume_waits_for_the_clock(world: World) -> None:
    order = halt(world, "olga")
    append(world, check_halt(order, world.pins, world.journal, now=NOW + 5))
    good = resume(world, order, "adam", "anna")
    assert refused(lambda: check_resume(good, world.pins, world.journal, now=NOW + 4)) is Refusal.CLOCK


@pytest.mark.parametrize("decision", [Decision.ASK, Decision.APPROVE])
def test_only_rejections_and_withdrawals_are_vetoes(world: World, decision: Decision) -> None:
    order = VetoOrder(kind="veto", consents=(world.consent(SUBJECT, "tom", decision),))
    assert refused(lambda: check_veto(order, world.pins, world.journal, now=NOW)) is Refusal.CONSENT_MISMATCH


def test_a_veto_is_taken_once_and_a_rejection_is_final(world: World) -> None:
    def veto(decision: Decision) -> int:
        order = VetoOrder(kind="veto", consents=(world.consent(SUBJECT, "tom", decision),))
        records = check_veto(order, world.pins, world.journal, now=NOW)
        for record in records:
            append(world, record)
        return len(records)

    steps = [Decision.WITHDRAW, Decision.WITHDRAW, Decision.REJECT, Decision.REJECT, Decision.WITHDRAW]
    assert [veto(decision) for decision in steps] == [1, 0, 1, 0, 0]


def test_a_client_vetoes_nothing(world: World) -> None:
    order = VetoOrder(kind="veto", consents=(world.consent(SUBJECT, "bot-1", Decision.WITHDRAW),))
    assert refused(lambda: check_veto(order, world.pins, world.journal, now=NOW)) is Refusal.CONSENT_MISMATCH


def ceremony(world: World, **changes: Any) -> Ceremony:  # noqa: ANN401 - Ceremony's fields
    fields: dict[str, Any] = {
        "header": header("ceremony", world.deployment),
        "policy": world.policy.digest,
        "kind": CeremonyKind.JOURNAL_START,
        "signers": ("hsm-1",),
        "wallet": None,
        "epoch": 0,
        "threshold": 0,
        "lanes": (LaneStart(wallet=world.wallet, next_nonce=2_000_000),),
        "not_before": NOW - DAY,
        "reason": "",
        "plan": None,
        "recovery": (),
    }
    return Ceremony(**(fields | changes))


def begin(world: World, document: Ceremony, *names: str) -> Any:  # noqa: ANN401 - a StartRecord
    signed = consents(world, document, *names)
    return check_journal_start(document, signed, world.policy, "hsm-1", now=NOW)


def test_a_journal_begins_anew_full_and_after_everything_that_could_have_been_signed(world: World) -> None:
    record = begin(world, ceremony(world), "adam", "anna")
    assert record.full
    assert record.not_before == NOW + SKEW
    assert record.lanes[0].next_nonce == 2_000_000


def test_a_mandate_dated_ahead_is_not_new_again_after_a_restart(world: World) -> None:
    intent = world.intent(header=header("intent", world.deployment, now=NOW + SKEW - 1))
    ahead = world.mandate(intent, header=header("mandate", world.deployment, now=NOW + SKEW - 1))
    bundle = world.bundle(ahead)
    verify(bundle, world.pins, world.journal, NOW)
    lane = (LaneStart(wallet=world.wallet, next_nonce=1),)
    world.journal = world.make_journal(
        not_before=begin(world, ceremony(world), "adam", "anna").not_before, lanes=lane
    )
    again = dataclasses.replace(bundle, attempt=dataclasses.replace(bundle.attempt, nonce=1))
    assert refused(lambda: verify(again, world.pins, world.journal, NOW)) is Refusal.BEFORE_JOURNAL


def test_a_later_beginning_that_people_chose_holds(world: World) -> None:
    assert begin(world, ceremony(world, not_before=NOW + DAY), "adam", "anna").not_before == NOW + DAY


@pytest.mark.parametrize(
    ("changes", "names", "code"),
    [
        ({}, ("adam",), Refusal.QUORUM),
        ({}, ("adam", "adam"), Refusal.QUORUM),
        ({}, ("rita", "ravi"), Refusal.QUORUM),
        ({"policy": "ab" * 32}, ("adam", "anna"), Refusal.WRONG_POLICY),
        ({"kind": CeremonyKind.RESTORE}, ("adam", "anna"), Refusal.CONSENT_MISMATCH),
        ({"signers": ("hsm-2",)}, ("adam", "anna"), Refusal.WRONG_SIGNER),
        ({"signers": ("hsm-1", "hsm-2")}, ("adam", "anna"), Refusal.WRONG_SIGNER),
        ({"header": header("ceremony", "ab" * 32)}, ("adam", "anna"), Refusal.WRONG_DEPLOYMENT),
    ],
)
def test_other_ceremonies_begin_no_journal(
    world: World, changes: dict[str, Any], names: tuple[str, ...], code: Refusal
) -> None:
    assert refused(lambda: begin(world, ceremony(world, **changes), *names)) is code


def test_a_ceremony_names_each_lane_once(world: World) -> None:
    lanes = tuple(LaneStart(wallet=world.wallet, next_nonce=n) for n in (5, 6))
    assert refused(lambda: begin(world, ceremony(world, lanes=lanes), "adam", "anna")) is Refusal.NONCE


def test_a_partys_lanes_begin_at_nothing(world: World) -> None:
    """A lane that began later would never be alike with the other parties': its party could certify nothing."""
    wallet = dataclasses.replace(world.policy.wallets[0], kind=WalletKind.MPC)
    policy = dataclasses.replace(world.policy, wallets=(wallet,))
    for nonce in (0, 5):
        document = ceremony(world, policy=policy.digest, lanes=(LaneStart(wallet=wallet.id, next_nonce=nonce),))
        given = consents(world, document, "adam", "anna")

        def start() -> object:
            return check_journal_start(document, given, policy, "hsm-1", now=NOW)  # noqa: B023

        if nonce:
            assert refused(start) is Refusal.NONCE
        else:
            # Only what is asked first is of interest: these consents are about the world's own policy.
            assert refused(start) is not Refusal.NONCE


def test_people_stop_things_under_a_policy_that_has_expired(world: World) -> None:
    world.now = late = world.policy.header.expires + DAY
    order = halt(world, "tom", header=header("halt", world.deployment, now=late))
    head = header("consent", world.deployment, now=late)
    yes = world.consent(order.document.digest, "tom", subject_type=SubjectType.HALT, header=head)
    order = dataclasses.replace(order, consents=(yes,))
    assert check_halt(order, world.pins, world.journal, now=late) is not None
    no = world.consent(SUBJECT, "tom", Decision.REJECT, subject_type=SubjectType.POLICY, header=head)
    assert check_veto(VetoOrder(kind="veto", consents=(no,)), world.pins, world.journal, now=late)


@pytest.mark.parametrize(
    ("decision", "code"), [(Decision.REJECT, Refusal.REJECTED), (Decision.WITHDRAW, Refusal.QUORUM)]
)
def test_a_veto_that_was_handed_over_ends_a_resume(world: World, decision: Decision, code: Refusal) -> None:
    order = halt(world, "olga")
    append(world, check_halt(order, world.pins, world.journal, now=NOW))
    good = resume(world, order, "adam", "anna")
    no = consents(world, good.document, "anna", decision=decision)
    for record in check_veto(VetoOrder(kind="veto", consents=no), world.pins, world.journal, now=NOW):
        append(world, record)
    assert refused(lambda: check_resume(good, world.pins, world.journal, now=NOW)) is code


def test_a_cloned_keys_counter_is_noticed_across_documents(world: World) -> None:
    world.keys["adam"].counter = 5
    order = halt(world, "adam")
    append(world, check_halt(order, world.pins, world.journal, now=NOW))
    again = resume(world, order, "adam", "anna")
    assert refused(lambda: check_resume(again, world.pins, world.journal, now=NOW)) is Refusal.COUNTER
    assert check_halt(halt(world, "adam"), world.pins, world.journal, now=NOW) is not None, "stopping always works"
    world.keys["adam"].counter = 6
    assert check_resume(resume(world, order, "adam", "anna"), world.pins, world.journal, now=NOW) is not None


def test_a_ceremony_uses_each_counter_and_nonce_once(world: World) -> None:
    document = ceremony(world)
    signed = consents(world, document, "adam", "anna")
    record = check_journal_start(document, signed, world.policy, "hsm-1", now=NOW)
    assert [used.id for used in record.consents] == [one.statement.header.id for one in signed]
    head = signed[0].statement.header
    twice = world.consent(document.digest, "anna", subject_type=SubjectType.CEREMONY, header=head)
    assert (
        refused(lambda: check_journal_start(document, (signed[0], twice), world.policy, "hsm-1", now=NOW))
        is Refusal.CONSENT_REPLAYED
    )
