"""Halt, resume, veto and journal start: what people can tell a signer besides a case. Each returns its record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.consents import Subject, Voice, approvers, check_consents, check_unused
from core.documents.base import SKEW, Document, check_deployment, check_lifetime
from core.documents.consent import Decision, SignedConsent, SubjectType
from core.documents.control import CeremonyKind
from core.documents.roster import WalletKind
from core.errors import Refusal, RefusedError, require
from core.journal import Journal
from core.lease import was_in_force
from core.quorum import describe, is_filled
from core.records import HaltRecord, ResumeRecord, StartRecord, VetoRecord
from core.standing import heard, still_listed
from core.verify import current_policy

if TYPE_CHECKING:
    from core.documents.control import Ceremony, HaltOrder, ResumeOrder, VetoOrder
    from core.documents.policy import Policy
    from core.pins import Pins
    from core.records import UsedConsent

_LEAST_RESUME = 2
VETOED = frozenset(
    {SubjectType.MANDATE, SubjectType.CANCEL, SubjectType.RESUME, SubjectType.POLICY, SubjectType.CEREMONY}
)
"""What a rejection that is handed over can be about. Saying no to a halt would be saying yes."""


def _voices(
    document: Document, kind: SubjectType, consents: tuple[SignedConsent, ...], policy: Policy, now: int
) -> tuple[Voice, ...]:
    check_deployment(document, policy.deployment)
    check_lifetime(document, now=now)
    subject = Subject(type=kind, digest=document.digest, policy=policy.digest, deployment=policy.deployment)
    return check_consents(consents, subject, policy, now=now)


def _used(voices: tuple[Voice, ...]) -> tuple[UsedConsent, ...]:
    return tuple(voice.used for voice in voices)


def check_halt(order: HaltOrder, pins: Pins, journal: Journal, *, now: int) -> HaltRecord | None:
    """Accept a halt by any one person of the roster; None if it was known or does not name this signer.

    Works even under a policy that has expired: stopping is never too late.

    Raises:
        RefusedError: As for any consent, or `quorum` without anybody's approval.
    """
    halt = order.document
    policy = pins.policy(halt.policy)
    voices = _voices(halt, SubjectType.HALT, order.consents, policy, now)
    people = approvers(still_listed(voices, pins, journal, now=now), barred=frozenset())
    if not people:
        raise RefusedError(Refusal.QUORUM, "a halt takes one person of the roster")
    named = not halt.signers or pins.signer in halt.signers
    if not named or halt.digest in journal.halts or halt.digest in journal.lifted:
        return None
    return HaltRecord(
        kind="halt",
        time=max(now, journal.clock),
        halt=halt.digest,
        actor=people[0].person.id,
        consents=_used(voices),
    )


def check_resume(order: ResumeOrder, pins: Pins, journal: Journal, *, now: int) -> ResumeRecord | None:
    """Accept a resume by its quorum, at least two people; None if it does not name this signer.

    Raises:
        RefusedError: `halted` if that halt is not in force, `quorum`, or as for any consent.
    """
    resume = order.document
    require(now >= journal.clock, Refusal.CLOCK, "this signer's clock went back")
    policy = current_policy(resume.policy, pins, journal, now=now)
    voices = _voices(resume, SubjectType.RESUME, order.consents, policy, now)
    check_unused(voices, journal)
    rejected = any(voice.decision is Decision.REJECT for voice in voices)
    require(not rejected, Refusal.REJECTED, "somebody rejected this resume")
    counted = heard(still_listed(voices, pins, journal, now=now), resume.digest, journal)
    people = approvers(counted, barred=frozenset())
    enough = len({one.person.id for one in people}) >= _LEAST_RESUME and is_filled(policy.controls.resume, people)
    require(enough, Refusal.QUORUM, f"a resume takes {describe(policy.controls.resume)}")
    if resume.signers and pins.signer not in resume.signers:
        return None
    require(resume.halt in journal.halts, Refusal.HALTED, "that halt is not in force here")
    return ResumeRecord(kind="resume", time=now, halt=resume.halt, resume=resume.digest, consents=_used(voices))


def check_veto(order: VetoOrder, pins: Pins, journal: Journal, *, now: int) -> tuple[VetoRecord, ...]:
    """Accept rejections and withdrawals that people hand to the signer itself; only what is new is returned.

    They may be about a case, a cancel, a resume, a ceremony or a policy. A policy that waits for its delay ends
    there, by one person; one that is in force does not.

    Raises:
        RefusedError: `consent_mismatch` for any other decision or document, `succession` if that policy is in force
            or was, `unknown_person`, or as for any consent.
    """
    records = []
    for signed in order.consents:
        statement = signed.statement
        policy = pins.policy(statement.policy)
        require(statement.subject_type in VETOED, Refusal.CONSENT_MISMATCH, "this document cannot be vetoed here")
        about = Subject(
            type=statement.subject_type,
            digest=statement.subject,
            policy=statement.policy,
            deployment=pins.deployment,
        )
        # Saying no is never too late: one that was kept back until it had expired still counts.
        at = min(now, statement.header.expires - 1)
        (voice,) = check_consents((signed,), about, policy, now=at)
        vetoing = voice.decision in (Decision.REJECT, Decision.WITHDRAW)
        require(vetoing, Refusal.CONSENT_MISMATCH, "only rejections and withdrawals are taken here")
        listed = still_listed((voice,), pins, journal, now=now)
        require(listed, Refusal.UNKNOWN_PERSON, "somebody who vetoed is no longer on the roster")
        late = statement.subject_type is SubjectType.POLICY and was_in_force(
            statement.subject, pins, journal, now=now
        )
        require(not late, Refusal.SUCCESSION, "this policy is in force already, or was: no veto ends it")
        known = journal.vetoes.get((statement.subject, voice.actor))
        if known is not Decision.REJECT and known is not voice.decision:
            records.append(
                VetoRecord(
                    kind="veto",
                    time=max(now, journal.clock),
                    subject=statement.subject,
                    actor=voice.actor,
                    decision=voice.decision,
                    consents=_used((voice,)),
                )
            )
    return tuple(records)


def check_journal_start(
    ceremony: Ceremony, consents: tuple[SignedConsent, ...], policy: Policy, signer: str, *, now: int
) -> StartRecord:
    """Accept the ceremony that starts a journal anew: every window full, no mandate from before it.

    Raises:
        RefusedError: `quorum`, `wrong_policy`, `wrong_signer`, or as for any consent.
    """
    require(ceremony.policy == policy.digest, Refusal.WRONG_POLICY, "the ceremony names another policy")
    require(ceremony.kind is CeremonyKind.JOURNAL_START, Refusal.CONSENT_MISMATCH, "not a journal start")
    require(ceremony.signers == (signer,), Refusal.WRONG_SIGNER, "the ceremony is for another signer")
    only = ceremony.plan is None and not ceremony.recovery
    require(only, Refusal.CEREMONY, "a journal's start has no plan and no recovery keys")
    once = len({lane.wallet for lane in ceremony.lanes}) == len(ceremony.lanes)
    require(once, Refusal.NONCE, "the ceremony names a wallet's lane twice")
    shared = {wallet.id for wallet in policy.wallets if wallet.kind is WalletKind.MPC}
    late = any(lane.next_nonce for lane in ceremony.lanes if lane.wallet in shared)
    require(not late, Refusal.NONCE, "a party's lanes begin at 0: certificates teach it the rest, as others know it")
    voices = _voices(ceremony, SubjectType.CEREMONY, consents, policy, now)
    # Against each other only: the memory that this ceremony replaces may be lost.
    check_unused(voices, Journal())
    rejected = any(voice.decision is Decision.REJECT for voice in voices)
    require(not rejected, Refusal.REJECTED, "somebody rejected this ceremony")
    filled = is_filled(policy.controls.ceremony, approvers(voices, barred=frozenset()))
    require(filled, Refusal.QUORUM, f"a ceremony takes {describe(policy.controls.ceremony)}")
    return StartRecord(
        kind="start",
        time=now,
        deployment=policy.deployment,
        signer=signer,
        policy=policy.digest,
        number=policy.number,
        full=True,
        # A mandate may be dated ahead by the skew: without it, one that was signed before would be new again.
        not_before=max(now + SKEW, ceremony.not_before),
        ceremony=ceremony.digest,
        lanes=ceremony.lanes,
        consents=_used(voices),
    )
