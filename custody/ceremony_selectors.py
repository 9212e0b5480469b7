"""Reading ceremonies: their documents, how far their quorums are, what was done last, and what holds now."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING

from approvals.selectors import consent_documents
from core.ceremonies import LEAST_PEOPLE
from core.ceremony_lifecycle import CEREMONY_FINAL, CEREMONY_GOING, CEREMONY_OPEN, TAKE, CeremonyState
from core.consents import Subject, approvers, check_consent
from core.documents.consent import SubjectType
from core.documents.control import Ceremony, CeremonyKind
from core.errors import DocumentError, RefusedError
from core.quorum import describe, is_filled, open_seats
from custody.ceremony_transitions import line_digest
from custody.errors import CeremonyMissingError
from custody.models_ceremonies import (
    REFRESH_DAYS,
    REFRESH_DAYS_MOST,
    CeremonyLine,
    CeremonyProgress,
    CeremonySchedule,
    KeyCeremony,
    ProgressState,
)

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from core.consents import Voice
    from core.documents.policy import Policy

WAITS_AFTER = dt.timedelta(minutes=15)
"""An ordered ceremony that went nowhere for so long is an alarm."""

_DIGITS_LEAST = 8
_HEX = frozenset("0123456789abcdef")


@dataclasses.dataclass(frozen=True, kw_only=True)
class CeremonySeats:
    """Who has to sign a ceremony, who did, and what is open."""

    words: str
    signed_by: tuple[str, ...]
    open_roles: tuple[str, ...]
    open_sites: int
    filled: bool


def ceremony_list() -> QuerySet[KeyCeremony]:
    """Return all ceremonies, the newest first."""
    return KeyCeremony.objects.all()


def ceremony_get(*, digest: str) -> KeyCeremony:
    """Return a ceremony by its document's digest.

    Raises:
        CeremonyMissingError: If there is none.
    """
    found = KeyCeremony.objects.filter(digest=digest).first()
    if found is None:
        raise CeremonyMissingError("There is no such ceremony.")
    return found


def ceremony_find(*, beginning: str) -> KeyCeremony:
    """Return a ceremony by its digest or the beginning of it, as people type it.

    Raises:
        CeremonyMissingError: If there is none, more than one, or fewer than eight digits were typed.
    """
    if len(beginning) < _DIGITS_LEAST or not set(beginning) <= _HEX:
        raise CeremonyMissingError("A digest, or at least its first eight digits, is expected.")
    found = list(KeyCeremony.objects.filter(digest__startswith=beginning)[:2])
    if len(found) != 1:
        raise CeremonyMissingError("More than one ceremony begins so." if found else "There is no such ceremony.")
    return found[0]


def ceremony_document(*, ceremony: KeyCeremony) -> Ceremony:
    """Return a ceremony's document.

    Raises:
        DocumentError: If the stored text is not what its digest names: somebody edited the row past us.
    """
    document = Ceremony.from_bytes(ceremony.document.encode())
    if document.digest != ceremony.digest or document.kind != ceremony.kind:
        msg = f"the stored ceremony {ceremony.digest[:16]} is not what that digest names"
        raise DocumentError(msg)
    return document


def ceremony_voices(*, document: Ceremony, policy: Policy, now: int) -> list[Voice]:
    """Return the consents about a ceremony that hold. `now` in Unix seconds."""
    subject = Subject(
        type=SubjectType.CEREMONY,
        digest=document.digest,
        policy=document.policy,
        deployment=document.header.deployment,
    )
    voices = []
    for signed in consent_documents(subject=document.digest):
        try:
            voices.append(check_consent(signed, subject, policy, now=now))
        except RefusedError:
            continue
    return voices


def ceremony_seats(*, document: Ceremony, policy: Policy, now: int) -> CeremonySeats:
    """Return how far a ceremony's quorum is, for pages. `now` in Unix seconds."""
    people = approvers(ceremony_voices(document=document, policy=policy, now=now), barred=frozenset())
    names = tuple(dict.fromkeys(one.person.id for one in people))
    missing = open_seats(policy.controls.ceremony, people)
    return CeremonySeats(
        words=describe(policy.controls.ceremony),
        signed_by=names,
        open_roles=tuple(str(role).replace("_", " ") for role in missing.roles),
        open_sites=missing.sites,
        filled=len(names) >= LEAST_PEOPLE and is_filled(policy.controls.ceremony, people),
    )


def progress_list(*, ceremony: KeyCeremony) -> list[CeremonyProgress]:
    """Return each signer's steps, in the order in which they are done."""
    return list(CeremonyProgress.objects.filter(ceremony=ceremony))


