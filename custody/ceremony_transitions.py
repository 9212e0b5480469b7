"""The only writer of a ceremony's state and transcript: row locked, table consulted, audit entry written along.

The transcript is append-only, each line with the digest of the one before, and what ends a ceremony writes the digest
of its last line into the log: so nobody changes later what a signer answered.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import TYPE_CHECKING

from audit.models import Severity
from audit.services import entry_append
from audit.tags import AuditTag
from core.canonical import canonical
from core.ceremony_lifecycle import CEREMONY_FINAL, CeremonyEvent, CeremonyState, ceremony_apply
from core.errors import EncodingError
from custody.errors import CeremonyMissingError
from custody.models_ceremonies import WORDS_MOST, CeremonyLine, CeremonyProgress, KeyCeremony, ProgressState

if TYPE_CHECKING:
    from collections.abc import Mapping

ACTOR = "system:ceremonies"
SAID_MOST = 8_192
"""Characters of an answer that are kept; its digest is of all of it."""
LINES_MOST = 2_000
"""Lines of a transcript after which it is told only what moves the ceremony, and what its signers have done."""
_SEVERITIES: dict[CeremonyEvent, Severity] = {
    CeremonyEvent.FILL: Severity.WARNING,
    CeremonyEvent.REJECT: Severity.WARNING,
    CeremonyEvent.ABANDON: Severity.WARNING,
    CeremonyEvent.FAIL: Severity.ALARM,
}


def ceremony_lock(*, digest: str) -> KeyCeremony:
    """Return a ceremony, its row locked until the caller's transaction ends.

    Raises:
        CeremonyMissingError: If there is none with this digest.
    """
    found = KeyCeremony.objects.select_for_update().filter(digest=digest).first()
    if found is None:
        raise CeremonyMissingError("There is no such ceremony.")
    return found


def words_fit(text: object) -> str:
    """Return somebody else's words in one harmless line that fits."""
    return "".join(c if c.isprintable() else " " for c in str(text))[:WORDS_MOST]


def has_room(*, ceremony: KeyCeremony) -> bool:
    """Whether a transcript still takes what is told of trials: a party that answers otherwise each time ends that."""
    return CeremonyLine.objects.filter(ceremony=ceremony).count() < LINES_MOST


def line_append(
    *,
    ceremony: KeyCeremony,
    who: str,
    what: str,
    good: bool,
    now: dt.datetime,
    words: str = "",
    said: Mapping[str, object] | None = None,
) -> CeremonyLine:
    """Append a line to a ceremony's transcript, in the transaction that holds its row.

    Args:
        ceremony: Locked by `ceremony_lock`, so that lines follow each other.
        who: A signer, a person, or a part of this system.
        what: A step or an event.
        good: Whether it is what was hoped for.
        now: The current time.
        words: For people.
        said: The very answer, where there is one.
    """
    try:
        text = "" if said is None else canonical(dict(said)).decode()
    except (EncodingError, UnicodeEncodeError):
        text = words_fit(said)
    last = CeremonyLine.objects.filter(ceremony=ceremony).order_by("-pk").first()
    line = CeremonyLine(
        ceremony=ceremony,
        at=now,
        who=who,
        what=what,
        good=good,
        words=words_fit(words),
        said=text[:SAID_MOST],
        said_digest=hashlib.sha256(text.encode()).hexdigest() if text else "",
        before="" if last is None else last.digest,
    )
    line.digest = line_digest(line)
    line.save(force_insert=True)
    return line


def line_digest(line: CeremonyLine) -> str:
    """Return what a line's digest has to be: SHA-256 over its canonical JSON, without the digest itself."""
    fields: dict[str, object] = {
        "at": line.at.astimezone(dt.UTC).isoformat(timespec="microseconds"),
        "before": line.before,
        "ceremony": line.ceremony.digest,
        "good": line.good,
        "said": line.said_digest,
        "what": line.what,
        "who": line.who,
        "words": line.words,
    }
    return hashlib.sha256(canonical(fields)).hexdigest()


