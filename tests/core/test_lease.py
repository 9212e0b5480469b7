"""Leases: what counts, what refuses them all, and when they end."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from core.casefile import check_case
from core.control import check_halt, check_veto
from core.documents.bundle import CaseFile
from core.documents.consent import Decision, SubjectType
from core.documents.control import Halt, HaltOrder, VetoOrder
from core.documents.lease import NamedVeto
from core.errors import CoreError, Refusal, RefusedError
from core.journal import Journal
from core.lease import (
    CHALLENGE_SECONDS,
    CLOCK_BOUND,
    LONGEST,
    NOTHING_HELD,
    OFFLINE,
    Challenge,
    check_fresh,
    check_leases,
)
from core.verify import verify
from demo.forgeries.keepers import WITNESSES, lease, log_of, logged, sign_lease, watched
from tests.factories.leases import held
from tests.factories.world import NOW, World, header
from tests.forgery.institutions import adapt

if TYPE_CHECKING:
    from core.documents.lease import SignedLease

SUBJECT = "7e" * 32


@pytest.fixture
def world() -> World:
    plain = World()
    return adapt(plain, **watched(plain.policy.signers))


def challenge_of(world: World, **changes: Any) -> Challenge:  # noqa: ANN401 - Challenge's fields
    tree = world.journal.tree
    fields: dict[str, Any] = {"value": b"\x05" * 32, "at": NOW, "size": tree.size, "root": tree.root()}
    return Challenge(**(fields | changes))


def said(world: World, challenge: Challenge, *names: str, **changes: Any) -> list[SignedLease]:  # noqa: ANN401 - Lease's fields
    asked = {"challenge": "0x" + challenge.value.hex(), "size": challenge.size, "root": "0x" + challenge.root.hex()}
    fields: dict[str, Any] = {
        "deployment": world.deployment,
        "signer": world.signer,
        "policy": world.policy.digest,
        "now": NOW,
    }
    return [sign_lease(lease(asked, witness=name, **(fields | changes))) for name in names or WITNESSES[:2]]


def taken(world: World, leases: list[SignedLease], challenge: Challenge, now: int = NOW) -> Any:  # noqa: ANN401 - Held
    return check_leases(leases, challenge, world.pins, world.journal, now=now)


def refusal(world: World, leases: list[SignedLease], challenge: Challenge, now: int = NOW) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        taken(world, leases, challenge, now)
    return caught.value


def test_leases_of_enough_witnesses_are_held_until_the_first_of_them_ends(world: World) -> None:
    challenge = challenge_of(world)
    made = taken(world, said(world, challenge), challenge)
    assert {one.witness for one in made.granted} == set(WITNESSES[:2])
    assert "leased by w-1, w-2" in check_fresh(made, world.policy, now=NOW + LONGEST - 1)
    with pytest.raises(RefusedError) as caught:
        check_fresh(made, world.policy, now=NOW + LONGEST)
    assert caught.value.code is Refusal.LEASE


@pytest.mark.parametrize("offset", [-CLOCK_BOUND, 0, CLOCK_BOUND])
def test_clocks_may_differ_by_the_bound(world: World, offset: int) -> None:
    challenge = challenge_of(world)
    assert taken(world, said(world, challenge, now=NOW + offset), challenge).granted


@pytest.mark.parametrize(("offset", "words"), [(-CLOCK_BOUND - 1, "behind"), (CLOCK_BOUND + 1, "ahead of")])
def test_clocks_that_differ_by_more_are_no_lease(world: World, offset: int, words: str) -> None:
    challenge = challenge_of(world)
    error = refusal(world, said(world, challenge, now=NOW + offset), challenge)
    assert error.code is Refusal.LEASE
    assert words in error.message


def test_a_challenge_ends(world: World) -> None:
    challenge = challenge_of(world)
    leases = said(world, challenge)
    assert taken(world, leases, challenge, NOW + CHALLENGE_SECONDS - 1).granted
    assert "expired" in refusal(world, leases, challenge, NOW + CHALLENGE_SECONDS).message
    world.journal.saw(NOW + 100)
    assert refusal(world, leases, challenge, NOW + 1).code is Refusal.CLOCK


def test_what_does_not_hold_does_not_count_and_does_not_disturb(world: World) -> None:
    challenge = challenge_of(world)
    broken = said(world, challenge, WITNESSES[2], now=NOW + 999)
    assert len(taken(world, [*broken, *said(world, challenge)], challenge).granted) == 2
    assert "w-3: its clock" in refusal(world, [*broken, *said(world, challenge, WITNESSES[0])], challenge).message


def test_a_policy_a_halt_and_a_veto_have_to_be_known_first(world: World) -> None:
    halt = Halt(header=header("halt", world.deployment), policy=world.policy.digest, signers=(), reason="")
    order = HaltOrder(
        kind="halt",
        document=halt,
        consents=(world.consent(halt.digest, "rita", subject_type=SubjectType.HALT),),
    )
    challenge = challenge_of(world)
    halted = said(world, challenge, halts=(halt.digest,))
    assert "names halt" in refusal(world, halted, challenge).message
    record = check_halt(order, world.pins, world.journal, now=NOW)
    assert record is not None
    world.journal.apply(world.journal.encode(record))
    assert taken(world, halted, challenge).granted
    # The journal went on since the challenge: the lease is over where it stood then.
    world.journal.halts.clear()
    world.journal.lifted.add(halt.digest)
    assert taken(world, halted, challenge).granted
    no = world.consent(SUBJECT, "rita", Decision.REJECT)
    named = NamedVeto(subject=SUBJECT, actor="rita", decision=Decision.REJECT)
    vetoed = said(world, challenge, vetoes=(named,))
    assert "names a rejection by rita" in refusal(world, vetoed, challenge).message
    (veto,) = check_veto(VetoOrder(kind="veto", consents=(no,)), world.pins, world.journal, now=NOW)
    world.journal.apply(world.journal.encode(veto))
    assert taken(world, vetoed, challenge).granted


def test_a_withdrawal_is_not_known_by_another_persons_and_a_rejection_covers_it(world: World) -> None:
    challenge = challenge_of(world)
    back = NamedVeto(subject=SUBJECT, actor="tessa", decision=Decision.WITHDRAW)
    world.journal.vetoes[(SUBJECT, "rita")] = Decision.REJECT
    assert refusal(world, said(world, challenge, vetoes=(back,)), challenge).code is Refusal.LEASE
    world.journal.vetoes[(SUBJECT, "tessa")] = Decision.REJECT
    assert taken(world, said(world, challenge, vetoes=(back,)), challenge).granted


def test_a_veto_that_can_never_be_taken_here_is_no_obstacle(world: World) -> None:
    challenge = challenge_of(world)
    for moot in (
        NamedVeto(subject=SUBJECT, actor="nobody", decision=Decision.REJECT),
        NamedVeto(subject=world.policy.digest, actor="rita", decision=Decision.REJECT),
    ):
        assert taken(world, said(world, challenge, vetoes=(moot,)), challenge).granted


def test_a_veto_counts_also_when_it_was_kept_back_until_it_expired(world: World) -> None:
    no = world.consent(SUBJECT, "rita", Decision.REJECT)
    late = no.statement.header.expires + 100
    (veto,) = check_veto(VetoOrder(kind="veto", consents=(no,)), world.pins, world.journal, now=late)
    assert (veto.subject, veto.time) == (SUBJECT, late)


def test_without_witnesses_no_lease_is_needed_and_with_them_one_always_is(world: World) -> None:
    plain = World()
    assert check_fresh(NOTHING_HELD, plain.policy, now=NOW)
    verify(plain.bundle(), plain.pins, plain.journal, NOW)
    bundle = logged(world.bundle(), deployment=world.deployment, now=NOW)
    verify(bundle, world.pins, world.journal, NOW, held(expires=NOW + 1))
    for none in (NOTHING_HELD, held(expires=NOW), held(expires=NOW + 1, names=("w-1", "w-1"))):
        with pytest.raises(RefusedError) as caught:
            verify(bundle, world.pins, world.journal, NOW, none)
        assert caught.value.code is Refusal.LEASE


def test_a_lease_of_a_witness_whom_the_newest_policy_dropped_does_not_count(world: World) -> None:
    other = dataclasses.replace(
        world.policy,
        witnesses=tuple(
            dataclasses.replace(one, public_key=b"\x09" * 32) if one.id == "w-2" else one
            for one in world.policy.witnesses
        ),
    )
    with pytest.raises(RefusedError):
        check_fresh(held(expires=NOW + 9, names=("w-1", "w-2")), other, now=NOW)
    assert check_fresh(held(expires=NOW + 9, names=("w-1", "w-3")), other, now=NOW)


def test_a_kept_case_shows_the_log_and_no_leases(world: World) -> None:
    bundle = logged(world.bundle(), deployment=world.deployment, now=NOW)
    verified = verify(bundle, world.pins, world.journal, NOW, held(expires=NOW + 1))
    if verified.record is not None:
        verified.journalled()
    raw, _ = verified.finish(world.wallet_key.sign_recoverable(verified.spend(), hasher=None)[:64])
    case = CaseFile(
        kind="countersign.case.v1", policies=(world.signed_policy,), bundle=bundle, signed_at=NOW, raw=raw
    )
    report = check_case(case, world.deployment)
    assert report.failure is None
    assert any("what lasted minutes" in line for line in report.checks)
    assert any("cosigned by w-1, w-2" in line for line in report.checks)
    for log in (None, log_of(bundle, deployment=world.deployment, now=NOW, cosigned_by=("w-1",)).proof()):
        edited = dataclasses.replace(case, bundle=dataclasses.replace(bundle, log=log))
        failure = check_case(edited, world.deployment).failure
        assert failure is not None
        assert failure.startswith("inclusion: ")


def test_the_journal_tree_holds_its_authority_records_and_nothing_else(world: World) -> None:
    journal = world.make_journal()
    assert journal.tree.size == 1
    again = Journal()
    again.apply(Journal().encode(journal.start) if journal.start is not None else b"")
    assert again.tree.root() == journal.tree.root()


@pytest.mark.parametrize(
    "changes",
    [
        {"challenge": b"\x05" * 31},
        {"journal_size": 0},
        {"journal_size": -1},
        {"journal_root": b""},
        {"policy": "7E" * 32},
        {"halts": ("ab" * 32,) * 257},
        {"witness": "W 1"},
    ],
)
def test_a_lease_that_no_witness_could_write_is_no_document(world: World, changes: dict[str, Any]) -> None:
    good = said(world, challenge_of(world))[0].document
    with pytest.raises((CoreError, ValueError)):
        type(good).from_json(dataclasses.replace(good, **changes).to_json())


def test_only_kept_cases_are_looked_at_without_a_lease(world: World) -> None:

    assert "what lasted minutes" in check_fresh(OFFLINE, world.policy, now=NOW)
