"""One nonce, one intent, for ever: replays, gaps, fees, cancels, halts and clocks."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.documents.bundle import CancelCase
from core.documents.consent import SubjectType
from core.documents.control import Halt, HaltOrder, Resume, ResumeOrder
from core.documents.mandate import SingleOrder
from core.errors import Refusal
from demo.forgeries.case import GWEI
from demo.forgeries.catalogue import Attack, control, forgery, sign

if TYPE_CHECKING:
    from core.documents.bundle import Bundle
    from demo.forgeries.case import Case


def _after(case: Case, forged: Bundle, first: Bundle) -> Attack:
    """Sign one case, then try the forged one; the control is an honest case at the next nonce."""
    following = case.bundle(attempt=case.attempt(case.nonce + 1))
    return Attack(before=(sign(first),), forged=sign(forged), control=sign(following))


@forgery("another-intent-at-a-used-nonce", Refusal.NONCE, why="A signed nonce is used, mined or not.")
def _used_nonce(case: Case) -> Attack:
    return _after(case, case.bundle(), case.bundle())


@forgery("one-intent-at-two-nonces", Refusal.INTENT_USED, why="The oldest double payment there is.")
def _two_nonces(case: Case) -> Attack:
    first = case.bundle()
    second = dataclasses.replace(first, header=case.header("bundle"), attempt=case.attempt(case.nonce + 1))
    return _after(case, second, first)


@forgery("one-intent-under-two-mandates", Refusal.INTENT_USED, why="The nonce belongs to the intent.")
def _two_mandates(case: Case) -> Attack:
    first = case.bundle()
    second = case.bundle(case.mandate(first.intent), attempt=case.attempt(case.nonce + 1))
    return _after(case, second, first)


@forgery("nonce-gap", Refusal.NONCE, why="Lanes are dense: a gap is a payment kept back for later.")
def _gap(case: Case) -> Attack:
    return Attack(forged=sign(case.bundle(attempt=case.attempt(case.nonce + 1))), control=sign(case.bundle()))


@forgery("nonce-far-away", Refusal.NONCE, why="Lanes are dense.")
def _far(case: Case) -> Attack:
    return Attack(forged=sign(case.bundle(attempt=case.attempt(2**53 - 1))), control=sign(case.bundle()))


def _fees(case: Case, fee: int, tip: int) -> Attack:
    honest = case.bundle()
    forged = dataclasses.replace(honest, attempt=case.attempt(case.nonce, fee, tip))
    return Attack(forged=sign(forged), control=sign(honest))


@forgery("fee-beyond-the-cap", Refusal.FEES, why="Attempts stay within what people consented to.")
def _fee(case: Case) -> Attack:
    return _fees(case, 100 * GWEI + 1, GWEI)


@forgery("priority-fee-beyond-the-cap", Refusal.FEES, why="A tip goes to whoever makes the block.")
def _tip(case: Case) -> Attack:
    return _fees(case, 50 * GWEI, 2 * GWEI + 1)


@forgery("priority-fee-above-the-fee", Refusal.FEES, why="Not a transaction that a node takes.")
def _tip_above(case: Case) -> Attack:
    return _fees(case, GWEI, GWEI + 1)


def _raise(case: Case, fee: int, tip: int) -> Attack:
    """Sign once, then raise the fee in a wrong way; the control raises it as nodes want it."""
    first = case.bundle()
    forged = dataclasses.replace(first, attempt=case.attempt(case.nonce, fee, tip))
    good = dataclasses.replace(first, attempt=case.attempt(case.nonce, 60 * GWEI, 1_200_000_000))
    return Attack(before=(sign(first),), forged=sign(forged), control=sign(good))


@forgery("fee-raise-that-is-too-small", Refusal.FEES, why="Many almost equal signatures only help an attacker.")
def _small_raise(case: Case) -> Attack:
    return _raise(case, 50 * GWEI + 1, GWEI + 1)


@forgery("fee-raised-without-the-tip", Refusal.FEES, why="Nodes want both raised.")
def _half_raise(case: Case) -> Attack:
    return _raise(case, 90 * GWEI, GWEI)


@forgery("fee-lowered", Refusal.FEES, why="A second signature that is never mined, until it is.")
def _lowered(case: Case) -> Attack:
    return _raise(case, 10 * GWEI, GWEI // 2)


@forgery("replacement-with-another-amount", Refusal.ASSERTION, why="A replacement changes fees and nothing else.")
def _replaced(case: Case) -> Attack:
    first = case.bundle()
    intent = dataclasses.replace(first.intent, header=case.header("intent"))
    mandate = dataclasses.replace(first.mandate, order=SingleOrder(kind="intent", intent=intent))
    stale = next(one for one in first.consents if one.statement.actor == case.cast.honest)
    moved = dataclasses.replace(stale, statement=dataclasses.replace(stale.statement, subject=mandate.digest))
    consents = (case.ask(mandate), moved, case.consent(mandate.digest, case.cast.accomplice))
    return _after(case, dataclasses.replace(first, mandate=mandate, intent=intent, consents=consents), first)


@forgery("expired-mandate", Refusal.EXPIRED, why="What was right yesterday may be wrong today.")
def _expired_mandate(case: Case) -> Attack:
    header = case.header("mandate", created=case.now - 600, expires=case.now - 1)
    return Attack(forged=sign(case.bundle(case.mandate(header=header))), control=sign(case.bundle()))


@forgery("expired-intent-in-a-live-mandate", Refusal.EXPIRED, why="Every document has its own life.")
def _expired_intent(case: Case) -> Attack:
    header = case.header("intent", created=case.now - 600, expires=case.now - 1)
    return Attack(forged=sign(case.bundle(case.mandate(case.intent(header=header)))), control=sign(case.bundle()))


@forgery("mandate-of-another-deployment", Refusal.WRONG_DEPLOYMENT, why="The test system's mandates stay there.")
def _other_deployment(case: Case) -> Attack:
    header = case.header("mandate", deployment="cd" * 32)
    return Attack(forged=sign(case.bundle(case.mandate(header=header))), control=sign(case.bundle()))


@forgery("signed-again-after-its-expiry", Refusal.EXPIRED, why="A stored signature needs a full verification too.")
def _after_expiry(case: Case) -> Attack:
    first = case.bundle()
    later = case.at(4000)
    return Attack(
        before=(sign(first),),
        forged=sign(dataclasses.replace(first, header=later.header("bundle")), later=4000),
        control=sign(later.bundle(attempt=case.attempt(case.nonce + 1)), later=4000),
    )


@forgery("clock-set-back", Refusal.CLOCK, why="An old clock makes expired things live again.")
def _clock(case: Case) -> Attack:
    first, second = case.at(60).bundle(), case.bundle(attempt=case.attempt(case.nonce + 1))
    return Attack(before=(sign(first, later=60),), forged=sign(second, later=30), control=sign(second, later=61))


@forgery("cancel-by-nobody", Refusal.QUORUM, why="A cancel is consented to as well.")
def _cancel_nobody(case: Case) -> Attack:
    first = case.bundle()
    good = case.cancel(first, by=(case.cast.honest,))
    return Attack(before=(sign(first),), forged=sign(case.cancel(first, by=())), control=sign(good))


@forgery("cancel-by-the-wrong-person", Refusal.QUORUM, why="The policy names who cancels.")
def _cancel_wrong(case: Case) -> Attack:
    first = case.bundle()
    good = case.cancel(first, by=(case.cast.honest,))
    return Attack(
        before=(sign(first),), forged=sign(case.cancel(first, by=(case.cast.initiator,))), control=sign(good)
    )


@forgery("second-cancel", Refusal.CANCEL, why="One nonce, one cancel, for ever.")
def _second_cancel(case: Case) -> Attack:
    first = case.bundle()
    cancels = tuple(case.cancel(first, by=(case.cast.honest,)) for _ in range(2))
    return Attack(
        before=(sign(first), sign(cancels[0])),
        forged=sign(cancels[1]),
        control=sign(case.bundle(attempt=case.attempt(case.nonce + 1))),
    )


@forgery("cancel-of-what-was-never-signed", Refusal.CANCEL, why="It would burn a nonce that nothing needs.")
def _cancel_unknown(case: Case) -> Attack:
    honest = case.bundle()
    return Attack(forged=sign(case.cancel(honest, by=(case.cast.honest,))), control=sign(honest))


@forgery("cancel-at-another-nonce", Refusal.NONCE, why="A cancel belongs to its intent's nonce.")
def _cancel_elsewhere(case: Case) -> Attack:
    first = case.bundle()
    good = case.cancel(first, by=(case.cast.honest,))
    forged = dataclasses.replace(good, attempt=dataclasses.replace(good.attempt, nonce=case.nonce + 1))
    return Attack(before=(sign(first),), forged=sign(forged), control=sign(good))


@forgery("cancel-beyond-its-fee-cap", Refusal.FEES, why="A self-send can still burn money as fees.")
def _cancel_fees(case: Case) -> Attack:
    first = case.bundle()
    good = case.cancel(first, by=(case.cast.honest,))
    forged = dataclasses.replace(good, attempt=case.attempt(case.nonce, 201 * GWEI, 2 * GWEI))
    return Attack(before=(sign(first),), forged=sign(forged), control=sign(good))


@forgery("cancel-that-burns-the-fee-budget", Refusal.DENIED, why="Cancels have a reserve of the fee limit, no more.")
def _cancel_burns(case: Case) -> Attack:
    first = case.bundle()
    cap = 2 * 10**18 // 21_000
    forged = case.cancel(first, by=(case.cast.honest,), max_fee_per_gas=cap)
    return Attack(
        before=(sign(first),), forged=sign(forged), control=sign(case.cancel(first, by=(case.cast.honest,)))
    )


@forgery("cancel-of-one-intent-shown-as-another", Refusal.INTENT_MISMATCH, why="It names the intent by digest.")
def _cancel_other(case: Case) -> Attack:
    first = case.bundle()
    good = case.cancel(first, by=(case.cast.honest,))
    forged = dataclasses.replace(good, intent=dataclasses.replace(good.intent, header=case.header("intent")))
    return Attack(before=(sign(first),), forged=sign(forged), control=sign(good))


@forgery("mandate-approval-used-for-a-cancel", Refusal.CONSENT_MISMATCH, why="Approving a payment cancels nothing.")
def _cancel_consent(case: Case) -> Attack:
    first = case.bundle()
    good = case.cancel(first, by=(case.cast.honest,))
    if good.cancel is None:
        raise TypeError(good)
    stolen = CancelCase(document=good.cancel.document, consents=first.consents[1:2])
    return Attack(before=(sign(first),), forged=sign(dataclasses.replace(good, cancel=stolen)), control=sign(good))


@forgery("cancel-under-another-policy", Refusal.WRONG_POLICY, why="It is judged by the policy that people saw.")
def _cancel_policy(case: Case) -> Attack:
    first = case.bundle()
    good = case.cancel(first, by=(case.cast.honest,))
    forged = case.cancel(first, by=(case.cast.honest,), policy="ef" * 32)
    return Attack(before=(sign(first),), forged=sign(forged), control=sign(good))


def _halt(case: Case, by: str, **changes: object) -> tuple[Halt, HaltOrder]:
    fields: dict[str, object] = {"signers": (), "reason": "Something is wrong"}
    document = Halt(header=case.header("halt"), policy=case.policy.digest, **(fields | changes))  # type: ignore[arg-type]
    consent = case.consent(document.digest, by, subject_type=SubjectType.HALT)
    return document, HaltOrder(kind="halt", document=document, consents=(consent,))


def _resume(case: Case, halt: Halt, *names: str) -> ResumeOrder:
    document = Resume(
        header=case.header("resume"), policy=case.policy.digest, halt=halt.digest, signers=(), reason="All clear"
    )
    consents = tuple(case.consent(document.digest, name, subject_type=SubjectType.RESUME) for name in names)
    return ResumeOrder(kind="resume", document=document, consents=consents)


@forgery("signed-while-halted", Refusal.HALTED, why="One person can stop everything.", lasting=True)
def _halted(case: Case) -> Attack:
    _, order = _halt(case, case.cast.operator)
    return Attack(before=(control(order),), forged=sign(case.bundle()), control=sign(case.bundle()), apart=True)


@forgery("resumed-by-one", Refusal.QUORUM, why="Stopping takes one person, going on takes two.", lasting=True)
def _one_resumes(case: Case) -> Attack:
    halt, order = _halt(case, case.cast.operator)
    return Attack(
        before=(control(order),),
        forged=control(_resume(case, halt, case.cast.admins[0])),
        control=control(_resume(case, halt, *case.cast.admins)),
    )


@forgery("resumed-by-one-twice", Refusal.QUORUM, why="One person twice is one person.", lasting=True)
def _one_resumes_twice(case: Case) -> Attack:
    halt, order = _halt(case, case.cast.operator)
    return Attack(
        before=(control(order),),
        forged=control(_resume(case, halt, case.cast.admins[0], case.cast.admins[0])),
        control=control(_resume(case, halt, *case.cast.admins)),
    )


@forgery("another-halt-resumed", Refusal.HALTED, why="A resume lifts the halt that it names.", lasting=True)
def _other_halt(case: Case) -> Attack:
    halt, order = _halt(case, case.cast.operator)
    other, _ = _halt(case, case.cast.operator)
    return Attack(
        before=(control(order),),
        forged=control(_resume(case, other, *case.cast.admins)),
        control=control(_resume(case, halt, *case.cast.admins)),
    )


@forgery("halt-by-nobody", Refusal.QUORUM, why="Whoever can reach a socket cannot stop the bank.", lasting=True)
def _nobody_halts(case: Case) -> Attack:
    _, order = _halt(case, case.cast.operator)
    return Attack(forged=control(dataclasses.replace(order, consents=())), control=control(order))