def transcript(*, ceremony: KeyCeremony) -> list[CeremonyLine]:
    """Return what was said about a ceremony, oldest first."""
    return list(CeremonyLine.objects.filter(ceremony=ceremony).select_related("ceremony"))


def transcript_holds(*, lines: list[CeremonyLine]) -> bool:
    """Whether every line has the digest that it has to have, and names the line before it."""
    before = ""
    for line in lines:
        if line.before != before or line.digest != line_digest(line):
            return False
        before = line.digest
    return True


def last_done(*, wallet: str, kind: CeremonyKind) -> KeyCeremony | None:
    """Return the last ceremony of a kind that was done for a wallet, or None.

    Args:
        wallet: CAIP-10 account.
        kind: Which.
    """
    done = KeyCeremony.objects.filter(wallet=wallet, kind=kind.value, state=CeremonyState.DONE.value)
    return done.order_by("-ended_at", "-pk").first()


def going_now(*, wallet: str, kind: CeremonyKind) -> KeyCeremony | None:
    """Return the newest ceremony of a kind that is not over for a wallet, or None."""
    final = [state.value for state in CEREMONY_FINAL]
    return KeyCeremony.objects.filter(wallet=wallet, kind=kind.value).exclude(state__in=final).first()


def degraded_now(*, wallet: str, now: dt.datetime) -> KeyCeremony | None:
    """Return the degraded mode that parties of a wallet took and that has not ended, or None.

    What a party really does is in its own journal: this is for forms and pages.
    """
    kept = KeyCeremony.objects.filter(wallet=wallet, kind=CeremonyKind.DEGRADED.value, expires_at__gt=now)
    return kept.filter(state__in=[CeremonyState.RUNNING.value, CeremonyState.DONE.value]).first()


def banned_now(*, wallet: str) -> frozenset[str]:
    """Return the parties of a wallet that people banned: ordered, so that some signer may hold them banned."""
    states = [CeremonyState.DONE.value, *(state.value for state in CEREMONY_GOING)]
    bans = KeyCeremony.objects.filter(wallet=wallet, kind=CeremonyKind.BAN.value, state__in=states)
    return frozenset(name for ban in bans for name in ceremony_document(ceremony=ban).signers)


def epoch_now(*, wallet: str) -> int:
    """Return the epoch of a wallet's shares, as far as ceremonies tell: 0 before any refresh."""
    newest = last_done(wallet=wallet, kind=CeremonyKind.REFRESH)
    return 0 if newest is None else newest.epoch


def refresh_days_of(*, wallet: str) -> int:
    """Return how often a wallet's shares are to be refreshed, in days; a row that nobody could have set is none."""
    row = CeremonySchedule.objects.filter(pk=wallet, refresh_days__range=(1, REFRESH_DAYS_MOST)).first()
    return REFRESH_DAYS if row is None else row.refresh_days


def ceremonies_waiting(*, person: str, policy: Policy, now: dt.datetime) -> list[KeyCeremony]:
    """Return the ceremonies in which this person can fill a seat of the quorum and has not spoken."""
    who = next((one for one in policy.people if one.id == person), None)
    wanted = {seat.role for seat in policy.controls.ceremony.seats}
    if who is None or wanted.isdisjoint(who.roles):
        return []
    waiting = KeyCeremony.objects.filter(
        state__in=[state.value for state in CEREMONY_OPEN], policy_digest=policy.digest, expires_at__gt=now
    )
    return [
        one
        for one in waiting.order_by("expires_at")
        if person not in {signed.statement.actor for signed in consent_documents(subject=one.digest)}
    ]


def waiting_words(*, ceremony: KeyCeremony, now: dt.datetime) -> str:
    """Say for what an ordered ceremony waits for too long; empty while it does not."""
    rows = CeremonyProgress.objects.filter(ceremony=ceremony).exclude(
        state__in=[ProgressState.DONE.value, ProgressState.MISSED.value]
    )
    if ceremony.kind == CeremonyKind.DEGRADED:
        # It is there because the others are away: whoever goes on has to take it.
        rows = rows.filter(signer__in=ceremony_document(ceremony=ceremony).signers)
    since = ceremony.ordered_at
    if since is None or now - since < WAITS_AFTER or not rows.exists():
        return ""
    first = rows[0]
    what = "has not taken it" if first.step == TAKE else f"has not done {first.step.replace('_', ' ')}"
    return f"The {ceremony.kind.replace('_', ' ')} {ceremony.digest[:8]} waits: {first.signer} {what}."
