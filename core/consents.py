"""Who said what about one document: every consent verified against the policy's roster, none believed.

Source: the architecture's documents; WebAuthn Level 3 for the assertions themselves.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.documents.base import check_deployment, check_lifetime
from core.documents.consent import Decision, WebAuthnProof
from core.errors import Refusal, RefusedError, require
from core.quorum import Approver
from core.records import UsedConsent
from core.webauthn import check_assertion, check_client_signature

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from core.documents.consent import Consent, SignedConsent, SubjectType
    from core.documents.policy import Policy
    from core.documents.roster import NamedKey, Person
    from core.journal import Journal


@dataclasses.dataclass(frozen=True, kw_only=True)
class Subject:
    """The document that is consented to."""

    type: SubjectType
    digest: str
    policy: str
    deployment: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Voice:
    """One verified consent: who, what, when (Unix seconds, as signed), with which public key, and what it used up.

    `person` is null for an API client, and for the holder of an offline recovery key.
    """

    actor: str
    decision: Decision
    at: int
    person: Person | None
    key: bytes
    used: UsedConsent


def check_consent(signed: SignedConsent, subject: Subject, policy: Policy, *, now: int) -> Voice:
    """Verify one consent.

    Args:
        signed: Statement and proof.
        subject: What it has to be about.
        policy: The policy whose roster, origin and rp id count.
        now: The verifier's clock, Unix seconds.

    Raises:
        RefusedError: `wrong_deployment`, `expired`, `not_yet_valid`, `consent_mismatch`, `unknown_person`,
            `unknown_key` or `assertion`.
    """
    _check_about(signed.statement, subject, now)
    if isinstance(signed.proof, WebAuthnProof):
        return _person(signed, signed.proof, policy)
    return _client(signed, policy)


def _check_about(statement: Consent, subject: Subject, now: int) -> None:
    check_deployment(statement, subject.deployment)
    check_lifetime(statement, now=now)
    about = (statement.subject_type, statement.subject, statement.policy)
    require(
        about == (subject.type, subject.digest, subject.policy),
        Refusal.CONSENT_MISMATCH,
        "a consent is about another document, policy or purpose",
    )


def _voice(statement: Consent, person: Person | None, key: bytes, used: UsedConsent) -> Voice:
    return Voice(
        actor=statement.actor,
        decision=statement.decision,
        at=statement.header.created,
        person=person,
        key=key,
        used=used,
    )


def _person(signed: SignedConsent, proof: WebAuthnProof, policy: Policy) -> Voice:
    statement = signed.statement
    person = next((p for p in policy.people if p.id == statement.actor), None)
    if person is None:
        raise RefusedError(Refusal.UNKNOWN_PERSON, "somebody who consented is not on the roster")
    key = next((k for k in person.keys if k.credential_id == proof.credential_id), None)
    if key is None:
        raise RefusedError(Refusal.UNKNOWN_KEY, f"the roster lists no such key for {person.id}")
    counter = check_assertion(signed, key, origin=policy.consent.origin, rp_id=policy.consent.rp_id)
    used = UsedConsent(
        id=statement.header.id, challenge=statement.challenge, credential=key.credential_id, counter=counter
    )
    return _voice(statement, person, key.public_key, used)


def _client(signed: SignedConsent, policy: Policy) -> Voice:
    statement = signed.statement
    client = next((c for c in policy.clients if c.id == statement.actor), None)
    if client is None:
        raise RefusedError(Refusal.UNKNOWN_PERSON, "an API client that signed is not on the roster")
    require(statement.decision is Decision.ASK, Refusal.CONSENT_MISMATCH, "an API client asks and never consents")
    check_client_signature(signed, client.public_key)
    used = UsedConsent(id=statement.header.id, challenge=statement.challenge, credential=None, counter=0)
    return _voice(statement, None, client.public_key, used)


def check_holder(signed: SignedConsent, subject: Subject, keys: Iterable[NamedKey], *, now: int) -> Voice:
    """Verify what the holder of an offline recovery key signed about a policy.

    Args:
        signed: Statement and Ed25519 proof; the statement's actor is the key's id.
        subject: The policy that it has to be about.
        keys: The recovery keys of the policy in force.
        now: The verifier's clock, Unix seconds.

    Raises:
        RefusedError: As `check_consent`.
    """
    statement = signed.statement
    _check_about(statement, subject, now)
    key = next((one for one in keys if one.id == statement.actor), None)
    if key is None:
        raise RefusedError(Refusal.UNKNOWN_KEY, "the policy names no such recovery key")
    check_client_signature(signed, key.public_key)
    used = UsedConsent(id=statement.header.id, challenge=statement.challenge, credential=None, counter=0)
    return _voice(statement, None, key.public_key, used)


def check_consents(
    signed: Iterable[SignedConsent], subject: Subject, policy: Policy, *, now: int
) -> tuple[Voice, ...]:
    """Verify all consents about one document; one that does not hold refuses them all.

    Raises:
        RefusedError: As `check_consent`.
    """
    return tuple(check_consent(one, subject, policy, now=now) for one in signed)


def check_unused(voices: Sequence[Voice], journal: Journal) -> None:
    """Refuse a nonce or a (credential, non-zero counter) that served another challenge, here or in the journal.

    Raises:
        RefusedError: `consent_replayed` or `counter`.
    """
    own_ids: dict[str, bytes] = {}
    own_counters: dict[tuple[bytes, int], bytes] = {}
    for voice in voices:
        used = voice.used
        for known in (journal.consents.get(used.id), own_ids.get(used.id)):
            require(known in (None, used.challenge), Refusal.CONSENT_REPLAYED, "a consent's nonce was used before")
        own_ids[used.id] = used.challenge
        if used.credential is None or not used.counter:
            continue
        place = (used.credential, used.counter)
        for known in (journal.counters.get(place), own_counters.get(place)):
            require(
                known in (None, used.challenge),
                Refusal.COUNTER,
                "a security key's counter was used under another challenge: the key may be cloned",
            )
        own_counters[place] = used.challenge


def approvers(voices: Iterable[Voice], *, barred: frozenset[str]) -> list[Approver]:
    """Return the approvals that stand: of people who are not barred, and who did not withdraw.

    Somebody who approved twice is in it twice, with both times; `core.quorum` gives them one seat.
    """
    voices = tuple(voices)
    gone = {voice.actor for voice in voices if voice.decision is Decision.WITHDRAW}
    return [
        Approver(voice.person, voice.at)
        for voice in voices
        if voice.decision is Decision.APPROVE and voice.person is not None and voice.person.id not in barred | gone
    ]