def ceremony_move(
    *, ceremony: KeyCeremony, event: CeremonyEvent, actor: str, now: dt.datetime, why: str = ""
) -> CeremonyState:
    """Move a locked ceremony along the table, inside the caller's transaction.

    Args:
        ceremony: From `ceremony_lock`; other changed fields are saved along.
        event: What happened.
        actor: Who says so: a roster id or ``system:…``.
        now: The current time.
        why: For people and the log.

    Raises:
        CeremonyLifecycleError: If the table has no such transition. Nothing is written.
    """
    before = CeremonyState(ceremony.state)
    after = ceremony_apply(before, event)
    ceremony.state, ceremony.why = after.value, words_fit(why)
    if event is CeremonyEvent.FILL:
        ceremony.ordered_at = now
    if after in CEREMONY_FINAL:
        ceremony.ended_at, ceremony.due_at, ceremony.lease_until = now, None, None
    ceremony.save()
    good = event not in (CeremonyEvent.FAIL, CeremonyEvent.REJECT, CeremonyEvent.EXPIRE)
    line = line_append(ceremony=ceremony, who=actor, what=event.value, good=good, now=now, words=why)
    message = f"The {ceremony.kind.replace('_', ' ')} {ceremony.digest[:8]} is {after.value}: {ceremony.why}"
    payload: dict[str, object] = {
        "event": event.value,
        "from": before.value,
        "kind": ceremony.kind,
        "message": message,
        "to": after.value,
        "transcript": line.digest,
        "wallet": ceremony.wallet,
        "why": ceremony.why,
    }
    severity = _SEVERITIES.get(event, Severity.INFO)
    entry_append(
        actor=actor, tag=AuditTag.CEREMONY_MOVED, subject=ceremony.digest, payload=payload, severity=severity
    )
    if after in CEREMONY_FINAL and after is not CeremonyState.DONE:
        _rows_close(ceremony)
    return after


def _rows_close(ceremony: KeyCeremony) -> None:
    """Ask nobody any more for what came to nothing."""
    waiting = CeremonyProgress.objects.filter(ceremony=ceremony).exclude(state=ProgressState.DONE.value)
    waiting.update(state=ProgressState.MISSED.value, due_at=None, lease_until=None)


def step_done(*, row: CeremonyProgress, now: dt.datetime, words: str = "", said: Mapping[str, object]) -> None:
    """Write down that a signer has done a step, while its ceremony's row is locked.

    Args:
        row: The signer's row; saved.
        now: The current time.
        words: For people.
        said: The answer that shows it.
    """
    row.state, row.done_at, row.due_at, row.lease_until = ProgressState.DONE.value, now, None, None
    row.code, row.message = "", words_fit(words)
    row.save()
    line = line_append(
        ceremony=row.ceremony, who=row.signer, what=row.step, good=True, now=now, words=words, said=said
    )
    entry_append(
        actor=ACTOR,
        tag=AuditTag.CEREMONY_STEP,
        subject=row.ceremony.digest,
        payload={"signer": row.signer, "step": row.step, "said": line.said_digest, "transcript": line.digest},
    )


def step_postponed(
    *, row: CeremonyProgress, away: bool, code: str, message: str, due_at: dt.datetime, now: dt.datetime
) -> None:
    """Write down that a signer did not do a step, while its ceremony's row is locked. Repetitions are not told again.

    Args:
        row: The signer's row; saved.
        away: Whether it gave no decision; otherwise it said no.
        code: Why, for machines.
        message: Why, for people.
        due_at: When it is asked again.
        now: The current time.
    """
    state = ProgressState.AWAY if away else ProgressState.REFUSED
    known = (row.state, row.code) == (state.value, code[:64])
    row.state, row.code, row.message = state.value, code[:64], words_fit(message)
    row.due_at, row.lease_until = due_at, None
    row.save()
    if known or not has_room(ceremony=row.ceremony):
        return
    line_append(
        ceremony=row.ceremony,
        who=row.signer,
        what=row.step,
        good=False,
        now=now,
        words=f"{row.code}: {row.message}",
    )
    entry_append(
        actor=ACTOR,
        tag=AuditTag.CEREMONY_NOT_TAKEN,
        subject=row.ceremony.digest,
        payload={
            "code": row.code,
            "message": f"{row.signer} does not do {row.step}: {row.message}",
            "signer": row.signer,
            "state": state.value,
            "step": row.step,
        },
        severity=Severity.WARNING if away else Severity.ALARM,
    )
