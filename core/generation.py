"""Further keys of an institution, made by running parties under a ceremony of the quorum.

The ceremony names the plan by its digest, as two people at a console do for the first key. Each party holds the plan
against the policy that it has pinned; all say which key came out, and settle on it only when all say the same.
The wallet then enters the policy like any other change of it.

Pure, as all of `core`: whoever uses it journals the returned records durably before anything leaves the process.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.ceremonies import begun
from core.documents.control import CeremonyKind
from core.documents.renewal import Said
from core.epochs import check_words
from core.errors import PolicyError, Refusal, RefusedError, require
from core.evm import address_of
from core.founding import check_plan
from core.records import CeremonyStep, CeremonyStepRecord, SessionRecord
from core.refresh import ATTEMPTS_MOST
from core.sessions import session_id

if TYPE_CHECKING:
    from collections.abc import Iterable

    from core.documents.party import SessionTerms
    from core.documents.renewal import Made, SignedWord
    from core.founding import FoundingPlan
    from core.journal import Journal
    from core.pins import Pins
    from core.records import CeremonyRecord

_DOMAINS = ("host", "site", "administrator", "vendor")


def check_planned(plan: FoundingPlan, record: CeremonyRecord, *, pins: Pins, journal: Journal, now: int) -> None:
    """Hold a plan against its ceremony and the newest policy.

    Args:
        plan: As somebody brings it.
        record: The ceremony, as this party knows it.
        pins: This party's pins.
        journal: This party's memory.
        now: Unix seconds.

    Raises:
        RefusedError: `ceremony`, where it is another plan, or names parties otherwise than the policy does.
    """
    policy = pins.policy(journal.policy_at(now))
    require(plan.digest == record.plan, Refusal.CEREMONY, "this is not the plan that people ordered")
    try:
        check_plan(plan)
    except PolicyError as error:
        raise RefusedError(Refusal.CEREMONY, str(error)) from error
    named = tuple(party.id for party in plan.parties)
    same = (named, plan.threshold, plan.profile) == (record.signers, record.threshold, policy.profile)
    require(same, Refusal.CEREMONY, "plan and ceremony name different parties, thresholds or profiles")
    entries = {entry.id: entry for entry in policy.signers}
    for party in plan.parties:
        entry = entries.get(party.id)
        known = (
            entry is not None
            and entry.public_key == party.public_key
            and all(getattr(entry, domain) == getattr(party, domain) for domain in _DOMAINS)
        )
        require(known, Refusal.CEREMONY, f"the policy names {party.id} with another key or in other failure domains")


def join_generation(
    terms: SessionTerms, plan: FoundingPlan, record: CeremonyRecord, *, pins: Pins, journal: Journal, now: int
) -> SessionRecord:
    """Decide whether this party takes part in a session that makes the planned key.

    Args:
        terms: The plan's, with a nonce of their own, about the ceremony.
        plan: The plan, checked.
        record: The ceremony.
        pins: This party's pins.
        journal: This party's memory.
        now: Unix seconds.

    Returns:
        The record that spends the session's name, to be journalled before the first round.

    Raises:
        RefusedError: `ceremony`, `session`, or as `core.ceremonies.begun`.
    """
    check_planned(plan, record, pins=pins, journal=journal, now=now)
    begun(record.ceremony, CeremonyKind.KEY_GENERATION, pins, journal, now=now)
    wanted = dataclasses.replace(plan.terms, nonce=terms.nonce, subject=record.ceremony)
    require(terms == wanted, Refusal.SESSION, "the session is not about the plan of this ceremony")
    settled = CeremonyStep.STAGED in journal.ceremonies.done(record.ceremony)
    require(not settled, Refusal.SESSION, "this ceremony's key is made")
    tried = len(journal.sessions.about(bytes.fromhex(record.ceremony)))
    few = tried < ATTEMPTS_MOST
    require(few, Refusal.CEREMONY, f"{tried} sessions of this ceremony came to nothing: order another one")
    name = session_id(terms, pins.deployment)
    require(name not in journal.sessions, Refusal.SESSION, "this session's name was used before")
    return SessionRecord(
        kind="session",
        time=now,
        session=name,
        wallet=None,
        epoch=0,
        quorum=terms.quorum,
        signing_hash=bytes.fromhex(record.ceremony),
        consents=(),
    )


def settle(
    words: Iterable[SignedWord],
    plan: FoundingPlan,
    record: CeremonyRecord,
    *,
    kept: Iterable[Made],
    pins: Pins,
    journal: Journal,
    now: int,
) -> tuple[Made, tuple[CeremonyStepRecord, ...]]:
    """Settle on the key of which every party says that it keeps its share.

    Args:
        words: One of each party.
        plan: The plan, checked.
        record: The ceremony.
        kept: What this party's own shares of this ceremony are of.
        pins: This party's pins.
        journal: This party's memory.
        now: Unix seconds.

    Returns:
        What was made, and the steps that have to be journalled yet, in their order.

    Raises:
        RefusedError: `ceremony` where the words do not hold, or it settled on another key; or as `begun`.
    """
    made = check_words(words, Said.KEPT, record, pins.policy(journal.policy_at(now)), pins.deployment)
    own = f"{plan.chain}:{address_of(made.public_key)}"
    require(made.wallet == own, Refusal.CEREMONY, "these words name another wallet than their key's")
    done = journal.ceremonies.done(record.ceremony)
    before = done.get(CeremonyStep.STAGED)
    if before is None:
        begun(record.ceremony, CeremonyKind.KEY_GENERATION, pins, journal, now=now)
        require(made in set(kept), Refusal.CEREMONY, "this party keeps no share of that key")
    else:
        same = before.evidence == made.digest
        require(same, Refusal.CEREMONY, "this party has settled on another key: order another ceremony")
    steps = (CeremonyStep.STAGED, CeremonyStep.ACTIVATED)
    return made, tuple(
        CeremonyStepRecord(
            kind="ceremony_step", time=now, ceremony=record.ceremony, step=step, evidence=made.digest, consents=()
        )
        for step in steps
        if step not in done
    )
